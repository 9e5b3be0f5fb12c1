import type { Request } from 'express'
import { invalidField, StoaError } from '../kernel/index.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * The JSON value of a request whose bytes `express.raw` has read (or that the embedder's own parser read before us).
 * JSON also when Content-Type is absent, as Rebilly's PHP SDK sends it. An empty body is no body, whatever type is claimed:
 * Rebilly's JS SDK sends empty PUTs as forms, HighLevel's sends body-less DELETEs as JSON.
 */
export function readJson(req: Request): unknown {
  const raw: unknown = req.body
  if (raw === undefined || (Buffer.isBuffer(raw) && raw.length === 0)) return undefined
  if (!Buffer.isBuffer(raw)) return assertStorable(raw)
  const type = req.headers['content-type']
  if (type && !/^\s*application\/([\w.+-]+\+)?json\b/i.test(type)) throw new StoaError('unsupported_media_type')
  const text = decodeText(raw)
  if (text.trim() === '') return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new StoaError('malformed_json', { cause })
  }
  return assertStorable(value)
}

/** The text of a body, which has to be UTF-8. */
export function decodeText(raw: Buffer): string {
  try {
    return utf8.decode(raw)
  } catch (cause) {
    throw new StoaError('unsupported_media_type', { cause })
  }
}

const deepest = 100

/**
 * Refuses what the rest of the host need not think about: nesting that would exhaust the stack of whoever walks it, and U+0000,
 * which PostgreSQL cannot store in text and SQLite would cut some text at. Returns the value.
 */
export function assertStorable<T>(value: T): T {
  inspect(value, [])
  return value
}

function inspect(value: unknown, path: string[]): void {
  if (typeof value === 'string') return refuseNul(value, path)
  if (typeof value !== 'object' || value === null) return
  if (path.length >= deepest)
    throw invalidField(path.slice(0, 5).join('.'), `is nested more than ${deepest} levels deep`)
  for (const [name, member] of Object.entries(value)) {
    refuseNul(name, path)
    path.push(name)
    inspect(member, path)
    path.pop()
  }
}

function refuseNul(text: string, path: string[]): void {
  if (text.includes('\0')) throw invalidField(path.join('.') || 'body', 'must not contain the character U+0000')
}

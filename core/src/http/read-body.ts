import type { Request } from 'express'
import { StoaError } from '../kernel/index.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * The JSON value of a request whose bytes `express.raw` has read (or that the embedder's own parser read before us).
 * JSON also when Content-Type is absent, as Rebilly's PHP SDK sends it. An empty body is no body, whatever type is claimed:
 * Rebilly's JS SDK sends empty PUTs as forms, HighLevel's sends body-less DELETEs as JSON.
 */
export function readJson(req: Request): unknown {
  const raw: unknown = req.body
  if (raw === undefined || (Buffer.isBuffer(raw) && raw.length === 0)) return undefined
  if (!Buffer.isBuffer(raw)) return raw
  const type = req.headers['content-type']
  if (type !== undefined && !/^\s*application\/([\w.+-]+\+)?json\b/i.test(type)) throw new StoaError('unsupported_media_type')
  let text: string
  try {
    text = utf8.decode(raw)
  } catch (cause) {
    throw new StoaError('unsupported_media_type', { cause })
  }
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw new StoaError('malformed_json', { cause })
  }
}

import type { Request } from 'express'
import { StoaError } from '../kernel/index.ts'
import { assertStorable, decodeText } from './read-body.ts'

type Form = Record<string, string | string[]>

/**
 * The members of a form. A member that comes twice is an array, which a schema of texts refuses, as RFC 6749 section 3.1 asks.
 *
 * Also taken: a JSON object of texts, and a JSON text that holds a form, because HighLevel's SDK sends the one or the other
 * when its caller sets headers. For programs a member without a value counts as absent (RFC 6749 section 3.1), and so
 * does the word `undefined`, which that SDK makes of what it was not given.
 */
export function readForm(req: Request, surface: string): Form {
  const members = Object.entries(formOf(req)).filter(
    ([, value]) => surface === 'page' || (value !== '' && value !== 'undefined'),
  )
  // By definition rather than assignment, so that a member called __proto__ is a member like any other.
  try {
    return assertStorable(Object.fromEntries(members))
  } catch (cause) {
    if (!(cause instanceof StoaError)) throw cause
    // RFC 6749 section 5.2 has one status for whatever is wrong with a form.
    const { message, invalidFields } = cause
    throw new StoaError('invalid_request', { message, invalidFields, cause })
  }
}

function formOf(req: Request): Form {
  const raw: unknown = req.body
  if (raw === undefined || (Buffer.isBuffer(raw) && raw.length === 0)) return {}
  // The embedder's own parser was here before.
  if (!Buffer.isBuffer(raw)) return fromJson(raw)
  const text = decodeText(raw)
  const type = req.headers['content-type'] ?? 'application/x-www-form-urlencoded'
  if (/^\s*application\/x-www-form-urlencoded\b/i.test(type)) return fromText(text)
  if (!/^\s*application\/([\w.+-]+\+)?json\b/i.test(type)) {
    throw new StoaError('unsupported_media_type', { message: 'Send application/x-www-form-urlencoded in UTF-8.' })
  }
  try {
    return fromJson(JSON.parse(text) as unknown)
  } catch (cause) {
    if (cause instanceof StoaError) throw cause
    throw new StoaError('malformed_json', { cause })
  }
}

function fromText(text: string): Form {
  const values = new Map<string, string[]>()
  for (const [name, value] of new URLSearchParams(text)) values.set(name, [...(values.get(name) ?? []), value])
  return Object.fromEntries([...values].map(([name, all]) => [name, all.length === 1 ? all[0]! : all]))
}

function fromJson(value: unknown): Form {
  if (typeof value === 'string') return fromText(value)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new StoaError('invalid_request', { message: 'Send a form, or a JSON object of texts.' })
  }
  const members = Object.entries(value as Record<string, unknown>).filter(([, member]) => member != null)
  return Object.fromEntries(members.map(([name, member]) => [name, textOf(name, member)]))
}

function textOf(name: string, member: unknown): string | string[] {
  if (Array.isArray(member)) return member.flatMap((each: unknown) => textOf(name, each))
  if (typeof member === 'string') return member
  if (typeof member === 'number' || typeof member === 'boolean') return String(member)
  throw new StoaError('invalid_request', { message: `${name} must be a text.` })
}

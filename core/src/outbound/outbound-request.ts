import { OutboundFailure } from './outbound-failure.ts'

/**
 * A user name and password for the receiver. `basic` (RFC 7617) sends them with the request. `digest` (RFC 7616) answers
 * the receiver's challenge and sends neither; a receiver that only asks for Basic then gets nothing.
 */
export type OutboundCredentials = { type: 'basic' | 'digest'; username: string; password: string }

/** A request to an address that somebody else chose. */
export type OutboundRequest = {
  method: string
  /** Absolute; judged again on every call, because a URL can have been stored under another policy. */
  url: string
  headers?: Record<string, string>
  /** They take the place of an `authorization` in `headers`. */
  credentials?: OutboundCredentials
  /** Sent as these very bytes (a string as UTF-8) with an exact Content-Length. */
  body?: string | Buffer
  /** From the call to the last byte of the answer: name resolution, waiting for a connection and the body included. */
  timeoutMs: number
  /** Bytes of body that are kept. More is cut off, which is no failure. */
  maxResponseBytes: number
}

/** Set by the connection itself. A foreign `host` would also undo the judgement of the URL. */
const ownHeaders = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'upgrade',
  'expect',
  'te',
])

/** The headers to send, names in lower case so that nothing is sent twice. @throws OutboundFailure `invalid_request` */
export function prepareHeaders(headers: Record<string, string>, userAgent: string): Record<string, string> {
  const prepared: Record<string, string> = { 'user-agent': userAgent }
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase()
    if (ownHeaders.has(lower)) {
      throw new OutboundFailure('invalid_request', `The header ${lower} is set by the host. Take it out.`)
    }
    prepared[lower] = value
  }
  return prepared
}

/**
 * The value of `authorization` for Basic. @throws OutboundFailure `invalid_request` for what cannot be said in it: a
 * colon in the name (RFC 7617 section 2) and control characters.
 */
export function basicAuthorization({ username, password }: OutboundCredentials): string {
  if (username.includes(':')) throw new OutboundFailure('invalid_request', 'A user name for Basic may have no colon.')
  checkCredentials(username, password)
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** @throws OutboundFailure `invalid_request` */
export function checkCredentials(username: string, password: string) {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (!/[\0-\x1F\x7F]/.test(username + password)) return
  throw new OutboundFailure('invalid_request', 'A user name and password may have no control characters.')
}

import { OutboundFailure } from './outbound-failure.ts'

/** A request to an address that somebody else chose. */
export type OutboundRequest = {
  method: string
  /** Absolute; judged again on every call, because a URL can have been stored under another policy. */
  url: string
  headers?: Record<string, string>
  /** Sent as these very bytes (a string as UTF-8) with an exact Content-Length. */
  body?: string | Buffer
  /** With what to answer to a receiver that asks who is there (RFC 7617, RFC 7616). */
  credentials?: { type: 'basic' | 'digest'; username: string; password: string }
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

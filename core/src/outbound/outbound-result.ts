import type { Readable } from 'node:stream'
import type { OutboundErrorCode } from './outbound-failure.ts'
import { classifyError } from './classify-error.ts'

/** Whole milliseconds by a monotonic clock. */
export type OutboundTimings = {
  /**
   * What opening the connection took: name, TCP, TLS and proxy. Null when a kept-alive connection was used, and when
   * none could be opened.
   */
  connectMilliseconds: number | null
  /** From the call to the first byte of the answer, like curl's `time_starttransfer`. Null when none came. */
  firstByteMilliseconds: number | null
}

type Circumstances = {
  /** From the call to the end of the answer, or to the failure. */
  durationMs: number
  timings: OutboundTimings
  /** The peer of the connection that was used. Null when there was none, and behind a proxy, which alone knows. */
  remoteAddress: string | null
}

/** An answer of any status, 3xx included: redirects are never followed. */
export type OutboundResponse = {
  ok: true
  status: number
  /** Names in lower case. Nothing is decoded: with `content-encoding` the body is the compressed bytes. */
  headers: Record<string, string | string[]>
  /** UTF-8; what is not, and NUL, which PostgreSQL cannot store, is U+FFFD. */
  body: string
  /** True when the body is not all of it; `truncatedBy` says why. The status stands all the same. */
  truncated: boolean
  truncatedBy: 'limit' | 'timeout' | 'reset' | null
} & Circumstances

/** No answer. `message` may be shown to the tenant. */
export type OutboundFailed = { ok: false; error: OutboundErrorCode; message: string } & Circumstances

export type OutboundResult = OutboundResponse | OutboundFailed

type Body = Pick<OutboundResponse, 'body' | 'truncated' | 'truncatedBy'>

/**
 * Reads at most `limit` bytes. Never throws: the status is known by now, and a receiver that said 200 has taken the
 * event even when its body drips for ever or breaks off.
 */
export async function readBody(stream: Readable, limit: number): Promise<Body> {
  const chunks: Buffer[] = []
  let size = 0
  let truncatedBy: Body['truncatedBy'] = null
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      chunks.push(chunk.subarray(0, limit - size))
      size += chunk.length
      if (size <= limit) continue
      truncatedBy = 'limit'
      break // leaving the loop destroys the stream and its socket: cheaper than reading the rest to keep the connection
    }
  } catch (error) {
    truncatedBy = classifyError(error).error === 'timeout' ? 'timeout' : 'reset'
  }
  const truncated = truncatedBy !== null
  // `stream` leaves out a character that the cut went through, instead of showing it as a broken one.
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(chunks), { stream: truncated })
  return { body: text.replaceAll('\0', '\uFFFD'), truncated, truncatedBy }
}

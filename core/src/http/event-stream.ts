import { Type } from '../kernel/index.ts'
import { Reply } from './operation.ts'

/** One event of a `text/event-stream` (HTML Standard, section 9.2). */
export interface ServerSentEvent {
  event?: string
  /** What the client knows it has; no line break or NUL may be in it. */
  id?: string
  data: string
}

/**
 * Begins when somebody reads, and ends by itself soon after `signal` is aborted: the client went away, its credential was
 * revoked, or the host stops. What it holds it gives back in `finally`. Throwing a StoaError ends the stream and tells why.
 */
export type EventSource = (signal: AbortSignal) => AsyncIterable<ServerSentEvent>

export class EventStream {
  readonly open: EventSource
  constructor(open: EventSource) {
    this.open = open
  }
}

/** In `responses`, of an operation that answers with a stream. */
export const EventStreamBody = (description: string) =>
  Type.Unsafe<EventStream>({ type: 'string', contentMediaType: 'text/event-stream', description })

/**
 * Answers with a stream of events instead of a body. What is to be refused is refused before this is returned; nothing of the
 * source runs for a HEAD request. Not for operations that take DPoP-bound tokens: who reads is asked for again and again,
 * and a proof is good for one request.
 */
export function streamReply(open: EventSource): Reply<EventStream> {
  return new Reply(200, new EventStream(open))
}

export function renderServerSentEvent({ event, id, data }: ServerSentEvent): string {
  for (const line of [event, id]) {
    if (line !== undefined && /[\r\n\0]/.test(line)) throw new TypeError('A field of an event must be one line')
  }
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`)
  return `${event === undefined ? '' : `event: ${event}\n`}${id === undefined ? '' : `id: ${id}\n`}${lines.join('')}\n`
}

import type { ServerSentEvent } from '../http/index.ts'
import type { OutboundRequest, OutboundResult } from '../outbound/index.ts'
import { version } from '../version.ts'
import type { Claimed } from './claim-deliveries.ts'
import type { Job } from './lanes.ts'
import type { Load } from './send-delivery.ts'

/** What the author's machine answered, or that it did not. */
export interface StreamAnswer {
  deliveryId: string
  attempt: number
  leaseToken: string
  /** Null or absent when there was no answer; `error` says why. */
  status?: number | null
  headers?: Record<string, string>
  body?: string
  durationMilliseconds: number
  error?: string | null
}

/** What goes out on the stream: the request that a receiver would get, and what is needed to answer for it. */
export function deliveryEvent({ claimed, load }: Job<Load>, request: OutboundRequest): ServerSentEvent {
  const { id: deliveryId, attempt, leaseToken } = claimed
  const headers: Record<string, string> = { 'user-agent': `Stoa/${version}` }
  for (const [name, value] of Object.entries(request.headers ?? {})) headers[name.toLowerCase()] = value
  const { type } = load.event
  const body = String(request.body ?? '')
  return {
    event: 'delivery',
    id: `${deliveryId}.${attempt}`,
    data: JSON.stringify({ deliveryId, attempt, leaseToken, type, method: request.method, headers, body }),
  }
}

/** What is only known where the receiver is. */
const elsewhere = { remoteAddress: null, timings: { connectMilliseconds: null, firstByteMilliseconds: null } }

/** The answer in the form in which answers to requests of our own come. */
export function outcomeOf({ status, headers, body, durationMilliseconds, error }: StreamAnswer): OutboundResult {
  if (status !== null && status !== undefined) {
    return answered({ status, headers: headers ?? {}, body: body ?? '', durationMs: durationMilliseconds })
  }
  const message = error || 'The machine that listens got no answer from its receiver.'
  return { ok: false, error: 'connect', message, durationMs: durationMilliseconds, ...elsewhere }
}

/** For a try that nobody answered in time. */
export function unanswered({ id, attempt, leaseToken }: Claimed, durationMs: number) {
  const message = 'The machine that listens did not answer in time.'
  const outcome: OutboundResult = { ok: false, error: 'timeout', message, durationMs, ...elsewhere }
  return { answer: { deliveryId: id, attempt, leaseToken }, outcome }
}

export function answered(answer: {
  status: number
  headers: Record<string, string>
  body: string
  durationMs: number
}): OutboundResult {
  const headers = Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name.toLowerCase(), value]))
  return { ok: true, ...answer, headers, truncated: false, truncatedBy: null, ...elsewhere }
}

import type { EventText, EventsContext, OpenedKeys, Target } from '../events/index.ts'
import type { OutboundRequest, OutboundResponse, OutboundResult } from '../outbound/index.ts'
import { composeRequest } from './compose-request.ts'
import type { Claimed } from './claim-deliveries.ts'
import type { AttemptRecord } from './delivery-store.ts'
import { keptRequestHeaders, keptResponseHeaders, maskSent, maskTokens } from './masking.ts'
import { readRetryAfter } from './retry-policy.ts'

/** What there is to send: an event to an endpoint, whose secrets are opened. */
export interface Load {
  event: EventText
  target: Target
  keys: OpenedKeys
}

/** What one try came to. */
export interface Result {
  claimed: Claimed
  load: Load
  attempt: AttemptRecord
  /** Seconds the receiver asked to be left alone for. */
  retryAfter: number | null
  /** 410: nothing is to be sent there any more. */
  gone: boolean
  /** What the header `webhook-delivery` asks for: to send nothing any more, or this event no more. */
  asks: 'disable' | 'abort-message' | null
  /** 429, 502, 503, 504: the receiver, or what stands before it, has too much to do. */
  overloaded: boolean
  /** No answer before the deadline. */
  timedOut: boolean
}

const overloadedStatuses = new Set([429, 502, 503, 504])

/** Makes one try. Never throws for anything that an event, a secret or a receiver is. Null when what happened says nothing about the receiver, because this process is going down. */
export async function sendDelivery(ctx: EventsContext, claimed: Claimed, load: Load): Promise<Result | null> {
  const { event, target } = load
  const started: AttemptRecord = {
    deliveryId: claimed.id,
    n: claimed.attempt,
    cause: claimed.cause,
    method: target.method,
    url: target.url,
    requestHeaders: {},
    startedTime: ctx.clock.now().toISOString(),
    durationMs: 0,
    connectMs: null,
    firstByteMs: null,
    outcome: 'failure',
    responseStatus: null,
    responseHeaders: null,
    responseBody: null,
    errorCode: null,
    errorMessage: null,
    remoteAddress: null,
  }
  let request: OutboundRequest
  try {
    request = await composeRequest(ctx, claimed, load)
  } catch (error) {
    ctx.logger.error({ err: error, eventId: event.id, type: event.type }, 'an event could not be made ready to be sent')
    const errorMessage = 'The host could not make this event ready to be sent; it tries again.'
    return resultOf(claimed, load, { ...started, errorCode: 'preparation', errorMessage })
  }
  const answer = await ctx.outbound.send(request)
  if (!answer.ok && answer.error === 'closed') return null
  const requestHeaders = keptRequestHeaders(request.headers ?? {}, load.keys.headers)
  const result = resultOf(claimed, load, { ...started, requestHeaders, ...outcomeOf(answer, load.keys) })
  if (!answer.ok) return result
  return {
    ...result,
    retryAfter: readRetryAfter(answer.headers['retry-after'], ctx.clock.now()),
    asks: wishOf(answer),
  }
}

function resultOf(claimed: Claimed, load: Load, attempt: AttemptRecord): Result {
  return {
    claimed,
    load,
    attempt,
    retryAfter: null,
    gone: attempt.responseStatus === 410,
    asks: null,
    overloaded: overloadedStatuses.has(attempt.responseStatus ?? 0),
    timedOut: attempt.errorCode === 'timeout',
  }
}

/** As with Svix, honoured with any answer but 2xx: who takes an event does not refuse it in the same breath. */
function wishOf({ status, headers }: OutboundResponse): Result['asks'] {
  if (isSuccess(status)) return null
  const given = headers['webhook-delivery']
  const wish = (Array.isArray(given) ? given[0] : given)?.trim().toLowerCase()
  return wish === 'disable' || wish === 'abort-message' ? wish : null
}

function outcomeOf(answer: OutboundResult, keys: OpenedKeys): Partial<AttemptRecord> {
  const { durationMs, remoteAddress, timings } = answer
  const circumstances = {
    durationMs,
    remoteAddress,
    connectMs: timings.connectMilliseconds,
    firstByteMs: timings.firstByteMilliseconds,
  }
  if (!answer.ok) return { ...circumstances, errorCode: answer.error, errorMessage: maskTokens(answer.message) }
  const { status, body, headers } = answer
  return {
    ...circumstances,
    outcome: isSuccess(status) ? 'success' : 'failure',
    responseStatus: status,
    responseHeaders: keptResponseHeaders(headers, keys),
    responseBody: maskTokens(maskSent(body, keys)),
    ...(!isSuccess(status) && complaintAbout(status)),
  }
}

const isSuccess = (status: number) => status >= 200 && status <= 299

function complaintAbout(status: number): Pick<AttemptRecord, 'errorCode' | 'errorMessage'> {
  if (status >= 300 && status <= 399) {
    const errorMessage = `The receiver answered ${status}. Redirects are not followed; set the address it leads to.`
    return { errorCode: 'redirect', errorMessage }
  }
  if (status === 410) {
    return {
      errorCode: 'gone',
      errorMessage: 'The receiver answered 410: it wants no more events, so the endpoint was disabled.',
    }
  }
  return { errorCode: 'status', errorMessage: `The receiver answered ${status}; only 2xx counts as received.` }
}

import type { OutboundResult } from '../outbound/index.ts'
import { bodyOf, signHighLevel, signWebhook, type EventText, type EventsContext, type Target } from '../events/index.ts'
import type { AttemptRecord, Claimed } from './delivery-store.ts'
import { readRetryAfter } from './retry-policy.ts'

const keptResponseBytes = 4096

/** What there is to send: an event to an endpoint, whose secret is opened. */
export interface Load {
  event: EventText
  target: Target
  secret: string
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
}

const overloadedStatuses = new Set([429, 502, 503, 504])

/**
 * What a receiver answers may repeat what it was sent, with a token that is live; nothing that opens a door is kept. The
 * end of the text counts as the end of a token, because that is where an answer is cut off.
 */
function maskTokens(text: string): string {
  return text.replace(/stoa_(it|ak|cs)_([0-9A-Za-z]{36}|[0-9A-Za-z]+$)/g, 'stoa_$1_***')
}

/** Makes one try. Never throws for anything that an event, a secret or a receiver is. Null when what happened says nothing about the receiver, because this process is going down. */
export async function sendDelivery(ctx: EventsContext, claimed: Claimed, load: Load): Promise<Result | null> {
  const { event, target, secret } = load
  const startedAt = ctx.clock.now()
  const record = (outcome: Partial<AttemptRecord>): AttemptRecord => ({
    deliveryId: claimed.id,
    n: claimed.attempt,
    cause: claimed.cause,
    method: target.method,
    url: target.url,
    requestHeaders: {},
    connectMs: null,
    firstByteMs: null,
    responseHeaders: null,
    startedTime: startedAt.toISOString(),
    durationMs: 0,
    outcome: 'failure',
    responseStatus: null,
    responseBody: null,
    errorCode: null,
    errorMessage: null,
    remoteAddress: null,
    ...outcome,
  })
  const done = (attempt: AttemptRecord, retryAfter: number | null = null): Result => ({
    claimed,
    load,
    attempt,
    retryAfter,
    gone: attempt.responseStatus === 410,
    asks: null,
    overloaded: overloadedStatuses.has(attempt.responseStatus ?? 0),
  })

  let body: string
  let signature: Record<string, string>
  try {
    body = await bodyOf(ctx, claimed.format, event, ctx.clock.now())
    signature = {
      ...signWebhook({ id: event.id, timestamp: ctx.clock.now(), body, secrets: [secret] }),
      ...(claimed.format === 'highlevel' && signHighLevel(body, ctx.signingKeys.ed25519.privateKey)),
    }
  } catch (error) {
    ctx.logger.error({ err: error, eventId: event.id, type: event.type }, 'an event could not be made ready to be sent')
    const errorMessage = 'The host could not make this event ready to be sent; it tries again.'
    return done(record({ errorCode: 'preparation', errorMessage }))
  }
  const answer = await ctx.outbound.send({
    method: 'POST',
    url: target.url,
    headers: { 'content-type': 'application/json', ...signature },
    body,
    timeoutMs: ctx.config.webhooks.timeoutMilliseconds,
    maxResponseBytes: keptResponseBytes,
  })
  if (!answer.ok && answer.error === 'closed') return null
  return done(
    record(outcomeOf(answer)),
    answer.ok ? readRetryAfter(answer.headers['retry-after'], ctx.clock.now()) : null,
  )
}

function outcomeOf(answer: OutboundResult): Partial<AttemptRecord> {
  if (!answer.ok) {
    return { durationMs: answer.durationMs, errorCode: answer.error, errorMessage: maskTokens(answer.message) }
  }
  const { status, durationMs, body, remoteAddress } = answer
  const success = status >= 200 && status <= 299
  return {
    outcome: success ? 'success' : 'failure',
    durationMs,
    responseStatus: status,
    responseBody: maskTokens(body),
    remoteAddress,
    ...(!success && complaintAbout(status)),
  }
}

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

import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Context } from '@opentelemetry/api'
import { afterCommit, type Db } from '../database/index.ts'
import type { EventsContext } from '../events/index.ts'
import { version } from '../version.ts'
import type { AttemptRecord } from './delivery-store.ts'
import type { Result } from './send-delivery.ts'

/**
 * Counts a try and tells it to OpenTelemetry, once its record has committed. The span is made afterwards, with the times of the
 * try: were it active while the request is made, instrumented clients would send our trace to the receiver, a third party.
 */
export function observeAttempt(ctx: EventsContext, db: Db, result: Result, attempt: AttemptRecord): void {
  afterCommit(db, () => {
    const { event } = result.load
    const isFirst = attempt.n === 1 && attempt.cause === 'event'
    ctx.metrics.tried({
      outcome: attempt.outcome,
      status: attempt.responseStatus,
      cause: attempt.cause,
      seconds: attempt.durationMs / 1000,
      waitedSeconds: isFirst
        ? Math.max(0, (Date.parse(attempt.startedTime) - Date.parse(event.createdTime)) / 1000)
        : null,
    })
    traceAttempt(result, attempt)
  })
}

function traceAttempt({ load: { event, target } }: Result, attempt: AttemptRecord): void {
  const startTime = Date.parse(attempt.startedTime)
  const { responseStatus, errorCode } = attempt
  const span = trace.getTracer('@stoa/core', version).startSpan(
    'stoa.deliver',
    {
      kind: SpanKind.CLIENT,
      startTime,
      attributes: {
        'http.request.method': attempt.method,
        ...(responseStatus !== null && { 'http.response.status_code': responseStatus }),
        // The host alone: paths and queries of receivers' addresses often carry a secret.
        ...(target.transport === 'http' && { 'server.address': hostOf(attempt.url) }),
        'stoa.event.type': event.type,
        'stoa.attempt': attempt.n,
        ...(attempt.outcome === 'failure' && {
          'error.type': errorCode === null || errorCode === 'status' ? String(responseStatus) : errorCode,
        }),
      },
    },
    contextOf(event.traceParent),
  )
  if (attempt.outcome === 'failure') span.setStatus({ code: SpanStatusCode.ERROR })
  span.end(startTime + attempt.durationMs)
}

/** What was published under a trace is continued; what was not begins one of its own. */
function contextOf(traceParent: string | null): Context {
  const parts = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceParent ?? '')
  if (!parts) return ROOT_CONTEXT
  const [, traceId, spanId, flags] = parts as unknown as [string, string, string, string]
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true })
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname : ''
}

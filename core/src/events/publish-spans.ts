import { SpanKind, SpanStatusCode, TraceFlags, trace, type Span } from '@opentelemetry/api'
import { version } from '../version.ts'
import type { NewEvent } from './event.ts'

/**
 * Runs the publishing of events in a span each, and gives it what to store with them, so that a try of a delivery, days later
 * and in another process, is seen below what made it necessary. Costs nothing and gives nulls where no SDK is set up.
 */
export async function inPublishSpans<T>(
  events: NewEvent<string>[],
  work: (traceParents: (string | null)[]) => Promise<T>,
): Promise<T> {
  // Asked for at each use: an SDK may be registered after the host was put together.
  const tracer = trace.getTracer('@stoa/core', version)
  const spans = events.map(({ type }) =>
    tracer.startSpan(`stoa.publish ${type}`, { kind: SpanKind.PRODUCER, attributes: { 'stoa.event.type': type } }),
  )
  try {
    return await work(spans.map(traceParentOf))
  } catch (error) {
    for (const span of spans) span.setStatus({ code: SpanStatusCode.ERROR })
    throw error
  } finally {
    for (const span of spans) span.end()
  }
}

/** W3C Trace Context, section 3.2; null for a span that nobody records. */
function traceParentOf(span: Span): string | null {
  const { traceId, spanId, traceFlags } = span.spanContext()
  if (!trace.isSpanContextValid(span.spanContext())) return null
  return `00-${traceId}-${spanId}-0${traceFlags & TraceFlags.SAMPLED}`
}

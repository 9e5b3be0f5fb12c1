import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Clock } from '../kernel/index.ts'

/** What one finished try says about itself. */
export interface TriedDelivery {
  outcome: 'success' | 'failure'
  /** Null when there was no answer. */
  status: number | null
  cause: 'event' | 'test' | 'resend' | 'replay'
  seconds: number
  /** From publishing until this try began; null for all but the first of what happened. */
  waitedSeconds: number | null
}

/** What only the database knows. Counts stop at a cap. */
export interface Backlog {
  pending: number
  held: number
  /** For how long the delivery that is due the longest has been due. */
  oldestSeconds: number
  endpoints: Record<'ACTIVE' | 'DISABLED', number>
  breakersOpen: number
}

/**
 * The figures of one host, for Prometheus. No label names a tenant, an address or anything else that strangers can make more
 * of: each new value of one is another series that somebody's Prometheus keeps.
 */
export interface Metrics {
  request(operation: string, status: number, seconds: number): void
  published(events: number): void
  tried(delivery: TriedDelivery): void
  /** Asked at each scrape: how many tries are under way. Several answers are summed up. */
  watchInFlight(count: () => number): void
  /** Asked at a scrape, at most every five seconds. */
  watchBacklog(read: () => Promise<Backlog>): void
  /** Prometheus’ text format 0.0.4. */
  text(): Promise<string>
}

const backlogMilliseconds = 5000
const receiverSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30]
const publishSeconds = [0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300]
const requestSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** A registry of its own, not prom-client's default one: two hosts in one process never meet. */
export function createMetrics({ clock }: { clock: Clock }): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[] = []) =>
    new Counter({ name, help, labelNames, registers })
  const histogram = <Label extends string>(name: string, help: string, buckets: number[], labelNames: Label[] = []) =>
    new Histogram({ name, help, buckets, labelNames, registers })
  const gauge = <Label extends string>(name: string, help: string, labelNames: Label[] = []) =>
    new Gauge({ name, help, labelNames, registers })

  const attempts = counter('stoa_webhook_attempts_total', 'Tries of deliveries whose result was recorded.', [
    'outcome',
    'status_class',
    'cause',
  ])
  const attemptSeconds = histogram('stoa_webhook_attempt_seconds', 'How long a try took.', receiverSeconds)
  const firstByteSeconds = histogram(
    'stoa_webhook_first_attempt_seconds',
    'From the publishing of an event until its first try began.',
    publishSeconds,
  )
  const pending = gauge('stoa_webhook_deliveries_pending', 'Deliveries that wait for active endpoints; capped.')
  const oldest = gauge('stoa_webhook_oldest_pending_seconds', 'How long the longest due delivery has been due.')
  const held = gauge('stoa_webhook_deliveries_held', 'Deliveries held for disabled endpoints; capped.')
  const endpoints = gauge('stoa_webhook_endpoints', 'Endpoints; capped.', ['status'])
  const breakers = gauge('stoa_webhook_breakers_open', 'Endpoints that are left alone for a while; capped.')
  const inFlight = gauge('stoa_webhook_in_flight', 'Tries under way in this process.')
  const published = counter('stoa_events_published_total', 'Events whose transaction has committed.')
  const requests = counter('stoa_http_requests_total', 'Requests answered.', ['operation', 'status_class'])
  const requestDuration = histogram(
    'stoa_http_request_duration_seconds',
    'How long a request took; of a stream, until it began.',
    requestSeconds,
    ['operation'],
  )

  const counts: (() => number)[] = []
  let readBacklog: (() => Promise<Backlog>) | null = null
  let backlog: { until: number; value: Promise<Backlog | null> } | null = null
  let ofProcess = false

  /** Scrapers may be several, and fast: the database is asked once for all of them. */
  function presentBacklog(read: () => Promise<Backlog>): Promise<Backlog | null> {
    const now = clock.now().getTime()
    if (!backlog || backlog.until <= now) {
      backlog = { until: now + backlogMilliseconds, value: read().catch(() => null) }
    }
    return backlog.value
  }

  /** Without the database the figures of the process are worth all the more. NaN is how Prometheus is told that nobody knows. */
  function showBacklog(known: Backlog | null): void {
    pending.set(known?.pending ?? NaN)
    held.set(known?.held ?? NaN)
    oldest.set(known?.oldestSeconds ?? NaN)
    endpoints.set({ status: 'active' }, known?.endpoints.ACTIVE ?? NaN)
    endpoints.set({ status: 'disabled' }, known?.endpoints.DISABLED ?? NaN)
    breakers.set(known?.breakersOpen ?? NaN)
  }

  return {
    request(operation, status, seconds) {
      requests.inc({ operation, status_class: classOf(status) })
      requestDuration.observe({ operation }, seconds)
    },
    published: (events) => published.inc(events),
    tried({ outcome, status, cause, seconds, waitedSeconds }) {
      attempts.inc({ outcome, status_class: classOf(status), cause })
      attemptSeconds.observe(seconds)
      if (waitedSeconds !== null) firstByteSeconds.observe(waitedSeconds)
    },
    watchInFlight: (count) => void counts.push(count),
    watchBacklog(read) {
      readBacklog = read
    },
    async text() {
      // Not before somebody wants them: they install observers that last as long as the process.
      if (!ofProcess) collectDefaultMetrics({ register: registry })
      ofProcess = true
      inFlight.set(counts.reduce((sum, count) => sum + count(), 0))
      if (readBacklog) showBacklog(await presentBacklog(readBacklog))
      return registry.metrics()
    },
  }
}

function classOf(status: number | null): string {
  return status === null ? 'none' : `${Math.floor(status / 100)}xx`
}

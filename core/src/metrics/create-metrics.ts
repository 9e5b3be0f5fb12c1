import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Clock, ErrorCode } from '../kernel/index.ts'

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

/** What of wallets only the database knows. Counts stop at a cap. */
export interface WalletBacklog {
  topUpsPending: number
  subscriptionsPastDue: number
  payoutRunsRunning: number
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
  /** One charge was answered: booked now, or by an earlier request. */
  charged(outcome: 'booked' | 'replayed'): void
  /** So many charges were refused, with a code of the catalogue. */
  chargesRefused(code: ErrorCode, count: number): void
  /** A transaction with so many charges has committed. */
  chargeBatch(charges: number): void
  /** Asked at each scrape: how many charges wait to be answered. */
  watchChargeQueue(count: () => number): void
  /** Asked at a scrape, at most every five seconds. */
  watchWallets(read: () => Promise<WalletBacklog>): void
  /** Prometheus’ text format 0.0.4. */
  text(): Promise<string>
}

const backlogMilliseconds = 5000
const receiverSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30]
const publishSeconds = [0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300]
const requestSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const batchSizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000]

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

  const booked = counter('stoa_charges_booked_total', 'Charges booked.')
  const replayed = counter('stoa_charges_replayed_total', 'Charges answered as they were booked before.')
  const refused = counter('stoa_charges_refused_total', 'Charges refused, by the code of the error.', ['code'])
  const batches = histogram('stoa_charge_batch_size', 'Charges that were judged in one transaction.', batchSizes)
  const chargesWaiting = gauge('stoa_charges_waiting', 'Charges in this process that wait for their answer.')
  const topUps = gauge('stoa_top_ups_pending', 'Top-ups that the payment provider leaves open; capped.')
  const pastDue = gauge('stoa_subscriptions_past_due', 'Plans whose period could not be paid; capped.')
  const payoutRuns = gauge('stoa_payout_runs_running', 'Payout runs that have not finished; capped.')

  const counts: (() => number)[] = []
  const queues: (() => number)[] = []
  let readBacklog: (() => Promise<Backlog | null>) | null = null
  let readWallets: (() => Promise<WalletBacklog | null>) | null = null
  let ofProcess = false

  /** Scrapers may be several, and fast: the database is asked once for all of them. Null when it does not answer. */
  function askedSeldom<Figures>(read: () => Promise<Figures>): () => Promise<Figures | null> {
    let known: { until: number; value: Promise<Figures | null> } | null = null
    return () => {
      const now = clock.now().getTime()
      if (!known || known.until <= now) {
        known = { until: now + backlogMilliseconds, value: read().catch(() => null) }
      }
      return known.value
    }
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

  function showWallets(known: WalletBacklog | null): void {
    topUps.set(known?.topUpsPending ?? NaN)
    pastDue.set(known?.subscriptionsPastDue ?? NaN)
    payoutRuns.set(known?.payoutRunsRunning ?? NaN)
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
      readBacklog = askedSeldom(read)
    },
    charged: (outcome) => (outcome === 'booked' ? booked : replayed).inc(),
    chargesRefused: (code, count) => refused.inc({ code }, count),
    chargeBatch: (charges) => batches.observe(charges),
    watchChargeQueue: (count) => void queues.push(count),
    watchWallets(read) {
      readWallets = askedSeldom(read)
    },
    async text() {
      // Not before somebody wants them: they install observers that last as long as the process.
      if (!ofProcess) collectDefaultMetrics({ register: registry })
      ofProcess = true
      inFlight.set(sumOf(counts))
      chargesWaiting.set(sumOf(queues))
      if (readBacklog) showBacklog(await readBacklog())
      if (readWallets) showWallets(await readWallets())
      return registry.metrics()
    },
  }
}

const sumOf = (counts: (() => number)[]): number => counts.reduce((sum, count) => sum + count(), 0)

function classOf(status: number | null): string {
  return status === null ? 'none' : `${Math.floor(status / 100)}xx`
}

import { setTimeout as sleep } from 'node:timers/promises'
import { nowIso } from '../kernel/index.ts'
import { createAlarm } from './alarm.ts'
import { findWaitingEndpoints, reclaimLeases, releaseDeliveries } from './delivery-store.ts'
import type { EventsContext } from './events-context.ts'
import { createLanes, type Job } from './lanes.ts'
import { createRecorder } from './record-results.ts'
import { sendDelivery, type Load } from './send-delivery.ts'
import { createTaker } from './take-jobs.ts'

export interface Dispatcher {
  start(): void
  /** Takes nothing more, waits for the tries under way and keeps their results. What was taken and not tried is given back. */
  stop(): Promise<void>
}

/** Deliveries taken and not yet recorded, per try that may be under way: enough to be sending while results are written. */
const inHandPerTry = 4
const manyEndpoints = 500
const longestPauseMilliseconds = 200

/**
 * Sends what is due: looks which endpoints have something waiting, takes as much of it as each keeps up with, sends, and
 * records. Any number of processes may do so on one database. Being woken is a hint; looking every so often is the truth.
 */
export function createDispatcher(ctx: EventsContext): Dispatcher {
  const { concurrency, perEndpoint, pollMilliseconds, timeoutMilliseconds } = ctx.config.webhooks
  const lanes = createLanes<Load>({ concurrency, perEndpoint, monotonic: () => performance.now() })
  const take = createTaker(ctx)
  const recorder = createRecorder(ctx)
  const alarm = createAlarm()
  const mostInHand = inHandPerTry * concurrency
  const underWay = new Set<Promise<void>>()
  let loop: Promise<void> | null = null
  let stopping = false
  /** Whether something due was left lying for want of room, so that the end of a try is a reason to look again. */
  let hungry = false
  let looksAgainAt = 0

  async function run(): Promise<void> {
    if (!ctx.dialect.manyProcesses)
      await persist('take back the leases of a killed process', () => reclaimLeases(ctx.db, nowIso(ctx.clock)))
    while (!stopping) {
      let pause = pollMilliseconds
      try {
        pause = await round()
      } catch (error) {
        ctx.logger.error({ err: error }, 'webhooks: looking for due deliveries failed; it will be tried again')
        // A ring must not turn a broken database into a busy loop.
        await sleep(pollMilliseconds)
      }
      if (!stopping) await alarm.wait(pause)
    }
  }

  /** One look, one claim. Returns the milliseconds until the next look, unless something rings before. */
  async function round(): Promise<number> {
    const early = looksAgainAt - performance.now()
    if (early > 1) await sleep(Math.min(early, longestPauseMilliseconds))
    const began = performance.now()
    const endpoints = await findWaitingEndpoints(ctx.db)
    // Where very many endpoints wait, a look takes many milliseconds: at most a fifth of the time goes into looking.
    const lasted = performance.now() - began
    looksAgainAt = endpoints.length < manyEndpoints ? 0 : performance.now() + 4 * lasted

    const now = nowIso(ctx.clock)
    const due = endpoints.filter(({ nextTime }) => nextTime <= now).map(({ endpointId }) => endpointId)
    const wanted = lanes.allot(due, mostInHand - underWay.size - lanes.waiting)
    hungry = wanted.length < due.length
    if (wanted.length > 0 && !stopping) {
      const jobs = await take(wanted)
      for (const job of jobs) lanes.add(job)
      hungry ||= jobs.length === wanted.reduce((sum, { most }) => sum + most, 0)
      pump()
      if (hungry && jobs.length > 0) return 0
    }
    const next = endpoints[due.length]?.nextTime
    return next === undefined ? pollMilliseconds : Math.min(pollMilliseconds, millisecondsUntil(next))
  }

  function millisecondsUntil(time: string): number {
    return Math.max(1, Date.parse(time) - ctx.clock.now().getTime())
  }

  /** Starts whatever may be started. */
  function pump(): void {
    for (let turn = lanes.next(); turn; turn = lanes.next()) {
      const attempt = deliver(turn.job, turn.end)
      underWay.add(attempt)
      void attempt.finally(() => {
        underWay.delete(attempt)
        ringIfRoom(turn.job)
      })
    }
  }

  async function deliver(job: Job<Load>, end: (answered: boolean | null) => void): Promise<void> {
    if (stopping || endsTooSoon(job)) {
      end(null)
      return giveBack([job])
    }
    const result = await sendDelivery(ctx, job.claimed, job.load)
    const answered = result !== null && result.attempt.responseStatus !== null
    end(result && answered)
    const rest = answered && !result.gone ? [] : lanes.takeWaiting(job.claimed.endpointId)
    if (!stopping) pump()
    ringIfRoom(job)
    if (!result) return giveBack([job, ...rest])
    // The result first: it may disable the endpoint, and then what is given back is not taken again.
    await recorder.record(result)
    if (rest.length > 0) await giveBack(rest)
  }

  /** Not at every end, but when a portion can be taken again. */
  function ringIfRoom({ claimed }: Job<Load>): void {
    if (hungry && lanes.isLow(claimed.endpointId)) alarm.ring()
  }

  /** A try must end within its lease, or another process makes it too. */
  function endsTooSoon({ claimed }: Job<Load>): boolean {
    return millisecondsUntil(claimed.leaseUntil) < timeoutMilliseconds + 5000
  }

  async function giveBack(jobs: Job<Load>[]): Promise<void> {
    if (jobs.length === 0) return
    await persist('give deliveries back', () =>
      releaseDeliveries(
        ctx.db,
        jobs.map(({ claimed }) => claimed),
        nowIso(ctx.clock),
      ),
    )
  }

  /** For what is better done but mends itself when it is not: the leases run out. */
  async function persist(what: string, work: () => Promise<void>): Promise<void> {
    await work().catch((error: unknown) =>
      ctx.logger.warn({ err: error }, `webhooks: could not ${what}; the leases will run out`),
    )
  }

  return {
    start() {
      if (loop) return
      stopping = false
      ctx.signals.on('deliveries-due', alarm.ring)
      loop = run()
    },
    async stop() {
      if (!loop) return
      stopping = true
      ctx.signals.off('deliveries-due', alarm.ring)
      alarm.ring()
      await loop
      await giveBack(lanes.takeWaiting())
      while (underWay.size > 0) await Promise.all(underWay)
      loop = null
    },
  }
}

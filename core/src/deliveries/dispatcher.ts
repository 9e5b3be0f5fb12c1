import { setTimeout as sleep } from 'node:timers/promises'
import { isoIn, nowIso } from '../kernel/index.ts'
import { createAlarm } from './alarm.ts'
import { mostEndpointsPerClaim, type Wanted } from './claim-deliveries.ts'
import { cancelDeliveries, reclaimLeases, releaseDeliveries } from './delivery-store.ts'
import { findWaitingEndpoints, type Waiting } from './find-waiting.ts'
import type { EventsContext } from '../events/index.ts'
import { createLanes, type Job, type Reaction } from './lanes.ts'
import { createRecorder } from './record-results.ts'
import { createRests } from './rests.ts'
import { cappedRetryAfter } from './retry-policy.ts'
import { sendDelivery, type Load, type Result } from './send-delivery.ts'
import { createTaker } from './take-jobs.ts'

export interface Dispatcher {
  start(): void
  /** Takes nothing more, waits for the tries under way and keeps their results. What was taken and not tried is given back. */
  stop(): Promise<void>
}

/**
 * Deliveries taken and not yet recorded at once: enough to be sending while results are written and others hang. There must be
 * as many connections to one origin, or receivers on one host that hang keep another on the same host waiting.
 */
export const mostInHand = (concurrency: number): number => 4 * concurrency
const manyEndpoints = 500
const longestPauseMilliseconds = 200
const longestRest = 600

/**
 * Sends what is due: looks which endpoints have something waiting, takes as much of it as each keeps up with, sends, and
 * records. Any number of processes may do so on one database. Being woken is a hint; looking every so often is the truth.
 */
export function createDispatcher(ctx: EventsContext): Dispatcher {
  const { concurrency, perEndpoint, pollMilliseconds, timeoutMilliseconds } = ctx.config.webhooks
  const lanes = createLanes<Load>({ concurrency, perEndpoint, monotonic: () => performance.now() })
  const rests = createRests()
  const take = createTaker(ctx, rests)
  const recorder = createRecorder(ctx)
  const alarm = createAlarm()
  ctx.metrics.watchInFlight(() => lanes.sending)
  const most = mostInHand(concurrency)
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
    // A try that began to hang has given its place up, and nobody is told.
    pump()
    const early = looksAgainAt - performance.now()
    if (early > 1) await sleep(Math.min(early, longestPauseMilliseconds))
    const began = performance.now()
    const endpoints = await dropDeleted(await findWaitingEndpoints(ctx.db))
    // Where very many endpoints wait, a look takes many milliseconds: at most a fifth of the time goes into looking.
    const lasted = performance.now() - began
    looksAgainAt = endpoints.length < manyEndpoints ? 0 : performance.now() + 4 * lasted

    const now = nowIso(ctx.clock)
    const times = endpoints.map((endpoint) => {
      const { endpointId: id, nextTime, updatedTime } = endpoint
      const restEnd = rests.endOf({ id, updatedTime }, now)
      return { endpoint, time: restEnd !== null && restEnd > nextTime ? restEnd : nextTime }
    })
    const due = times.filter(({ time }) => time <= now).map(({ endpoint }) => endpoint)
    const wanted = allot(due)
    hungry = wanted.length < due.length
    if (wanted.length > 0 && !stopping) {
      const jobs = await take(wanted)
      for (const job of jobs) lanes.add(job)
      hungry ||= jobs.length === wanted.reduce((sum, { most }) => sum + most, 0)
      pump()
      if (hungry && jobs.length > 0) return 0
    }
    const longest = lanes.waiting > 0 ? Math.min(pollMilliseconds, longestPauseMilliseconds) : pollMilliseconds
    return times
      .filter(({ time }) => time > now)
      .reduce((pause, { time }) => Math.min(pause, millisecondsUntil(time)), longest)
  }

  function allot(due: Waiting[]): Wanted[] {
    const byId = new Map(due.map((endpoint) => [endpoint.endpointId, endpoint]))
    const withCaps = due.map(({ endpointId, fifo, concurrency }) => ({ endpointId, cap: fifo ? 1 : concurrency }))
    return lanes
      .allot(withCaps, most - underWay.size - lanes.waiting)
      .slice(0, mostEndpointsPerClaim)
      .map(({ endpointId, most }) => {
        const { fifo, limited } = byId.get(endpointId)!
        return { endpointId, most, fifo, limited }
      })
  }

  /**
   * An event that was being published while its receiver was deleted leaves a delivery behind that the deletion could not
   * see. Cancelled here rather than prevented by locks, which every publish would take and which the recording of a result,
   * whose hooks publish too, would wait for crosswise.
   */
  async function dropDeleted(endpoints: Waiting[]): Promise<Waiting[]> {
    const deleted = endpoints.filter((each) => each.deleted).map(({ endpointId }) => endpointId)
    if (deleted.length > 0) {
      await persist('cancel what was left to deleted endpoints', () =>
        cancelDeliveries(ctx.db, ctx.dialect, deleted.slice(0, mostEndpointsPerClaim), nowIso(ctx.clock)),
      )
    }
    return endpoints.filter((each) => !each.deleted)
  }

  function millisecondsUntil(time: string): number {
    return Math.max(1, Date.parse(time) - ctx.clock.now().getTime())
  }

  /** Starts whatever may be started. */
  function pump(): void {
    for (let turn = lanes.next(); turn; turn = lanes.next()) {
      const delivering = deliver(turn.job, turn.end)
      underWay.add(delivering)
      void delivering.finally(() => {
        underWay.delete(delivering)
        ringIfRoom(turn.job)
      })
    }
  }

  /** Never rejects: that would end the process. */
  async function deliver(job: Job<Load>, end: (reaction: Reaction | null) => void): Promise<void> {
    try {
      await attempt(job, end)
    } catch (error) {
      // Left to its lease, which keeps what fails at once from being tried at once.
      ctx.logger.error(
        { err: error, deliveryId: job.claimed.id },
        'a delivery failed in the host; it will be tried again',
      )
      end(null)
      if (!stopping) pump()
    }
  }

  async function attempt(job: Job<Load>, end: (reaction: Reaction | null) => void): Promise<void> {
    if (stopping || endsTooSoon(job)) {
      end(null)
      return giveBack([job])
    }
    const result = await sendDelivery(ctx, job.claimed, job.load)
    const reaction = result && reactionOf(result)
    end(reaction)
    const restEnd = result && restAfter(result)
    const isWell = result !== null && (reaction === 'taken' || reaction === null)
    const rest = isWell ? [] : lanes.takeWaiting(job.claimed.endpointId)
    if (!stopping) pump()
    ringIfRoom(job)
    if (!result) return giveBack([job, ...rest])
    // The result first: it may disable the endpoint, and then what is given back is not taken again.
    await recorder.record(result)
    await giveBack(rest, restEnd)
  }

  /**
   * Leaves the endpoint alone when its receiver asks for that; returns until when. For minutes, whatever it asks for: the event
   * that it refused waits for as long as it wants, but the answer of a gateway must not hold up everything for a day.
   */
  function restAfter({ overloaded, retryAfter, load }: Result): string | null {
    const seconds = overloaded ? Math.min(longestRest, cappedRetryAfter(retryAfter)) : 0
    if (seconds <= 0) return null
    const until = isoIn(ctx.clock, seconds)
    rests.rest(load.target, until)
    return until
  }

  /** Not at every end, but when a portion can be taken again. */
  function ringIfRoom({ claimed }: Job<Load>): void {
    if (hungry && lanes.isLow(claimed.endpointId)) alarm.ring()
  }

  /** A try must end within its lease, or another process makes it too. */
  function endsTooSoon({ claimed, load }: Job<Load>): boolean {
    const longest = load.target.timeoutMilliseconds ?? timeoutMilliseconds
    return millisecondsUntil(claimed.leaseUntil) < longest + 5000
  }

  async function giveBack(jobs: Job<Load>[], nextTime: string | null = null): Promise<void> {
    if (jobs.length === 0) return
    await persist('give deliveries back', () =>
      releaseDeliveries(
        ctx.db,
        ctx.dialect,
        jobs.map(({ claimed }) => claimed),
        nextTime ?? nowIso(ctx.clock),
      ),
    )
  }

  /** For what is better done but mends itself when it is not: the leases run out. */
  async function persist(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      ctx.logger.warn({ err: error }, `webhooks: could not ${what}; the leases will run out`)
    }
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

/** Null when the receiver was not asked: what the host could not make ready says nothing about it. */
function reactionOf({ attempt }: Result): Reaction | null {
  if (attempt.errorCode === 'preparation') return null
  if (attempt.responseStatus === null) return 'silent'
  return attempt.outcome === 'success' ? 'taken' : 'refused'
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { EventsContext } from '../events/index.ts'
import type { ServerSentEvent } from '../http/index.ts'
import { isoIn, nowIso, StoaError } from '../kernel/index.ts'
import type { OutboundRequest, OutboundResult } from '../outbound/index.ts'
import { createAlarm, type Alarm } from './alarm.ts'
import type { Claimed } from './claim-deliveries.ts'
import { attemptExists, releaseDeliveries, type AttemptRecord } from './delivery-store.ts'
import type { Job } from './lanes.ts'
import { createRecorder } from './record-results.ts'
import { createRests } from './rests.ts'
import { sendDelivery, type Load } from './send-delivery.ts'
import { answered, deliveryEvent, outcomeOf, unanswered, type StreamAnswer } from './stream-answer.ts'
import {
  findOpenTries,
  findStanding,
  findTaken,
  hasDue,
  insertTry,
  isOfEndpoint,
  markSeen,
  releaseSent,
  takeTry,
} from './stream-store.ts'
import { createLoader, createTaker, leaseSeconds } from './take-jobs.ts'

export interface Streams {
  /**
   * Takes what is due for a stream, as the dispatcher does for others, and hands it out: the very request that a receiver would
   * get. Ends with an error when the endpoint is deleted or disabled.
   */
  read(endpointId: string, signal: AbortSignal): AsyncIterable<ServerSentEvent>
  /** Records an answer as a try. One that comes after its lease was lost is kept, and moves nothing. Throws 404. */
  answer(endpointId: string, answer: StreamAnswer): Promise<void>
}

/** Unanswered at once, on all connections of one stream. */
const mostUnanswered = 10
const seenSeconds = 60
/** Before the end of the lease: whoever has not answered by then did not. */
const marginSeconds = 5
/** What rings in a burst is one look. */
const restMilliseconds = 10

/**
 * Endpoints without an address. Which of their deliveries are under way is in the database alone, so the answer to what one
 * process sent may come to another, and any process may serve the reconnect.
 */
export function createStreams(ctx: EventsContext): Streams {
  const rests = createRests()
  const take = createTaker(ctx, rests)
  const load = createLoader(ctx, rests)
  const recorder = createRecorder(ctx)
  const alarms = new Map<string, Set<Alarm>>()
  const ring = (endpointId: string) => alarms.get(endpointId)?.forEach((alarm) => alarm.ring())
  ctx.signals.on('deliveries-due', () => [...alarms.keys()].forEach(ring))

  /** Says whether it was the answer to something. */
  async function settle(
    endpointId: string,
    { deliveryId, attempt: n, leaseToken }: Pick<StreamAnswer, 'deliveryId' | 'attempt' | 'leaseToken'>,
    outcome: OutboundResult,
  ): Promise<boolean> {
    const open = await takeTry(ctx.db, ctx.dialect, { deliveryId, n, leaseToken, endpointId })
    const taken = open && (await findTaken(ctx.db, open))
    if (!open || !taken) return false
    const [job] = await load([taken])
    if (!job) throw new StoaError('unavailable', { retryAfter: 30 })
    // As if it were sent just now, so that what an answer means is said in one place; but without making the body anew.
    const answering = {
      ...ctx,
      eventHooks: { ...ctx.eventHooks, enrich: {} },
      outbound: { ...ctx.outbound, send: () => Promise.resolve(outcome) },
    }
    const result = await sendDelivery(answering, job.claimed, job.load)
    const { requestHeaders, startedTime } = open
    if (result) {
      await recorder.record({
        ...result,
        attempt: { ...result.attempt, requestHeaders, startedTime, remoteAddress: null },
      })
    }
    ring(endpointId)
    return true
  }

  /** The request, as sending makes it, and how it will be kept. Null for what could not be made ready, which is recorded. */
  async function compose({
    claimed,
    load: loaded,
  }: Job<Load>): Promise<{ request: OutboundRequest; attempt: AttemptRecord } | null> {
    const captured: OutboundRequest[] = []
    const send = (request: OutboundRequest) => {
      captured.push(request)
      return Promise.resolve(answered({ status: 200, headers: {}, body: '', durationMs: 0 }))
    }
    const result = await sendDelivery({ ...ctx, outbound: { ...ctx.outbound, send } }, claimed, loaded)
    const [request] = captured
    if (request && result) return { request, attempt: result.attempt }
    if (result) await recorder.record(result)
    return null
  }

  const endsSoon = ({ leaseUntil }: Claimed) => leaseUntil <= isoIn(ctx.clock, marginSeconds)

  async function assertActive(endpointId: string): Promise<void> {
    const standing = await findStanding(ctx.db, endpointId)
    if (!standing) throw new StoaError('not_found', { message: 'The endpoint was deleted.' })
    if (standing.status === 'ACTIVE') return
    const reason = standing.statusReason === null ? '' : ` (${standing.statusReason})`
    throw new StoaError('wrong_state', {
      message: `The endpoint is disabled${reason}; enable it and connect again.`,
    })
  }

  async function* read(endpointId: string, signal: AbortSignal): AsyncGenerator<ServerSentEvent> {
    const alarm = createAlarm()
    const sent = new Map<string, Claimed>()
    let waiting: Job<Load>[] = []
    let seenUntil = ''
    alarms.set(endpointId, (alarms.get(endpointId) ?? new Set()).add(alarm))
    signal.addEventListener('abort', alarm.ring)
    try {
      while (!signal.aborted) {
        const now = nowIso(ctx.clock)
        await assertActive(endpointId)
        if (now >= seenUntil) {
          await markSeen(ctx.db, endpointId, now)
          seenUntil = isoIn(ctx.clock, seenSeconds)
        }
        const open = await findOpenTries(ctx.db, endpointId, now)
        for (const [key, claimed] of sent) {
          if (!open.has(key)) sent.delete(key)
          else if (endsSoon(claimed)) {
            const { answer, outcome } = unanswered(claimed, 1000 * answerSeconds())
            await settle(endpointId, answer, outcome)
          }
        }
        const room = mostUnanswered - open.size
        if (room > 0 && (await hasDue(ctx.db, endpointId, now)))
          waiting = await take([{ endpointId, most: room, fifo: false, limited: false }])
        while (!signal.aborted && waiting.length > 0 && !endsSoon(waiting[0]!.claimed)) {
          const job = waiting.shift()!
          const composed = await compose(job)
          if (!composed) continue
          const { id: deliveryId, attempt: n, leaseToken, leaseUntil } = job.claimed
          const { requestHeaders, startedTime } = composed.attempt
          await insertTry(ctx.db, { deliveryId, n, endpointId, leaseToken, leaseUntil, requestHeaders, startedTime })
          sent.set(`${deliveryId}.${n}`, job.claimed)
          yield deliveryEvent(job, composed.request)
        }
        await giveBack(waiting.splice(0), [])
        if (signal.aborted) break
        await alarm.wait(ctx.config.webhooks.pollMilliseconds)
        await sleep(restMilliseconds)
      }
    } finally {
      signal.removeEventListener('abort', alarm.ring)
      const others = alarms.get(endpointId)!
      others.delete(alarm)
      if (others.size === 0) alarms.delete(endpointId)
      await giveBack(waiting, [...sent.values()])
      ring(endpointId)
    }
  }

  function answerSeconds(): number {
    return leaseSeconds(ctx.config.webhooks.timeoutMilliseconds) - marginSeconds
  }

  async function giveBack(unsent: Job<Load>[], sent: Claimed[]): Promise<void> {
    try {
      const now = nowIso(ctx.clock)
      await releaseDeliveries(
        ctx.db,
        ctx.dialect,
        unsent.map(({ claimed }) => claimed),
        now,
      )
      await releaseSent(ctx.db, sent, now)
    } catch (error) {
      ctx.logger.warn({ err: error }, 'webhooks: could not give deliveries of a stream back; the leases will run out')
    }
  }

  return {
    read,
    async answer(endpointId, answer) {
      if (await settle(endpointId, answer, outcomeOf(answer))) return
      const { deliveryId, attempt } = answer
      // The same answer once more, because the host's word on the first was lost.
      const known = await isOfEndpoint(ctx.db, deliveryId, endpointId)
      if (known && (await attemptExists(ctx.db, deliveryId, attempt))) return
      throw new StoaError('not_found', { message: 'Nothing was sent under this deliveryId, attempt and leaseToken.' })
    },
  }
}

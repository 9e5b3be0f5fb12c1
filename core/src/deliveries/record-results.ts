import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import pRetry from 'p-retry'
import { afterCommit, createGroupCommit, isDatabaseUnavailable } from '../database/index.ts'
import { isoIn, nowIso } from '../kernel/index.ts'
import {
  attemptExists,
  insertAttempts,
  lockOwned,
  markDelivered,
  markFailed,
  scheduleRetry,
  type AttemptRecord,
  type LastTry,
} from './delivery-store.ts'
import { toStoredEvent, type EventsContext } from '../events/index.ts'
import { announceExhausted } from './announce.ts'
import { recordHealth, type Counted } from './record-health.ts'
import { observeAttempt } from './observe-attempt.ts'
import { retryDelay } from './retry-policy.ts'
import type { Result } from './send-delivery.ts'

const batchSize = 64
const gatherMilliseconds = 5
/** Together well under a lease: after that the delivery is somebody else's, and trying on is of no use. */
const patience = { retries: 8, minTimeout: 100, factor: 2, maxTimeout: 5000 }

const leastProxySeconds = 30
const mostProxySeconds = 900

export interface Recorder {
  /** Resolves when the result is kept, or given up; then the lease runs out and the event is sent again. Never rejects. */
  record(result: Result): Promise<void>
}

/** Writes results, many to a transaction: one flush to disk per delivery is what sinks a webhook sender. */
export function createRecorder(ctx: EventsContext): Recorder {
  const commit = createGroupCommit<Result, void>({
    db: ctx.db,
    maxBatch: batchSize,
    writers: ctx.dialect.batchWriters,
    run: async (trx, results) => {
      await recordResults(ctx, trx, results)
      return results.map(() => undefined)
    },
  })

  let gathering: Promise<void> | null = null
  /** Results trickle in; the few milliseconds cost nobody anything, because the next try does not wait for them. */
  const gather = () => {
    gathering ??= sleep(gatherMilliseconds).then(() => {
      gathering = null
    })
    return gathering
  }

  async function record(result: Result): Promise<void> {
    await gather()
    try {
      return await commit.submit(result)
    } catch (error) {
      ctx.logger.warn(
        { err: error, deliveryId: result.claimed.id },
        'the result of a delivery could not be kept; trying again',
      )
    }
    // By itself from here on, so that a result that can never be written takes nobody with it.
    await pRetry(() => recordAlone(ctx, result), {
      ...patience,
      shouldRetry: ({ error }) => isDatabaseUnavailable(error),
    })
  }

  return {
    record: (result) =>
      record(result).catch((error: unknown) => {
        ctx.logger.error(
          { err: error, deliveryId: result.claimed.id },
          'the result of a delivery is lost; it will be sent again',
        )
      }),
  }
}

/** After a failure nobody knows whether the transaction had committed all the same. */
async function recordAlone(ctx: EventsContext, result: Result): Promise<void> {
  await ctx.db.transaction(async (trx) => {
    if (await attemptExists(trx, result.attempt.deliveryId, result.attempt.n)) return
    await recordResults(ctx, trx, [result])
  })
}

async function recordResults(ctx: EventsContext, trx: Knex.Transaction, results: Result[]): Promise<void> {
  const now = nowIso(ctx.clock)
  const owned = await lockOwned(
    trx,
    ctx.dialect,
    results.map(({ claimed }) => claimed),
  )
  const attempts: AttemptRecord[] = []
  const delivered: LastTry[] = []
  const failed: LastTry[] = []
  const counted: Counted[] = []
  // In one order: hooks lock what their events are about, and another batch may have some of the same.
  for (const result of [...results].sort((a, b) => (a.claimed.eventId < b.claimed.eventId ? -1 : 1))) {
    // A result whose lease had run out is kept, but the delivery belongs to its successor.
    const attempt = owned.has(result.claimed.id) ? await applyDelivered(ctx, trx, result) : result.attempt
    attempts.push(attempt)
    observeAttempt(ctx, trx, result, attempt)
    if (!owned.has(result.claimed.id)) continue
    counted.push({ result, attempt })
    const last = { id: attempt.deliveryId, status: attempt.responseStatus, error: attempt.errorCode }
    if (attempt.outcome === 'success') delivered.push(last)
    else if (!(await postpone(ctx, trx, result, last))) {
      failed.push(last)
      await giveUp(ctx, trx, result, last)
    }
  }
  await insertAttempts(trx, ctx.dialect, attempts)
  await markDelivered(trx, delivered, now)
  await markFailed(trx, failed, now)
  await recordHealth(ctx, trx, counted)
}

/** Plans the next try; false when there is none. */
async function postpone(ctx: EventsContext, trx: Knex.Transaction, result: Result, last: LastTry): Promise<boolean> {
  const { claimed, attempt, retryAfter, overloaded, timedOut, asks } = result
  const { retrySeconds } = ctx.config.webhooks
  const patience = attempt.errorCode === 'proxy' ? patienceWithProxy(result, retrySeconds, ctx.clock.now()) : null
  if (patience !== null) {
    await scheduleRetry(trx, last, isoIn(ctx.clock, patience), true)
    return true
  }
  if (asks === 'abort-message') return false
  const tries = claimed.attempt - claimed.baseAttempt
  const delay = retryDelay(retrySeconds, tries, { retryAfter, tired: overloaded || timedOut })
  if (delay === null) return false
  await scheduleRetry(trx, last, isoIn(ctx.clock, delay), false)
  return true
}

/**
 * Seconds until the next try when the operator's proxy failed, which is not held against the receiver: longer with each try. Null
 * once the event is as old as its whole schedule, because behind some proxies a receiver that is gone looks as if the proxy were.
 */
function patienceWithProxy({ claimed }: Result, retrySeconds: number[], now: Date): number | null {
  const wholeSchedule = retrySeconds.reduce((total, each) => total + each, 0)
  if (now.getTime() > Date.parse(claimed.createdTime) + 1000 * wholeSchedule) return null
  return Math.min(mostProxySeconds, leastProxySeconds * 2 ** Math.min(claimed.baseAttempt, 20))
}

async function giveUp(ctx: EventsContext, trx: Knex.Transaction, result: Result, last: LastTry): Promise<void> {
  await applyExhausted(ctx, trx, result)
  await announceExhausted(ctx, trx, result, last)
  const { id: deliveryId, eventId, endpointId, attempt } = result.claimed
  afterCommit(trx, () => ctx.lifecycle.emit('delivery.failed', { deliveryId, eventId, endpointId, attempts: attempt }))
}

/** Runs the hook for a 2xx, if there is one. When it throws, the attempt counts as failed. */
async function applyDelivered(ctx: EventsContext, trx: Knex.Transaction, result: Result): Promise<AttemptRecord> {
  const { attempt, load } = result
  const hook = ctx.eventHooks.delivered[load.event.type]
  if (!hook || load.event.test || attempt.outcome === 'failure') return attempt
  const error = await inSavepoint(trx, () => hook(trx, toStoredEvent(load.event)))
  if (!error) return attempt
  ctx.logger.error(
    { err: error, eventId: load.event.id },
    'a delivered event could not be applied; it will be sent again',
  )
  const errorMessage = 'The receiver accepted the event, but the host could not apply that; it sends it again.'
  return { ...attempt, outcome: 'failure', errorCode: 'host', errorMessage }
}

async function applyExhausted(ctx: EventsContext, trx: Knex.Transaction, { load }: Result): Promise<void> {
  const hook = ctx.eventHooks.exhausted[load.event.type]
  if (!hook || load.event.test) return
  const error = await inSavepoint(trx, () => hook(trx, toStoredEvent(load.event)))
  if (error) ctx.logger.error({ err: error, eventId: load.event.id }, 'a failed event could not be applied')
}

/**
 * Undoes what `work` did when it throws, and returns the error; the transaction goes on. Not knex's nested transaction: what
 * `work` asks for after the commit would then come after the savepoint, too early.
 */
async function inSavepoint(trx: Knex.Transaction, work: () => Promise<void>): Promise<Error | null> {
  await trx.raw('savepoint stoa_hook')
  try {
    await work()
    await trx.raw('release savepoint stoa_hook')
    return null
  } catch (error) {
    if (isDatabaseUnavailable(error)) throw error
    await trx.raw('rollback to savepoint stoa_hook')
    await trx.raw('release savepoint stoa_hook')
    return error instanceof Error ? error : new Error(String(error))
  }
}

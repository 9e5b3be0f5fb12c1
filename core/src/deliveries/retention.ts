import { setTimeout as sleep } from 'node:timers/promises'
import { inTransaction, text, type Db, type Row } from '../database/index.ts'
import type { EventsContext } from '../events/index.ts'
import { firstIdAt, isoIn, nowIso } from '../kernel/index.ts'
import { replaysTable } from './replay-store.ts'

const batch = 500
/** Between batches, so that whoever claims and records has the database in the meantime. */
const pauseMilliseconds = 20
const everyMilliseconds = 3600_000
const daySeconds = 86_400

export interface Retention {
  start(): void
  stop(): Promise<void>
  /** Removes what is too old now. `start` does this every hour. */
  sweep(): Promise<void>
}

/** A page of keys from the oldest on, `after` the last one that was looked at; and what is to be done with them. */
interface Task {
  table: string
  prefix: string
  /** Locks up to `batch` rows that are to go, of ids after and before. Returns their keys, in order. */
  take(trx: Db, range: { after: string; before: string }): Promise<string[]>
  /** Returns when they are gone. */
  remove(trx: Db, keys: string[]): Promise<void>
}

/**
 * Removes events, deliveries and attempts after `retentionDays`. Age counts from when they were made, not from when they were
 * last sent, or a resend would keep personal data for ever; what was finished within the last day is left for another one, so
 * that nobody's resend vanishes before they have seen what came of it. What still waits for a disabled endpoint is cancelled
 * first, and goes a day later; what waits for an active one is never removed. Any number of processes may sweep at once.
 */
export function createRetention(ctx: EventsContext, { pollMilliseconds = 60_000 } = {}): Retention {
  let timer: NodeJS.Timeout | undefined
  let underWay: Promise<void> | null = null
  let isStopping = false
  let nextSweep = 0

  async function sweep(): Promise<void> {
    const before = isoIn(ctx.clock, -ctx.config.webhooks.retentionDays * daySeconds)
    const tasks: Record<string, Task> = {
      'what is held for disabled endpoints': heldTask(ctx, before),
      deliveries: deliveriesTask(ctx, before),
      events: eventsTask(ctx, before),
      replays: replaysTask(ctx, before),
    }
    for (const [what, task] of Object.entries(tasks)) {
      // Each by itself: one that cannot be swept must not let the others grow as well.
      await run(task, before).catch((err: unknown) =>
        ctx.logger.warn({ err }, `webhooks: ${what} could not be removed; it will be tried again`),
      )
    }
  }

  async function run({ table, prefix, take, remove }: Task, time: string): Promise<void> {
    const before = firstIdAt(prefix, time)
    // Nearly always there is nothing, and then nobody need wait for a transaction that could have written.
    if (!(await ctx.db(table).where('id', '<', before).first('id'))) return
    // From one batch to the next, so that what has to stay is passed once and not again in every batch.
    for (let after = ''; !isStopping;) {
      const keys = await inTransaction(ctx.db, async (trx) => {
        const taken = await take(trx, { after, before })
        if (taken.length > 0) await remove(trx, taken)
        return taken
      })
      if (keys.length < batch) return
      after = keys.at(-1)!
      await sleep(pauseMilliseconds)
    }
  }

  function look(): void {
    const now = ctx.clock.now().getTime()
    if (underWay || now < nextSweep) return
    nextSweep = now + everyMilliseconds
    underWay = sweep().finally(() => {
      underWay = null
    })
  }

  return {
    start() {
      if (timer) return
      isStopping = false
      nextSweep = 0
      timer = setInterval(look, pollMilliseconds).unref()
      look()
    },
    async stop() {
      isStopping = true
      clearInterval(timer)
      timer = undefined
      await underWay
    },
    sweep,
  }
}

/** The oldest rows of a table that were made before a time; an id tells nearly that, and the index has it. */
function oldest(
  ctx: EventsContext,
  trx: Db,
  table: string,
  time: string,
  { after, before }: { after: string; before: string },
) {
  const query = trx(table)
    .select('id')
    .where('id', '>', after)
    .where('id', '<', before)
    .where('created_time', '<', time)
    .orderBy('id')
    .limit(batch)
  // What somebody else works on at this moment is left for the next time.
  if (ctx.dialect.rowLocks) query.forUpdate().skipLocked()
  return query
}

const idsOf = (rows: Row[]) => rows.map((row) => text(row.id))

function heldTask(ctx: EventsContext, time: string): Task {
  return {
    table: 'stoa_deliveries',
    prefix: 'dlv',
    take: async (trx, range) =>
      idsOf(
        (await oldest(ctx, trx, 'stoa_deliveries', time, range)
          .where({ state: 'pending' })
          .whereIn('endpoint_id', trx('stoa_webhook_endpoints').select('id').where({ status: 'DISABLED' }))) as Row[],
      ),
    async remove(trx, ids) {
      await trx('stoa_deliveries')
        .whereIn('id', ids)
        .update({
          state: 'cancelled',
          last_error: 'expired',
          next_time: null,
          lease_token: null,
          lease_until: null,
          completed_time: nowIso(ctx.clock),
        })
    },
  }
}

function deliveriesTask(ctx: EventsContext, time: string): Task {
  return {
    table: 'stoa_deliveries',
    prefix: 'dlv',
    take: async (trx, range) =>
      idsOf(
        (await oldest(ctx, trx, 'stoa_deliveries', time, range)
          .whereNot({ state: 'pending' })
          .where('completed_time', '<', isoIn(ctx.clock, -daySeconds))) as Row[],
      ),
    async remove(trx, ids) {
      await trx('stoa_delivery_attempts').whereIn('delivery_id', ids).delete()
      await trx('stoa_deliveries').whereIn('id', ids).delete()
    },
  }
}

function eventsTask(ctx: EventsContext, time: string): Task {
  const withDeliveries = (trx: Db) => trx('stoa_deliveries').select('event_id')
  return {
    table: 'stoa_events',
    prefix: 'evt',
    take: async (trx, range) =>
      idsOf(
        (await oldest(ctx, trx, 'stoa_events', time, range).whereNotExists(
          withDeliveries(trx).whereRaw('stoa_deliveries.event_id = stoa_events.id'),
        )) as Row[],
      ),
    async remove(trx, ids) {
      // Looked at again now that they are locked: a replay may have made a delivery of one since the statement began.
      const kept = new Set(
        ((await withDeliveries(trx).whereIn('event_id', ids)) as Row[]).map((row) => text(row.event_id)),
      )
      await trx('stoa_events')
        .whereIn(
          'id',
          ids.filter((id) => !kept.has(id)),
        )
        .delete()
    },
  }
}

function replaysTask(ctx: EventsContext, time: string): Task {
  return {
    table: replaysTable,
    prefix: 'whr',
    take: async (trx, range) =>
      idsOf((await oldest(ctx, trx, replaysTable, time, range).whereNot({ state: 'running' })) as Row[]),
    remove: async (trx, ids) => void (await trx(replaysTable).whereIn('id', ids).delete()),
  }
}

import { afterCommit, claimDue, inTransaction, text, type Db } from '../database/index.ts'
import { findReceiver, type EventsContext } from '../events/index.ts'
import { createPoller, isoIn, nowIso, type Poller } from '../kernel/index.ts'
import { replayPage } from './replay-page.ts'
import {
  countTries,
  delayReplay,
  dueReplays,
  endReplay,
  holdReplay,
  replaysTable,
  saveProgress,
  type Replay,
} from './replay-store.ts'

const atOnce = 8
const leaseSeconds = 60
/** How often a page may fail in a row: after 30 seconds, one minute, two and four it is tried again. */
const mostTries = 5
const firstDelaySeconds = 30
/** How far a replay may lag behind its pace and make up for it. */
const mostLagMilliseconds = 1000
/** Between two pages of one replay, however little the first came to: a search through millions leaves room for the others. */
const pauseMilliseconds = 50

/**
 * Works off replays, a page of each in turn, as fast as each may go. How far it got is kept with what it did, in one
 * transaction, so that a replay survives its process, and any number of processes may take turns at it.
 */
export function createReplayWorker(ctx: EventsContext): Poller {
  const { pollMilliseconds } = ctx.config.webhooks
  return createPoller(
    ctx,
    'replays',
    async () => {
      const { rows, leaseToken } = await claimDue(ctx.db, ctx.dialect, {
        table: replaysTable,
        due: dueReplays(nowIso(ctx.clock)),
        limit: atOnce,
        leaseUntil: isoIn(ctx.clock, leaseSeconds),
      })
      for (const { id } of rows) {
        try {
          await inTransaction(ctx.db, (trx) => runPage(ctx, trx, text(id), leaseToken))
        } catch (err) {
          // The others go on.
          ctx.logger.error({ err, replayId: id }, 'a page of a replay failed')
          await putOff(ctx, text(id), leaseToken)
        }
      }
      return rows.length
    },
    { pollMilliseconds },
  )
}

async function putOff(ctx: EventsContext, id: string, leaseToken: string): Promise<void> {
  try {
    await inTransaction(ctx.db, (trx) => recordFailure(ctx, trx, id, leaseToken))
  } catch (err) {
    // Its lease keeps it from being tried again in every round.
    ctx.logger.error({ err, replayId: id }, 'that a page of a replay failed could not be recorded')
  }
}

async function runPage(ctx: EventsContext, trx: Db, id: string, leaseToken: string): Promise<void> {
  // Since it was claimed it may have been cancelled, or claimed by a successor.
  const replay = await holdReplay(trx, ctx.dialect, id, leaseToken)
  if (!replay) return
  const now = nowIso(ctx.clock)
  const receiver = await findReceiver(trx, replay.endpointId)
  if (!receiver) return void (await endReplay(trx, id, 'cancelled', now))
  const { lookedAt, queued, cursor, isLast } = await replayPage(ctx, trx, replay, receiver)
  await saveProgress(
    trx,
    {
      ...replay,
      cursor,
      lookedAt: replay.lookedAt + lookedAt,
      queued: replay.queued + queued,
      nextTime: nextTime(replay, queued, now),
    },
    now,
  )
  if (isLast) await endReplay(trx, id, 'done', now)
  if (queued > 0 && !replay.filter.dryRun) afterCommit(trx, () => ctx.signals.emit('deliveries-due'))
}

/** Later again, or never: what fails each time would otherwise run for ever, and keep a place among those that run at once. */
async function recordFailure(ctx: EventsContext, trx: Db, id: string, leaseToken: string): Promise<void> {
  const before = await countTries(trx, id, leaseToken)
  if (before === null) return
  const tries = before + 1
  const now = nowIso(ctx.clock)
  if (tries < mostTries) {
    const nextTime = isoIn(ctx.clock, firstDelaySeconds * 2 ** (tries - 1))
    return delayReplay(trx, id, { tries, nextTime, now })
  }
  const reason = `The host could not go on with it, ${mostTries} times in a row. What it had queued is sent.`
  await endReplay(trx, id, 'failed', now, reason)
  ctx.logger.error({ replayId: id }, 'a replay was given up')
}

/** From when the page was due rather than from now, or looking for it every so often would slow it down. */
function nextTime({ nextTime: due, perSecond, filter }: Replay, queued: number, now: string): string {
  const begin = Math.max(Date.parse(due ?? now), Date.parse(now) - mostLagMilliseconds)
  const paced = filter.dryRun ? begin : begin + (queued / perSecond) * 1000
  return new Date(Math.max(paced, Date.parse(now) + pauseMilliseconds)).toISOString()
}

import { deleteEndedSessions } from '../accounts/index.ts'
import type { Db } from '../database/index.ts'
import { isoIn, nowIso } from '../kernel/index.ts'
import type { AccessContext } from './context.ts'
import { deleteEndedSeenIds } from './seen-ids.ts'
import { deleteEndedApplicationTokens } from './store.ts'
import { deleteEndedFamilies } from './token-family-store.ts'

const every = 60_000
/** How long an ended credential is still answered "expired" instead of "unknown". */
const keptSeconds = 24 * 3600

/** Removes what ended before a time. */
export type Sweep = (db: Db, before: string) => Promise<void>

/** What is removed as soon as it has ended, because nobody is told of it any more, and what a day later. */
export interface Sweeps {
  atOnce: Sweep[]
  later: Sweep[]
}

const own: Sweeps = {
  atOnce: [deleteEndedSeenIds],
  later: [deleteEndedApplicationTokens, deleteEndedFamilies, deleteEndedSessions],
}

/**
 * Removes sessions and tokens that ended a day ago, and what `more` removes of other slices. Several processes may do so at
 * once.
 */
export function createCredentialSweeper(
  ctx: AccessContext,
  more: Sweeps = { atOnce: [], later: [] },
): { start(): void; stop(): Promise<void> } {
  let timer: NodeJS.Timeout | undefined
  let underWay: Promise<void> = Promise.resolve()

  async function sweep(): Promise<void> {
    const [now, before] = [nowIso(ctx.clock), isoIn(ctx.clock, -keptSeconds)]
    const all = [
      ...[...own.atOnce, ...more.atOnce].map((remove) => () => remove(ctx.db, now)),
      ...[...own.later, ...more.later].map((remove) => () => remove(ctx.db, before)),
    ]
    for (const remove of all) {
      // Each by itself: one table that is too large to be swept in time must not let the others grow as well.
      await remove().catch((err: unknown) =>
        ctx.logger.warn({ err }, 'ended credentials could not be removed; it will be tried again'),
      )
    }
  }

  return {
    start() {
      timer ??= setInterval(() => {
        underWay = sweep()
      }, every).unref()
      underWay = sweep()
    },
    async stop() {
      clearInterval(timer)
      timer = undefined
      await underWay
    },
  }
}

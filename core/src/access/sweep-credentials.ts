import { deleteEndedSessions } from '../accounts/index.ts'
import type { Db } from '../database/index.ts'
import { isoIn } from '../kernel/index.ts'
import type { AccessContext } from './context.ts'
import { deleteEndedSeenIds } from './seen-ids.ts'
import { deleteEndedApplicationTokens } from './store.ts'
import { deleteEndedFamilies } from './token-family-store.ts'

const every = 10 * 60_000
/** How long an ended credential is still answered "expired" instead of "unknown". */
const keptSeconds = 24 * 3600

/** Removes what no longer opens anything. */
export type Sweep = (db: Db, before: string) => Promise<void>

const sweeps: Sweep[] = [deleteEndedApplicationTokens, deleteEndedFamilies, deleteEndedSeenIds, deleteEndedSessions]

/**
 * Removes sessions and tokens that ended a day ago, and what `more` removes of other slices. Several processes may do so at
 * once.
 */
export function createCredentialSweeper(
  ctx: AccessContext,
  more: Sweep[] = [],
): { start(): void; stop(): Promise<void> } {
  let timer: NodeJS.Timeout | undefined
  let underWay: Promise<void> = Promise.resolve()

  async function sweep(): Promise<void> {
    const before = isoIn(ctx.clock, -keptSeconds)
    try {
      for (const remove of [...sweeps, ...more]) await remove(ctx.db, before)
    } catch (err) {
      ctx.logger.warn({ err }, 'ended credentials could not be removed; it will be tried again')
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

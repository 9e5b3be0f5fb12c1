import { deleteEndedSessions } from '../accounts/index.ts'
import { isoIn } from '../kernel/index.ts'
import type { AccessContext } from './context.ts'
import { deleteEndedInstallationTokens } from './store.ts'

const every = 10 * 60_000
/** How long an ended credential is still answered "expired" instead of "unknown". */
const keptSeconds = 24 * 3600

/** Removes sessions and installation tokens that ended a day ago. Several processes may do so at once. */
export function createCredentialSweeper(ctx: AccessContext): { start(): void; stop(): Promise<void> } {
  let timer: NodeJS.Timeout | undefined
  let underWay: Promise<void> = Promise.resolve()

  async function sweep(): Promise<void> {
    const before = isoIn(ctx.clock, -keptSeconds)
    try {
      await deleteEndedInstallationTokens(ctx.db, before)
      await deleteEndedSessions(ctx.db, before)
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

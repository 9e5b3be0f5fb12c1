import { inTransaction } from '../../database/index.ts'
import { createEachByItself, createPoller, nowIso, type Poller } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { findExpired } from './hold-store.ts'
import { releaseHold } from './release-hold.ts'

const batch = 100

/**
 * Frees what holds reserve whose time is over. Any number of processes may run one: whoever comes first closes the hold, the others
 * find it closed.
 */
export function createHoldWorker(ctx: WalletContext): Poller {
  const each = createEachByItself(ctx, 'the release of an expired hold')
  return createPoller(ctx, 'expired holds', async () => {
    const expired = await findExpired(ctx.db, nowIso(ctx.clock), { limit: batch, except: each.resting() })
    return each.run(
      expired,
      ({ id }) => id,
      (hold) => inTransaction(ctx.db, (trx) => releaseHold(ctx, trx, hold, 'expired')),
    )
  })
}

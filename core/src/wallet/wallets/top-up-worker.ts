import { claimDue } from '../../database/index.ts'
import { createEachByItself, createPoller, isoIn, nowIso, type Poller } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { runTopUpRule } from './run-top-up-rule.ts'
import { leaseSeconds, settleTopUp } from './settle-top-up.ts'
import { findDueWallets } from './top-up-rule.ts'
import { mapTopUp, topUpsTable } from './top-up-store.ts'

const batch = 20

/**
 * Finishes top-ups that are pending, and makes those that rules want. Any number of processes may run one: a top-up is claimed by
 * a lease, and what decides over money is decided under the lock of its wallet.
 */
export function createTopUpWorker(ctx: WalletContext): Poller {
  const rules = createEachByItself(ctx, 'a top-up rule')
  return createPoller(ctx, 'top-ups', async () => {
    const now = nowIso(ctx.clock)
    const { rows, leaseToken } = await claimDue(ctx.db, ctx.dialect, {
      table: topUpsTable,
      due: (query) =>
        void query
          .where('next_time', '<=', now)
          .where((free) => void free.whereNull('lease_until').orWhere('lease_until', '<=', now))
          .orderBy('next_time'),
      limit: batch,
      leaseUntil: isoIn(ctx.clock, leaseSeconds),
      set: { tries: ctx.db.raw('tries + 1') },
    })
    // Together: each waits for the provider and not for this machine.
    const settled = await Promise.allSettled(rows.map(async (row) => settleTopUp(ctx, mapTopUp(row), leaseToken)))
    for (const [index, result] of settled.entries()) {
      // Its lease keeps it from being tried in every round; the others go on.
      if (result.status === 'rejected')
        ctx.logger.error({ err: result.reason as unknown, topUpId: rows[index]!.id }, 'top-up not settled')
    }
    // After it: money that was asked for already comes first, and decides whether a rule asks for more.
    const wallets = await findDueWallets(ctx.db, now, { limit: batch, except: rules.resting() })
    await rules.run(
      wallets,
      (id) => id,
      (id) => runTopUpRule(ctx, id),
    )
    return wallets.length + rows.length
  })
}

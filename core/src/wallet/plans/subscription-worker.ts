import { claimDue, inTransaction, text } from '../../database/index.ts'
import { lockInstallationById } from '../../installations/index.ts'
import { createEachByItself, createPoller, isoIn, nowIso, type Poller } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { endSubscription } from './end-subscription.ts'
import { renewSubscription } from './renew-subscription.ts'
import { dueSubscriptions, lockSubscriptionById, mapSubscription, subscriptionsTable } from './subscription-store.ts'
import type { Subscription } from './subscription.ts'

const batch = 50
const leaseSeconds = 30

/**
 * Bills what is due: trials that end, periods that begin, what could not be paid. Any number of processes may run one: a period is an item
 * with the subscription's next revision, written in one transaction with its money, under the lock and the lease of this very claim.
 */
export function createSubscriptionWorker(ctx: WalletContext): Poller {
  const each = createEachByItself(ctx, 'the billing of a due subscription')
  return createPoller(ctx, 'due subscriptions', async () => {
    const { rows, leaseToken } = await claimDue(ctx.db, ctx.dialect, {
      table: subscriptionsTable,
      due: dueSubscriptions(nowIso(ctx.clock)),
      limit: batch,
      leaseUntil: isoIn(ctx.clock, leaseSeconds),
    })
    // The lease keeps one that fails from being tried again in every round.
    return each.run(
      rows,
      ({ id }) => text(id),
      (row) => settle(ctx, mapSubscription(row), leaseToken),
    )
  })
}

async function settle(ctx: WalletContext, { id, installationId }: Subscription, leaseToken: string): Promise<void> {
  await inTransaction(ctx.db, async (trx) => {
    const installation = await lockInstallationById(trx, ctx.dialect, installationId)
    const found = await lockSubscriptionById(trx, ctx.dialect, id)
    // Since it was claimed a successor may have claimed it, after this lease ran out; or somebody has changed it.
    if (found?.leaseToken !== leaseToken || found.endedTime !== null) return
    if (!installation || installation.uninstalledTime !== null) await endSubscription(ctx, trx, found)
    else await renewSubscription(ctx, trx, found, installation)
  })
}

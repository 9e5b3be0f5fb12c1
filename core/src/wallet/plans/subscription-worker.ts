import { claimDue, inTransaction } from '../../database/index.ts'
import { lockInstallationById } from '../../installations/index.ts'
import { createPoller, isoIn, nowIso, type Poller } from '../../kernel/index.ts'
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
  return createPoller(ctx, 'due subscriptions', async () => {
    const { rows, leaseToken } = await claimDue(ctx.db, ctx.dialect, {
      table: subscriptionsTable,
      due: dueSubscriptions(nowIso(ctx.clock)),
      limit: batch,
      leaseUntil: isoIn(ctx.clock, leaseSeconds),
    })
    for (const subscription of rows.map(mapSubscription)) {
      try {
        await settle(ctx, subscription, leaseToken)
      } catch (err) {
        // The lease keeps it from being tried again in every round; the others go on.
        ctx.logger.error({ err, subscriptionId: subscription.id }, 'due subscription not billed')
      }
    }
    return rows.length
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

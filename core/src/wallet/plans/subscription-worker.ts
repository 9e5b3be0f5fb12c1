import { claimDue, inTransaction } from '../../database/index.ts'
import { lockInstallationById } from '../../installations/index.ts'
import { isoIn, nowIso } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { endSubscription } from './end-subscription.ts'
import { renewSubscription } from './renew-subscription.ts'
import { dueSubscriptions, lockSubscriptionById, mapSubscription, subscriptionsTable } from './subscription-store.ts'
import type { Subscription } from './subscription.ts'

export interface SubscriptionWorker {
  start(): void
  /** Resolves when what was under way is done. */
  stop(): Promise<void>
  /** Does what is due now; returns how much that was. `start` does this again and again. */
  runDue(): Promise<number>
}

const batch = 50
const leaseSeconds = 30

/**
 * Bills what is due: trials that end, periods that begin, what could not be paid. Any number of processes may run one: a period is an item
 * with the subscription's next revision, written in one transaction with its money, under the lock and the lease of this very claim.
 */
export function createSubscriptionWorker(
  ctx: WalletContext,
  { pollMilliseconds = 1000 }: { pollMilliseconds?: number } = {},
): SubscriptionWorker {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<unknown> = Promise.resolve()
  let isStarted = false

  async function runDue(): Promise<number> {
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
  }

  async function round(): Promise<void> {
    let done = 1
    try {
      while (isStarted && done > 0) done = await runDue()
    } catch (err) {
      ctx.logger.error({ err }, 'due subscriptions not read')
    }
    if (isStarted) schedule()
  }

  function schedule(): void {
    timer = setTimeout(() => {
      running = round()
    }, pollMilliseconds)
    timer.unref()
  }

  return {
    start() {
      if (isStarted) return
      isStarted = true
      schedule()
    },
    async stop() {
      isStarted = false
      clearTimeout(timer)
      await running
    },
    runDue,
  }
}

// The installation first, as everybody locks who changes one, then its subscription, then wallets.
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

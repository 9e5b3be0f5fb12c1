import type { Knex } from 'knex'
import { publish } from '../../events/index.ts'
import { nowIso } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { findPlan } from './plan-store.ts'
import { subscriptionEvent } from './subscription-events.ts'
import { updateSubscription } from './subscription-store.ts'
import type { Subscription } from './subscription.ts'

/** Ends it for good. Nothing is given back: what was paid was paid for the whole period. */
export async function endSubscription(
  ctx: WalletContext,
  trx: Knex.Transaction,
  subscription: Subscription,
): Promise<Subscription> {
  const now = nowIso(ctx.clock)
  const ended: Subscription = { ...subscription, status: 'ended', nextTime: null, endedTime: now, updatedTime: now }
  await updateSubscription(trx, ended)
  const plan = await findPlan(trx, subscription)
  const currency = plan?.currency ?? ctx.config.currency
  await publish(ctx, trx, subscriptionEvent('subscription.ended', ended, { amount: 0n, currency, now }))
  return ended
}

import type { Knex } from 'knex'
import { findApplication } from '../../applications/index.ts'
import { publish } from '../../events/index.ts'
import { disableInstallation, isLive, theHost, type Installation } from '../../installations/index.ts'
import { nowIso, StoaError } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { payPeriod } from './begin-subscription.ts'
import { moveTo } from './change-plan.ts'
import { endSubscription } from './end-subscription.ts'
import { planOfSubscription } from './installation-ports.ts'
import { readPlanPrice } from './plan-price.ts'
import type { Plan } from './plan.ts'
import { nextTry } from './retries.ts'
import { planChangedEvent, subscriptionEvent } from './subscription-events.ts'
import { findSubscription, updateSubscription } from './subscription-store.ts'
import type { Subscription } from './subscription.ts'

/**
 * The next step of a subscription that is due, with the locks of its installation and itself: pays one period, however many are
 * due, so that they are paid in order and each at most once; or follows the organization's plan; or ends, pauses, tries again later.
 */
export async function renewSubscription(
  ctx: WalletContext,
  trx: Knex.Transaction,
  found: Subscription,
  installation: Installation,
): Promise<void> {
  const now = nowIso(ctx.clock)
  const isOver = found.periodEnd !== null && found.periodEnd <= now
  if (isOver && found.endsWithPeriod) {
    await endSubscription(ctx, trx, found)
    await publish(
      ctx,
      trx,
      planChangedEvent(found, { currentPlanId: found.planId, newPlanId: null }, { userId: null, now }),
    )
    if (isLive(installation)) await switchOff(ctx, trx, installation, 'its plan was cancelled and has ended')
    return
  }
  if (!isLive(installation)) {
    if (!isOver) return updateSubscription(trx, { ...found, nextTime: found.periodEnd, updatedTime: now })
    const status = found.status === 'past_due' || found.status === 'unpaid' ? 'unpaid' : 'paused'
    return updateSubscription(trx, { ...found, status, nextTime: null, updatedTime: now })
  }
  const plan = await wantedPlan(trx, found, installation)
  if (!isOver) return follow(ctx, trx, found, installation, plan)
  try {
    const { subscription, amount } = await payDue(ctx, trx, found, installation, plan)
    await updateSubscription(trx, subscription)
    await tellChange(ctx, trx, found, subscription)
    await publish(
      ctx,
      trx,
      subscriptionEvent('subscription.renewed', subscription, { amount, currency: plan.currency, now }),
    )
  } catch (error) {
    if (!isUnpayable(error)) throw error
    await failed(ctx, trx, found, installation, plan)
  }
}

/** The organization's plan, for what was passed on from its installation; otherwise its own. */
async function wantedPlan(trx: Knex.Transaction, found: Subscription, { parentId }: Installation): Promise<Plan> {
  const parent = parentId === null ? null : await findSubscription(trx, parentId)
  return planOfSubscription(trx, parent ?? found)
}

/** In the middle of a period: on the organization's plan from now on. Without funds it stays on its own until the period ends. */
async function follow(
  ctx: WalletContext,
  trx: Knex.Transaction,
  found: Subscription,
  installation: Installation,
  plan: Plan,
): Promise<void> {
  const later = { ...found, nextTime: found.periodEnd, updatedTime: nowIso(ctx.clock) }
  if (plan.id === found.planId) return updateSubscription(trx, later)
  try {
    const moved = await moveTo(ctx, trx, found, { plan, installation, actor: theHost })
    await updateSubscription(trx, moved)
    await tellChange(ctx, trx, found, moved)
  } catch (error) {
    if (!isUnpayable(error)) throw error
    await updateSubscription(trx, later)
  }
}

async function payDue(
  ctx: WalletContext,
  trx: Knex.Transaction,
  found: Subscription,
  installation: Installation,
  plan: Plan,
) {
  const start = found.periodEnd!
  const before = plan.id === found.planId ? null : await planOfSubscription(trx, found)
  // A plan that is not paid as often counts from where it begins.
  const isAnew = before !== null && before.paymentTime !== plan.paymentTime
  const anchored = isAnew ? { ...found, anchorTime: start } : found
  return payPeriod(ctx, trx, anchored, { plan, installation, start, credit: null, actor: theHost })
}

async function tellChange(ctx: WalletContext, trx: Knex.Transaction, before: Subscription, after: Subscription) {
  if (before.planId === after.planId) return
  const plans = { currentPlanId: before.planId, newPlanId: after.planId }
  await publish(ctx, trx, planChangedEvent(after, plans, { userId: null, now: nowIso(ctx.clock) }))
}

/** What waits for money rather than for us. They are thrown before anything was written. */
function isUnpayable(error: unknown): boolean {
  return error instanceof StoaError && (error.code === 'insufficient_funds' || error.code === 'wallet_suspended')
}

async function failed(
  ctx: WalletContext,
  trx: Knex.Transaction,
  found: Subscription,
  installation: Installation,
  plan: Plan,
): Promise<void> {
  const now = nowIso(ctx.clock)
  const tries = found.tries + 1
  const nextTime = nextTry(tries, now)
  const status = nextTime === null ? 'unpaid' : 'past_due'
  const subscription: Subscription = { ...found, status, tries, nextTime, updatedTime: now }
  await updateSubscription(trx, subscription)
  const { amount } = await readPlanPrice(trx, plan, installation)
  await publish(
    ctx,
    trx,
    subscriptionEvent('subscription.past-due', subscription, { amount, currency: plan.currency, now }),
  )
  if (status === 'unpaid') await switchOff(ctx, trx, installation, 'its plan could not be paid')
}

async function switchOff(ctx: WalletContext, trx: Knex.Transaction, installation: Installation, reason: string) {
  const application = await findApplication(trx, installation.applicationId)
  if (!application) throw new Error(`The application ${installation.applicationId} of an installation is gone`)
  await disableInstallation(ctx, trx, application, installation, { actor: theHost, reason })
}

import type { Knex } from 'knex'
import { publish } from '../../events/index.ts'
import { isLive, listPassedOn, type Actor, type Installation } from '../../installations/index.ts'
import { nowIso, proportion, StoaError } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { actorText, beginSubscription, payPeriod } from './begin-subscription.ts'
import { planOfSubscription } from './installation-ports.ts'
import { paySubscription, type Credit } from './pay-subscription.ts'
import { priceOfPart, readPlanPrice } from './plan-price.ts'
import { findPlan } from './plan-store.ts'
import type { Plan } from './plan.ts'
import { planChangedEvent } from './subscription-events.ts'
import { findPeriodItems, hurrySubscriptions, lockSubscription, updateSubscription } from './subscription-store.ts'
import type { Subscription } from './subscription.ts'

const servedAtOnce = 500

/**
 * Puts a locked installation on another plan, at once. What was not used of the running period is given back; of a plan that is paid as
 * often, the rest of the period is paid, of another a period that begins now. A trial goes on to its end. A period that is due is paid on
 * the new plan. The same plan takes a cancellation back. What was passed on from this installation follows by the worker.
 *
 * Throws `plan_not_found`, also for a retired plan; `wrong_state` for what is switched off; `insufficient_funds` and `wallet_suspended`, and
 * then nothing changes.
 */
export async function changePlan(
  ctx: WalletContext,
  trx: Knex.Transaction,
  installation: Installation,
  { planId, actor, userId }: { planId: string; actor: Actor; userId: string | null },
): Promise<Subscription> {
  const now = nowIso(ctx.clock)
  const live = await lockSubscription(trx, ctx.dialect, installation.id)
  const plan = await findPlan(trx, { applicationId: installation.applicationId, planId })
  if (!plan || (plan.status !== 'active' && plan.id !== live?.planId)) throw new StoaError('plan_not_found')
  if (!isLive(installation)) {
    throw new StoaError('wrong_state', { message: 'The installation is switched off; switch it on first.' })
  }
  if (live?.planId === plan.id) {
    const nextTime = live.endsWithPeriod && live.status !== 'past_due' ? live.periodEnd : live.nextTime
    const kept = { ...live, endsWithPeriod: false, nextTime, updatedTime: now }
    await updateSubscription(trx, kept)
    return kept
  }
  const changed = live
    ? await moveTo(ctx, trx, live, { plan, installation, actor })
    : await beginSubscription(ctx, trx, installation, plan, { actor, isLater: false })
  if (live) await updateSubscription(trx, changed)
  const plans = { currentPlanId: live?.planId ?? null, newPlanId: plan.id }
  await publish(ctx, trx, planChangedEvent(changed, plans, { userId, now }))
  if (installation.fanOut !== null) await letPassedOnFollow(trx, installation.id, now)
  return changed
}

/** The subscription on another plan, paid and to be written. */
export async function moveTo(
  ctx: WalletContext,
  trx: Knex.Transaction,
  live: Subscription,
  { plan, installation, actor }: { plan: Plan; installation: Installation; actor: Actor },
): Promise<Subscription> {
  const now = nowIso(ctx.clock)
  const before: Subscription = { ...live, endsWithPeriod: false, updatedTime: now }
  const { periodEnd } = live
  const isDue = periodEnd !== null && periodEnd <= now
  const isSame = (await planOfSubscription(trx, live)).paymentTime === plan.paymentTime
  if (isDue) {
    const anchored = isSame ? before : { ...before, anchorTime: periodEnd }
    return (await payPeriod(ctx, trx, anchored, { plan, installation, start: periodEnd, credit: null, actor }))
      .subscription
  }
  const price = await readPlanPrice(trx, plan, installation)
  const by = { plan, actor: actorText(actor), periodStart: now }
  if (live.status === 'trialing') {
    const free = { ...price, amount: 0n, baseAmount: 0n, feeAmount: 0n }
    const { revision } = await paySubscription(ctx, trx, live, {
      ...by,
      kind: 'change',
      price: free,
      periodEnd,
      credit: null,
    })
    return { ...before, planId: plan.id, nextTime: periodEnd, revision }
  }
  const credit = await unusedOf(trx, live, now)
  if (isSame && periodEnd !== null && price.baseAmount > 0n) {
    const whole = Date.parse(periodEnd) - Date.parse(live.periodStart)
    const rest = Date.parse(periodEnd) - Date.parse(now)
    const part = priceOfPart(price, BigInt(rest), BigInt(whole))
    const { revision } = await paySubscription(ctx, trx, live, {
      ...by,
      kind: 'change',
      price: part,
      periodEnd,
      credit,
    })
    return { ...before, planId: plan.id, nextTime: periodEnd, revision }
  }
  const anew = { ...before, anchorTime: now }
  return (await payPeriod(ctx, trx, anew, { plan, installation, start: now, credit, actor })).subscription
}

/**
 * What of the running period was paid and not used, by the millisecond, rounded once, half away from zero. Nothing of what was paid once:
 * it has no end that anything could be left until.
 */
async function unusedOf(trx: Knex.Transaction, live: Subscription, now: string): Promise<Credit | null> {
  const items = await findPeriodItems(trx, live.id)
  const item = items.findLast(({ kind }) => kind !== 'credit')
  if (!item || item.amount === 0n || item.periodEnd === null) return null
  const [start, end] = [Date.parse(item.periodStart), Date.parse(item.periodEnd)]
  const rest = end - Date.parse(now)
  return rest <= 0 ? null : { item, amount: proportion(item.amount, BigInt(rest), BigInt(end - start)) }
}

/** Many wallets would have to pay at once: the worker looks at each. */
async function letPassedOnFollow(trx: Knex.Transaction, parentId: string, now: string): Promise<void> {
  for (let after: string | undefined = ''; after !== undefined;) {
    const ids: string[] = await listPassedOn(trx, parentId, { after, limit: servedAtOnce })
    await hurrySubscriptions(trx, ids, now)
    after = ids.at(-1)
  }
}

/**
 * Cancels at the end of the period, or of the trial; what could not be paid, at once. The worker then ends it and switches the
 * installation off. Throws `wrong_state` for what has no end.
 */
export async function cancelPlan(
  ctx: WalletContext,
  trx: Knex.Transaction,
  installation: Installation,
): Promise<Subscription> {
  const live = await lockSubscription(trx, ctx.dialect, installation.id)
  if (!live) throw new StoaError('not_found')
  if (live.periodEnd === null) {
    throw new StoaError('wrong_state', {
      message: 'Nothing of this plan has to be paid again; uninstall the application.',
    })
  }
  const now = nowIso(ctx.clock)
  const isOff = live.status === 'paused' || live.status === 'unpaid'
  const nextTime = isOff || live.periodEnd <= now ? now : live.periodEnd
  const cancelled: Subscription = { ...live, endsWithPeriod: true, nextTime, updatedTime: now }
  await updateSubscription(trx, cancelled)
  return cancelled
}

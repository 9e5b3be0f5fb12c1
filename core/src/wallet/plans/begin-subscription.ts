import type { Knex } from 'knex'
import type { Actor, Installation } from '../../installations/index.ts'
import { isoIn, newId, nowIso } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { paySubscription, type Credit } from './pay-subscription.ts'
import { periodEndAfter } from './period-end-after.ts'
import { readPlanPrice } from './plan-price.ts'
import type { Plan } from './plan.ts'
import { hadTrial, insertSubscription } from './subscription-store.ts'
import type { Subscription } from './subscription.ts'

const day = 86_400

export const actorText = ({ type, id }: Actor) => `${type}:${id ?? 'subscriptions'}`

/**
 * An installation's plan begins: with its trial, the first time that it has one, or with a first period that is paid at once. What is
 * free is paid once and for all, with nothing. With `isLater` the worker takes the first payment: nobody is there to be told that there
 * are no funds. Throws `insufficient_funds`, `wallet_suspended`.
 */
export async function beginSubscription(
  ctx: WalletContext,
  trx: Knex.Transaction,
  installation: Installation,
  plan: Plan,
  { actor, isLater }: { actor: Actor; isLater: boolean },
): Promise<Subscription> {
  const now = nowIso(ctx.clock)
  const { id: installationId, organizationId, locationId, environment } = installation
  const begun: Subscription = {
    id: newId('sub'),
    installationId,
    applicationId: plan.applicationId,
    publisherId: plan.publisherId,
    organizationId,
    locationId,
    environment,
    planId: plan.id,
    status: 'active',
    anchorTime: now,
    periodStart: now,
    periodEnd: now,
    trialEnd: null,
    endsWithPeriod: false,
    tries: 0,
    nextTime: now,
    leaseToken: null,
    revision: 0,
    createdTime: now,
    updatedTime: now,
    endedTime: null,
  }
  const price = await readPlanPrice(trx, plan, installation)
  const isFree = price.baseAmount === 0n
  let subscription = begun
  if (!isFree && plan.trialDays > 0 && !(await hadTrial(trx, installationId))) {
    const trialEnd = isoIn(ctx.clock, plan.trialDays * day)
    const free = { ...price, amount: 0n, baseAmount: 0n, feeAmount: 0n }
    const times = { periodStart: now, periodEnd: trialEnd, credit: null, actor: actorText(actor) }
    const { revision } = await paySubscription(ctx, trx, begun, { plan, kind: 'trial', price: free, ...times })
    const state = { status: 'trialing', periodEnd: trialEnd, trialEnd, nextTime: trialEnd } as const
    // Periods count from the end of the trial.
    subscription = { ...begun, ...state, anchorTime: trialEnd, revision }
  } else if (isFree || !isLater) {
    subscription = (await payPeriod(ctx, trx, begun, { plan, installation, start: now, credit: null, actor }))
      .subscription
  }
  await insertSubscription(trx, subscription)
  return subscription
}

/**
 * Pays the period of a plan that begins at `start`, counted from the subscription's anchor, and gives back what was not used of the one
 * before. Returns the subscription as it is from then on, to be written, and what the period cost.
 */
export async function payPeriod(
  ctx: WalletContext,
  trx: Knex.Transaction,
  subscription: Subscription,
  period: { plan: Plan; installation: Installation; start: string; credit: Credit | null; actor: Actor },
) {
  const { plan, installation, start, credit, actor } = period
  const price = await readPlanPrice(trx, plan, installation)
  // What is free need not be paid again.
  const periodEnd = price.baseAmount === 0n ? null : periodEndAfter(subscription.anchorTime, plan.paymentTime, start)
  const times = { periodStart: start, periodEnd, actor: actorText(actor) }
  const { revision, amount } = await paySubscription(ctx, trx, subscription, {
    plan,
    kind: 'period',
    price,
    credit,
    ...times,
  })
  const paid: Subscription = {
    ...subscription,
    planId: plan.id,
    status: 'active',
    periodStart: start,
    periodEnd,
    tries: 0,
    nextTime: periodEnd,
    revision,
    updatedTime: nowIso(ctx.clock),
  }
  return { subscription: paid, amount }
}

import type { Knex } from 'knex'
import { inTransaction, type Db } from '../../database/index.ts'
import type { CurrentPlan, Installation, Start } from '../../installations/index.ts'
import { nowIso, StoaError } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { endHoldsOf } from '../holds/hold-store.ts'
import { beginSubscription, payPeriod } from './begin-subscription.ts'
import { endSubscription } from './end-subscription.ts'
import { findActivePlans, findPlan } from './plan-store.ts'
import type { Plan } from './plan.ts'
import { mostTries } from './retries.ts'
import { findLastSubscription, findSubscription, lockSubscription, updateSubscription } from './subscription-store.ts'
import type { Subscription } from './subscription.ts'

const day = 86_400_000

/**
 * The port of installations: what is installed anew begins with a plan, what is switched on again goes on with the one it has. A period
 * that ended while it was off was never begun: another begins now. What was passed on takes the organization's choice, and is paid by the
 * worker in a moment, each in a transaction of its own: a hundred wallets locked at once could wait for each other in a circle.
 */
export function startSubscription(ctx: WalletContext, db: Db, start: Start): Promise<void> {
  return inTransaction(db, async (trx) => {
    const { installation, planId } = start
    const live = await lockSubscription(trx, ctx.dialect, installation.id)
    if (live && planId !== null && planId !== live.planId) {
      throw new StoaError('wrong_state', {
        message: 'It has another plan; switch it on without planId, and change the plan with PUT …/plan.',
      })
    }
    const now = nowIso(ctx.clock)
    const isOver = live !== null && live.periodEnd !== null && live.periodEnd <= now
    if (live && !(isOver && live.endsWithPeriod)) {
      if (isOver) await resume(ctx, trx, live, start)
      return
    }
    if (live) await endSubscription(ctx, trx, live)
    if (!start.isNew && planId === null && !(await wantsPlan(trx, installation))) return
    const plan = await planFor(trx, start)
    const { actor, withParent } = start
    if (plan) await beginSubscription(ctx, trx, installation, plan, { actor, isLater: withParent })
  })
}

/** What was installed before there were plans goes on without; what had one that ended needs one. */
async function wantsPlan(trx: Knex.Transaction, installation: Installation): Promise<boolean> {
  const last = await findLastSubscription(trx, installation.id)
  return last?.endedTime != null && last.endedTime >= installation.installedTime
}

async function resume(
  ctx: WalletContext,
  trx: Knex.Transaction,
  live: Subscription,
  { installation, actor, withParent }: Start,
): Promise<void> {
  const now = nowIso(ctx.clock)
  const anew: Subscription = { ...live, anchorTime: now, updatedTime: now }
  if (withParent) {
    // One that was never paid gets one try, not all of them again.
    const isUnpaid = live.status === 'unpaid' || live.status === 'past_due'
    const state = isUnpaid
      ? ({ status: 'past_due', tries: mostTries } as const)
      : ({ status: 'active', tries: 0 } as const)
    await updateSubscription(trx, { ...anew, ...state, periodStart: now, periodEnd: now, nextTime: now })
    return
  }
  const plan = await planOfSubscription(trx, live)
  const paid = await payPeriod(ctx, trx, anew, { plan, installation, start: now, credit: null, actor })
  await updateSubscription(trx, paid.subscription)
}

/** Throws `plan_required`, `plan_not_found`. Null when the application has no plans, or the organization's installation is on none. */
async function planFor(trx: Knex.Transaction, { installation, planId }: Start): Promise<Plan | null> {
  const { applicationId, parentId } = installation
  if (parentId !== null) {
    const parent = await findSubscription(trx, parentId)
    return parent && planOfSubscription(trx, parent)
  }
  const plans = await findActivePlans(trx, applicationId)
  if (planId !== null) {
    const chosen = plans.find(({ id }) => id === planId)
    if (!chosen) throw new StoaError('plan_not_found')
    return chosen
  }
  const free = plans.find(({ freePlan }) => freePlan)
  if (free || plans.length === 0) return free ?? null
  throw new StoaError('plan_required', { details: { plans: plans.map(({ id, name }) => ({ id, name })) } })
}

/** A plan is never deleted. */
export async function planOfSubscription(db: Db, { applicationId, planId }: Subscription): Promise<Plan> {
  const plan = await findPlan(db, { applicationId, planId })
  if (!plan) throw new Error(`The plan ${planId} of a subscription is gone`)
  return plan
}

/**
 * The port of installations: with the installation ends its plan, of which the running period is not given back, and what it holds of
 * wallets, which is free again in a moment.
 */
export function endWithInstallation(ctx: WalletContext, db: Db, installation: Installation): Promise<void> {
  return inTransaction(db, async (trx) => {
    await endHoldsOf(trx, installation.id, nowIso(ctx.clock))
    const live = await lockSubscription(trx, ctx.dialect, installation.id)
    if (live) await endSubscription(ctx, trx, live)
  })
}

/** The port of installations, and what tokens tell. */
export async function planOf(db: Db, installationId: string): Promise<CurrentPlan | null> {
  const live = await findSubscription(db, installationId)
  if (!live) return null
  const { planId, status, trialEnd, periodStart } = live
  const trial =
    status === 'trialing' && trialEnd !== null
      ? { startTime: periodStart, days: Math.round((Date.parse(trialEnd) - Date.parse(periodStart)) / day) }
      : null
  return { planId, trial }
}

import type { Application } from '../../applications/index.ts'
import type { Db } from '../../database/index.ts'
import { invalidField, microsText, newId, nowIso, StoaError, toMicros, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { insertPlan, lockPlans, updatePlan } from './plan-store.ts'
import type { Plan } from './plan.ts'

type Amount = number | string | null

export interface NewPlan extends Pick<Plan, 'name' | 'paymentType' | 'paymentTime'> {
  features?: string[]
  amount?: Amount
  locationAmount?: Amount
  freePlan?: boolean
  freeForOrganization?: boolean
  freeForLocation?: boolean
  trialDays?: number
  currency?: string
}

export type PlanChanges = Partial<NewPlan & Pick<Plan, 'status'>>

/** As many as HighLevel's manifests have. */
const mostActive = 6
const mostDays = 90
const highestPrice: Micros = 1_000_000n * 1_000_000n

/**
 * Makes a plan. What is free costs nothing and says so; everything else has a price above 0, with at most 6 decimals. Throws
 * `validation_failed` with the field, and `limit_reached` beyond 6 active plans.
 */
export async function createPlan(
  ctx: WalletContext,
  db: Db,
  application: Pick<Application, 'id' | 'publisherId'>,
  input: NewPlan,
): Promise<Plan> {
  const now = nowIso(ctx.clock)
  const plans = await lockPlans(db, ctx.dialect, application.id)
  const { freePlan = false, freeForOrganization = false, freeForLocation = false, trialDays = 0 } = input
  const currency = input.currency ?? ctx.config.currency
  if (currency !== ctx.config.currency) throw invalidField('currency', `must be ${ctx.config.currency}`)
  if ((input.paymentType === 'one_time') !== (input.paymentTime === 'life_time')) {
    throw invalidField('paymentTime', 'is life_time for what is paid once, and only for that')
  }
  if (freePlan && trialDays > 0) throw invalidField('trialDays', 'must be 0: a free plan has nothing to try')
  const plan: Plan = {
    id: newId('pln'),
    applicationId: application.id,
    publisherId: application.publisherId,
    name: input.name,
    features: input.features ?? [],
    paymentType: input.paymentType,
    paymentTime: input.paymentTime,
    currency,
    amount: readAmount('amount', input.amount, freePlan || freeForOrganization),
    locationAmount: readAmount('locationAmount', input.locationAmount, freePlan || freeForLocation),
    freePlan,
    freeForOrganization,
    freeForLocation,
    trialDays: readDays(trialDays),
    status: 'active',
    position: Math.max(0, ...plans.map(({ position }) => position)) + 1,
    createdTime: now,
    updatedTime: now,
  }
  assertRoom(plans)
  await insertPlan(db, plan)
  return plan
}

/**
 * Renames a plan, describes it anew, retires it or offers it again. Everything else is what its subscribers agreed to: another value is
 * refused (`validation_failed`), the present one accepted.
 */
export async function changePlanOffer(
  ctx: WalletContext,
  db: Db,
  at: { applicationId: string; planId: string },
  changes: PlanChanges,
): Promise<Plan> {
  const plans = await lockPlans(db, ctx.dialect, at.applicationId)
  const plan = plans.find(({ id }) => id === at.planId)
  if (!plan) throw new StoaError('not_found')
  const { name = plan.name, features = plan.features, status = plan.status, ...fixed } = changes
  for (const [field, value] of Object.entries(fixed)) assertSame(plan, field as keyof typeof fixed, value)
  if (status === 'active' && plan.status !== 'active') assertRoom(plans)
  const changed = { ...plan, name, features, status, updatedTime: nowIso(ctx.clock) }
  await updatePlan(db, changed)
  return changed
}

function assertRoom(plans: Plan[]): void {
  if (plans.filter(({ status }) => status === 'active').length < mostActive) return
  throw new StoaError('limit_reached', {
    message: `An application offers at most ${mostActive} plans; retire one first.`,
    details: { limit: mostActive },
  })
}

function assertSame(plan: Plan, field: Exclude<keyof NewPlan, 'name' | 'features'>, value: unknown): void {
  const present = plan[field]
  const isSame =
    typeof present === 'bigint'
      ? value === null
        ? present === 0n
        : toMicros(value as number | string) === present
      : value === present
  if (!isSame) throw invalidField(field, 'cannot be changed; make a new plan and retire this one')
}

function readAmount(field: string, given: Amount | undefined, isFree: boolean): Micros {
  const isGiven = given !== undefined && given !== null
  if (!isGiven && isFree) return 0n
  if (!isGiven) throw invalidField(field, 'is required, unless it is free')
  const micros = toMicros(given)
  if (micros === null) throw invalidField(field, 'must be a decimal with at most 6 decimals')
  if (isFree && micros !== 0n) throw invalidField(field, 'must be 0 or absent for what is free')
  if (!isFree && micros <= 0n) throw invalidField(field, 'must be more than 0; what costs nothing is marked as free')
  if (micros > highestPrice) throw invalidField(field, `must be at most ${microsText(highestPrice)}`)
  return micros
}

function readDays(days: number): number {
  if (!Number.isInteger(days) || days < 0 || days > mostDays) {
    throw invalidField('trialDays', `must be a whole number from 0 to ${mostDays}`)
  }
  return days
}

import type { Db } from '../../database/index.ts'
import { defineOperation, type Operation } from '../../http/index.ts'
import { Id, microsNumber, microsText, nowIso, OneOf, StoaError, Type, type Static } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { listMeters } from '../meters/meter-store.ts'
import type { Meter } from '../meters/meters.ts'
import { readRebillingConfig } from '../permissions.ts'
import { findRebillings } from '../rebilling/rebilling-store.ts'
import { resell, ruleFor, type Rebilling } from '../rebilling/rebilling.ts'
import { rangeOf, resoldUnitPrices } from '../rebilling/unit-prices.ts'
import { tenantOf, type Tenant } from '../tenant.ts'
import { baseOf, type Plan } from './plan.ts'
import { findActivePlans } from './plan-store.ts'

const SubscriptionPlan = Type.Object({
  planId: Id(),
  name: Type.String(),
  features: Type.Array(Type.String()),
  paymentType: Type.String(),
  paymentTime: Type.String(),
  baseAmount: Type.Number({ description: 'What the application asks of a location.' }),
  resellingAmount: Type.Number({ description: 'What is paid for it here.' }),
})
const UsagePlan = Type.Object({
  meterId: Id(),
  meterName: Type.String(),
  productType: Type.String(),
  productName: Type.String(),
  usageUnit: Type.String(),
  priceType: OneOf(['fixed', 'dynamic']),
  fixedPricePerUnit: Type.Number({
    description:
      'What one unit costs here; of a dynamic meter, when the charge brings no price. 0 when there is no such price.',
  }),
  minPricePerUnit: Type.String({ description: 'What one unit costs here at least. Decimal text.' }),
  maxPricePerUnit: Type.String({ description: 'And at most.' }),
  executionLimitPerCycle: Type.Number({ description: 'Most units in a day; 0 for no limit.' }),
})
const RebillingConfig = Type.Object({
  plans: Type.Object({ subscription: Type.Array(SubscriptionPlan), usage: Type.Array(UsagePlan) }),
})

/** HighLevel's operation by which an application learns what its customer pays. */
export function rebillingConfigOperations(ctx: WalletContext): Operation[] {
  return [
    defineOperation({
      id: 'get-rebilling-config-for-app',
      method: 'GET',
      path: '/marketplace/app/:appId/rebilling-config/location/:locationId',
      surface: 'runtime',
      tag: 'Billing',
      summary: 'See what a location pays for the application’s plans and units',
      description:
        'Of the location that the token was issued for, as its organization resells it. Plans and meters that can be had now. A `Version` header is accepted and not required.',
      permission: readRebillingConfig,
      callers: ['application'],
      params: Type.Object({ appId: Id(), locationId: Id() }),
      responses: { 200: RebillingConfig },
      errors: ['tenant_mismatch', 'caller_not_allowed'],
      handler: async ({ caller, db, params: { appId, locationId } }) => {
        const tenant = tenantOf(caller)
        // Whether the ids are somebody's or nobody's: the token is for neither.
        if (appId !== tenant.applicationId || locationId !== tenant.locationId) throw new StoaError('tenant_mismatch')
        return { plans: await configOf(ctx, db, tenant) }
      },
    }),
  ]
}

const mostMeters = 1000

async function configOf(ctx: WalletContext, db: Db, tenant: Tenant) {
  const rules = await findRebillings(db, [tenant])
  const plans = await findActivePlans(db, tenant.applicationId)
  const page = { limit: mostMeters, offset: 0 }
  const meters = (await listMeters(db, tenant.applicationId, page, nowIso(ctx.clock))).items
  const ruleOf = (itemId: string) => ruleFor(rules, { ...tenant, itemId })
  const isOffered = ({ status }: Meter) =>
    status === 'active' || (status === 'test' && tenant.environment === 'sandbox')
  return {
    subscription: plans.map((plan) => subscriptionPlan(plan, ruleOf(plan.id), tenant)),
    usage: meters.filter(isOffered).map((meter) => usagePlan(meter, ruleOf(meter.id))),
  }
}

function subscriptionPlan(plan: Plan, rule: Rebilling | null, tenant: Tenant): Static<typeof SubscriptionPlan> {
  const { id: planId, name, features, paymentType, paymentTime } = plan
  const base = baseOf(plan, tenant)
  const resold = base === 0n ? base : resell(rule, base, null).amount
  const amounts = { baseAmount: microsNumber(base), resellingAmount: microsNumber(resold) }
  return { planId, name, features, paymentType, paymentTime, ...amounts }
}

function usagePlan(meter: Meter, rule: Rebilling | null): Static<typeof UsagePlan> {
  const { id: meterId, name: meterName, unit: usageUnit, productType, productName, price } = meter
  const { usual, least, most } = rangeOf(resoldUnitPrices(rule, price))
  return {
    meterId,
    meterName,
    productType,
    productName: productName ?? meterName,
    usageUnit,
    // HighLevel knows no others: where the charge brings a price or an amount, and where it does not.
    priceType: price.type === 'dynamic' || price.type === 'percentage' ? 'dynamic' : 'fixed',
    fixedPricePerUnit: microsNumber(usual ?? 0n),
    minPricePerUnit: microsText(least ?? 0n),
    maxPricePerUnit: microsText(most ?? 0n),
    executionLimitPerCycle: price.dailyLimit === null ? 0 : microsNumber(price.dailyLimit),
  }
}

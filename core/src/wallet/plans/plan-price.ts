import type { Db } from '../../database/index.ts'
import type { Installation } from '../../installations/index.ts'
import { proportion } from '../../kernel/index.ts'
import type { AccountKey } from '../ledger/account.ts'
import { findRebillings } from '../rebilling/rebilling-store.ts'
import { resell, ruleFor } from '../rebilling/rebilling.ts'
import { feeOf, partsGivenBack, type Parts } from '../revenue/earnings.ts'
import { findFees } from '../revenue/platform-fees.ts'
import { baseOf, type Plan } from './plan.ts'

/** What somebody pays for a plan. */
export interface PlanPrice extends Parts {
  payer: AccountKey
  rebillingId: string | null
}

export type Place = Pick<Installation, 'organizationId' | 'locationId' | 'environment' | 'fanOut'>

/**
 * What an installation pays for a period of a plan today. What is free stays free, whatever an organization asks for the rest. An
 * organization's installation that goes on to locations works there alone, and they pay.
 */
export async function readPlanPrice(db: Db, plan: Plan, place: Place): Promise<PlanPrice> {
  const { organizationId, locationId, environment } = place
  const { currency, applicationId } = plan
  const ofOrganization: AccountKey = {
    kind: 'wallet',
    ownerType: 'organization',
    ownerId: organizationId,
    environment,
    currency,
  }
  const ofLocation: AccountKey | null =
    locationId === null ? null : { ...ofOrganization, ownerType: 'location', ownerId: locationId }
  const baseAmount = place.fanOut === null ? baseOf(plan, place) : 0n
  if (baseAmount === 0n) {
    return { payer: ofLocation ?? ofOrganization, rebillingId: null, amount: 0n, baseAmount, feeAmount: 0n }
  }
  const feeAmount = feeOf(baseAmount, (await findFees(db, [applicationId])).get(applicationId) ?? 0)
  if (locationId === null || ofLocation === null) {
    return { payer: ofOrganization, rebillingId: null, amount: baseAmount, baseAmount, feeAmount }
  }
  const at = { organizationId, locationId, applicationId, environment }
  const rule = ruleFor(await findRebillings(db, [at]), { ...at, itemId: plan.id })
  const { payer, amount } = resell(rule, baseAmount, null)
  return {
    payer: payer === 'location' ? ofLocation : ofOrganization,
    rebillingId: rule?.id ?? null,
    amount,
    baseAmount,
    feeAmount,
  }
}

/** The price of a part of a period: rounded once, half away from zero, and in parts that add up to it. */
export function priceOfPart(price: PlanPrice, part: bigint, whole: bigint): PlanPrice {
  return { ...price, ...partsGivenBack(price, 0n, proportion(price.amount, part, whole)) }
}

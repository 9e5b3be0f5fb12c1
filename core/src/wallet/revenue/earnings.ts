import type { Environment } from '../../context.ts'
import type { Micros } from '../../kernel/index.ts'
import { accountId, platformAccount, type NewAccount } from '../ledger/account.ts'
import type { Leg } from '../ledger/ledger.ts'

/** Who earns by a charge: the application's publisher, the platform, and the organization that resells it. */
export interface Earners {
  applicationId: string
  publisherId: string
  /** Of the location. */
  organizationId: string
  environment: Environment
  currency: string
}

/** What a payment comes to, in parts that add up to it exactly. */
export interface Parts {
  /** What the payer pays. */
  amount: Micros
  /** Of it, what the application asks; the rest is the organization's margin. */
  baseAmount: Micros
  /** Of the base, what the platform keeps; the rest is the publisher's. */
  feeAmount: Micros
}

/** The platform's share of what the application asks, rounded down, so that no remainder is ever created. */
export const feeOf = (baseAmount: Micros, feeBps: number): Micros => (baseAmount * BigInt(feeBps)) / 10_000n

/** Where a payment goes, without the payer's own leg. With negative parts: where it comes back from. */
export function earningLegs(earners: Earners, parts: Parts): Leg[] {
  return legsOf(earningIds(earners), parts)
}

/** Ids of the accounts of those who earn. Worth keeping where the same earn again and again. */
export interface EarningIds {
  payable: string
  fee: string
  margin: string
}

export function earningIds(earners: Earners): EarningIds {
  const [payable, fee, margin] = earningAccounts(earners)
  return { payable: accountId(payable), fee: accountId(fee), margin: accountId(margin) }
}

export function legsOf({ payable, fee, margin }: EarningIds, { amount, baseAmount, feeAmount }: Parts): Leg[] {
  return [
    { account: { id: payable }, amount: baseAmount - feeAmount },
    { account: { id: fee }, amount: feeAmount },
    { account: { id: margin }, amount: amount - baseAmount },
  ]
}

/** The accounts that these legs are on. They have to exist (`ensureAccounts`) before money goes there. */
export function earningAccounts({
  applicationId,
  publisherId,
  organizationId,
  environment,
  currency,
}: Earners): [payable: NewAccount, fee: NewAccount, margin: NewAccount] {
  const at = { environment, currency }
  return [
    { kind: 'app_payable', ownerType: 'application', ownerId: applicationId, organizationId: publisherId, ...at },
    platformAccount('platform_fee', at),
    { kind: 'margin', ownerType: 'organization', ownerId: organizationId, organizationId, ...at },
  ]
}

/**
 * What of the parts is given back with `given` of their amount, when `before` was given back already: both sums and all that
 * remains are exact, and no part is ever given back beyond itself.
 */
export function partsGivenBack(whole: Parts, before: Micros, given: Micros): Parts {
  const until = cumulated(whole, before + given)
  const from = cumulated(whole, before)
  return {
    amount: given,
    baseAmount: until.baseAmount - from.baseAmount,
    feeAmount: until.feeAmount - from.feeAmount,
  }
}

// Rounded down and nested, each part grows by at most what the one around it grows.
function cumulated({ amount, baseAmount, feeAmount }: Parts, given: Micros) {
  const base = amount === 0n ? 0n : (baseAmount * given) / amount
  return { baseAmount: base, feeAmount: baseAmount === 0n ? 0n : (feeAmount * base) / baseAmount }
}

import type { Db } from '../../database/index.ts'
import { accountId, type AccountKey } from '../ledger/account.ts'
import { findMeters } from '../meters/meter-store.ts'
import type { Meter } from '../meters/meters.ts'
import { findRebillings } from '../rebilling/rebilling-store.ts'
import { ruleFor, type Rebilling } from '../rebilling/rebilling.ts'
import { findFees } from '../revenue/platform-fees.ts'
import type { ChargeRequest } from './charge.ts'

/** What a charge is priced and shared out by. */
export interface ChargeTerms {
  meter: Meter
  rule: Rebilling | null
  feeBps: number
  /** Whose wallet pays, and the id it has, or would have. */
  payer: AccountKey
  walletId: string
}

/** What names a charge's terms. */
export type TermsKey = Pick<
  ChargeRequest,
  'applicationId' | 'organizationId' | 'locationId' | 'environment' | 'meterId'
>

/** The terms of each that has a meter of its application. */
export async function readTerms<Key extends TermsKey>(
  db: Db,
  keys: Key[],
  now: string,
): Promise<Map<Key, ChargeTerms>> {
  const each = (name: keyof TermsKey) => [...new Set(keys.map((key) => key[name]))]
  const meters = await findMeters(db, each('meterId'), now)
  const rules = await findRebillings(db, keys)
  const fees = await findFees(db, each('applicationId'))
  const terms = new Map<Key, ChargeTerms>()
  for (const key of keys) {
    const meter = meters.get(key.meterId)
    if (meter?.applicationId !== key.applicationId) continue
    const rule = rules.length === 0 ? null : ruleFor(rules, { ...key, itemId: meter.id })
    const payer = payerOf(key, { meter, rule })
    const feeBps = fees.get(key.applicationId) ?? 0
    terms.set(key, { meter, rule, feeBps, payer, walletId: accountId(payer) })
  }
  return terms
}

function payerOf(
  { organizationId, locationId, environment }: TermsKey,
  { meter, rule }: Pick<ChargeTerms, 'meter' | 'rule'>,
): AccountKey {
  const { currency } = meter.price
  return rule && !rule.enabled
    ? { kind: 'wallet', ownerType: 'organization', ownerId: organizationId, environment, currency }
    : { kind: 'wallet', ownerType: 'location', ownerId: locationId, environment, currency }
}

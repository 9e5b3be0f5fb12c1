import type { Db } from '../../database/index.ts'
import { nowIso, shareOf, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { listMeters } from '../meters/meter-store.ts'
import type { Meter } from '../meters/meters.ts'
import type { Price } from '../meters/price.ts'
import type { Tenant } from '../tenant.ts'
import { findRebillings } from './rebilling-store.ts'
import { ruleFor, type Rebilling } from './rebilling.ts'

/** More meters than this are a mistake of the author's. */
const most = 1000

/** Prices of one unit, as in `Price`. */
export type UnitPrices = Pick<Price, 'unitPrice' | 'minPrice' | 'maxPrice' | 'tiers'>

/** What an application asks for a meter, and what its customer pays. */
export interface RetailPrice {
  meter: Meter
  rule: Rebilling | null
  payer: 'location' | 'organization'
  /** What whoever pays is charged for one unit; the same as the meter's own where nothing is put on it. */
  retail: UnitPrices
}

/** Every active meter of the application as it is charged for at the location now. */
export async function retailPrices(ctx: WalletContext, db: Db, tenant: Tenant): Promise<RetailPrice[]> {
  const { applicationId } = tenant
  const { items } = await listMeters(db, applicationId, { limit: most, offset: 0 }, nowIso(ctx.clock))
  const rules = await findRebillings(db, [tenant])
  return items
    .filter(({ status }) => status === 'active' || (status === 'test' && tenant.environment === 'sandbox'))
    .map((meter) => {
      const rule = ruleFor(rules, { ...tenant, itemId: meter.id })
      const payer = rule && !rule.enabled ? ('organization' as const) : ('location' as const)
      return { meter, rule, payer, retail: retailOf(rule, meter.price) }
    })
}

// Of one unit. A charge is put together as a whole and rounded once, so many units may differ from this by a rounding.
function retailOf(rule: Rebilling | null, { unitPrice, minPrice, maxPrice, tiers, packageSize }: Price): UnitPrices {
  const own = rule?.enabled ? rule.ownPrice : null
  const raise = (base: Micros): Micros => {
    if (!rule?.enabled) return base
    if (own === null) return base + shareOf(base, rule.markupBps ?? 0)
    return own > base ? own : base
  }
  const each = (base: Micros | null) => (base === null ? null : raise(base))
  // An own price is of one unit, also where the application's is of a package.
  if (own !== null && packageSize !== null) return { unitPrice: own, minPrice: null, maxPrice: null, tiers: null }
  return {
    unitPrice: each(unitPrice),
    minPrice: each(minPrice),
    maxPrice: each(maxPrice),
    tiers: tiers?.map(({ upTo, unitPrice: base }) => ({ upTo, unitPrice: raise(base) })) ?? null,
  }
}

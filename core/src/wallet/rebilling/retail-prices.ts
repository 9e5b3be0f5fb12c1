import type { Db } from '../../database/index.ts'
import { nowIso } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { listMeters } from '../meters/meter-store.ts'
import type { Meter } from '../meters/meters.ts'
import { findRebillings, type BoughtAt } from './rebilling-store.ts'
import { ruleFor } from './rebilling.ts'
import { resoldUnitPrices, type UnitPrices } from './unit-prices.ts'

/** More meters than this are a mistake of the author's. */
const most = 1000

/** What an application asks for a meter, and what its customer pays. */
export interface RetailPrice {
  meter: Meter
  payer: 'location' | 'organization'
  /** The same as the meter's own where nothing is put on it. */
  retail: UnitPrices
}

/** Every active meter of the application as it is charged for at the location now; at '', at those without a rule of their own. */
export async function retailPrices(ctx: WalletContext, db: Db, place: BoughtAt): Promise<RetailPrice[]> {
  const { applicationId } = place
  const { items } = await listMeters(db, applicationId, { limit: most, offset: 0 }, nowIso(ctx.clock))
  const rules = await findRebillings(db, [place])
  return items
    .filter(({ status }) => status === 'active' || (status === 'test' && place.environment === 'sandbox'))
    .map((meter) => {
      const rule = ruleFor(rules, { ...place, itemId: meter.id })
      const payer = rule && !rule.enabled ? ('organization' as const) : ('location' as const)
      return { meter, payer, retail: resoldUnitPrices(rule, meter.price) }
    })
}

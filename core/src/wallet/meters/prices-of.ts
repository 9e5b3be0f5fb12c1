import type { Price } from '../../applications/index.ts'
import type { Db } from '../../database/index.ts'
import { microsText, nowIso, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { listMeters } from './meter-store.ts'
import { priceText } from './price-text.ts'

/** More meters than this are a mistake of the author's; a consent page names no more. */
const most = 100

/** The port of applications: what each active meter costs now. */
export async function pricesOf(
  { clock }: Pick<WalletContext, 'clock'>,
  db: Db,
  applicationId: string,
): Promise<Price[]> {
  const { items } = await listMeters(db, applicationId, { limit: most, offset: 0 }, nowIso(clock))
  const text = (micros: Micros | null) => (micros === null ? null : microsText(micros))
  return items
    .filter(({ status }) => status === 'active')
    .map(({ id, name, unit, price }) => ({
      meterId: id,
      name,
      unit,
      priceType: price.type,
      currency: price.currency,
      text: priceText(price, unit),
      pricePerUnit: price.packageSize === null ? text(price.unitPrice) : null,
      minPricePerUnit: text(price.minPrice),
      maxPricePerUnit: text(price.maxPrice),
      rateBps: price.rateBps,
      package: price.packageSize === null ? null : { size: text(price.packageSize)!, price: text(price.unitPrice)! },
      tiers: price.tiers?.map(({ upTo, unitPrice }) => ({ upTo: text(upTo), price: text(unitPrice)! })) ?? null,
      freeUnits: text(price.freeUnits)!,
      dailyLimit: text(price.dailyLimit),
      cycleLimit: text(price.cycleLimit),
    }))
}

import type { Price } from '../../applications/index.ts'
import type { Db } from '../../database/index.ts'
import { microsText, nowIso } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { listMeters } from './meter-store.ts'

/** More meters than this are a mistake of the author's; a consent page names no more. */
const most = 100

/** The port of applications: what one unit of each active meter costs now. */
export async function pricesOf(
  { clock }: Pick<WalletContext, 'clock'>,
  db: Db,
  applicationId: string,
): Promise<Price[]> {
  const { items } = await listMeters(db, applicationId, { limit: most, offset: 0 }, nowIso(clock))
  return items
    .filter(({ status }) => status === 'active')
    .map(({ id, name, unit, price }) => ({
      meterId: id,
      name,
      unit,
      priceType: price.type,
      currency: price.currency,
      pricePerUnit: price.unitPrice === null ? null : microsText(price.unitPrice),
      minPricePerUnit: price.minPrice === null ? null : microsText(price.minPrice),
      maxPricePerUnit: price.maxPrice === null ? null : microsText(price.maxPrice),
    }))
}

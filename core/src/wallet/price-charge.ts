import { microsText, multiplyMicros, StoaError, toMicros, type Micros } from '../kernel/index.ts'
import type { Meter } from './meters.ts'

/**
 * What one unit costs. Throws `meter_inactive`; on a fixed meter `price_not_allowed` unless the given price is the meter's own;
 * on a dynamic one `price_required` and `price_out_of_range`; `currency_mismatch`.
 */
export function priceUnit(meter: Meter, given: number | string | null, currency: string | null): Micros {
  if (meter.status !== 'active') throw new StoaError('meter_inactive')
  const { price } = meter
  if (currency !== null && currency !== price.currency) {
    throw new StoaError('currency_mismatch', { message: `The meter is priced in ${price.currency}.` })
  }
  const micros = given === null ? null : toMicros(given)
  if (price.unitPrice !== null) {
    if (given !== null && micros !== price.unitPrice) throw new StoaError('price_not_allowed')
    return price.unitPrice
  }
  if (given === null) throw new StoaError('price_required')
  const { minPrice, maxPrice } = price
  if (micros === null || minPrice === null || maxPrice === null || micros < minPrice || micros > maxPrice) {
    const [min, max] = [microsText(minPrice ?? 0n), microsText(maxPrice ?? 0n)]
    throw new StoaError('price_out_of_range', {
      message: `price must lie between ${min} and ${max}, with at most 6 decimals.`,
      details: { minPrice: Number(min), maxPrice: Number(max) },
    })
  }
  return micros
}

/** units × price, rounded once, half away from zero, to the micro-unit. */
export const chargeAmount = multiplyMicros

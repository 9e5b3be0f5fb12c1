import { divideMicros, shareOf, type Micros } from '../../kernel/index.ts'
import type { Price } from '../meters/price.ts'
import { resell, type Rebilling } from './rebilling.ts'

const oneUnit: Micros = 1_000_000n

/** Prices of one unit, as in `Price`; a package's is shared out to its units, and of a percentage there is its rate. */
export type UnitPrices = Pick<Price, 'unitPrice' | 'minPrice' | 'maxPrice' | 'rateBps' | 'tiers'>

/** What the application asks for one unit. */
export function unitPricesOf({ unitPrice, minPrice, maxPrice, rateBps, tiers, packageSize }: Price): UnitPrices {
  const each = unitPrice !== null && packageSize !== null ? divideMicros(unitPrice, packageSize) : unitPrice
  return { unitPrice: each, minPrice, maxPrice, rateBps, tiers }
}

/**
 * What whoever pays is charged for one unit by a rule. A charge is put together as a whole and rounded once, so many units may differ
 * from this by a rounding. What the application gives for nothing stays free.
 */
export function resoldUnitPrices(rule: Rebilling | null, price: Price): UnitPrices {
  const { unitPrice, minPrice, maxPrice, rateBps, tiers } = unitPricesOf(price)
  const raise = (base: Micros): Micros => resell(rule, base, base === 0n ? 0n : oneUnit).amount
  const maybe = (base: Micros | null) => (base === null ? null : raise(base))
  return {
    unitPrice: maybe(unitPrice),
    minPrice: maybe(minPrice),
    maxPrice: maybe(maxPrice),
    // An own price is of units, and leaves the rate what it is.
    rateBps:
      rateBps === null || !rule?.enabled ? rateBps : rateBps + Number(shareOf(BigInt(rateBps), rule.markupBps ?? 0)),
    tiers: tiers?.map((tier) => ({ ...tier, unitPrice: raise(tier.unitPrice) })) ?? null,
  }
}

/** What one unit costs usually, which is at first, at least and at most; null where nothing says. */
export function rangeOf({ unitPrice, minPrice, maxPrice, tiers }: UnitPrices) {
  if (tiers === null) return { usual: unitPrice, least: minPrice ?? unitPrice, most: maxPrice ?? unitPrice }
  const prices = tiers.map((tier) => tier.unitPrice)
  const sorted = prices.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  return { usual: prices[0] ?? null, least: sorted[0] ?? null, most: sorted.at(-1) ?? null }
}

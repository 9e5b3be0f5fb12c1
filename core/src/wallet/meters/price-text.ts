import { microsText, type Micros } from '../../kernel/index.ts'
import type { Price } from './price.ts'

/**
 * A price in words for those who pay it, such as `0.05 USD per message, the first 100 each month free`. The one place where they
 * are made: consent pages, snapshots of versions and authors show the same.
 */
export function priceText(price: Price, unit: string): string {
  const parts = [modelText(price, unit)]
  if (price.freeUnits > 0n) {
    const isCounted = price.tiers !== null || price.packageSize !== null
    parts.push(`the first ${microsText(price.freeUnits)} each month free${isCounted ? ' and not counted' : ''}`)
  }
  if (price.dailyLimit !== null) parts.push(`at most ${microsText(price.dailyLimit)} a day`)
  if (price.cycleLimit !== null) parts.push(`at most ${microsText(price.cycleLimit)} a month`)
  return parts.join(', ')
}

function modelText(price: Price, unit: string): string {
  const { unitPrice, minPrice, maxPrice } = price
  const money = (micros: Micros) => `${microsText(micros)} ${price.currency}`
  switch (price.type) {
    case 'fixed':
      return `${money(unitPrice!)} per ${unit}`
    case 'dynamic': {
      const usual = unitPrice === null ? '' : `, usually ${money(unitPrice)}`
      return `${microsText(minPrice!)} to ${money(maxPrice!)} per ${unit}${usual}`
    }
    case 'package':
      // No plural: what a unit is called is the author's, in any language.
      return `${money(unitPrice!)} for every ${microsText(price.packageSize!)} × ${unit} begun in a month`
    case 'graduated': {
      const [first, ...others] = steps(price, money)
      const within = first!.upTo && `${first!.upTo} in a month`
      return [`${first!.price} per ${unit}${within}`, ...others.map(later)].join(', then ')
    }
    case 'volume': {
      const [first, ...others] = steps(price, money)
      const all = [`${first!.price}${first!.upTo}`, ...others.map(later)].join(', ')
      return `per ${unit}, by what a month comes to with the charge: ${all}`
    }
    case 'percentage': {
      const least = minPrice === null ? '' : `, at least ${money(minPrice)}`
      const most = maxPrice === null ? '' : `, at most ${money(maxPrice)}`
      return `${percent(price.rateBps!)} % of the amount of each ${unit}${least}${most}`
    }
  }
}

const steps = ({ tiers }: Price, money: (micros: Micros) => string) =>
  tiers!.map(({ upTo, unitPrice }) => ({
    price: money(unitPrice),
    upTo: upTo === null ? '' : ` up to ${microsText(upTo)}`,
  }))

const later = ({ price, upTo }: { price: string; upTo: string }) => `${price}${upTo || ' above'}`

/** Basis points are hundredths of a percent: 250 is 2.5. */
const percent = (rateBps: number): string => microsText(BigInt(rateBps) * 10_000n)

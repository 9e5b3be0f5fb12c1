import {
  divideMicros,
  maxMicros,
  microsText,
  shareOf,
  StoaError,
  sumProducts,
  toMicros,
  type Micros,
} from '../../kernel/index.ts'
import type { Price, Tier } from './price.ts'

/** Some of a charge's units, and what one of them costs. */
export interface PriceLine {
  units: Micros
  unitPrice: Micros
}

export interface Priced {
  amount: Micros
  /** What one unit costs; where units cost differently, what they cost on average, rounded. */
  unitPrice: Micros
  /** How the amount came about; null where it is units x unitPrice. */
  lines: PriceLine[] | null
}

/** What is to be charged. */
export interface Usage {
  units: Micros
  /** The price that came with it; null when none did. */
  price: number | string | null
  currency: string | null
  /** Units of this meter in the same month before it. */
  used: Micros
}

/**
 * What a charge costs: every line is exact, and their sum is rounded once, half away from zero, to the micro-unit. So a usage that
 * is charged in parts costs the same as in one (but by volume), give or take half a micro-unit for each charge that has to be
 * rounded; with whole units, and of packages, exactly. The share that a percentage makes is its unit price, and rounded as such
 * before it is multiplied. Throws, where the price is the meter's own, `price_not_allowed` unless the given one is the same;
 * `price_required` and `price_out_of_range` where the charge brings it; `currency_mismatch`; `invalid_units` when it comes to more
 * than a wallet can hold.
 */
export function priceCharge(price: Price, usage: Usage): Priced {
  if (usage.currency !== null && usage.currency !== price.currency) {
    throw new StoaError('currency_mismatch', { message: `The meter is priced in ${price.currency}.` })
  }
  const unitPrice = priceUnit(price, usage.price)
  const free = smaller(usage.units, larger(price.freeUnits - usage.used, 0n))
  const billed = usage.units - free
  const before = larger(usage.used - price.freeUnits, 0n)
  const lines = [
    ...(free > 0n ? [{ units: free, unitPrice: 0n }] : []),
    ...billedLines(price, unitPrice, billed, before),
  ]
  const amount = sumProducts(lines.map((line): [Micros, Micros] => [line.units, line.unitPrice]))
  if (amount > maxMicros) {
    throw new StoaError('invalid_units', {
      message: 'The charge comes to more than a wallet can hold; charge less at once.',
    })
  }
  const isPlain = lines.length === 1 && lines[0]!.units === usage.units
  return isPlain
    ? { amount, unitPrice: lines[0]!.unitPrice, lines: null }
    : { amount, unitPrice: divideMicros(amount, usage.units), lines }
}

/**
 * How many of a charge's units the application takes money for: what it gives for nothing, out of an allowance or in a tier that costs
 * nothing, is not among them. Taken from what is on record of a charge, so that who checks it later comes to the same.
 */
export function billedUnits({ units, unitPrice, lines }: PriceLine & Pick<Priced, 'lines'>): Micros {
  const all = lines ?? [{ units, unitPrice }]
  if (all.every((line) => line.unitPrice === 0n)) return 0n
  // The lines that cost something may count packages; those that do not always count units.
  return all.reduce((rest, line) => (line.unitPrice === 0n ? rest - line.units : rest), units)
}

/** The price of one unit or package where it does not depend on how many there are. */
function priceUnit(price: Price, given: number | string | null): Micros {
  if (price.type !== 'dynamic' && price.type !== 'percentage') {
    if (given !== null && (price.unitPrice === null || toMicros(given) !== price.unitPrice)) {
      throw new StoaError('price_not_allowed')
    }
    return price.unitPrice ?? 0n
  }
  if (given === null) {
    if (price.type === 'dynamic' && price.unitPrice !== null) return price.unitPrice
    throw new StoaError('price_required')
  }
  const micros = toMicros(given)
  if (micros === null || micros < 0n) throw outOfRange(price)
  if (price.type === 'percentage') {
    const share = shareOf(micros, price.rateBps!)
    return larger(price.minPrice ?? 0n, smaller(price.maxPrice ?? share, share))
  }
  if (micros < price.minPrice! || micros > price.maxPrice!) throw outOfRange(price)
  return micros
}

function outOfRange({ type, minPrice, maxPrice }: Price): StoaError {
  // Of a percentage the bounds are those of the share, not of what it is a share of.
  const bounds =
    type !== 'percentage' && minPrice !== null && maxPrice !== null
      ? [microsText(minPrice), microsText(maxPrice)]
      : null
  const range = bounds ? `lie between ${bounds[0]} and ${bounds[1]}` : 'be 0 or more'
  return new StoaError('price_out_of_range', {
    message: `price must ${range}, with at most 6 decimals.`,
    ...(bounds && { details: { minPrice: Number(bounds[0]), maxPrice: Number(bounds[1]) } }),
  })
}

function billedLines(price: Price, unitPrice: Micros, units: Micros, before: Micros): PriceLine[] {
  if (units === 0n) return []
  if (price.packageSize !== null) {
    const begun = packages(before + units, price.packageSize) - packages(before, price.packageSize)
    return [{ units: begun * 1_000_000n, unitPrice }]
  }
  if (price.tiers === null) return [{ units, unitPrice }]
  return price.type === 'volume'
    ? [{ units, unitPrice: tierAt(price.tiers, before + units).unitPrice }]
    : graduate(price.tiers, before, units)
}

/** Packages that were begun; both in micro-units. */
const packages = (units: Micros, size: Micros): bigint => (units + size - 1n) / size

const tierAt = (tiers: Tier[], units: Micros): Tier =>
  tiers.find(({ upTo }) => upTo === null || units <= upTo) ?? tiers.at(-1)!

function graduate(tiers: Tier[], before: Micros, units: Micros): PriceLine[] {
  const lines: PriceLine[] = []
  let done = before
  const end = before + units
  while (done < end) {
    // The tier of the next unit after those that are done.
    const tier = tiers.find(({ upTo }) => upTo === null || done < upTo) ?? tiers.at(-1)!
    const until = tier.upTo === null || tier.upTo <= done ? end : smaller(end, tier.upTo)
    lines.push({ units: until - done, unitPrice: tier.unitPrice })
    done = until
  }
  return lines
}

const smaller = (a: Micros, b: Micros): Micros => (a < b ? a : b)
const larger = (a: Micros, b: Micros): Micros => (a > b ? a : b)

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { microsText, type Micros } from '../../kernel/index.ts'
import { priceCharge, type Usage } from './price-charge.ts'
import type { Price, Tier } from './price.ts'

const one = 1_000_000n
const priceOf = (terms: Partial<Price>): Price => ({
  id: 'prc_1',
  version: 1,
  type: 'fixed',
  currency: 'USD',
  unitPrice: null,
  minPrice: null,
  maxPrice: null,
  rateBps: null,
  packageSize: null,
  tiers: null,
  freeUnits: 0n,
  dailyLimit: null,
  cycleLimit: null,
  effectiveTime: '2026-01-01T00:00:00.000Z',
  ...terms,
})
const charge = (price: Price, units: Micros, used: Micros = 0n, given: Usage['price'] = null) =>
  priceCharge(price, { units, used, price: given, currency: null })

const amounts = fc.bigInt({ min: 0n, max: 200n * one })
const units = fc.bigInt({ min: 1n, max: 10_000n * one })
const usedBefore = fc.bigInt({ min: 0n, max: 10_000n * one })
const freeUnits = fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 5000n * one }))
const tiers: fc.Arbitrary<Tier[]> = fc
  .tuple(
    fc.uniqueArray(fc.bigInt({ min: 1n, max: 9000n * one }), { maxLength: 5 }),
    fc.array(amounts, { minLength: 6 }),
  )
  .map(([ends, prices]) =>
    [...ends.toSorted((a, b) => (a < b ? -1 : 1)), null].map((upTo, index) => ({ upTo, unitPrice: prices[index]! })),
  )
const graduated = fc
  .record({ tiers, freeUnits })
  .map(({ tiers: some, freeUnits: free }) => priceOf({ type: 'graduated', tiers: some, freeUnits: free }))
const volume = fc
  .record({ tiers, freeUnits })
  .map(({ tiers: some, freeUnits: free }) => priceOf({ type: 'volume', tiers: some, freeUnits: free }))
// Not so small that a month of them is more than a wallet can hold.
const packaged = fc
  .record({ unitPrice: amounts, packageSize: fc.bigInt({ min: 10_000n, max: 100n * one }), freeUnits })
  .map((terms) => priceOf({ type: 'package', ...terms }))
const fixed = fc.record({ unitPrice: amounts, freeUnits }).map((terms) => priceOf({ type: 'fixed', ...terms }))
/** What is used in a month does not matter by how many charges. */
const splittable = fc.oneof(fixed, graduated, packaged)
const any = fc.oneof(fixed, graduated, packaged, volume)

/**
 * What a month's usage costs from its first unit on, in millionths of micro-units, with nothing rounded: another way of
 * reckoning than that of the code, by the value of the whole and not by lines.
 */
function oracle(price: Price, total: Micros): bigint {
  const counted = total > price.freeUnits ? total - price.freeUnits : 0n
  if (price.type === 'fixed') return counted * price.unitPrice!
  if (price.type === 'package') {
    const whole = counted / price.packageSize!
    return (counted % price.packageSize! === 0n ? whole : whole + 1n) * price.unitPrice! * one
  }
  let sum = 0n
  let from = 0n
  for (const { upTo, unitPrice } of price.tiers!) {
    const end = upTo === null || counted < upTo ? counted : upTo
    if (end > from) sum += (end - from) * unitPrice
    from = upTo ?? from
  }
  return sum
}

/** Half away from zero, of millionths. */
const rounded = (millionths: bigint): Micros => millionths / one + (2n * (millionths % one) >= one ? 1n : 0n)

/** The parts of a usage, one after the other. */
function chargeParts(price: Price, used: Micros, parts: Micros[]): Micros {
  let sum = 0n
  let before = used
  for (const part of parts) {
    sum += charge(price, part, before).amount
    before += part
  }
  return sum
}
const sumOf = (parts: Micros[]) => parts.reduce((sum, part) => sum + part, 0n)

describe('what a charge costs', () => {
  it('is what its part of the month’s usage costs, rounded once, half away from zero', () => {
    fc.assert(
      fc.property(splittable, usedBefore, units, (price, used, some) => {
        const exact = oracle(price, used + some) - oracle(price, used)
        expect(charge(price, some, used).amount).toBe(rounded(exact))
      }),
      { numRuns: 2000 },
    )
  })

  it('is the same in one charge as in many, but for half a micro-unit for each charge that is rounded', () => {
    fc.assert(
      fc.property(splittable, usedBefore, fc.array(units, { minLength: 1, maxLength: 12 }), (price, used, parts) => {
        const whole = charge(price, sumOf(parts), used).amount
        const difference = chargeParts(price, used, parts) - whole
        const bound = BigInt(parts.length) + 1n
        expect(2n * (difference < 0n ? -difference : difference)).toBeLessThanOrEqual(bound)
      }),
      { numRuns: 1000 },
    )
  })

  it('is exactly the same in one charge as in many where units, tiers and allowances are whole numbers', () => {
    const whole = (most: number) => fc.integer({ min: 0, max: most }).map((n) => BigInt(n) * one)
    const price = splittable.map((each) => ({
      ...each,
      freeUnits: (each.freeUnits / one) * one,
      tiers: each.tiers?.map((tier, index) => ({
        ...tier,
        upTo: tier.upTo === null ? null : (tier.upTo / one + BigInt(index) + 1n) * one,
      })),
    }))
    const parts = fc.array(
      whole(500).map((each) => each + one),
      { minLength: 1, maxLength: 12 },
    )
    fc.assert(
      fc.property(price, whole(10_000), parts, (terms, used, each) => {
        const asOne = charge({ ...terms, tiers: terms.tiers ?? null }, sumOf(each), used).amount
        expect(chargeParts({ ...terms, tiers: terms.tiers ?? null }, used, each)).toBe(asOne)
      }),
      { numRuns: 1000 },
    )
  })

  it('of packages is exactly the same in one charge as in many, whatever was used', () => {
    fc.assert(
      fc.property(packaged, usedBefore, fc.array(units, { minLength: 1, maxLength: 12 }), (price, used, parts) => {
        expect(chargeParts(price, used, parts)).toBe(charge(price, sumOf(parts), used).amount)
      }),
    )
  })

  it('is never negative, and never less for more units, but by volume', () => {
    fc.assert(
      fc.property(any, usedBefore, units, units, (price, used, some, more) => {
        const { amount } = charge(price, some, used)
        expect(amount).toBeGreaterThanOrEqual(0n)
        if (price.type !== 'volume') expect(charge(price, some + more, used).amount).toBeGreaterThanOrEqual(amount)
      }),
      { numRuns: 1000 },
    )
  })

  it('is the sum of its lines, which are all of its units', () => {
    fc.assert(
      fc.property(any, usedBefore, units, (price, used, some) => {
        const priced = charge(price, some, used)
        const lines = priced.lines ?? [{ units: some, unitPrice: priced.unitPrice }]
        expect(rounded(lines.reduce((sum, line) => sum + line.units * line.unitPrice, 0n))).toBe(priced.amount)
        if (price.type !== 'package') expect(sumOf(lines.map((line) => line.units))).toBe(some)
      }),
    )
  })

  it('by volume is all billed units at the price of the tier that the month comes to', () => {
    fc.assert(
      fc.property(volume, usedBefore, units, (price, used, some) => {
        const counted = (total: Micros) => (total > price.freeUnits ? total - price.freeUnits : 0n)
        const total = counted(used + some)
        const billed = total - counted(used)
        const reached = price.tiers!.find(({ upTo }) => upTo === null || total <= upTo)!
        expect(charge(price, some, used).amount).toBe(rounded(billed * reached.unitPrice))
      }),
    )
  })

  it('of a dynamic meter is units times the price that came, or the usual one', () => {
    const bounds = { type: 'dynamic', minPrice: 0n, maxPrice: 200n * one } as const
    fc.assert(
      fc.property(amounts, units, (given, some) => {
        const expected = rounded(some * given)
        expect(charge(priceOf(bounds), some, 0n, microsText(given)).amount).toBe(expected)
        expect(charge(priceOf({ ...bounds, unitPrice: given }), some).amount).toBe(expected)
      }),
    )
  })

  it('of a percentage is units times the share, rounded to the micro-unit and held within its bounds', () => {
    const terms = fc.record({
      rateBps: fc.integer({ min: 1, max: 10_000 }),
      minPrice: fc.option(amounts, { nil: null }),
      maxPrice: fc.option(
        amounts.map((most) => most + 200n * one),
        { nil: null },
      ),
    })
    const base = fc.bigInt({ min: 0n, max: 1_000_000n * one })
    fc.assert(
      fc.property(terms, base, units, (parts, given, some) => {
        const tenThousandths = given * BigInt(parts.rateBps)
        const share = tenThousandths / 10_000n + (2n * (tenThousandths % 10_000n) >= 10_000n ? 1n : 0n)
        const least = parts.minPrice !== null && share < parts.minPrice ? parts.minPrice : share
        const held = parts.maxPrice !== null && least > parts.maxPrice ? parts.maxPrice : least
        const priced = charge(priceOf({ type: 'percentage', ...parts }), some, 0n, microsText(given))
        expect(priced).toEqual({ amount: rounded(some * held), unitPrice: held, lines: null })
      }),
      { numRuns: 1000 },
    )
  })

  it('has as unit price what one unit costs on average where units cost differently', () => {
    const price = priceOf({
      type: 'graduated',
      freeUnits: one,
      tiers: [
        { upTo: one, unitPrice: 3n * one },
        { upTo: null, unitPrice: one },
      ],
    })
    expect(charge(price, 3n * one)).toEqual({
      amount: 4n * one,
      unitPrice: 1_333_333n,
      lines: [
        { units: one, unitPrice: 0n },
        { units: one, unitPrice: 3n * one },
        { units: one, unitPrice: one },
      ],
    })
  })
})

describe('a charge is refused', () => {
  const bounds = { type: 'dynamic', minPrice: one, maxPrice: 2n * one } as const
  const share = { type: 'percentage', rateBps: 100 } as const
  it.each([
    ['another price than the fixed one', priceOf({ unitPrice: one }), 1.1, 'price_not_allowed'],
    ['a price for tiers', priceOf({ type: 'volume', tiers: [{ upTo: null, unitPrice: one }] }), 1, 'price_not_allowed'],
    ['no price of a dynamic meter', priceOf(bounds), null, 'price_required'],
    ['no amount of a percentage', priceOf(share), null, 'price_required'],
    ['a price below the bounds', priceOf(bounds), 0.999999, 'price_out_of_range'],
    ['a price above the bounds', priceOf(bounds), 2.000001, 'price_out_of_range'],
    ['a price of 7 decimals', priceOf(bounds), '1.0000001', 'price_out_of_range'],
    ['a price with an exponent', priceOf(bounds), '1e0', 'price_out_of_range'],
    ['a price that is not a number', priceOf(bounds), NaN, 'price_out_of_range'],
    ['a price of 16 digits', priceOf(bounds), 1.234567890123456, 'price_out_of_range'],
    ['an amount below 0', priceOf(share), '-0.000001', 'price_out_of_range'],
  ])('for %s', (_what, price, given, code) => {
    expect(() => charge(price, one, 0n, given)).toThrow(expect.objectContaining({ code }))
  })

  it('for more than 64 bits of micro-units hold, and for another currency', () => {
    const price = priceOf({ unitPrice: 200n * one })
    expect(() => charge(price, 2n ** 63n - 1n)).toThrow(expect.objectContaining({ code: 'invalid_units' }))
    const usage = { units: one, used: 0n, price: null, currency: 'EUR' }
    expect(() => priceCharge(price, usage)).toThrow(expect.objectContaining({ code: 'currency_mismatch' }))
  })

  it('not for the fixed price itself, nor for minus zero where zero may be', () => {
    expect(charge(priceOf({ unitPrice: one }), one, 0n, '1.000000').amount).toBe(one)
    expect(charge(priceOf({ ...bounds, minPrice: 0n }), one, 0n, -0).amount).toBe(0n)
  })
})

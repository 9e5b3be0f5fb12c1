import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { partsGivenBack } from './earnings.ts'

describe('the parts of what is given back', () => {
  const whole = fc
    .record({
      base: fc.bigInt(1n, 10n ** 15n),
      margin: fc.bigInt(0n, 10n ** 15n),
      feeBps: fc.integer({ min: 0, max: 10_000 }),
    })
    .map(({ base, margin, feeBps }) => ({
      amount: base + margin,
      baseAmount: base,
      feeAmount: (base * BigInt(feeBps)) / 10_000n,
    }))

  it('never pass what was taken, are never negative, and come to all of it in the end, however it is cut', () => {
    fc.assert(
      fc.property(whole, fc.array(fc.integer({ min: 1, max: 1000 }), { maxLength: 12 }), (charge, cuts) => {
        const total = BigInt(cuts.reduce((sum, cut) => sum + cut, 0))
        const amounts = cuts.map((cut) => (charge.amount * BigInt(cut)) / (total + 1n))
        let before = 0n
        const sums = { amount: 0n, baseAmount: 0n, feeAmount: 0n }
        for (const amount of [...amounts, charge.amount - amounts.reduce((sum, each) => sum + each, 0n)]) {
          const parts = partsGivenBack(charge, before, amount)
          before += amount
          for (const name of ['amount', 'baseAmount', 'feeAmount'] as const) {
            expect(parts[name] >= 0n).toBe(true)
            sums[name] += parts[name]
          }
          expect(parts.baseAmount <= parts.amount && parts.feeAmount <= parts.baseAmount).toBe(true)
        }
        expect(sums).toEqual(charge)
      }),
    )
  })
})

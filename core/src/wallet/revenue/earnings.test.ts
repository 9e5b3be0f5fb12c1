import fc from 'fast-check'
import { expect, it } from 'vitest'
import { feeOf, partsGivenBack } from './earnings.ts'

const micros = (max: bigint) => fc.bigInt({ min: 0n, max })
const whole = fc
  .tuple(micros(10n ** 15n), micros(10n ** 15n), fc.integer({ min: 0, max: 10_000 }))
  .map(([baseAmount, margin, feeBps]) => ({
    amount: baseAmount + margin,
    baseAmount,
    feeAmount: feeOf(baseAmount, feeBps),
  }))

it('the platform’s share is never more than the base, and rounds to the author’s favour', () => {
  fc.assert(
    fc.property(micros(10n ** 18n), fc.integer({ min: 0, max: 10_000 }), (base, feeBps) => {
      const fee = feeOf(base, feeBps)
      expect(fee >= 0n && fee <= base).toBe(true)
      expect(fee * 10_000n <= base * BigInt(feeBps)).toBe(true)
    }),
  )
})

it('however a charge is given back in parts, author, fee and margin come back exactly', () => {
  fc.assert(
    fc.property(whole, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 }), (parts, cuts) => {
      const steps = [...cuts.map((cut) => (parts.amount * BigInt(Math.floor(cut * 1e6))) / 1_000_000n), parts.amount]
        .toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))
        .map((until, index, all) => ({ before: all[index - 1] ?? 0n, until }))
      const given = steps.map(({ before, until }) => partsGivenBack(parts, before, until - before))
      for (const { amount, baseAmount, feeAmount } of given) {
        expect(amount >= baseAmount && baseAmount >= feeAmount && feeAmount >= 0n).toBe(true)
      }
      const total = (name: keyof typeof parts) => given.reduce((sum, each) => sum + each[name], 0n)
      expect([total('amount'), total('baseAmount'), total('feeAmount')]).toEqual(
        parts.amount === 0n ? [0n, 0n, 0n] : [parts.amount, parts.baseAmount, parts.feeAmount],
      )
    }),
  )
})

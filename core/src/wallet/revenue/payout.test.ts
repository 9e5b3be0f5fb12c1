import fc from 'fast-check'
import { expect, it } from 'vitest'
import { planPayout, type Due } from './payout.ts'

const amount = fc.bigInt({ min: -5_000_000n, max: 5_000_000n })
const dues = fc
  .array(fc.record({ earned: amount, carriedIn: amount }), { maxLength: 8 })
  .map((list): Due[] => list.map((due, index) => ({ accountId: `acc_${index}`, ...due })))
const sum = (values: bigint[]) => values.reduce((total, each) => total + each, 0n)

it('neither makes nor loses money, whatever is owed to whom', () => {
  fc.assert(
    fc.property(dues, fc.constantFrom(1n, 1000n, 10_000n, 1_000_000n), (owed, minorUnit) => {
      const total = sum(owed.flatMap(({ earned, carriedIn }) => [earned, carriedIn]))
      const plan = planPayout(owed, { minimum: 0n, minorUnit })
      if (!plan) {
        expect(total < minorUnit).toBe(true)
        return
      }
      expect(plan.amount % minorUnit).toBe(0n)
      expect(plan.amount > 0n && plan.carriedOut >= 0n && plan.carriedOut < minorUnit).toBe(true)
      for (const each of [plan, ...plan.parts]) {
        expect(each.earned + each.carriedIn).toBe(each.amount + each.carriedOut)
        expect(each.carriedOut >= 0n).toBe(true)
      }
      for (const name of ['earned', 'carriedIn', 'carriedOut', 'amount'] as const) {
        expect(sum(plan.parts.map((part) => part[name]))).toBe(plan[name])
      }
      // Nobody is left more than they were owed.
      for (const part of plan.parts)
        expect(part.carriedOut <= 0n || part.carriedOut <= part.earned + part.carriedIn).toBe(true)
    }),
    { numRuns: 2000 },
  )
})

it('waits for the minimum', () => {
  const owed = [{ accountId: 'acc_1', earned: 999_999n, carriedIn: 0n }]
  expect(planPayout(owed, { minimum: 1_000_000n, minorUnit: 10_000n })).toBeNull()
  expect(planPayout(owed, { minimum: 999_999n, minorUnit: 10_000n })?.amount).toBe(990_000n)
})

import { expect, it } from 'vitest'
import { minorUnit } from './currency.ts'

it.each([
  ['USD', 10_000n],
  ['JPY', 1_000_000n],
  ['KWD', 1000n],
  // Shown without decimals by what displays them, and paid with them.
  ['HUF', 10_000n],
  ['COP', 10_000n],
  ['IDR', 10_000n],
  ['PKR', 10_000n],
  ['IQD', 1000n],
])('knows the smallest amount of %s that can be paid', (currency, unit) => {
  expect(minorUnit(currency)).toBe(unit)
})

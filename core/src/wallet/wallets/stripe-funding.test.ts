import { expect, test } from 'vitest'
import { stripeAmount } from './stripe-funding.ts'

test.each([
  ['25.5', 'USD', '2550'],
  ['0.01', 'EUR', '1'],
  ['9007199254740.99', 'USD', '900719925474099'],
  ['500', 'JPY', '500'],
  ['1.23', 'KWD', '1230'],
  ['7', 'ISK', '700'],
  ['3500', 'UGX', '350000'],
  ['12', 'MGA', '12'],
])('%s %s are %s of its smallest unit', (amount, currency, expected) => {
  expect(stripeAmount(amount, currency)).toBe(expected)
})

test.each([
  ['25.501', 'USD'],
  ['0.000001', 'USD'],
  ['500.5', 'JPY'],
  ['1.234', 'KWD'],
  ['1.2301', 'KWD'],
  ['7.5', 'ISK'],
  ['12.5', 'MGA'],
  ['0', 'USD'],
  ['-1', 'USD'],
  ['1e3', 'USD'],
])('%s %s cannot be paid', (amount, currency) => {
  expect(stripeAmount(amount, currency)).toBe(null)
})

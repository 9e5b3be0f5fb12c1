import Big from 'big.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { maxMicros, microsNumber, microsText, multiplyMicros, toMicros } from './money.ts'

Big.RM = Big.roundHalfUp
Big.NE = -30
Big.PE = 30
const runs = 50_000
const micros = fc.bigInt({ min: -maxMicros, max: maxMicros })
const big = (value: bigint) => Big(value.toString()).div(1_000_000)

describe('money against big.js', () => {
  it('multiplies and rounds once, half away from zero', () => {
    // Among all pairs halves are rare, so every other one is made to lie near one.
    const near = fc.tuple(
      fc.bigInt({ min: -(10n ** 9n), max: 10n ** 9n }),
      fc.constantFrom(500_000n, 500_001n, 499_999n, 1_500_000n, 250_000n),
    )
    const any = fc.tuple(
      fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }),
      fc.bigInt({ min: -200_000_000n, max: 200_000_000n }),
    )
    fc.assert(
      fc.property(fc.oneof(near, any), ([a, b]) => {
        return microsText(multiplyMicros(a, b)) === big(a).times(big(b)).round(6).toString()
      }),
      { numRuns: runs },
    )
  })

  it('writes decimal text', () => {
    fc.assert(
      fc.property(micros, (value) => microsText(value) === big(value).toString()),
      { numRuns: runs },
    )
  })

  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(micros, (value) => toMicros(microsText(value)) === value),
      { numRuns: runs },
    )
  })

  it('reads JSON numbers as they were written, or not at all', () => {
    const written = fc.tuple(fc.integer({ min: -999_999_999, max: 999_999_999 }), fc.integer({ min: 0, max: 6 }))
    fc.assert(
      fc.property(written, ([digits, decimals]) => {
        const text = Big(digits).div(Big(10).pow(decimals)).toString()
        return toMicros(JSON.parse(text) as number) === BigInt(Big(text).times(1_000_000).toFixed(0))
      }),
      { numRuns: runs },
    )
    fc.assert(
      fc.property(fc.double(), (value) => {
        const read = toMicros(value)
        return read === null || big(read).eq(Big(String(value)))
      }),
      { numRuns: runs },
    )
  })

  it('gives JSON numbers that are exact up to 15 digits', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 15n) + 1n, max: 10n ** 15n - 1n }), (value) => {
        return toMicros(microsNumber(value)) === value
      }),
      { numRuns: runs },
    )
  })
})

describe('toMicros', () => {
  it.each<[number | string, bigint]>([
    [0, 0n],
    [-0, 0n],
    [0.01001, 10_010n],
    [1e-6, 1n],
    [0.000001, 1n],
    ['0.000001', 1n],
    [123456789.123456, 123456789123456n],
    ['9223372036854.775807', maxMicros],
    ['007.50', 7_500_000n],
    [-12.5, -12_500_000n],
  ])('reads %s', (given, read) => {
    expect(toMicros(given)).toBe(read)
  })

  it.each<number | string>([
    NaN,
    Infinity,
    -Infinity,
    1e21,
    1e-7,
    0.0000001,
    1.2345678,
    1234567890.123456,
    9007199254740992,
    Number.MAX_VALUE,
    Number.MIN_VALUE,
    '9223372036854.775808',
    '1e3',
    '0x10',
    '.5',
    '5.',
    '+5',
    ' 5',
    '5 ',
    '1,5',
    '--5',
    '',
    'NaN',
    '٣',
    '1\n',
  ])('refuses %j', (given) => {
    expect(toMicros(given)).toBeNull()
  })
})

describe('multiplyMicros', () => {
  it.each([
    [1n, 500_000n, 1n],
    [1n, 499_999n, 0n],
    [-1n, 500_000n, -1n],
    [3n, 500_000n, 2n],
    [-3n, 500_000n, -2n],
    [500_000n, 12_345n, 6_173n],
  ])('%s × %s is %s', (a, b, product) => {
    expect(multiplyMicros(a, b)).toBe(product)
  })
})

import Big from 'big.js'
import { expect, it } from 'vitest'
import {
  divideMicros,
  maxMicros,
  microsNumber,
  microsText,
  multiplyMicros,
  proportion,
  shareOf,
  sumProducts,
  toMicros,
} from '../../core/src/kernel/index.ts'

// Own constructors, so that no other test's settings count. One that divides to the micro-unit, one that does to far beyond it.
const Exact = Big()
Exact.RM = Exact.roundHalfUp
Exact.NE = -40
Exact.PE = 40
Exact.DP = 6
const cases = 300_000
const seed = Number(process.env.STOA_SEED ?? 20_260_301)

/** Numbers that look random and are the same every time (mulberry32): fast-check takes minutes for so many. */
function createRandom(start: number): () => number {
  let state = start
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const random = createRandom(seed)
const below = (most: number): number => Math.floor(random() * most)
const pick = <T>(values: T[]): T => values[below(values.length)]!

/** Any number of digits alike, both signs, and often at the edge of rounding. */
function amount(mostDigits: number): bigint {
  if (below(12) === 0) return pick([0n, 1n, -1n, 500_000n, -500_000n, 499_999n, 500_001n, 1_000_000n, 1_500_000n])
  let digits = ''
  for (let left = 1 + below(mostDigits); left > 0; left--) digits += below(10)
  return (below(2) === 0 ? 1n : -1n) * BigInt(digits)
}

const positive = (mostDigits: number): bigint => {
  const value = amount(mostDigits)
  return value < 0n ? -value : value
}
const not0 = (value: bigint): bigint => (value === 0n ? 1n : value)
const big = (micros: bigint): Big => new Exact(micros.toString()).times('0.000001')
const text = (value: Big): string =>
  value
    .round(6)
    .toFixed()
    .replace(/^-(0(\.0+)?)$/, '$1')

const laws: Record<string, () => [got: string, wanted: string, of: unknown[]]> = {
  multiplyMicros: () => {
    const [a, b] = [amount(16), amount(12)]
    return [microsText(multiplyMicros(a, b)), text(big(a).times(big(b))), [a, b]]
  },
  sumProducts: () => {
    const pairs = Array.from({ length: below(5) }, (): [bigint, bigint] => [amount(14), amount(10)])
    const sum = pairs.reduce((total, [a, b]) => total.plus(big(a).times(big(b))), new Exact(0))
    return [microsText(sumProducts(pairs)), text(sum), pairs]
  },
  divideMicros: () => {
    const [a, b] = [amount(14), not0(amount(12))]
    return [microsText(divideMicros(a, b)), text(big(a).div(big(b))), [a, b]]
  },
  shareOf: () => {
    const [a, bps] = [amount(16), below(3) === 0 ? below(200_000) : below(10_001)]
    return [microsText(shareOf(a, bps)), text(big(a).times(bps).div(10_000)), [a, bps]]
  },
  proportion: () => {
    const [a, whole] = [amount(16), not0(positive(14))]
    const part = positive(14) % (whole + 1n)
    // One division, and it is the last: rounded once.
    const wanted = big(a).times(part.toString()).div(whole.toString())
    return [microsText(proportion(a, part, whole)), text(wanted), [a, part, whole]]
  },
  microsText: () => {
    const a = amount(19)
    const micros = a > maxMicros || a < -maxMicros ? a / 10n : a
    return [
      String(toMicros(microsText(micros))),
      big(micros).times(1_000_000).toFixed(0).replace(/^-0$/, '0'),
      [micros],
    ]
  },
  'JSON numbers': () => {
    // As somebody writes them: with or without an exponent, up to 15 digits.
    const digits = amount(15)
    const exponent = below(12) - 8
    const written = below(2) === 0 ? `${digits}e${exponent}` : new Exact(`${digits}e${exponent}`).toFixed()
    const value = new Exact(written)
    const read = toMicros(JSON.parse(written) as number)
    const micros = value.times(1_000_000)
    const fits = micros.eq(micros.round(0)) && micros.abs().lte(maxMicros.toString())
    if (!fits) return [String(read), 'null', [written]]
    return [String(read), micros.toFixed(0).replace(/^-0$/, '0'), [written]]
  },
  microsNumber: () => {
    const micros = amount(15)
    return [String(toMicros(microsNumber(micros))), String(micros), [micros]]
  },
}

it(`reckons with money exactly as big.js does, in ${cases} random cases`, () => {
  const names = Object.keys(laws)
  const wrong: string[] = []
  for (let n = 0; n < cases; n++) {
    const name = names[n % names.length]!
    const [got, wanted, of] = laws[name]!()
    if (got !== wanted)
      wrong.push(`${name}(${of.map(String).join(', ')}) is ${got}, by big.js ${wanted} (seed ${seed})`)
  }
  expect(wrong).toEqual([])
})

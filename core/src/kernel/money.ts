/** Money and units are int64 micro-units (scale 6) as `bigint`. Decimal text at the edges, no floating point in between. */
export type Micros = bigint

const scale = 6
const one = 1_000_000n
/** Both databases keep int64; amounts beyond it are refused at the edge. */
export const maxMicros = 2n ** 63n - 1n

/**
 * Reads a decimal from JSON. A number's shortest text form is what its sender wrote, so `0.01001` arrives exactly; beyond 15
 * significant digits it would not, so such numbers are refused, as are more than 6 decimals.
 * Returns null for anything that is not exactly representable.
 */
export function toMicros(value: number | string): Micros | null {
  const text = typeof value === 'number' ? numberText(value) : value
  const match = text === null ? null : /^(-?)(\d{1,19})(?:\.(\d{1,6}))?$/.exec(text)
  if (!match) return null
  const [, sign, whole = '0', fraction = ''] = match
  const micros = BigInt(whole) * one + BigInt(fraction.padEnd(scale, '0'))
  if (micros > maxMicros) return null
  return sign === '-' ? -micros : micros
}

/** Exact decimal text without trailing zeros: `12.5`, `0.000001`, `-3`. */
export function microsText(micros: Micros): string {
  const sign = micros < 0n ? '-' : ''
  const positive = micros < 0n ? -micros : micros
  const fraction = (positive % one).toString().padStart(scale, '0').replace(/0+$/, '')
  return `${sign}${positive / one}${fraction && `.${fraction}`}`
}

/** The JSON number for a shape that demands one; exact up to 15 significant digits. Send `microsText` beside it. */
export function microsNumber(micros: Micros): number {
  return Number(microsText(micros))
}

/** units x price per unit, rounded once, half away from zero. */
export function multiplyMicros(a: Micros, b: Micros): Micros {
  return roundedQuotient(a * b, one)
}

/** The sum of products, rounded once, half away from zero. */
export function sumProducts(pairs: [Micros, Micros][]): Micros {
  return roundedQuotient(
    pairs.reduce((sum, [a, b]) => sum + a * b, 0n),
    one,
  )
}

/** a / b in micro-units, rounded half away from zero. */
export function divideMicros(a: Micros, b: Micros): Micros {
  return b < 0n ? roundedQuotient(-a * one, -b) : roundedQuotient(a * one, b)
}

/** So many hundredths of a percent of an amount, rounded half away from zero. */
export function shareOf(amount: Micros, basisPoints: number): Micros {
  return roundedQuotient(amount * BigInt(basisPoints), 10_000n)
}

/** The part of `amount` that `part` is of `whole`, rounded half away from zero. */
export function proportion(amount: Micros, part: bigint, whole: bigint): Micros {
  return whole < 0n ? roundedQuotient(-amount * part, -whole) : roundedQuotient(amount * part, whole)
}

/** Integers, the divisor above 0: the quotient, half away from zero. */
function roundedQuotient(a: bigint, b: bigint): bigint {
  const doubled = a < 0n ? 2n * a - b : 2n * a + b
  return doubled / (2n * b)
}

function numberText(value: number): string | null {
  if (!Number.isFinite(value)) return null
  const text = String(value)
  if (text.replace(/[-.]|e.*$/g, '').replace(/^0+/, '').length > 15) return null
  if (!text.includes('e')) return text
  // The exponent form: 1e-7 has more decimals than the scale, 1e21 more digits than int64. 1e-6 is the one that fits.
  const fixed = value.toFixed(scale)
  return Number(fixed) === value && value < 1e12 ? fixed : null
}

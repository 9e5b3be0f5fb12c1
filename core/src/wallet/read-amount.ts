import type { Environment } from '../context.ts'
import { invalidField, microsText, toMicros, type Micros } from '../kernel/index.ts'
import { minorUnit } from './currency.ts'

const most: Micros = 1_000_000_000n * 1_000_000n
/** Play money costs nothing: without a limit somebody would fill the ledger’s 64 bits with it. */
const mostPlayMoney: Micros = 100_000n * 1_000_000n

/** A number or decimal text in a body, as micro-units. Throws `validation_failed` for what does not fit. */
export function readMicros(given: number | string, field: string): Micros {
  const micros = toMicros(given)
  if (micros === null) throw invalidField(field, 'must be a decimal with at most 6 decimals and 15 digits')
  return micros
}

/** As readMicros, above 0; null for what was not given. */
export function readPositive(given: number | string | null | undefined, field: string): Micros | null {
  if (given === null || given === undefined) return null
  const micros = readMicros(given, field)
  if (micros <= 0n) throw invalidField(field, 'must be more than 0')
  return micros
}

/** An amount of money in a body, above 0 or with `least` from there. Throws `validation_failed`. */
export function readAmount(given: number | string, field = 'amount', least: Micros = 1n): Micros {
  const amount = readMicros(given, field)
  if (amount < least)
    throw invalidField(field, least === 1n ? 'must be more than 0' : `must be at least ${microsText(least)}`)
  if (amount > most) throw invalidField(field, `must be at most ${microsText(most)}`)
  return amount
}

/** As readAmount, of money that somebody has to pay: nobody can pay a part of a cent. In sandbox at most 100,000. */
export function readPayable(
  given: number | string,
  { currency, environment }: { currency: string; environment: Environment },
  field = 'amount',
): Micros {
  const amount = readAmount(given, field)
  if (environment === 'sandbox' && amount > mostPlayMoney) {
    throw invalidField(field, `of play money must be at most ${microsText(mostPlayMoney)}`)
  }
  const unit = minorUnit(currency)
  if (amount % unit !== 0n) {
    throw invalidField(
      field,
      `must be a multiple of ${microsText(unit)}, the smallest amount of ${currency} that can be paid`,
    )
  }
  return amount
}

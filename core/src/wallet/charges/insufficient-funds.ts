import { microsNumber, microsText, StoaError, type Micros } from '../../kernel/index.ts'

interface Advice {
  what: string
  /** What to do about it, after what is `missing`. */
  then: (missing: string) => string
}

const ofCharge: Advice = {
  what: 'charge',
  then: (missing) => `top it up by ${missing} and send the same eventId again`,
}

/** The refusal that says what would let the charge, or what else is paid, through. */
export function insufficientFunds(
  { required, available, currency }: { required: Micros; available: Micros; currency: string },
  { what, then }: Advice = ofCharge,
): StoaError {
  const there = available > 0n ? available : 0n
  const missing = required - available
  return new StoaError('insufficient_funds', {
    message: `The ${what} needs ${microsText(required)} ${currency}, the wallet has ${microsText(there)} available; ${then(microsText(missing))}.`,
    details: {
      required: microsNumber(required),
      available: microsNumber(there),
      missing: microsNumber(missing),
      currency,
      exact: { required: microsText(required), available: microsText(there), missing: microsText(missing) },
    },
  })
}

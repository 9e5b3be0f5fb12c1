import { microsNumber, microsText, StoaError, type Micros } from '../../kernel/index.ts'

/** The refusal that says what would let the charge, or what else is paid, through. */
export function insufficientFunds(
  { required, available, currency }: { required: Micros; available: Micros; currency: string },
  { what, then } = { what: 'charge', then: 'send the same eventId again' },
): StoaError {
  const there = available > 0n ? available : 0n
  const missing = required - available
  return new StoaError('insufficient_funds', {
    message: `The ${what} needs ${microsText(required)} ${currency}, the wallet has ${microsText(there)} available; top it up by ${microsText(missing)} and ${then}.`,
    details: {
      required: microsNumber(required),
      available: microsNumber(there),
      missing: microsNumber(missing),
      currency,
      exact: { required: microsText(required), available: microsText(there), missing: microsText(missing) },
    },
  })
}

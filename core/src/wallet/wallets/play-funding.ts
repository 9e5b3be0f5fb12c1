import type { FundingOutcome, FundingPort } from '../../kernel/index.ts'

const word = (reference: string) => reference.slice(0, reference.indexOf(':'))

/**
 * The provider of sandbox wallets: money out of nowhere, at once. It keeps no record, since what it does follows from the payment method:
 *
 * - `play_declined`: declined.
 * - `play_pending`: pending for ever.
 * - `play_delayed`: pending at first, there when the host looks again.
 * - any other, or none: succeeds.
 */
export const playFunding: FundingPort = {
  fund({ id, paymentMethod }) {
    const method = /^play_(declined|pending|delayed)$/.exec(paymentMethod ?? '')?.[1] ?? 'paid'
    return Promise.resolve(outcomeOf(`${method}:${id}`, 'first'))
  },
  look({ reference }) {
    return Promise.resolve(reference === null ? null : outcomeOf(reference, 'later'))
  },
}

function outcomeOf(reference: string, when: 'first' | 'later'): FundingOutcome {
  const method = word(reference)
  if (method === 'declined')
    return { status: 'declined', reference, reason: 'declined: the payment method is play_declined' }
  const isPending = method === 'pending' || (method === 'delayed' && when === 'first')
  return { status: isPending ? 'pending' : 'succeeded', reference }
}

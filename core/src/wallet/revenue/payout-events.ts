import type { NewEvent } from '../../events/index.ts'
import { microsText } from '../../kernel/index.ts'
import type { Payout } from './payout.ts'

/** The event as the organization that gets the money receives it. */
export function payoutEvent(
  type: 'payout.created' | 'payout.paid' | 'payout.failed',
  payout: Payout,
  now: string,
): NewEvent {
  const { organizationId, environment, currency, amount, status, reference, failure } = payout
  const data = {
    payoutId: payout.id,
    organizationId,
    environment,
    currency,
    amount: microsText(amount),
    status,
    reference,
    failure,
  }
  return {
    type,
    publisherId: null,
    applicationId: null,
    organizationId,
    locationId: null,
    environment,
    payload: { type, timestamp: now, data },
  }
}

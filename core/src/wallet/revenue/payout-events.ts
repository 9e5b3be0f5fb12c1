import type { NewEvent } from '../../events/index.ts'
import { microsText, withPrefix } from '../../kernel/index.ts'
import type { Payout } from './payout.ts'

export type PayoutEventType = 'payout.created' | 'payout.paid' | 'payout.failed'

/**
 * The event as the organization that gets the money receives it. Its id is that of the payout's booking (created) or of its end, with
 * another prefix: so none is told twice, and checkLedger finds the event of each. Not the payout's own, which is given when its first
 * item is collected: ids of events are in the order of time.
 */
export function payoutEvent(type: PayoutEventType, payout: Payout, now: string): NewEvent {
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
    id: payoutEventId(type, payout),
    type,
    publisherId: null,
    applicationId: null,
    organizationId,
    locationId: null,
    environment,
    payload: { type, timestamp: now, data },
  }
}

function payoutEventId(
  type: PayoutEventType,
  { id, transactionId, settlementId }: Pick<Payout, 'id' | 'transactionId' | 'settlementId'>,
): string {
  const told = type === 'payout.created' ? transactionId : settlementId
  if (told === null) throw new Error(`Payout ${id} has not ended`)
  return withPrefix('evt', told)
}

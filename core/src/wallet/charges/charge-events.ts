import type { NewEvent } from '../../events/index.ts'
import { microsText, withPrefix } from '../../kernel/index.ts'
import { paidPerUnit, type ChargeRecord } from './charge.ts'
import type { WalletContext } from '../context.ts'

/**
 * The event as the publisher's endpoints receive it: for a refund, of its own record. Its id is the charge's, or that of the refund's
 * transaction, with another prefix: so no charge can be told twice, and checkLedger finds the event of each.
 */
export function chargeEvent(type: 'charge.created' | 'charge.refunded', charge: ChargeRecord): NewEvent {
  const { publisherId, applicationId, organizationId, locationId, environment } = charge
  const data = {
    chargeId: charge.id,
    applicationId,
    organizationId,
    locationId,
    environment,
    meterId: charge.meterId,
    eventId: charge.eventId,
    userId: charge.userId,
    units: microsText(charge.units),
    pricePerUnit: microsText(paidPerUnit(charge)),
    amount: microsText(charge.amount),
    baseAmount: microsText(charge.baseAmount),
    currency: charge.currency,
    eventTime: charge.eventTime,
  }
  return {
    id: withPrefix('evt', type === 'charge.created' ? charge.id : charge.transactionId),
    type,
    publisherId,
    applicationId,
    organizationId,
    locationId,
    environment,
    payload: { type, timestamp: charge.createdTime, data },
  }
}

/** Tells the embedder; call it after the commit. */
export function tellCharge(ctx: WalletContext, type: 'charge.created' | 'charge.refunded', charge: ChargeRecord): void {
  const { id, applicationId, locationId, amount, currency } = charge
  ctx.lifecycle.emit(type, { chargeId: id, applicationId, locationId, amount: microsText(amount), currency })
}

import type { NewEvent } from '../../events/index.ts'
import { microsText } from '../../kernel/index.ts'
import { reservedBy, type Hold } from './hold.ts'

export type HoldEventType = 'hold.created' | 'hold.captured' | 'hold.released' | 'hold.expired'

export function holdEvent(type: HoldEventType, hold: Hold, now: string): NewEvent {
  const { publisherId, applicationId, organizationId, locationId, environment } = hold
  const data = {
    holdId: hold.id,
    applicationId,
    organizationId,
    locationId,
    environment,
    meterId: hold.meterId,
    eventId: hold.eventId,
    userId: hold.userId,
    amount: microsText(hold.amount),
    captured: microsText(hold.captured),
    reserved: microsText(reservedBy(hold)),
    currency: hold.currency,
    status: hold.status,
    expiresTime: hold.expiresTime,
  }
  return {
    type,
    publisherId,
    applicationId,
    organizationId,
    locationId,
    environment,
    payload: { type, timestamp: now, data },
  }
}

import type { NewEvent } from '../../events/index.ts'
import { microsText, type Micros } from '../../kernel/index.ts'
import type { Cap } from './cap.ts'

export function capEvent(
  type: 'cap.approaching' | 'cap.reached',
  cap: Cap,
  { percent, used, resetsTime }: { percent: number; used: Micros; resetsTime: string },
  now: string,
): NewEvent {
  const { applicationId, organizationId, locationId, environment } = cap
  const data = { capId: cap.id, percent, used: microsText(used), resetsTime }
  return {
    type: type as never,
    publisherId: null,
    applicationId,
    organizationId,
    locationId,
    environment,
    payload: { type, timestamp: now, data },
  }
}

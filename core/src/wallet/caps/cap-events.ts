import type { NewEvent } from '../../events/index.ts'
import { microsText, type Micros } from '../../kernel/index.ts'
import type { Cap, CapRequest } from './cap.ts'

/** `publisherId`: of the application. `now`: ISO, of the event. */
interface Told {
  publisherId: string
  now: string
}

/** How much of a cap was used in the period. */
export interface CapLevel {
  /** 80, 90 or 100: what was passed, not what it is. */
  percent: number
  used: Micros
  /** When the period ends. */
  resetsTime: string
}

/** That a cap is nearly or wholly used up. */
export function capEvent(
  type: 'cap.approaching' | 'cap.reached',
  cap: Cap,
  { percent, used, resetsTime }: CapLevel,
  told: Told,
): NewEvent {
  const level = { percent, cap: microsText(cap.amount), used: microsText(used), resetsAt: resetsTime }
  return eventOf(type, cap, { capId: cap.id, ...level }, told)
}

/** That a cap was set, changed or, when it has ended, taken away. */
export function capChangedEvent(cap: Cap, previous: Micros | null, told: Told): NewEvent {
  return eventOf(
    'cap.changed',
    cap,
    {
      capId: cap.id,
      cap: cap.endedTime === null ? microsText(cap.amount) : null,
      previousCap: previous === null ? null : microsText(previous),
    },
    told,
  )
}

/** That an application asks for more, or what was decided about it. */
export function capRequestEvent(request: CapRequest, told: Told): NewEvent {
  const { id: requestId, amount, reason, status, answer } = request
  const asked = { requestId, amount: microsText(amount), reason }
  return status === 'open'
    ? eventOf('cap.requested', request, asked, told)
    : eventOf('cap.request-decided', request, { ...asked, status, answer }, told)
}

function eventOf(type: NewEvent['type'], of: Cap | CapRequest, more: object, { publisherId, now }: Told): NewEvent {
  const { applicationId, organizationId, locationId, environment, meterId, period, currency } = of
  const place = { applicationId, organizationId, locationId, environment }
  return {
    type,
    publisherId,
    ...place,
    payload: { type, timestamp: now, data: { ...place, meterId, period, currency, ...more } },
  }
}

import { stoaEvents } from '@stoa/sdk/contract'
import type { StoredEvent } from './event.ts'

/**
 * An event as Rebilly would tell it. Its own two (`application-instance-enabled` and `-disabled`) are stored in its shape; the
 * others get its outside, and what they tell is beside it. What the outside says of where it happened is never overwritten.
 */
export function rebillyBody(event: Pick<StoredEvent, 'type' | 'payload' | keyof RebillyOutside>): object {
  if (Object.hasOwn(stoaEvents, event.type)) return event.payload
  const { organizationId, applicationId, locationId, environment } = event
  const outside = {
    organizationId,
    ...(applicationId !== null && { applicationId }),
    eventType: event.type,
    ...(locationId !== null && { locationId }),
    environment,
  }
  const { data = {}, test } = event.payload as { data?: object; test?: boolean }
  // First for the order of the members, and last for their values.
  return { ...outside, ...data, ...outside, ...(test === true && { test }), _links: [] }
}

interface RebillyOutside {
  organizationId: string
  applicationId: string | null
  locationId: string | null
  environment: string
}

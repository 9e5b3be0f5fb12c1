import { toStoredEvent, type EventText } from './event-store.ts'
import type { EventsContext } from './events-context.ts'
import { highLevelText, type EndpointFormat } from './highlevel.ts'
import { rebillyBody } from './rebilly.ts'

/**
 * The text to send of an event, in the format of an endpoint, at the time of a try. An example that somebody asked for is sent as
 * it is: what would be added at this moment, a live token above all, belongs to events that happened.
 */
export async function bodyOf(
  ctx: Pick<EventsContext, 'db' | 'eventHooks'>,
  format: EndpointFormat,
  event: EventText,
  now: Date,
): Promise<string> {
  if (format === 'highlevel') return highLevelText(event.id, event.highLevel!, now)
  const enrich = event.test ? undefined : ctx.eventHooks.enrich[event.type]
  if (!enrich && format === 'standard') return event.payloadText
  const stored = toStoredEvent(event)
  const payload = enrich ? await enrich(ctx.db, stored) : stored.payload
  return JSON.stringify(format === 'rebilly' ? rebillyBody({ ...stored, payload }) : payload)
}

import type { Environment } from '../context.ts'
import { afterCommit, insertRows, type Db, type Row } from '../database/index.ts'
import { newId, nowIso } from '../kernel/index.ts'
import { assertPayload, type EventType } from './catalogue.ts'
import { findReceivers, type Receiver } from './endpoint-store.ts'
import type { NewEvent } from './event.ts'
import type { EventsContext } from './events-context.ts'

/** What decides who receives an event. */
export type Audience = Pick<NewEvent, 'type' | 'publisherId' | 'applicationId' | 'environment'>

/** Writes an event and its deliveries in the caller's own transaction. Returns the event's id. */
export async function publish(ctx: EventsContext, db: Db, event: NewEvent): Promise<string> {
  const [id] = await publishMany(ctx, db, [event])
  return id!
}

/**
 * Writes events and one delivery for each endpoint that wants them: one read and two inserts, however many they are.
 * A disabled endpoint gets its deliveries too; they are held until it is enabled again. Returns the ids, in order.
 */
export async function publishMany(ctx: EventsContext, db: Db, events: NewEvent[]): Promise<string[]> {
  if (events.length === 0) return []
  if (ctx.config.mode !== 'production') for (const event of events) checkPayload(ctx, event)
  const now = nowIso(ctx.clock)
  const ids = events.map(() => newId('evt'))
  const receivers = await findReceivers(db, [...new Set(events.map(({ publisherId }) => publisherId))])
  const deliveries = events.flatMap((event, index) =>
    receivers
      .filter((receiver) => receives(receiver, event))
      .map((receiver) => deliveryRow(ids[index]!, event.type, receiver.id, now)),
  )
  await insertRows(
    db,
    ctx.dialect,
    'stoa_events',
    events.map((event, index) => eventRow(ids[index]!, event, now)),
  )
  await insertRows(db, ctx.dialect, 'stoa_deliveries', deliveries)
  if (deliveries.length > 0) afterCommit(db, () => ctx.signals.emit('deliveries-due'))
  return ids
}

function checkPayload({ config, logger }: EventsContext, { type, payload }: NewEvent): void {
  try {
    assertPayload(type, payload)
  } catch (err) {
    if (config.mode === 'test') throw err
    logger.error({ err }, 'an event differs from its documentation')
  }
}

/** Whether publishing would make a delivery, be it one that is held. */
export async function hasSubscribers(db: Db, audience: Audience): Promise<boolean> {
  const receivers = await findReceivers(db, [audience.publisherId])
  return receivers.some((receiver) => receives(receiver, audience))
}

/** The one rule of fan-out. */
function receives(receiver: Receiver, event: Audience): boolean {
  return (
    receiver.organizationId === event.publisherId &&
    receiver.environment === event.environment &&
    (receiver.applicationId === null || receiver.applicationId === event.applicationId) &&
    wants(receiver.events, event.type)
  )
}

function wants(filter: string[], type: EventType): boolean {
  return filter.includes('*') || filter.includes(type)
}

function eventRow(id: string, event: NewEvent, now: string): Row {
  return {
    id,
    type: event.type,
    publisher_id: event.publisherId,
    application_id: event.applicationId,
    organization_id: event.organizationId,
    location_id: event.locationId,
    environment: event.environment satisfies Environment,
    payload: JSON.stringify(event.payload),
    created_time: now,
  }
}

function deliveryRow(eventId: string, type: EventType, endpointId: string, now: string): Row {
  return {
    id: newId('dlv'),
    event_id: eventId,
    endpoint_id: endpointId,
    type,
    state: 'pending',
    attempt: 0,
    next_time: now,
    created_time: now,
  }
}

import type { Environment } from '../context.ts'
import { afterCommit, insertRows, toJson, type Db, type Row } from '../database/index.ts'
import { newId, nowIso } from '../kernel/index.ts'
import { assertPayload, type EventType } from './catalogue.ts'
import { findReceivers, type Receiver } from './endpoint-store.ts'
import type { HighLevelBody, NewEvent, Occurrence } from './event.ts'
import type { EventsContext } from './events-context.ts'

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
  const rows: Row[] = []
  const deliveries: Row[] = []
  for (const [index, event] of events.entries()) {
    const id = ids[index]!
    const wanting = receivers.filter((receiver) => receives(receiver, event))
    const highLevel = wanting.some(({ format }) => format === 'highlevel') ? await toHighLevel(ctx, db, event) : null
    rows.push(eventRow(id, event, highLevel, now))
    for (const receiver of wanting) {
      if (receiver.format === 'standard' || highLevel) deliveries.push(deliveryRow(id, event.type, receiver, now))
    }
  }
  await insertRows(db, ctx.dialect, 'stoa_events', rows)
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
export async function hasSubscribers(ctx: EventsContext, db: Db, event: Occurrence): Promise<boolean> {
  const wanting = (await findReceivers(db, [event.publisherId])).filter((receiver) => receives(receiver, event))
  if (wanting.some(({ format }) => format === 'standard')) return true
  return wanting.length > 0 && (await ctx.eventHooks.highLevel[event.type]?.applies(db, event)) === true
}

/** The body of the event in HighLevel's format; null when that has none for it. */
async function toHighLevel(ctx: EventsContext, db: Db, event: NewEvent): Promise<HighLevelBody | null> {
  const form = ctx.eventHooks.highLevel[event.type]
  return form && (await form.applies(db, event)) ? form.body(db, event) : null
}

/** The one rule of fan-out; what HighLevel's format does not tell is left out afterwards. */
function receives(receiver: Receiver, event: Occurrence): boolean {
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

function eventRow(id: string, event: NewEvent, highLevel: HighLevelBody | null, now: string): Row {
  return {
    id,
    type: event.type,
    publisher_id: event.publisherId,
    application_id: event.applicationId,
    organization_id: event.organizationId,
    location_id: event.locationId,
    environment: event.environment satisfies Environment,
    payload: JSON.stringify(event.payload),
    highlevel: highLevel && toJson(highLevel),
    created_time: now,
  }
}

function deliveryRow(eventId: string, type: EventType, { id, format }: Receiver, now: string): Row {
  return {
    id: newId('dlv'),
    event_id: eventId,
    endpoint_id: id,
    type,
    format,
    state: 'pending',
    attempt: 0,
    next_time: now,
    created_time: now,
  }
}

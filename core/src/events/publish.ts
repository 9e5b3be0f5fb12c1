import type { Environment } from '../context.ts'
import { afterCommit, insertRows, toJson, type Db, type Row } from '../database/index.ts'
import { newId, nowIso } from '../kernel/index.ts'
import type { EventType } from './catalogue.ts'
import { findReceivers } from './endpoint-store.ts'
import type { Receiver } from './endpoint.ts'
import { wantsType } from './event-filter.ts'
import type { DeliveryCause, HighLevelBody, NewEvent, Occurrence } from './event.ts'
import type { EventsContext } from './events-context.ts'
import { inPublishSpans } from './publish-spans.ts'

/** Writes an event and its deliveries in the caller's own transaction. Returns the event's id. */
export async function publish<Name extends string = EventType>(
  ctx: EventsContext,
  db: Db,
  event: NewEvent<Name>,
): Promise<string> {
  const [id] = await publishMany(ctx, db, [event])
  return id!
}

/**
 * Writes events and one delivery for each endpoint that wants them: one read and two inserts, however many they are.
 * A disabled endpoint gets its deliveries too; they are held until it is enabled again. Returns the ids, in order.
 */
export function publishMany(ctx: EventsContext, db: Db, events: NewEvent<string>[]): Promise<string[]> {
  return inPublishSpans(events, (traceParents) => write(ctx, db, events, traceParents))
}

async function write(
  ctx: EventsContext,
  db: Db,
  events: NewEvent<string>[],
  traceParents: (string | null)[],
): Promise<string[]> {
  if (events.length === 0) return []
  if (ctx.config.mode !== 'production') for (const event of events) checkPayload(ctx, event)
  const now = nowIso(ctx.clock)
  const ids = events.map(() => newId('evt'))
  const receivers = await findReceivers(db, distinctPublishers(events))
  const rows: Row[] = []
  const deliveries: Row[] = []
  for (const [index, event] of events.entries()) {
    const id = ids[index]!
    const wanting = receivers.filter((receiver) => receives(receiver, event))
    const highLevel = wanting.some(({ format }) => format === 'highlevel') ? await toHighLevel(ctx, db, event) : null
    rows.push({ ...eventRow(id, event, highLevel, now), trace_parent: traceParents[index] })
    for (const receiver of wanting) {
      if (receiver.format !== 'highlevel' || highLevel) deliveries.push(deliveryRow(id, event.type, receiver, now))
    }
  }
  await insertRows(db, ctx.dialect, 'stoa_events', rows)
  await insertRows(db, ctx.dialect, 'stoa_deliveries', deliveries)
  afterCommit(db, () => ctx.metrics.published(events.length))
  if (deliveries.length > 0) afterCommit(db, () => ctx.signals.emit('deliveries-due'))
  return ids
}

function checkPayload({ config, logger, eventTypes }: EventsContext, { type, payload }: NewEvent<string>): void {
  const complaint = eventTypes.complaintAbout(type, payload)
  if (complaint === null) return
  if (config.mode === 'test') throw new Error(complaint)
  logger.error({ type }, complaint)
}

/** Whether publishing would make a delivery, be it one that is held. */
export async function hasSubscribers(ctx: EventsContext, db: Db, event: Occurrence): Promise<boolean> {
  const wanting = (await findReceivers(db, distinctPublishers([event]))).filter((receiver) => receives(receiver, event))
  if (wanting.some(({ format }) => format !== 'highlevel')) return true
  const { applicationId } = event
  if (wanting.length === 0 || applicationId === null) return false
  return (await ctx.eventHooks.highLevel[event.type]?.applies(db, { ...event, applicationId })) === true
}

/** The body of the event in HighLevel's format; null when that has none for it. */
async function toHighLevel(ctx: EventsContext, db: Db, event: NewEvent<string>): Promise<HighLevelBody | null> {
  const form = ctx.eventHooks.highLevel[event.type]
  if (!form || event.applicationId === null) return null
  const own = { ...(event as NewEvent), applicationId: event.applicationId }
  return (await form.applies(db, own)) ? form.body(db, own) : null
}

/** The one rule of fan-out; what HighLevel's format does not tell is left out afterwards. */
function receives(receiver: Receiver, event: Occurrence<string>): boolean {
  return (
    receiver.organizationId === event.publisherId &&
    receiver.environment === event.environment &&
    (receiver.applicationId === null || receiver.applicationId === event.applicationId) &&
    wantsType(receiver.events, event.type)
  )
}

function eventRow(id: string, event: NewEvent<string>, highLevel: HighLevelBody | null, now: string): Row {
  return {
    id,
    type: event.type,
    publisher_id: event.publisherId,
    application_id: event.applicationId,
    organization_id: event.organizationId,
    location_id: event.locationId,
    environment: event.environment satisfies Environment,
    test: event.test ?? false,
    payload: JSON.stringify(event.payload),
    highlevel: highLevel && toJson(highLevel),
    idempotency_key: event.idempotencyKey ?? null,
    created_time: now,
  }
}

function distinctPublishers(events: Occurrence<string>[]): string[] {
  return [...new Set(events.flatMap(({ publisherId }) => publisherId ?? []))]
}

function deliveryRow(eventId: string, type: string, receiver: Receiver, now: string): Row {
  return {
    id: newId('dlv'),
    event_id: eventId,
    endpoint_id: receiver.id,
    organization_id: receiver.organizationId,
    type,
    format: receiver.format,
    fifo: receiver.fifo,
    cause: 'event' satisfies DeliveryCause,
    state: 'pending',
    attempt: 0,
    base_attempt: 0,
    next_time: now,
    created_time: now,
  }
}

import { isDeepStrictEqual } from 'node:util'
import type { Environment } from '../context.ts'
import { afterCommit, insertRows, toJson, type Db, type Row } from '../database/index.ts'
import { firstIdAt, newId, nowIso, StoaError } from '../kernel/index.ts'
import type { EventType } from './catalogue.ts'
import type { Receiver } from './endpoint.ts'
import { findEventsByKey, insertEvents, type EventText, type PastEvent } from './event-store.ts'
import type { DeliveryCause, HighLevelBody, NewEvent, Occurrence } from './event.ts'
import type { EventsContext, InstalledPlace } from './events-context.ts'
import { findAudiences, isTold } from './fan-out.ts'
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
export async function publishMany(ctx: EventsContext, db: Db, events: NewEvent<string>[]): Promise<string[]> {
  for (const { type, payload } of events) checkPayload(ctx, type, payload)
  const answers = await writeEvents(ctx, db, events)
  return answers.map((answer) => {
    if (answer instanceof StoaError) throw answer
    return answer.id
  })
}

/** Whether a body is what the catalogue says: @throws Error in tests, logs it in development, and does not look in production. */
export function checkPayload({ config, logger, eventTypes }: EventsContext, type: string, payload: object): void {
  if (config.mode === 'production') return
  const complaint = eventTypes.complaintAbout(type, payload)
  if (complaint === null) return
  if (config.mode === 'test') throw new Error(complaint)
  logger.error({ type }, complaint)
}

/** An event whose text is there already; `payload` is what the text says. */
export interface EventToWrite extends NewEvent<string> {
  payloadText?: string
  /** Whether `timestamp` in the payload is the caller's, and hence part of what an idempotency key stands for. */
  hasOwnTimestamp?: boolean
}

export interface Published {
  /** Sent as `webhook-id`. */
  id: string
  /** Whether it had been published before, with the same idempotency key. */
  reused: boolean
}

/** As publishMany, with an answer for each: a key that stands for another event refuses its own event alone. */
export async function writeEvents(
  ctx: EventsContext,
  db: Db,
  events: EventToWrite[],
): Promise<(Published | StoaError)[]> {
  if (events.length === 0) return []
  return inPublishSpans(events, (traceParents) => writeTraced(ctx, db, events, traceParents))
}

async function writeTraced(
  ctx: EventsContext,
  db: Db,
  events: EventToWrite[],
  traceParents: (string | null)[],
): Promise<(Published | StoaError)[]> {
  const now = nowIso(ctx.clock)
  const audiences = await findAudiences(ctx, db, events)
  const drafts: Draft[] = []
  for (const [index, event] of events.entries()) {
    const audience = audiences[index]!.filter(({ id }) => id !== event.notTo)
    const highLevel = audience.some(({ format }) => format === 'highlevel') ? await toHighLevel(ctx, db, event) : null
    drafts.push(
      createDraft(event, { audience, highLevel, cause: 'event', now, traceParent: traceParents[index] ?? null }),
    )
  }
  return insertDrafts(ctx, db, drafts)
}

/** An event with its deliveries, as rows. */
export interface Draft {
  id: string
  event: EventToWrite
  row: Row
  deliveries: Row[]
}

interface Fate {
  audience: Receiver[]
  highLevel: HighLevelBody | null
  cause: DeliveryCause
  now: string
  traceParent?: string | null
}

export function createDraft(event: EventToWrite, { audience, highLevel, cause, now, traceParent = null }: Fate): Draft {
  const id = event.id ?? newId('evt')
  const told = audience.filter(({ format }) => format !== 'highlevel' || highLevel !== null)
  return {
    id,
    event,
    row: { ...eventRow(id, event, highLevel, now), trace_parent: traceParent },
    deliveries: told.map((receiver) => deliveryRow(id, event.type, receiver, cause, now)),
  }
}

export async function insertDrafts(ctx: EventsContext, db: Db, drafts: Draft[]): Promise<(Published | StoaError)[]> {
  const inserted = await insertEvents(
    db,
    ctx.dialect,
    drafts.map(({ row }) => row),
  )
  const deliveries = drafts.flatMap((draft) => (inserted.has(draft.id) ? draft.deliveries : []))
  await insertRows(db, ctx.dialect, 'stoa_deliveries', deliveries)
  afterCommit(db, () => ctx.metrics.published(inserted.size))
  if (deliveries.length > 0) afterCommit(db, () => ctx.signals.emit('deliveries-due'))
  const known = await findEventsByKey(
    db,
    drafts.flatMap(({ id, event }) => (inserted.has(id) ? [] : { ...event, idempotencyKey: event.idempotencyKey! })),
  )
  return drafts.map(({ id, event }) => (inserted.has(id) ? { id, reused: false } : answerKnown(known, event)))
}

function answerKnown(known: (EventText & { idempotencyKey: string })[], event: EventToWrite): Published | StoaError {
  const { organizationId, environment, idempotencyKey } = event
  const first = known.find(
    (each) =>
      each.idempotencyKey === idempotencyKey &&
      each.organizationId === organizationId &&
      each.environment === environment,
  )
  // Removed by retention at this very moment.
  if (!first) return new StoaError('unavailable', { retryAfter: 1 })
  // The body says of which type the event is and where it happened, too.
  const isSame = isDeepStrictEqual(
    contentOf(JSON.parse(first.payloadText), event),
    contentOf(plain(event.payload), event),
  )
  if (isSame) return { id: first.id, reused: true }
  return new StoaError('idempotency_key_reused', { details: { eventId: first.id } })
}

/** What the event says; not when, unless its publisher said that too. */
function contentOf(payload: unknown, { hasOwnTimestamp = false }: EventToWrite): object {
  const { timestamp, ...content } = payload as { timestamp?: unknown }
  return hasOwnTimestamp ? { ...content, timestamp } : content
}

const plain = (payload: object): unknown => JSON.parse(JSON.stringify(payload))

/** Whether publishing would make a delivery, be it one that is held. */
export async function hasSubscribers(ctx: EventsContext, db: Db, event: Occurrence): Promise<boolean> {
  const [wanting = []] = await findAudiences(ctx, db, [event])
  if (wanting.some(({ format }) => format !== 'highlevel')) return true
  const { applicationId } = event
  if (wanting.length === 0 || applicationId === null) return false
  return (await ctx.eventHooks.highLevel[event.type]?.applies(db, { ...event, applicationId })) === true
}

/**
 * Which of these events an endpoint would receive by the rules of today, by id. `installed` is what is installed today that could
 * have it told: an event from before that is told to nobody by it.
 */
export function wouldReceive(
  ctx: EventsContext,
  receiver: Receiver,
  events: PastEvent[],
  installed: InstalledPlace[],
): ReadonlySet<string> {
  const byOrganization = new Map<string, { at: InstalledPlace; fromId: string }[]>()
  for (const at of installed) {
    const there = byOrganization.get(at.organizationId) ?? []
    there.push({ at, fromId: firstIdAt('evt', at.installedTime) })
    byOrganization.set(at.organizationId, there)
  }
  const covering = ({ id, organizationId, locationId }: PastEvent) =>
    (byOrganization.get(organizationId) ?? [])
      .filter(({ at, fromId }) => (at.locationId === null || at.locationId === locationId) && id >= fromId)
      .map(({ at }) => at)
  const wanted = events.filter(
    (event) => (receiver.format !== 'highlevel' || event.hasHighLevel) && isTold(ctx, receiver, event, covering(event)),
  )
  return new Set(wanted.map(({ id }) => id))
}

/** The body of the event in HighLevel's format; null when that has none for it. */
async function toHighLevel(ctx: EventsContext, db: Db, event: NewEvent<string>): Promise<HighLevelBody | null> {
  const form = ctx.eventHooks.highLevel[event.type]
  if (!form || event.applicationId === null) return null
  const own = { ...(event as NewEvent), applicationId: event.applicationId }
  return (await form.applies(db, own)) ? form.body(db, own) : null
}

function eventRow(id: string, event: EventToWrite, highLevel: HighLevelBody | null, now: string): Row {
  return {
    id,
    type: event.type,
    publisher_id: event.publisherId,
    application_id: event.applicationId,
    organization_id: event.organizationId,
    location_id: event.locationId,
    environment: event.environment satisfies Environment,
    test: event.test ?? false,
    payload: event.payloadText ?? JSON.stringify(event.payload),
    highlevel: highLevel && toJson(highLevel),
    idempotency_key: event.idempotencyKey ?? null,
    created_time: now,
  }
}

function deliveryRow(eventId: string, type: string, receiver: Receiver, cause: DeliveryCause, now: string): Row {
  return {
    id: newId('dlv'),
    event_id: eventId,
    endpoint_id: receiver.id,
    organization_id: receiver.organizationId,
    environment: receiver.environment,
    type,
    format: receiver.format,
    fifo: receiver.fifo,
    cause,
    state: 'pending',
    attempt: 0,
    base_attempt: 0,
    next_time: now,
    created_time: now,
  }
}

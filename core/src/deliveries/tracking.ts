import { fetchCollection, iso, maybeText, parseCollection, text } from '../database/index.ts'
import type { CollectionSpec, CollectionText, Db, Row } from '../database/index.ts'
import { scopeOf, type EndpointFormat, type EventsContext } from '../events/index.ts'
import { linkTo, type Caller, type Page, type Paged } from '../http/index.ts'
import { StoaError } from '../kernel/index.ts'
import { mapAttempt, payloadOf } from './history-store.ts'
import { newestDeliveries } from './search-deliveries.ts'
import { ownedDelivery } from './resend.ts'
import type { Tracking } from './tracking-schemas.ts'

/** Any order and any filter may be asked for, and no index has them all: so few enough to sort each time. */
const mostLookedThrough = 5000

const attempts: CollectionSpec = {
  columns: {
    id: { column: 'id', type: 'id' },
    status: { column: 'response_status', type: 'integer' },
    duration: { column: 'duration_ms', type: 'integer' },
    initiatedTime: { column: 'created_time', type: 'time' },
    sentTime: { column: 'started_time', type: 'time' },
    url: { column: 'url', type: 'text' },
    method: { column: 'method', type: 'text' },
    eventType: { column: 'type', type: 'text' },
    attempt: { column: 'n', type: 'integer' },
  },
  idColumn: 'id',
  members: [],
  expandable: [],
}

/** A page of the attempts; looks through the newest ones alone, however many there are. */
export async function listTracked(
  ctx: EventsContext,
  db: Db,
  caller: Caller,
  { limit, offset, ...asked }: Page & CollectionText,
): Promise<Paged<Tracking>> {
  const wanted = parseCollection(attempts, { ...asked, sort: asked.sort ?? '-sentTime' })
  const newest = db
    .select('d.created_time', 'd.type', 'a.delivery_id', 'a.n', 'a.started_time', 'a.duration_ms', 'a.url', 'a.method')
    .select('a.response_status', db.raw(`a.delivery_id || '.' || a.n as id`))
    .from(newestDeliveries(db, scopeOf(caller), mostLookedThrough).as('d'))
    .join('stoa_delivery_attempts as a', 'a.delivery_id', 'd.id')
    .orderBy('d.id', 'desc')
    .orderBy('a.n', 'desc')
    .limit(mostLookedThrough)
  const { rows, total } = await fetchCollection(db.from(newest.as('t')), attempts, wanted, { limit, offset })
  return { items: await showTracked(ctx, db, caller, rows), total }
}

/** Throws 404 for an attempt outside the caller's scope. */
export async function findTracked(ctx: EventsContext, db: Db, caller: Caller, id: string): Promise<Tracking> {
  const { deliveryId, n } = parseTrackingId(id)
  await ownedDelivery(db, caller, deliveryId)
  const [item] = await showTracked(ctx, db, caller, [{ delivery_id: deliveryId, n }])
  if (!item) throw new StoaError('not_found')
  return item
}

/** Throws 404 for what is no id of an attempt. */
export function parseTrackingId(id: string): { deliveryId: string; n: number } {
  const [, deliveryId, n] = /^(.+)\.([1-9]\d{0,8})$/.exec(id) ?? []
  if (deliveryId === undefined) throw new StoaError('not_found')
  return { deliveryId, n: Number(n) }
}

/** Whole attempts, in the order in which their keys are given; those that are not there are left out. */
async function showTracked(ctx: EventsContext, db: Db, caller: Caller, keys: Row[]): Promise<Tracking[]> {
  const deliveryIds = [...new Set(keys.map((key) => text(key.delivery_id)))]
  const deliveries = await rowsById(db, 'stoa_deliveries', deliveryIds)
  const eventIds = [...new Set([...deliveries.values()].map((row) => text(row.event_id)))]
  const events = await rowsById(db, 'stoa_events', eventIds)
  const found = (await db('stoa_delivery_attempts').whereIn('delivery_id', deliveryIds)) as Row[]
  const byKey = new Map(found.map((row) => [`${text(row.delivery_id)}.${String(row.n)}`, row]))
  return keys.flatMap((key) => {
    const id = `${text(key.delivery_id)}.${String(key.n)}`
    const attempt = byKey.get(id)
    if (!attempt) return []
    const delivery = deliveries.get(text(attempt.delivery_id))!
    const href = linkTo(ctx, caller, `/tracking/webhooks/${id}`)
    return [mapTracked(id, href, attempt, delivery, events.get(text(delivery.event_id))!)]
  })
}

function mapTracked(id: string, href: string, row: Row, delivery: Row, event: Row): Tracking {
  const attempt = mapAttempt(row)
  const { responseStatus, responseBody, responseHeaders, startedTime, durationMilliseconds } = attempt
  const endedTime = new Date(Date.parse(startedTime) + durationMilliseconds).toISOString()
  const format = text(delivery.format) as EndpointFormat
  return {
    id,
    ...(responseStatus !== null && { status: responseStatus }),
    duration: durationMilliseconds,
    initiatedTime: iso(delivery.created_time),
    sentTime: startedTime,
    url: attempt.url,
    method: attempt.method,
    request: JSON.stringify(payloadOf(format, event)),
    ...(responseBody !== null && { response: responseBody }),
    requestHeaders: attempt.requestHeaders,
    ...(responseHeaders !== null && { responseHeaders }),
    entityId: maybeText(event.application_id) ?? text(event.organization_id),
    organizationId: text(event.organization_id),
    eventType: text(delivery.type),
    source: 'webhooks',
    attempt: attempt.number,
    createdTime: startedTime,
    updatedTime: endedTime,
    _links: [{ rel: 'self', href }],
  }
}

async function rowsById(db: Db, table: string, ids: string[]): Promise<Map<string, Row>> {
  const rows = (await db(table).whereIn('id', ids)) as Row[]
  return new Map(rows.map((row) => [text(row.id), row]))
}

import type { Environment } from '../context.ts'
import { integer, iso, json, maybeIso, maybeText, text, type Db, type Row } from '../database/index.ts'
import type { Paged } from '../http/index.ts'
import { webhookIdOf, type Endpoint, type EndpointFormat } from '../events/index.ts'
import type { deliveryStates, HistoryFilter } from './schemas.ts'

/** Counting stops here: nobody pages that far, and counting a million rows would take longer than the page itself. */
const mostCounted = 10_000

export interface HistoryAttempt {
  number: number
  url: string
  startedTime: string
  durationMilliseconds: number
  outcome: 'success' | 'failure'
  responseStatus: number | null
  responseBody: string | null
  error: { code: string; message: string } | null
}

/** One event's delivery to one endpoint, with everything that was tried. */
export interface HistoryItem {
  id: string
  deliveryId: string
  type: string
  format: EndpointFormat
  applicationId: string | null
  organizationId: string
  locationId: string | null
  environment: Environment
  createdTime: string
  status: (typeof deliveryStates)[number]
  attemptCount: number
  nextAttemptTime: string | null
  completedTime: string | null
  payload: unknown
  attempts: HistoryAttempt[]
}

/** What was sent, or is to be sent, to an endpoint; the newest first. */
export async function listHistory(db: Db, endpoint: Endpoint, filter: HistoryFilter): Promise<Paged<HistoryItem>> {
  const state = stateOf(filter.status, endpoint.status === 'ACTIVE')
  if (state === 'none') return { items: [], total: 0 }
  const matching = () => {
    const query = db('stoa_deliveries').where({ endpoint_id: endpoint.id })
    // Literal, so that the partial indexes are found.
    if (state) query.whereRaw(`state = '${state}'`)
    if (filter.type) query.where({ type: filter.type })
    if (filter.before) query.where('id', '<', filter.before)
    return query
  }
  const [counted] = (await db
    .count({ total: '*' })
    .from(matching().select('id').limit(mostCounted).as('counted'))) as Row[]
  const deliveries = (await matching().orderBy('id', 'desc').limit(filter.limit).offset(filter.offset)) as Row[]
  const eventIds = [...new Set(deliveries.map((row) => text(row.event_id)))]
  const deliveryIds = deliveries.map((row) => text(row.id))
  const events = (await db('stoa_events').whereIn('id', eventIds)) as Row[]
  const attempts = (await db('stoa_delivery_attempts')
    .whereIn('delivery_id', deliveryIds)
    .orderBy(['delivery_id', 'n'])) as Row[]
  const eventsById = new Map(events.map((row) => [text(row.id), row]))
  const attemptsOf = new Map<string, Row[]>(deliveries.map((row) => [text(row.id), []]))
  for (const row of attempts) attemptsOf.get(text(row.delivery_id))!.push(row)
  const items = deliveries.map((row) =>
    mapItem(row, eventsById.get(text(row.event_id))!, attemptsOf.get(text(row.id))!, endpoint),
  )
  return { items, total: integer(counted?.total) }
}

/** `held` is kept in no row: it is what a pending delivery of a disabled endpoint is called. */
function stateOf(
  status: HistoryFilter['status'],
  active: boolean,
): 'pending' | 'delivered' | 'failed' | 'cancelled' | 'none' | null {
  if (status === undefined) return null
  if (status === 'held') return active ? 'none' : 'pending'
  if (status === 'pending') return active ? 'pending' : 'none'
  return status
}

function mapItem(delivery: Row, event: Row, attempts: Row[], endpoint: Endpoint): HistoryItem {
  const state = text(delivery.state) as 'pending' | 'delivered' | 'failed' | 'cancelled'
  const format = text(delivery.format) as EndpointFormat
  const waiting = state === 'pending' && endpoint.status === 'ACTIVE'
  return {
    id: text(event.id),
    deliveryId: text(delivery.id),
    type: text(event.type),
    format,
    applicationId: maybeText(event.application_id),
    organizationId: text(event.organization_id),
    locationId: maybeText(event.location_id),
    environment: text(event.environment) as Environment,
    createdTime: iso(event.created_time),
    status: state === 'pending' && !waiting ? 'held' : state,
    attemptCount: integer(delivery.attempt),
    // While a try is under way, the time in the row is that of its lease.
    nextAttemptTime: waiting && delivery.lease_token === null ? maybeIso(delivery.next_time) : null,
    completedTime: maybeIso(delivery.completed_time),
    payload: format === 'standard' ? json(event.payload) : highLevelPayload(event),
    attempts: attempts.map(mapAttempt),
  }
}

function highLevelPayload(event: Row): object {
  return { ...json<object>(event.highlevel), webhookId: webhookIdOf(text(event.id)) }
}

function mapAttempt(row: Row): HistoryAttempt {
  const code = maybeText(row.error_code)
  return {
    number: integer(row.n),
    url: text(row.url),
    startedTime: iso(row.started_time),
    durationMilliseconds: integer(row.duration_ms),
    outcome: text(row.outcome) as HistoryAttempt['outcome'],
    responseStatus: row.response_status === null ? null : integer(row.response_status),
    responseBody: maybeText(row.response_body),
    error: code === null ? null : { code, message: maybeText(row.error_message) ?? '' },
  }
}

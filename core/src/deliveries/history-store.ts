import type { Environment } from '../context.ts'
import { integer, iso, json, maybeIso, maybeJson, maybeText, text, type Db, type Row } from '../database/index.ts'
import { findTargets, webhookIdOf, type DeliveryCause, type EndpointFormat, type Target } from '../events/index.ts'
import type { Static } from '../kernel/index.ts'
import type { DeliveryDetailShape, DeliveryShape, HistoryItemShape } from './schemas.ts'

/** One event's way to one endpoint. */
export type Delivery = Static<typeof DeliveryShape>
/** With what was sent, and everything that was tried. */
export type DeliveryDetail = Static<typeof DeliveryDetailShape>
export type HistoryAttempt = DeliveryDetail['attempts'][number]
export type HistoryItem = Static<typeof HistoryItemShape>

const eventColumns = ['id', 'application_id', 'organization_id', 'location_id', 'environment', 'created_time']

/** Rows of deliveries as people see them, in the same order. */
export async function showDeliveries(db: Db, rows: Row[]): Promise<Delivery[]> {
  const events = await findRows(db('stoa_events').select(eventColumns), rows)
  const targets = await findTargets(db, distinct(rows, 'endpoint_id'))
  return rows.map((row) => mapDelivery(row, events.get(text(row.event_id))!, targets.get(text(row.endpoint_id))!))
}

/** The same with payloads and attempts. */
export async function showDetails(db: Db, rows: Row[]): Promise<DeliveryDetail[]> {
  const events = await findRows(db('stoa_events'), rows)
  const targets = await findTargets(db, distinct(rows, 'endpoint_id'))
  const attempts = (await db('stoa_delivery_attempts')
    .whereIn('delivery_id', distinct(rows, 'id'))
    .orderBy(['delivery_id', 'n'])) as Row[]
  const attemptsOf = new Map<string, Row[]>(rows.map((row) => [text(row.id), []]))
  for (const row of attempts) attemptsOf.get(text(row.delivery_id))!.push(row)
  return rows.map((row) => {
    const event = events.get(text(row.event_id))!
    return {
      ...mapDelivery(row, event, targets.get(text(row.endpoint_id))!),
      payload: payloadOf(text(row.format) as EndpointFormat, event),
      attempts: attemptsOf.get(text(row.id))!.map(mapAttempt),
    }
  })
}

export function historyItem({ id: deliveryId, eventId: id, endpointId: _, ...rest }: DeliveryDetail): HistoryItem {
  return { id, deliveryId, ...rest }
}

async function findRows(query: ReturnType<Db>, deliveries: Row[]): Promise<Map<string, Row>> {
  const rows = (await query.whereIn('id', distinct(deliveries, 'event_id'))) as Row[]
  return new Map(rows.map((row) => [text(row.id), row]))
}

function distinct(rows: Row[], column: string): string[] {
  return [...new Set(rows.map((row) => text(row[column])))]
}

function mapDelivery(row: Row, event: Row, endpoint: Target): Delivery {
  const state = text(row.state) as 'pending' | 'delivered' | 'failed' | 'cancelled'
  const waiting = state === 'pending' && endpoint.status === 'ACTIVE'
  const isHeld = state === 'pending' && !waiting
  return {
    id: text(row.id),
    eventId: text(row.event_id),
    endpointId: text(row.endpoint_id),
    type: text(row.type),
    format: text(row.format) as EndpointFormat,
    cause: text(row.cause) as DeliveryCause,
    applicationId: maybeText(event.application_id),
    organizationId: text(event.organization_id),
    locationId: maybeText(event.location_id),
    environment: text(event.environment) as Environment,
    createdTime: iso(event.created_time),
    // `held` is kept in no row: it is what a pending delivery of a disabled endpoint is called.
    status: isHeld ? 'held' : state,
    held: isHeld ? { cause: endpoint.statusCause ?? 'owner', reason: endpoint.statusReason } : null,
    attemptCount: integer(row.attempt),
    // While a try is under way, the time in the row is that of its lease.
    nextAttemptTime: waiting && row.lease_token === null ? maybeIso(row.next_time) : null,
    completedTime: maybeIso(row.completed_time),
    lastStatus: maybeInteger(row.last_status),
    lastError: maybeText(row.last_error),
  }
}

/** The body as it was stored, in the form in which it is told to this endpoint. */
export function payloadOf(format: EndpointFormat, event: Row): unknown {
  if (format !== 'highlevel') return json(event.payload)
  return { ...json<object>(event.highlevel), webhookId: webhookIdOf(text(event.id)) }
}

export function mapAttempt(row: Row): HistoryAttempt {
  const code = maybeText(row.error_code)
  return {
    number: integer(row.n),
    cause: text(row.cause) as DeliveryCause,
    method: text(row.method),
    url: text(row.url),
    requestHeaders: json(row.request_headers),
    startedTime: iso(row.started_time),
    durationMilliseconds: integer(row.duration_ms),
    connectMilliseconds: maybeInteger(row.connect_ms),
    firstByteMilliseconds: maybeInteger(row.first_byte_ms),
    remoteAddress: maybeText(row.remote_address),
    outcome: text(row.outcome) as HistoryAttempt['outcome'],
    responseStatus: maybeInteger(row.response_status),
    responseHeaders: maybeJson(row.response_headers),
    responseBody: maybeText(row.response_body),
    error: code === null ? null : { code, message: maybeText(row.error_message) ?? '' },
  }
}

const maybeInteger = (value: unknown) => (value === null || value === undefined ? null : integer(value))

import type { Environment } from '../context.ts'
import { boolean, iso, maybeJson, maybeText, text, type Db, type Row } from '../database/index.ts'
import type { StoredEvent } from './event.ts'

/** An event as it is stored; its payload still the very text. */
export type EventText = Omit<StoredEvent, 'payload'> & {
  payloadText: string
  /** HighLevel's form of it, when an endpoint wanted it so. */
  highLevel: object | null
}

export async function findEvents(db: Db, ids: string[]): Promise<Map<string, EventText>> {
  const rows = (await db('stoa_events').whereIn('id', ids)) as Row[]
  return new Map(rows.map((row) => [text(row.id), mapEvent(row)]))
}

/** The event as hooks get it. */
export function toStoredEvent({ payloadText, highLevel: _, ...event }: EventText): StoredEvent {
  return { ...event, payload: JSON.parse(payloadText) as object }
}

function mapEvent(row: Row): EventText {
  return {
    id: text(row.id),
    type: text(row.type),
    publisherId: maybeText(row.publisher_id),
    applicationId: maybeText(row.application_id),
    organizationId: text(row.organization_id),
    locationId: maybeText(row.location_id),
    environment: text(row.environment) as Environment,
    test: boolean(row.test),
    traceParent: maybeText(row.trace_parent),
    payloadText: text(row.payload),
    highLevel: maybeJson<object>(row.highlevel),
    createdTime: iso(row.created_time),
  }
}

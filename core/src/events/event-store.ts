import type { Environment } from '../context.ts'
import { boolean, iso, maybeJson, maybeText, text, type Db, type Row } from '../database/index.ts'
import type { Occurrence, StoredEvent } from './event.ts'

/** An event as it is stored; its payload still the very text. */
export type EventText = Omit<StoredEvent, 'payload'> & {
  payloadText: string
  /** HighLevel's form of it, when an endpoint wanted it so. */
  highLevel: object | null
}

/** Where an event happened, and whether it was told in HighLevel's form. */
export type PastEvent = Occurrence<string> & { id: string; hasHighLevel: boolean }

/**
 * A page of the events that can concern an organization's endpoints, oldest first: what happened to its applications, and
 * what happened in it. Examples that somebody asked for are not among them.
 */
export async function listPastEvents(
  db: Db,
  organizationId: string,
  { after, before, limit }: { after: string; before: string; limit: number },
): Promise<PastEvent[]> {
  // Two walks through two indexes: with `or`, neither database would use them.
  const walk = async (column: 'publisher_id' | 'organization_id') =>
    (await db('stoa_events')
      .select('id', 'type', 'publisher_id', 'application_id', 'organization_id', 'location_id', 'environment')
      .select(db.raw('highlevel is not null as has_highlevel'))
      .where({ [column]: organizationId, test: false })
      .where('id', '>', after)
      .where('id', '<', before)
      .orderBy('id')
      .limit(limit)) as Row[]
  const rows = new Map<string, Row>()
  for (const row of [...(await walk('publisher_id')), ...(await walk('organization_id'))]) rows.set(text(row.id), row)
  return [...rows.values()]
    .sort((a, b) => (text(a.id) < text(b.id) ? -1 : 1))
    .slice(0, limit)
    .map((row) => ({
      id: text(row.id),
      type: text(row.type),
      publisherId: maybeText(row.publisher_id),
      applicationId: maybeText(row.application_id),
      organizationId: text(row.organization_id),
      locationId: maybeText(row.location_id),
      environment: text(row.environment) as Environment,
      hasHighLevel: boolean(row.has_highlevel),
    }))
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

import type { Environment } from '../context.ts'
import {
  boolean,
  insertRows,
  iso,
  maybeJson,
  maybeText,
  text,
  type Db,
  type Dialect,
  type Row,
} from '../database/index.ts'
import { firstIdAt } from '../kernel/index.ts'
import type { Receiver } from './endpoint.ts'
import type { Occurrence, StoredEvent } from './event.ts'
import type { InstalledPlace } from './events-context.ts'

const table = 'stoa_events'

/** An event as it is stored; its payload still the very text. */
export type EventText = Omit<StoredEvent, 'payload'> & {
  payloadText: string
  /** HighLevel's form of it, when an endpoint wanted it so. */
  highLevel: object | null
}

/** Where an event happened, and whether it was told in HighLevel's form. */
export type PastEvent = Occurrence<string> & { id: string; hasHighLevel: boolean }

/** Where events may have happened, and from which id on. */
interface Place {
  organizationId: string
  /** Null: anywhere in the organization. */
  locationId: string | null
  fromId: string
}

interface Range {
  after: string
  before: string
  limit: number
}

/** As many subqueries as SQLite takes in one statement, and not too many for either to plan. */
const mostPlacesAtOnce = 100

/**
 * A page of the events that can concern an endpoint, oldest first: what happened to its organization's applications, what
 * happened in it, and, of what was published for whoever is installed, what happened where its applications are, since they are.
 * For an endpoint that an installed application made: what happened where that is. Examples that somebody asked for are not
 * among them.
 */
export async function listPastEvents(
  db: Db,
  receiver: Pick<Receiver, 'organizationId' | 'environment' | 'installationId'>,
  installed: InstalledPlace[],
  range: Range,
): Promise<PastEvent[]> {
  const { organizationId, environment } = receiver
  // A walk for each through an index, rather than `or`: neither database would use one then.
  const walk = (where: Row, { after, before, limit }: Range) =>
    db(table)
      .select('id', 'type', 'publisher_id', 'application_id', 'organization_id', 'location_id', 'environment')
      .select(db.raw('highlevel is not null as has_highlevel'))
      .where({ ...where, environment, test: false })
      .where('id', '>', after)
      .where('id', '<', before)
      .orderBy('id')
      .limit(limit)
  let rows: Row[] = []
  if (receiver.installationId === null) {
    const own = (await walk({ publisher_id: organizationId }, range)) as Row[]
    rows = oldest([...own, ...((await walk({ organization_id: organizationId }, range)) as Row[])], range.limit)
  }
  // Where an application of its own is installed, everything else was walked through above.
  const among: Row = receiver.installationId === null ? { publisher_id: null } : {}
  const places = placesOf(installed)
  for (let start = 0; start < places.length; start += mostPlacesAtOnce) {
    // What is later than a full page has is not looked for any more.
    const before = rows.length === range.limit ? text(rows.at(-1)!.id) : range.before
    const walks = places.slice(start, start + mostPlacesAtOnce).map(({ organizationId: id, locationId, fromId }) => {
      const where = { ...among, organization_id: id, ...(locationId !== null && { location_id: locationId }) }
      const query = walk(where, { ...range, before }).where('id', '>=', fromId)
      return db.select('*').from(query.as('w'))
    })
    rows = oldest([...rows, ...((await db.unionAll(walks)) as Row[])], range.limit)
  }
  return rows.map((row) => ({
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

/** Each place once, from the time on at which the first of what is installed there was. */
function placesOf(installed: InstalledPlace[]): Place[] {
  const places = new Map<string, Place>()
  for (const { organizationId, locationId, installedTime } of installed) {
    const key = `${organizationId} ${locationId ?? ''}`
    const fromId = firstIdAt('evt', installedTime)
    const known = places.get(key)
    if (!known || fromId < known.fromId) places.set(key, { organizationId, locationId, fromId })
  }
  return [...places.values()]
}

function oldest(rows: Row[], limit: number): Row[] {
  const each = new Map(rows.map((row) => [text(row.id), row]))
  return [...each.values()].sort((a, b) => (text(a.id) < text(b.id) ? -1 : 1)).slice(0, limit)
}

export async function findEvents(db: Db, ids: string[]): Promise<Map<string, EventText>> {
  const rows = (await db(table).whereIn('id', ids)) as Row[]
  return new Map(rows.map((row) => [text(row.id), mapEvent(row)]))
}

/** What makes an event one that was published before. */
export interface EventKey {
  organizationId: string
  environment: Environment
  idempotencyKey: string
}

/**
 * Inserts events, and leaves out those whose key another has; returns the ids of those it inserted. Waits for a transaction that
 * is inserting the same key. `on conflict` rather than looking at the error: an error would end the transaction on PostgreSQL,
 * which may be the embedder's own.
 */
export async function insertEvents(db: Db, dialect: Dialect, rows: Row[]): Promise<Set<string>> {
  const keyed = rows.filter((row) => row.idempotency_key !== null)
  const plain = rows.filter((row) => row.idempotency_key === null)
  const inserted = new Set(plain.map((row) => text(row.id)))
  // In one order, so that two batches with the same keys cannot wait for each other.
  keyed.sort((a, b) => (keyText(a) < keyText(b) ? -1 : 1))
  for (const id of await insertUnlessKnown(db, dialect, keyed)) inserted.add(id)
  await insertRows(db, dialect, table, plain)
  return inserted
}

async function insertUnlessKnown(db: Db, dialect: Dialect, rows: Row[]): Promise<string[]> {
  if (rows.length === 0) return []
  const columns = Object.keys(rows[0]!)
  const chunk = Math.floor(dialect.parameterLimit / columns.length)
  const marks = `(${columns.map(() => '?').join(', ')})`
  const ids: string[] = []
  for (let start = 0; start < rows.length; start += chunk) {
    const part = rows.slice(start, start + chunk)
    const result: unknown = await db.raw(
      `insert into ${table} (${columns.join(', ')}) values ${part.map(() => marks).join(', ')}
        on conflict (organization_id, environment, idempotency_key) where idempotency_key is not null do nothing
        returning id`,
      part.flatMap((row) => columns.map((name) => (row[name] ?? null) as string)),
    )
    ids.push(...rowsOf(result).map((row) => text(row.id)))
  }
  return ids
}

/** The events that have these keys. */
export async function findEventsByKey(db: Db, keys: EventKey[]): Promise<(EventText & EventKey)[]> {
  if (keys.length === 0) return []
  const values = keys.map(({ organizationId, environment, idempotencyKey }) => [
    organizationId,
    environment,
    idempotencyKey,
  ])
  const rows = (await db(table).whereIn(['organization_id', 'environment', 'idempotency_key'], values)) as Row[]
  return rows.map((row) => ({ ...mapEvent(row), idempotencyKey: text(row.idempotency_key) }))
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

function keyText(row: Row): string {
  return `${text(row.organization_id)} ${text(row.environment)} ${text(row.idempotency_key)}`
}

/** SQLite's driver gives the rows themselves, PostgreSQL's an object with them. */
function rowsOf(result: unknown): Row[] {
  return Array.isArray(result) ? (result as Row[]) : (result as { rows: Row[] }).rows
}

import type { Knex } from 'knex'
import type { Environment } from '../context.ts'
import {
  insertRows,
  integer,
  iso,
  json,
  maybeIso,
  maybeText,
  text,
  toJson,
  type Db,
  type Dialect,
  type Row,
} from '../database/index.ts'
import type { Page, Paged } from '../http/index.ts'
import type { finishedStates, replayKinds } from './replay-schemas.ts'

export const replaysTable = 'stoa_webhook_replays'

export interface ReplayFilter {
  since: string
  until: string
  types: string[] | null
  statuses: (typeof finishedStates)[number][] | null
  dryRun: boolean
  /** The range as ids: from this one, to before that one. */
  fromId: string
  endId: string
}

export interface Replay {
  id: string
  endpointId: string
  kind: (typeof replayKinds)[number]
  filter: ReplayFilter
  perSecond: number
  state: 'running' | 'done' | 'cancelled' | 'failed'
  /** Why it failed, for people. */
  reason: string | null
  /** The last id that was looked at; null at first. */
  cursor: string | null
  lookedAt: number
  queued: number
  createdBy: string
  createdTime: string
  finishedTime: string | null
  /** When the next page may be queued; null when it is finished. */
  nextTime: string | null
}

export async function insertReplay(db: Db, replay: Replay): Promise<void> {
  await db(replaysTable).insert({
    id: replay.id,
    endpoint_id: replay.endpointId,
    kind: replay.kind,
    filter: toJson(replay.filter),
    per_second: replay.perSecond,
    state: replay.state,
    reason: replay.reason,
    tries: 0,
    cursor: replay.cursor,
    looked_at: replay.lookedAt,
    queued: replay.queued,
    created_by: replay.createdBy,
    created_time: replay.createdTime,
    updated_time: replay.createdTime,
    next_time: replay.nextTime,
  })
}

export async function findReplay(db: Db, id: string): Promise<Replay | null> {
  const row = await db(replaysTable).where({ id }).first<Row | undefined>()
  return row ? mapReplay(row) : null
}

/** Newest first. */
export async function listReplays(db: Db, endpointId: string, page: Page): Promise<Paged<Replay>> {
  const ofEndpoint = () => db(replaysTable).where({ endpoint_id: endpointId })
  const [counted] = (await ofEndpoint().count({ total: '*' })) as Row[]
  const rows = (await ofEndpoint().orderBy('id', 'desc').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(mapReplay), total: integer(counted?.total) }
}

/** How many run: of one endpoint, and of all those of its organization in its environment. */
export async function countRunning(
  db: Db,
  { id, organizationId, environment }: { id: string; organizationId: string; environment: Environment },
): Promise<{ ofEndpoint: number; ofOrganization: number }> {
  const rows = (await db(`${replaysTable} as r`)
    .join('stoa_webhook_endpoints as e', 'e.id', 'r.endpoint_id')
    // Literal, so that the partial index is found.
    .whereRaw(`r.state = 'running'`)
    .where({ 'e.organization_id': organizationId, 'e.environment': environment })
    .select('r.endpoint_id')) as Row[]
  return { ofEndpoint: rows.filter((row) => row.endpoint_id === id).length, ofOrganization: rows.length }
}

/** The condition and order under which a worker claims replays. */
export const dueReplays = (now: string) => (query: Knex.QueryBuilder) =>
  void query
    // Literal, so that the partial index is found.
    .whereRaw(`state = 'running'`)
    .where('next_time', '<=', now)
    .where((open) => void open.whereNull('lease_until').orWhere('lease_until', '<=', now))
    .orderBy(['next_time', 'id'])

/** The replay, if it still runs and is this worker's; nobody else then changes it before the transaction ends. */
export async function holdReplay(db: Db, dialect: Dialect, id: string, leaseToken: string): Promise<Replay | null> {
  const query = db(replaysTable).where({ id, lease_token: leaseToken, state: 'running' }).select('*')
  if (dialect.rowLocks) query.forUpdate()
  const [row] = (await query) as Row[]
  return row ? mapReplay(row) : null
}

/** Keeps how far it got, and gives it back. */
export async function saveProgress(db: Db, replay: Replay, now: string): Promise<void> {
  await db(replaysTable).where({ id: replay.id }).update({
    cursor: replay.cursor,
    looked_at: replay.lookedAt,
    queued: replay.queued,
    next_time: replay.nextTime,
    tries: 0,
    updated_time: now,
    lease_token: null,
    lease_until: null,
  })
}

/** How often its page has failed in a row, if it still runs and is this worker's. Not the rest of it, which may be what fails. */
export async function countTries(db: Db, id: string, leaseToken: string): Promise<number | null> {
  const [row] = (await db(replaysTable)
    .where({ id, lease_token: leaseToken, state: 'running' })
    .select('tries')) as Row[]
  return row ? integer(row.tries) : null
}

/** Gives it back, to be gone on with later. */
export async function delayReplay(
  db: Db,
  id: string,
  { tries, nextTime, now }: { tries: number; nextTime: string; now: string },
): Promise<void> {
  await db(replaysTable)
    .where({ id, state: 'running' })
    .update({ tries, next_time: nextTime, updated_time: now, lease_token: null, lease_until: null })
}

/** Says whether it was running. */
export async function endReplay(
  db: Db,
  id: string,
  state: Exclude<Replay['state'], 'running'>,
  now: string,
  reason: string | null = null,
): Promise<boolean> {
  const changed = await db(replaysTable).where({ id, state: 'running' }).update({
    state,
    reason,
    next_time: null,
    lease_token: null,
    lease_until: null,
    updated_time: now,
    finished_time: now,
  })
  return changed > 0
}

/** Of these deliveries, those in one of the states, locked in the order in which whoever locks several does. */
export async function lockInState(
  db: Db,
  dialect: Dialect,
  ids: string[],
  states: readonly string[],
): Promise<string[]> {
  const query = db('stoa_deliveries').select('id').whereIn('id', ids).whereIn('state', states).orderBy('id')
  if (dialect.rowLocks) query.forUpdate()
  return ((await query) as Row[]).map((row) => text(row.id))
}

/** Makes deliveries, but not where there is one already. Returns how many it made. */
export async function insertMissing(db: Db, dialect: Dialect, rows: Row[]): Promise<number> {
  if (rows.length === 0) return 0
  await insertRows(db, dialect, 'stoa_deliveries', rows, 'on conflict do nothing')
  const [made] = (await db('stoa_deliveries')
    .whereIn(
      'id',
      rows.map((row) => text(row.id)),
    )
    .count({ total: '*' })) as Row[]
  return integer(made?.total)
}

function mapReplay(row: Row): Replay {
  return {
    id: text(row.id),
    endpointId: text(row.endpoint_id),
    kind: text(row.kind) as Replay['kind'],
    filter: json<ReplayFilter>(row.filter),
    perSecond: integer(row.per_second),
    state: text(row.state) as Replay['state'],
    reason: maybeText(row.reason),
    cursor: maybeText(row.cursor),
    lookedAt: integer(row.looked_at),
    queued: integer(row.queued),
    createdBy: text(row.created_by),
    createdTime: iso(row.created_time),
    finishedTime: maybeIso(row.finished_time),
    nextTime: maybeIso(row.next_time),
  }
}

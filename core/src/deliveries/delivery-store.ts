import {
  claimDue,
  integer,
  insertRows,
  iso,
  maybeText,
  text,
  toJson,
  type Db,
  type Dialect,
  type Row,
} from '../database/index.ts'
import type { DeliveryCause, EndpointFormat } from '../events/index.ts'

const table = 'stoa_deliveries'

/** A delivery that this process has taken, until its lease ends. */
export interface Claimed {
  id: string
  eventId: string
  endpointId: string
  /** The endpoint's when the event happened. */
  format: EndpointFormat
  cause: DeliveryCause
  /** Tries before the present schedule began: a resend begins it anew. */
  baseAttempt: number
  /** Number of this try, from 1; counted up when it was taken, so that a crash shows as a number without an attempt. */
  attempt: number
  leaseToken: string
  leaseUntil: string
}

/** One HTTP try, as it is kept. */
export interface AttemptRecord {
  deliveryId: string
  n: number
  cause: DeliveryCause
  method: string
  url: string
  /** As sent, but for what opens a door: that is masked. */
  requestHeaders: Record<string, string>
  startedTime: string
  durationMs: number
  /** Until the connection was there; null when one was, from before. */
  connectMs: number | null
  firstByteMs: number | null
  outcome: 'success' | 'failure'
  responseStatus: number | null
  responseHeaders: Record<string, string> | null
  responseBody: string | null
  errorCode: string | null
  errorMessage: string | null
  remoteAddress: string | null
}

export interface Waiting {
  endpointId: string
  nextTime: string
  updatedTime: string
  deleted: boolean
}

/**
 * Endpoints that have something waiting, each with the time of its first, the longest due first: active ones, and deleted
 * ones, where something is left that an event which was being published meanwhile had put there. Not streams: what is for
 * them is taken by their connection (streams.ts). A walk from
 * endpoint to endpoint through the partial index: its cost grows with the endpoints that wait, not with what they wait for,
 * so the backlog of one costs the others nothing.
 */
export async function findWaitingEndpoints(db: Db): Promise<Waiting[]> {
  const first = (after: string) =>
    `(select d.endpoint_id from ${table} d where d.state = 'pending' ${after} order by d.endpoint_id, d.next_time limit 1)`
  const result: unknown = await db.raw(`
    with recursive waiting(endpoint_id) as (
      select ${first('')}
      union all
      select ${first('and d.endpoint_id > waiting.endpoint_id')} from waiting where waiting.endpoint_id is not null
    )
    select e.id as endpoint_id, e.updated_time, e.deleted_time,
      (select min(d.next_time) from ${table} d where d.state = 'pending' and d.endpoint_id = e.id) as next_time
    from waiting join stoa_webhook_endpoints e on e.id = waiting.endpoint_id
    where (e.status = 'ACTIVE' and e.transport <> 'stream') or e.deleted_time is not null order by next_time`)
  const rows = (Array.isArray(result) ? result : (result as { rows: Row[] }).rows) as Row[]
  // Between the two looks into the index a last delivery may have been finished.
  return rows
    .filter((row) => row.next_time !== null)
    .map((row) => ({
      endpointId: text(row.endpoint_id),
      nextTime: iso(row.next_time),
      updatedTime: iso(row.updated_time),
      deleted: row.deleted_time !== null,
    }))
}

export interface Wanted {
  endpointId: string
  most: number
}

/** SQLite puts together 500 selects at most, and a claim has one for each endpoint, filled up to a power of two. */
export const mostEndpointsPerClaim = 256

/** Takes the longest due of each endpoint, at most as many as wanted, of `mostEndpointsPerClaim` endpoints at most. */
export async function claimDeliveries(
  db: Db,
  dialect: Dialect,
  wanted: Wanted[],
  times: { now: string; leaseUntil: string },
): Promise<Claimed[]> {
  const branch = `select id from (select id from ${table}
    where state = 'pending' and endpoint_id = ? and next_time <= ? order by next_time limit ?) due`
  // Few different statements, for the sake of the statement cache: filled up with endpoints that do not exist.
  const padded = [
    ...wanted,
    ...Array<Wanted>(nextPowerOfTwo(wanted.length) - wanted.length).fill({ endpointId: '', most: 0 }),
  ]
  const bindings = padded.flatMap(({ endpointId, most }) => [endpointId, times.now, most])
  const { leaseToken, rows } = await claimDue(db, dialect, {
    table,
    limit: wanted.reduce((sum, { most }) => sum + most, 0),
    leaseUntil: times.leaseUntil,
    due: (query) => {
      void query
        .whereRaw(`id in (${padded.map(() => branch).join(' union all ')})`, bindings)
        // Once more, because PostgreSQL looks again at a row another process has just taken, but not into the subquery.
        .whereRaw(`state = 'pending'`)
        .where('next_time', '<=', times.now)
    },
    // A leased delivery is one that is due again when the lease ends: one index serves both.
    set: { attempt: db.raw('attempt + 1'), next_time: times.leaseUntil },
  })
  return rows
    .map((row) => ({
      id: text(row.id),
      eventId: text(row.event_id),
      endpointId: text(row.endpoint_id),
      format: text(row.format) as EndpointFormat,
      cause: text(row.cause) as DeliveryCause,
      baseAttempt: integer(row.base_attempt),
      attempt: integer(row.attempt),
      leaseToken,
      leaseUntil: times.leaseUntil,
    }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** Gives back what was taken and never tried, as if it had not been taken; due again at `nextTime`. */
export async function releaseDeliveries(db: Db, claimed: Claimed[], nextTime: string): Promise<void> {
  for (const [leaseToken, ids] of byToken(claimed)) {
    await db(table)
      .whereIn('id', ids)
      .where({ lease_token: leaseToken })
      .update({ attempt: db.raw('attempt - 1'), next_time: nextTime, lease_token: null, lease_until: null })
  }
}

/** Where only one process can exist, a lease that is there when it starts is a killed predecessor's. */
export async function reclaimLeases(db: Db, now: string): Promise<void> {
  await db(table)
    .whereRaw(`state = 'pending'`)
    .whereNotNull('lease_token')
    .update({ next_time: now, lease_token: null, lease_until: null })
}

/** Which of them are still ours, by id; locked, in one order, so that two writers cannot wait for each other. */
export async function lockOwned(db: Db, dialect: Dialect, claimed: Claimed[]): Promise<Set<string>> {
  const query = db(table)
    .select('id', 'lease_token')
    .whereIn(
      'id',
      claimed.map(({ id }) => id),
    )
    .orderBy('id')
  if (dialect.rowLocks) query.forUpdate()
  const tokens = new Map(((await query) as Row[]).map((row) => [text(row.id), maybeText(row.lease_token)]))
  return new Set(claimed.filter(({ id, leaseToken }) => tokens.get(id) === leaseToken).map(({ id }) => id))
}

const finished = { next_time: null, lease_token: null, lease_until: null }

export async function markDelivered(db: Db, ids: string[], now: string): Promise<void> {
  if (ids.length === 0) return
  await db(table)
    .whereIn('id', ids)
    .update({ ...finished, state: 'delivered', completed_time: now })
}

export async function markFailed(db: Db, ids: string[], now: string): Promise<void> {
  if (ids.length === 0) return
  await db(table)
    .whereIn('id', ids)
    .update({ ...finished, state: 'failed', completed_time: now })
}

/** Whatever is still to be sent to these endpoints. */
export async function cancelDeliveries(db: Db, endpointIds: string[], now: string): Promise<void> {
  await db(table)
    .whereIn('endpoint_id', endpointIds)
    .whereRaw(`state = 'pending'`)
    .update({ ...finished, state: 'cancelled', completed_time: now })
}

export async function scheduleRetry(db: Db, id: string, nextTime: string): Promise<void> {
  await db(table).where({ id }).update({ next_time: nextTime, lease_token: null, lease_until: null })
}

export async function insertAttempts(db: Db, dialect: Dialect, attempts: AttemptRecord[]): Promise<void> {
  await insertRows(
    db,
    dialect,
    'stoa_delivery_attempts',
    attempts.map((attempt) => ({
      delivery_id: attempt.deliveryId,
      n: attempt.n,
      cause: attempt.cause,
      method: attempt.method,
      url: attempt.url,
      request_headers: toJson(attempt.requestHeaders),
      started_time: attempt.startedTime,
      duration_ms: attempt.durationMs,
      connect_ms: attempt.connectMs,
      first_byte_ms: attempt.firstByteMs,
      outcome: attempt.outcome,
      response_status: attempt.responseStatus,
      response_headers: attempt.responseHeaders && toJson(attempt.responseHeaders),
      response_body: attempt.responseBody,
      error_code: attempt.errorCode,
      error_message: attempt.errorMessage,
      remote_address: attempt.remoteAddress,
    })),
  )
}

export async function attemptExists(db: Db, deliveryId: string, n: number): Promise<boolean> {
  return (await db('stoa_delivery_attempts').where({ delivery_id: deliveryId, n }).first('n')) !== undefined
}

function byToken(claimed: Claimed[]): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const { id, leaseToken } of claimed) groups.set(leaseToken, [...(groups.get(leaseToken) ?? []), id])
  return groups
}

function nextPowerOfTwo(count: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, count)))
}

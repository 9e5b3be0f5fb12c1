import type { Knex } from 'knex'
import {
  insertRows,
  lockedInOrder,
  maybeText,
  text,
  toJson,
  type Db,
  type Dialect,
  type Row,
} from '../database/index.ts'
import type { DeliveryCause } from '../events/index.ts'
import type { Claimed } from './claim-deliveries.ts'

const table = 'stoa_deliveries'

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

/** Gives back what was taken and never tried, as if it had not been taken; due again at `nextTime`. */
export async function releaseDeliveries(db: Db, dialect: Dialect, claimed: Claimed[], nextTime: string): Promise<void> {
  for (const [leaseToken, ids] of byToken(claimed)) {
    const given = (query: Knex.QueryBuilder) => void query.whereIn('id', ids).where({ lease_token: leaseToken })
    await lockedInOrder(db, dialect, table, given).update({
      attempt: db.raw('attempt - 1'),
      next_time: nextTime,
      lease_token: null,
      lease_until: null,
    })
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

/** What a finished or postponed delivery remembers of its last try. */
export interface LastTry {
  id: string
  status: number | null
  error: string | null
}

export async function markDelivered(db: Db, tries: LastTry[], now: string): Promise<void> {
  await finish(db, 'delivered', tries, now)
}

export async function markFailed(db: Db, tries: LastTry[], now: string): Promise<void> {
  await finish(db, 'failed', tries, now)
}

/** One statement for those that ended alike, which is nearly always all of them. */
async function finish(db: Db, state: string, tries: LastTry[], now: string): Promise<void> {
  const alike = new Map<string, LastTry[]>()
  for (const each of tries) {
    const key = `${each.status} ${each.error}`
    alike.set(key, [...(alike.get(key) ?? []), each])
  }
  for (const group of alike.values()) {
    const { status, error } = group[0]!
    const ids = group.map(({ id }) => id)
    await db(table)
      .whereIn('id', ids)
      .update({ ...finished, state, last_status: status, last_error: error, completed_time: now })
  }
}

/** Whatever is still to be sent to these endpoints. */
export async function cancelDeliveries(db: Db, dialect: Dialect, endpointIds: string[], now: string): Promise<void> {
  const left = (query: Knex.QueryBuilder) =>
    void query.whereIn('endpoint_id', endpointIds).whereRaw(`state = 'pending'`)
  await lockedInOrder(db, dialect, table, left).update({ ...finished, state: 'cancelled', completed_time: now })
}

/** @param free that this try is not counted in the schedule, because it says nothing about the receiver. */
export async function scheduleRetry(
  db: Db,
  { id, status, error }: LastTry,
  nextTime: string,
  free: boolean,
): Promise<void> {
  await db(table)
    .where({ id })
    .update({
      next_time: nextTime,
      lease_token: null,
      lease_until: null,
      last_status: status,
      last_error: error,
      ...(free && { base_attempt: db.raw('base_attempt + 1') }),
    })
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

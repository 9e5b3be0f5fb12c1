import {
  integer,
  inTransaction,
  iso,
  json,
  maybeText,
  text,
  toJson,
  type Db,
  type Dialect,
  type Row,
} from '../database/index.ts'
import type { Endpoint } from '../events/index.ts'
import { mapClaimed, type Claimed } from './claim-deliveries.ts'

/** A delivery that went out on a stream; the row is there until it is answered. */
export interface OpenTry {
  deliveryId: string
  n: number
  endpointId: string
  leaseToken: string
  leaseUntil: string
  /** As they are kept in the history. */
  requestHeaders: Record<string, string>
  startedTime: string
}

const tries = 'stoa_webhook_stream_tries'
const streams = 'stoa_webhook_streams'

export async function insertStream(db: Db, stream: { endpointId: string; kept: boolean; now: string }): Promise<void> {
  await db(streams).insert({ endpoint_id: stream.endpointId, kept: stream.kept, seen_time: stream.now })
}

export async function markSeen(db: Db, endpointId: string, now: string): Promise<void> {
  await db(streams).where({ endpoint_id: endpointId }).update({ seen_time: now })
}

/** How the endpoint stands; null when it is deleted. */
export async function findStanding(
  db: Db,
  endpointId: string,
): Promise<Pick<Endpoint, 'status' | 'statusReason'> | null> {
  const row = (await db('stoa_webhook_endpoints')
    .where({ id: endpointId })
    .whereNull('deleted_time')
    .first('status', 'status_reason')) as Row | undefined
  return row ? { status: text(row.status) as Endpoint['status'], statusReason: maybeText(row.status_reason) } : null
}

/** Streams nobody has been connected to since `before`, of which nobody said that they are to be kept. */
export async function findForsaken(db: Db, before: string, most: number): Promise<string[]> {
  const rows = (await db(streams)
    .select('endpoint_id')
    .where({ kept: false })
    .where('seen_time', '<', before)
    .limit(most)) as Row[]
  return rows.map((row) => text(row.endpoint_id))
}

export async function deleteStream(db: Db, endpointId: string): Promise<void> {
  await db(streams).where({ endpoint_id: endpointId }).delete()
}

export async function deleteOldTries(db: Db, before: string): Promise<void> {
  await db(tries).where('started_time', '<', before).delete()
}

export async function insertTry(db: Db, open: OpenTry): Promise<void> {
  await db(tries).insert({
    delivery_id: open.deliveryId,
    n: open.n,
    endpoint_id: open.endpointId,
    lease_token: open.leaseToken,
    lease_until: open.leaseUntil,
    request_headers: toJson(open.requestHeaders),
    started_time: open.startedTime,
  })
}

/** Those whose lease still holds, as `deliveryId.n`: what the other side is at work on, whichever process sent it. */
export async function findOpenTries(db: Db, endpointId: string, now: string): Promise<Set<string>> {
  const rows = (await db(`${tries} as t`)
    .select('t.delivery_id', 't.n')
    .join('stoa_deliveries as d', 'd.id', 't.delivery_id')
    .where({ 't.endpoint_id': endpointId })
    .whereRaw('d.lease_token = t.lease_token')
    .where('d.lease_until', '>', now)) as Row[]
  return new Set(rows.map((row) => `${text(row.delivery_id)}.${integer(row.n)}`))
}

/** Takes the row of a try out, so that of two answers one counts. Null when it is not there, or is another's. */
export async function takeTry(
  db: Db,
  dialect: Dialect,
  wanted: Pick<OpenTry, 'deliveryId' | 'n' | 'endpointId' | 'leaseToken'>,
): Promise<OpenTry | null> {
  const where = {
    delivery_id: wanted.deliveryId,
    n: wanted.n,
    endpoint_id: wanted.endpointId,
    lease_token: wanted.leaseToken,
  }
  return inTransaction(db, async (trx) => {
    const query = trx(tries).where(where)
    if (dialect.rowLocks) void query.forUpdate()
    const row = (await query.first()) as Row | undefined
    if (!row) return null
    await trx(tries).where(where).delete()
    return {
      ...wanted,
      leaseUntil: iso(row.lease_until),
      requestHeaders: json<Record<string, string>>(row.request_headers),
      startedTime: iso(row.started_time),
    }
  })
}

/** The delivery as it was when this try was taken. */
export async function findTaken(db: Db, open: OpenTry): Promise<Claimed | null> {
  const row = (await db('stoa_deliveries').where({ id: open.deliveryId }).first()) as Row | undefined
  return row ? { ...mapClaimed(row, open), attempt: open.n } : null
}

/** Whether something is due: asked before claiming, which on SQLite takes the lock of the whole database. */
export async function hasDue(db: Db, endpointId: string, now: string): Promise<boolean> {
  const row: unknown = await db('stoa_deliveries')
    .whereRaw(`state = 'pending'`)
    .where({ endpoint_id: endpointId })
    .where('next_time', '<=', now)
    .first('id')
  return row !== undefined
}

/**
 * Makes what was sent and not answered due again. Its number stays used, because an answer may still come; the schedule of
 * retries does not pay for it, because a connection that breaks says nothing about the receiver.
 */
export async function releaseSent(db: Db, sent: Claimed[], now: string): Promise<void> {
  for (const { id, leaseToken } of sent) {
    await db('stoa_deliveries')
      .where({ id, lease_token: leaseToken })
      .whereRaw(`state = 'pending'`)
      .update({ base_attempt: db.raw('base_attempt + 1'), next_time: now, lease_token: null, lease_until: null })
  }
}

export async function isOfEndpoint(db: Db, deliveryId: string, endpointId: string): Promise<boolean> {
  return (await db('stoa_deliveries').where({ id: deliveryId, endpoint_id: endpointId }).first('id')) !== undefined
}

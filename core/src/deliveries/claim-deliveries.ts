import { claimDue, inTransaction, integer, iso, text, type Db, type Dialect, type Row } from '../database/index.ts'
import type { DeliveryCause, EndpointFormat } from '../events/index.ts'
import { admit, paceOn } from './admit.ts'

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
  /** The one try that an open breaker lets through. */
  probe: boolean
  createdTime: string
  leaseToken: string
  leaseUntil: string
}

export interface Wanted {
  endpointId: string
  most: number
  fifo: boolean
  limited: boolean
}

/** SQLite puts together 500 selects at most, and a claim has one for each endpoint, filled up to a power of two. */
export const mostEndpointsPerClaim = 256

interface ClaimTimes {
  now: string
  leaseUntil: string
}

/** Takes the longest due of each endpoint, at most as many as wanted, of `mostEndpointsPerClaim` endpoints at most. */
export async function claimDeliveries(
  db: Db,
  dialect: Dialect,
  wanted: Wanted[],
  times: ClaimTimes,
): Promise<Claimed[]> {
  const limited = wanted.filter((each) => each.limited)
  if (limited.length === 0) return claimRows(db, dialect, wanted, times)
  const claimed = await inTransaction(db, (trx) => claimAdmitted(trx, dialect, limited, times))
  const others = wanted.filter((each) => !each.limited)
  // Apart, so that a claim of many does not hold the rows of few.
  return others.length === 0 ? claimed : [...claimed, ...(await claimRows(db, dialect, others, times))]
}

async function claimAdmitted(trx: Db, dialect: Dialect, limited: Wanted[], times: ClaimTimes): Promise<Claimed[]> {
  const admissions = new Map((await admit(trx, dialect, limited, times)).map((each) => [each.endpointId, each]))
  const admitted = limited.flatMap((each) => {
    const admission = admissions.get(each.endpointId)
    return admission ? [{ ...each, most: admission.most }] : []
  })
  if (admitted.length === 0) return []
  const claimed = await claimRows(trx, dialect, admitted, times)
  for (const admission of admissions.values()) {
    await paceOn(trx, admission, claimed.filter(({ endpointId }) => endpointId === admission.endpointId).length)
  }
  return claimed.map((each) => ({ ...each, probe: admissions.get(each.endpointId)?.probe ?? false }))
}

const isPending = `state = 'pending' and endpoint_id = ?`
const longestDue = `select id from (select id from ${table} where ${isPending} and next_time <= ? order by next_time limit ?) due`
/** The first in order, if that is due: while it is under way or waits for its next try, nothing behind it is. */
const firstInOrder = `select id from ${table} where next_time <= ? and id = coalesce(
  (select id from ${table} where ${isPending} and fifo order by id limit 1),
  (select id from ${table} where ${isPending} order by next_time limit 1))`

async function claimRows(db: Db, dialect: Dialect, wanted: Wanted[], times: ClaimTimes): Promise<Claimed[]> {
  const inOrder = wanted.filter(({ fifo }) => fifo)
  const others = wanted.filter(({ fifo }) => !fifo)
  // Few different statements, for the sake of the statement cache: filled up with endpoints that do not exist.
  const nobody = { endpointId: '', most: 0 }
  const branches = [
    ...filledUp(inOrder, nobody).map(({ endpointId }) => [firstInOrder, [times.now, endpointId, endpointId]] as const),
    ...filledUp(others, nobody).map(({ endpointId, most }) => [longestDue, [endpointId, times.now, most]] as const),
  ]
  const { leaseToken, rows } = await claimDue(db, dialect, {
    table,
    limit: inOrder.length + others.reduce((sum, { most }) => sum + most, 0),
    leaseUntil: times.leaseUntil,
    due: (query) => {
      void query
        .whereRaw(
          `id in (${branches.map(([sql]) => sql).join(' union all ')})`,
          branches.flatMap(([, bindings]) => bindings),
        )
        // Once more, because PostgreSQL looks again at a row another process has just taken, but not into the subquery.
        .whereRaw(`state = 'pending'`)
        .where('next_time', '<=', times.now)
    },
    // A leased delivery is one that is due again when the lease ends: one index serves both.
    set: { attempt: db.raw('attempt + 1'), next_time: times.leaseUntil },
  })
  return rows
    .map((row) => mapClaimed(row, { leaseToken, leaseUntil: times.leaseUntil }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}

function filledUp<T>(list: T[], filler: T): T[] {
  if (list.length === 0) return []
  return [...list, ...Array<T>(2 ** Math.ceil(Math.log2(list.length)) - list.length).fill(filler)]
}

export function mapClaimed(row: Row, { leaseToken, leaseUntil }: Pick<Claimed, 'leaseToken' | 'leaseUntil'>): Claimed {
  return {
    id: text(row.id),
    eventId: text(row.event_id),
    endpointId: text(row.endpoint_id),
    format: text(row.format) as EndpointFormat,
    cause: text(row.cause) as DeliveryCause,
    attempt: integer(row.attempt),
    baseAttempt: integer(row.base_attempt),
    probe: false,
    createdTime: iso(row.created_time),
    leaseToken,
    leaseUntil,
  }
}

import { randomUUID } from 'node:crypto'
import type { Row } from './codecs.ts'
import type { Dialect } from './dialect.ts'
import { inTransaction } from './transaction.ts'
import type { Db } from './open.ts'
import type { Knex } from 'knex'

export interface Claim {
  table: string
  /** Adds the conditions that make a row due, and the order. */
  due: (query: Knex.QueryBuilder) => void
  limit: number
  /** ISO time until which nobody else may take the rows. */
  leaseUntil: string
  /** Further columns to set on claimed rows. */
  set?: Row
}

/**
 * Takes due rows for this worker: sets `lease_token` (a fencing token: every later update of the row names it, so a worker
 * whose lease ran out cannot overwrite its successor's result) and `lease_until`. Any number of processes may call it.
 */
export async function claimDue(db: Db, dialect: Dialect, claim: Claim): Promise<{ leaseToken: string; rows: Row[] }> {
  const leaseToken = randomUUID()
  const rows = await inTransaction(db, async (trx) => {
    // Select, then update: `where id in (select … limit … skip locked)` may take more than the limit on PostgreSQL.
    const query = trx(claim.table).select('id').limit(claim.limit)
    claim.due(query)
    if (dialect.rowLocks) query.forUpdate().skipLocked()
    const ids = ((await query) as { id: string }[]).map((row) => row.id)
    if (ids.length === 0) return []
    await trx(claim.table)
      .whereIn('id', ids)
      .update({ lease_token: leaseToken, lease_until: claim.leaseUntil, ...claim.set })
    const claimed = (await trx(claim.table).whereIn('id', ids)) as (Row & { id: string })[]
    // Databases give updated rows back in any order; the caller asked for one.
    const place = new Map(ids.map((id, index) => [id, index]))
    return claimed.sort((a, b) => place.get(a.id)! - place.get(b.id)!)
  })
  return { leaseToken, rows }
}

import { randomUUID } from 'node:crypto'
import type { Knex } from 'knex'
import type { Row } from './codecs.ts'
import type { Dialect } from './dialect.ts'
import type { Db } from './open.ts'

export interface Claim {
  table: string
  /** Adds the conditions that make a row due, and the order in which rows are chosen. */
  due: (query: Knex.QueryBuilder) => void
  limit: number
  /** ISO time until which nobody else may take the rows. */
  leaseUntil: string
  /** Further columns to set on claimed rows. */
  set?: Row
}

/**
 * Takes due rows for this worker: sets `lease_token` (a fencing token: every later update of the row names it, so a worker
 * whose lease ran out cannot overwrite its successor's result) and `lease_until`. Any number of processes may call it. The
 * rows come in no order.
 */
export async function claimDue(db: Db, dialect: Dialect, claim: Claim): Promise<{ leaseToken: string; rows: Row[] }> {
  const leaseToken = randomUUID()
  const query = db(claim.table).select('id').limit(claim.limit)
  claim.due(query)
  const set = { lease_token: leaseToken, lease_until: claim.leaseUntil, ...claim.set }
  return {
    leaseToken,
    rows: await (dialect.rowLocks ? takeUnlocked(db, claim, query, set) : take(db, claim, query, set)),
  }
}

async function take(db: Db, { table }: Claim, due: Knex.QueryBuilder, set: Row): Promise<Row[]> {
  return (await db(table).whereIn('id', due).update(set).returning('*')) as Row[]
}

/**
 * Chosen in a `with`, which is evaluated once: `where id in (select … skip locked)` may take more than the limit. By itself it
 * is not worth waiting for the disk: a claim that is lost with the power is taken once more, as one whose lease has run out.
 */
async function takeUnlocked(db: Db, { table }: Claim, due: Knex.QueryBuilder, set: Row): Promise<Row[]> {
  const query = db
    .with('due', due.forUpdate().skipLocked())
    .from(table)
    .update(set)
    .updateFrom('due')
    .where(`${table}.id`, db.ref('due.id'))
    .returning(`${table}.*`)
  if (!db.isTransaction) void query.whereRaw(`(select set_config('synchronous_commit', 'off', true)) is not null`)
  return (await query) as Row[]
}

import type { Knex } from 'knex'
import type { Db } from './open.ts'

/** Runs `work` in a transaction; joins the one `db` already is. Commits when it resolves, rolls back when it throws. */
export function inTransaction<T>(db: Db, work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
  return db.isTransaction ? work(db as Knex.Transaction) : db.transaction(work)
}

/** Runs `then` once `db`'s transaction has committed, and never if it rolls back; at once when `db` is no transaction. */
export function afterCommit(db: Db, then: () => void): void {
  if (!db.isTransaction) return then()
  void (db as Knex.Transaction).executionPromise.then(then, () => {})
}

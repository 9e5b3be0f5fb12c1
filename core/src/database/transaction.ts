import type { Knex } from 'knex'
import type { Db } from './open.ts'

/** Runs `work` in a transaction; joins the one `db` already is. Commits when it resolves, rolls back when it throws. */
export function inTransaction<T>(db: Db, work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
  return db.isTransaction ? work(db as Knex.Transaction) : db.transaction(work)
}

/**
 * Runs a part of the transaction that may fail alone: when it throws, what it wrote is taken back, the rest stays and can go
 * on, and the error is the caller's. What the part asked `afterCommit` for still happens.
 */
export async function inSavepoint<T>(trx: Db, work: () => Promise<T>): Promise<T> {
  await trx.raw('savepoint stoa_part')
  try {
    const result = await work()
    await trx.raw('release savepoint stoa_part')
    return result
  } catch (error) {
    await trx.raw('rollback to savepoint stoa_part')
    await trx.raw('release savepoint stoa_part')
    throw error
  }
}

/** Runs `then` once `db`'s transaction has committed, and never if it rolls back; at once when `db` is no transaction. */
export function afterCommit(db: Db, then: () => void): void {
  if (!db.isTransaction) return then()
  void (db as Knex.Transaction).executionPromise.then(then, () => {})
}

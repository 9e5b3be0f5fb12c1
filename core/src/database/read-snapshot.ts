import type { Knex } from 'knex'
import type { Dialect } from './dialect.ts'
import type { Db } from './open.ts'
import { patientTransaction } from './postgres-timeouts.ts'

/**
 * Runs `read` on the database as it is at one moment, however long that takes and whatever is written meanwhile. In a transaction of
 * `db`'s own when that is one, which then has to see to it itself.
 */
export function readSnapshot<T>(db: Db, dialect: Dialect, read: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
  if (db.isTransaction) return read(db as Knex.Transaction)
  const inSnapshot = async (trx: Knex.Transaction): Promise<T> => {
    for (const statement of dialect.beginSnapshot) await trx.raw(statement)
    return read(trx)
  }
  return dialect.timeouts ? patientTransaction(db as Knex, inSnapshot) : db.transaction(inSnapshot)
}

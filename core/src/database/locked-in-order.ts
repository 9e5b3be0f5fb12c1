import type { Knex } from 'knex'
import type { Dialect } from './dialect.ts'
import type { Db } from './open.ts'

/**
 * The rows of a table that fit, to be updated, locked in the order of their ids. Two statements that change some of the same
 * rows in the order in which each happens to find them would wait for each other.
 */
export function lockedInOrder(
  db: Db,
  dialect: Dialect,
  table: string,
  fits: (query: Knex.QueryBuilder) => void,
): Knex.QueryBuilder {
  const query = db(table).select('id').orderBy('id')
  fits(query)
  if (dialect.rowLocks) query.forNoKeyUpdate()
  return db(table).whereIn('id', query)
}

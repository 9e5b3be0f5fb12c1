import type { Row } from './codecs.ts'
import type { Dialect } from './dialect.ts'
import type { Db } from './open.ts'
import { eachRow, rowsAsJson } from './row-values.ts'
import { inTransaction } from './transaction.ts'

type Conflict = '' | 'on conflict do nothing'

/**
 * Inserts many rows that have the same columns. A list of VALUES costs several times as much: its text is another for every number of
 * rows, and each value a parameter of its own. knex's multi-row insert becomes a `union all` of selects on SQLite, which stops at 500.
 */
export async function insertRows(
  db: Db,
  dialect: Dialect,
  table: string,
  rows: Row[],
  conflict: Conflict = '',
): Promise<void> {
  if (rows.length === 0) return
  const names = Object.keys(rows[0]!)
  const columns = names.map((name) => `"${name}"`).join(', ')
  const into = `insert into "${table}" (${columns})`
  if (!dialect.inProcess) {
    const from = `select ${columns} from json_populate_recordset(null::"${table}", ?)`
    await db.raw(`${into} ${from} ${conflict}`, [rowsAsJson(rows)])
    return
  }
  const one = `${into} values (${names.map(() => '?').join(', ')}) ${conflict}`
  const values = rows.map((row) => names.map((name) => row[name]))
  await inTransaction(db, (trx) => eachRow(trx, one, values))
}

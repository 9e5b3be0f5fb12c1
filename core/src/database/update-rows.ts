import type { Row } from './codecs.ts'
import type { Dialect } from './dialect.ts'
import type { Db } from './open.ts'
import { eachRow, rowsAsJson } from './row-values.ts'
import { inTransaction } from './transaction.ts'

/** Columns and their types in PostgreSQL. */
type Columns = Readonly<Record<string, string>>

/** What to change of a row, and by which columns it is found; a name may be in both. */
export interface RowChange {
  where: Row
  set: Row
}

/**
 * Gives many rows values of their own. Returns how many were found.
 *
 *     await updateRows(db, dialect, 'stoa_grants', { where: { id: 'text' }, set: { held: 'bigint' } }, [
 *       { where: { id: 'grt_1' }, set: { held: 5n } },
 *     ])
 */
export async function updateRows(
  db: Db,
  dialect: Dialect,
  table: string,
  columns: { where: Columns; set: Columns },
  changes: readonly RowChange[],
): Promise<number> {
  if (changes.length === 0) return 0
  const [where, set] = [Object.keys(columns.where), Object.keys(columns.set)]
  if (dialect.inProcess) {
    const sql = `update "${table}" set ${set.map((name) => `"${name}" = ?`).join(', ')}
      where ${where.map((name) => `"${name}" = ?`).join(' and ')}`
    const values = changes.map((each) => [
      ...set.map((name) => each.set[name]),
      ...where.map((name) => each.where[name]),
    ])
    return inTransaction(db, (trx) => eachRow(trx, sql, values))
  }
  const members = [
    ...where.map((name) => `old_${name} ${columns.where[name]}`),
    ...set.map((name) => `new_${name} ${columns.set[name]}`),
  ]
  const rows = changes.map((each) =>
    Object.fromEntries([
      ...where.map((name) => [`old_${name}`, each.where[name]]),
      ...set.map((name) => [`new_${name}`, each.set[name]]),
    ]),
  )
  const answer = (await db.raw(
    `update "${table}" as present set ${set.map((name) => `"${name}" = new_${name}`).join(', ')}
     from json_to_recordset(?) as change(${members.join(', ')})
     where ${where.map((name) => `present."${name}" = old_${name}`).join(' and ')}`,
    [rowsAsJson(rows)],
  )) as { rowCount: number }
  return answer.rowCount
}

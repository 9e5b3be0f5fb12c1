import type { Knex } from 'knex'
import type { Row } from './codecs.ts'
import type { Dialect } from './dialect.ts'
import type { Db } from './open.ts'

/**
 * Inserts many rows that have the same columns, as one `VALUES` list a chunk. knex's own multi-row insert becomes a
 * `union all` of selects on SQLite, which stops at 500 terms and costs several times as much.
 */
export async function insertRows(
  db: Db,
  dialect: Dialect,
  table: string,
  rows: Row[],
  conflict: '' | 'on conflict do nothing' = '',
): Promise<void> {
  if (rows.length === 0) return
  const columns = Object.keys(rows[0]!)
  const chunk = Math.floor(dialect.parameterLimit / columns.length)
  const names = columns.map((name) => `"${name}"`).join(', ')
  const marks = `(${columns.map(() => '?').join(', ')})`
  for (let start = 0; start < rows.length; start += chunk) {
    const part = rows.slice(start, start + chunk)
    const bindings = part.flatMap((row) => columns.map((name) => (row[name] ?? null) as Knex.RawBinding))
    await db.raw(`insert into "${table}" (${names}) values ${part.map(() => marks).join(', ')} ${conflict}`, bindings)
  }
}

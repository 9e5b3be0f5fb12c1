import type { Knex } from 'knex'
import type { Row } from './codecs.ts'
import type { Dialect } from './dialect.ts'
import type { Db } from './open.ts'

type Conflict = '' | 'on conflict do nothing'

/**
 * Inserts many rows that have the same columns. On SQLite, inside a transaction, they go past knex: its `query` events tell of none.
 */
export async function insertRows(
  db: Db,
  dialect: Dialect,
  table: string,
  rows: Row[],
  conflict: Conflict = '',
): Promise<void> {
  if (rows.length === 0) return
  const columns = Object.keys(rows[0]!)
  if (dialect.inProcess && db.isTransaction) return insertOneByOne(db, table, columns, rows, conflict)
  await insertLists(db, dialect, table, columns, rows, conflict)
}

/**
 * One `VALUES` list a chunk. knex's own multi-row insert becomes a `union all` of selects on SQLite, which stops at 500 terms and
 * costs several times as much.
 */
async function insertLists(
  db: Db,
  dialect: Dialect,
  table: string,
  columns: string[],
  rows: Row[],
  conflict: Conflict,
): Promise<void> {
  const chunk = Math.floor(dialect.parameterLimit / columns.length)
  const marks = marksOf(columns)
  for (let start = 0; start < rows.length; start += chunk) {
    const part = rows.slice(start, start + chunk)
    const bindings = part.flatMap((row) => columns.map((name) => (row[name] ?? null) as Knex.RawBinding))
    await db.raw(`${insertInto(table, columns)} ${part.map(() => marks).join(', ')} ${conflict}`, bindings)
  }
}

interface Statement {
  run(...values: unknown[]): unknown
}

/**
 * A database in this process has no round trips to save: one statement, prepared once, run for each row, costs half of a list, whose
 * text is another for every number of rows.
 */
async function insertOneByOne(
  db: Db,
  table: string,
  columns: string[],
  rows: Row[],
  conflict: Conflict,
): Promise<void> {
  // Of a transaction it is always the same one.
  const connection = (await (db.client as Knex.Client).acquireConnection()) as { prepare(sql: string): Statement }
  const statement = connection.prepare(`${insertInto(table, columns)} ${marksOf(columns)} ${conflict}`)
  for (const row of rows) statement.run(columns.map((name) => bindingOf(row[name])))
}

const insertInto = (table: string, columns: string[]) =>
  `insert into "${table}" (${columns.map((name) => `"${name}"`).join(', ')}) values`

const marksOf = (columns: string[]) => `(${columns.map(() => '?').join(', ')})`

/** As knex binds for SQLite, which has no booleans. */
const bindingOf = (value: unknown) => (typeof value === 'boolean' ? Number(value) : (value ?? null))

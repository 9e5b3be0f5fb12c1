import type { Knex } from 'knex'
import type { Row } from './codecs.ts'

interface Statement {
  run(...values: unknown[]): { changes: number }
}

/**
 * Runs a statement for each list of values, for a database in this process: there are no round trips to save, and it is prepared once.
 * It goes past knex, whose `query` events tell of none. Returns how many rows were changed.
 */
export async function eachRow(trx: Knex.Transaction, sql: string, rows: readonly unknown[][]): Promise<number> {
  // Of a transaction it is always the same one.
  const connection = (await (trx.client as Knex.Client).acquireConnection()) as { prepare(sql: string): Statement }
  const statement = connection.prepare(sql)
  let changes = 0
  for (const values of rows) changes += statement.run(values.map(bindingOf)).changes
  return changes
}

/** As knex binds for SQLite, which has no booleans. */
const bindingOf = (value: unknown) => (typeof value === 'boolean' ? Number(value) : (value ?? null))

/** For PostgreSQL's `json_…_recordset`: all rows are one parameter, and each value becomes what its column is. */
export function rowsAsJson(rows: readonly Row[]): string {
  return JSON.stringify(rows, function (this: Row, name, value: unknown) {
    // Looked at before JSON makes a list of numbers of it.
    const given = this[name]
    if (Buffer.isBuffer(given)) return `\\x${given.toString('hex')}`
    // Also beyond what a JSON number holds.
    if (typeof value === 'bigint') return String(value)
    // Half a character, which its driver too would replace and its JSON refuses.
    if (typeof value === 'string') return value.replace(/\p{Surrogate}/gu, '\uFFFD')
    return value
  })
}

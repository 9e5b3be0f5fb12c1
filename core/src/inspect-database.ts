import { openDatabase, pendingMigrations } from './database/index.ts'

export interface DatabaseReport {
  kind: 'sqlite' | 'postgres'
  /** Names of migrations that have not been applied. */
  pending: string[]
  /** Null when a row can be written. */
  writeProblem: string | null
  /** How far the database's clock is ahead of this machine's, in milliseconds; null when the database has none of its own. */
  clockSkew: number | null
}

/**
 * Looks at a database without changing it, for `stoa doctor`.
 * Throws when it cannot be opened, or when a newer version of Stoa has migrated it.
 */
export async function inspectDatabase(url: string): Promise<DatabaseReport> {
  const database = await openDatabase(url)
  const { knex, dialect } = database
  try {
    const pending = await pendingMigrations(database)
    return {
      kind: dialect.name,
      pending,
      writeProblem: await tryToWrite(),
      clockSkew: dialect.databaseTime ? await skew(dialect.databaseTime) : null,
    }
  } finally {
    await database.close()
  }

  // A migration that is always rolled back is a write that touches nothing: it needs the right to create and to insert.
  async function tryToWrite(): Promise<string | null> {
    const undo = new Error('undo')
    try {
      await knex.transaction(async (trx) => {
        await trx.schema.createTable('stoa_doctor', (table) => table.text('note'))
        await trx('stoa_doctor').insert({ note: 'written by stoa doctor' })
        throw undo
      })
    } catch (error) {
      return error === undo ? null : (error as Error).message
    }
    return null
  }

  async function skew(expression: string): Promise<number> {
    const before = Date.now()
    const { rows } = (await knex.raw(`select ${expression} as now`)) as { rows: { now: Date }[] }
    return rows[0]!.now.getTime() - (before + Date.now()) / 2
  }
}

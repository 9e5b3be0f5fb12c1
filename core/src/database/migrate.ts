import type { Knex } from 'knex'
import pRetry from 'p-retry'
import { columnsOf, type Columns } from './columns.ts'
import type { Dialect } from './dialect.ts'
import { DatabaseProblem, type Database } from './open.ts'
import { patientTransaction } from './postgres-timeouts.ts'
import { migrations } from './migrations/index.ts'

export interface Migration {
  name: string
  up(schema: SchemaTools): Promise<void>
}

export interface SchemaTools {
  trx: Knex.Transaction
  dialect: Dialect
  createTable(name: string, define: (columns: Columns, table: Knex.CreateTableBuilder) => void): Promise<void>
}

const table = 'stoa_migrations'

/**
 * Brings the schema up to date, all in one transaction, so that a failed migration leaves the old schema whole. Two starters
 * go one after the other. Refuses a database that a newer program has migrated. Returns the names it applied.
 */
export async function migrate(database: Database, list: Migration[] = migrations): Promise<string[]> {
  return pRetry(() => migrateOnce(database, list), {
    retries: 40,
    minTimeout: 250,
    factor: 1,
    // On SQLite the other starter holds the whole database, and may need long.
    shouldRetry: ({ error }) => (error as { code?: unknown }).code === 'SQLITE_BUSY',
  })
}

async function migrateOnce({ knex, dialect }: Database, list: Migration[]): Promise<string[]> {
  const apply = async (trx: Knex.Transaction): Promise<string[]> => {
    if (dialect.lockMigrations) await trx.raw(dialect.lockMigrations)
    if (!(await trx.schema.hasTable(table))) {
      await trx.schema.createTable(table, (builder) => {
        const columns = columnsOf(dialect, builder)
        columns.id('name')
        columns.time('applied_time')
      })
    }
    const { pending } = await compare(trx, list)
    const tools: SchemaTools = {
      trx,
      dialect,
      createTable: (name, define) =>
        trx.schema.createTable(name, (builder) => define(columnsOf(dialect, builder), builder)),
    }
    for (const migration of pending) {
      await migration.up(tools)
      // The machine's clock and not the host's: `stoa migrate` has no host, and nothing ever decides by this time.
      await trx(table).insert({ name: migration.name, applied_time: new Date().toISOString() })
    }
    return pending.map(({ name }) => name)
  }
  return dialect.timeouts ? patientTransaction(knex, apply) : knex.transaction(apply)
}

/** Which migrations are still to be applied. Throws when the database is newer than the program. */
export async function pendingMigrations(database: Database): Promise<string[]> {
  if (!(await database.knex.schema.hasTable(table))) return migrations.map(({ name }) => name)
  return (await compare(database.knex, migrations)).pending.map(({ name }) => name)
}

async function compare(db: Knex, list: Migration[]): Promise<{ pending: Migration[] }> {
  const applied = new Set(((await db(table).select('name')) as { name: string }[]).map((row) => row.name))
  const unknown = [...applied].filter((name) => !list.some((migration) => migration.name === name))
  if (unknown.length > 0) {
    throw new DatabaseProblem(
      `The database was migrated by a newer version of Stoa (${unknown.join(', ')}); run that version.`,
    )
  }
  return { pending: list.filter(({ name }) => !applied.has(name)) }
}

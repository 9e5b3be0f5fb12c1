import knexModule, { type Knex } from 'knex'
import { dialects, type Dialect } from './dialect.ts'
import { hideRowValues } from './faults.ts'
import { closeUnanswered, postgresTimeouts } from './postgres-timeouts.ts'
import { prepareSqliteConnection } from './prepare-sqlite-connection.ts'

export type Db = Knex | Knex.Transaction

/** A database that this program cannot or must not work with, in a sentence that says why. */
export class DatabaseProblem extends Error {
  override name = 'DatabaseProblem'
}

export interface Database {
  knex: Knex
  dialect: Dialect
  /** Closes the connections, unless the embedder lent them. */
  close(): Promise<void>
}

/**
 * Opens a database by URL (`postgres://…`, `sqlite:path`, a plain file path, `:memory:`), or takes the embedder's own knex.
 * Throws a DatabaseProblem when a lent connection is not set up for durability and exact values.
 */
export async function openDatabase(source: string | Knex): Promise<Database> {
  if (typeof source !== 'string') return lend(source)
  if (/^postgres(ql)?:/.test(source)) return openPostgres(source)
  if (/^(?!sqlite:|file:)[a-z][a-z+]+:\/\//.test(source)) {
    throw new DatabaseProblem(`Stoa keeps its data in SQLite or PostgreSQL; ${source.split(':')[0]} is neither.`)
  }
  return openSqlite(source.replace(/^sqlite:/, ''))
}

const quiet = () => undefined
const common = {
  // Otherwise the message of a failed query, which is logged, has its values in it: hashes, e-mail addresses, sealed secrets.
  compileSqlOnError: false,
  // knex prints to the console what it throws as well.
  log: { warn: quiet, error: quiet, deprecate: quiet, debug: quiet },
}

async function openSqlite(filename: string): Promise<Database> {
  const knex = knexModule({
    client: 'better-sqlite3',
    connection: { filename, options: { safeIntegers: true } } as Knex.BetterSqlite3ConnectionConfig,
    useNullAsDefault: true,
    ...common,
    acquireConnectionTimeout: 10_000,
    pool: {
      // One connection: SQLite has one writer, and a query that forgot its transaction waits here and is found by tests.
      min: 1,
      max: 1,
      afterCreate: prepareSqliteConnection,
    },
  })
  try {
    await assertDurable(knex)
  } catch (error) {
    await knex.destroy()
    throw error
  }
  return { knex, dialect: dialects.sqlite, close: () => knex.destroy() }
}

function openPostgres(url: string): Promise<Database> {
  const knex = knexModule({
    client: 'pg',
    ...common,
    connection: {
      connectionString: url,
      connectionTimeoutMillis: 5000,
      application_name: 'stoa',
      ...postgresTimeouts,
    },
    acquireConnectionTimeout: 8000,
    pool: { min: 0, max: 16, ...closeUnanswered() },
  })
  // Here, so that whoever logs an error need not think of it.
  knex.on('query-error', hideRowValues)
  return Promise.resolve({ knex, dialect: dialects.postgres, close: () => knex.destroy() })
}

async function lend(knex: Knex): Promise<Database> {
  const client = String((knex.client as { driverName?: string }).driverName)
  if (client === 'pg') {
    await assertExact(knex)
    return { knex, dialect: dialects.postgres, close: () => Promise.resolve() }
  }
  if (client !== 'better-sqlite3')
    throw new DatabaseProblem(`Stoa needs knex on better-sqlite3 or pg, not on ${client}.`)
  await assertDurable(knex)
  return { knex, dialect: dialects.sqlite, close: () => Promise.resolve() }
}

const wanted = {
  synchronous: { atLeast: 2, text: 'synchronous=FULL' },
  foreign_keys: { atLeast: 1, text: 'foreign_keys=ON' },
  recursive_triggers: { atLeast: 1, text: 'recursive_triggers=ON' },
}

async function assertDurable(knex: Knex): Promise<void> {
  for (const [name, { atLeast, text }] of Object.entries(wanted)) {
    const rows = (await knex.raw(`pragma ${name}`)) as Record<string, number | bigint>[]
    if (Number(rows[0]?.[name]) < atLeast) {
      throw new DatabaseProblem(
        `SQLite must run with PRAGMA ${text}; give prepareSqliteConnection of @stoa/core to pool.afterCreate.`,
      )
    }
  }
  const probe = (await knex.raw('select 9007199254740993 as n')) as { n: unknown }[]
  if (probe[0]?.n !== 9007199254740993n) {
    throw new DatabaseProblem(
      'SQLite must be opened with connection.options.safeIntegers = true; money would lose digits otherwise.',
    )
  }
}

// pg's parsers belong to the whole process, and an embedder may have set others.
async function assertExact(knex: Knex): Promise<void> {
  const { rows } = (await knex.raw(
    `select 9007199254740993::int8 as n, timestamptz '2026-01-02 03:04:05.678+00' as t`,
  )) as { rows: { n: unknown; t: unknown }[] }
  const { n, t } = rows[0]!
  if (n !== '9007199254740993' && n !== 9007199254740993n) {
    throw new DatabaseProblem(
      'pg must give int8 as text or bigint; its type parser for int8 (20) makes something else of it, and money would lose digits.',
    )
  }
  if (!(t instanceof Date) || t.toISOString() !== '2026-01-02T03:04:05.678Z') {
    throw new DatabaseProblem(
      'pg must give timestamptz as Date; its type parser for timestamptz (1184) makes something else of it.',
    )
  }
}

import knexModule, { type Knex } from 'knex'
import type BetterSqlite3 from 'better-sqlite3'
import { dialects, type Dialect } from './dialect.ts'

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
 * Throws when a lent SQLite connection is not set up for durability and exact integers.
 */
export async function openDatabase(source: string | Knex): Promise<Database> {
  if (typeof source !== 'string') return lend(source)
  if (/^postgres(ql)?:/.test(source)) return openPostgres(source)
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
      afterCreate(connection: BetterSqlite3.Database, done: (error: Error | null) => void) {
        try {
          prepareConnection(connection)
          done(null)
        } catch (error) {
          done(error as Error)
        }
      },
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

const statementCacheSize = 400

function prepareConnection(connection: BetterSqlite3.Database): void {
  if (!connection.memory) connection.pragma('journal_mode = WAL')
  // better-sqlite3 is built with NORMAL in WAL mode, under which a committed charge can vanish at power loss.
  connection.pragma('synchronous = FULL')
  connection.pragma('foreign_keys = ON')
  // Without it REPLACE INTO deletes rows past the triggers that keep the ledger append-only.
  connection.pragma('recursive_triggers = ON')
  // SQLite waits for another process by sleeping, and nothing else in this process runs meanwhile: better a 503 soon than a
  // host that answers nobody.
  connection.pragma('busy_timeout = 500')
  connection.pragma('cache_size = -64000')
  connection.pragma('wal_autocheckpoint = 4000')
  // knex prepares every query anew, begins deferred, so that a second process fails at its first write instead of waiting at
  // BEGIN, and leaves a transaction open whose COMMIT fails. All three are set right where all of its queries pass.
  const prepare = connection.prepare.bind(connection)
  const statements = new Map<string, BetterSqlite3.Statement>()
  connection.prepare = ((sql: string) => {
    const known = statements.get(sql)
    if (known) return known
    const statement =
      sql === 'COMMIT;'
        ? commitOrRollBack(connection, prepare(sql))
        : prepare(sql === 'BEGIN;' ? 'BEGIN IMMEDIATE;' : sql)
    if (statements.size >= statementCacheSize) statements.delete(statements.keys().next().value!)
    statements.set(sql, statement)
    return statement
  }) as typeof connection.prepare
}

function commitOrRollBack(
  connection: BetterSqlite3.Database,
  commit: BetterSqlite3.Statement,
): BetterSqlite3.Statement {
  const run = () => {
    try {
      return commit.run()
    } catch (error) {
      if (connection.inTransaction) connection.exec('ROLLBACK')
      throw error
    }
  }
  return { reader: false, run } as unknown as BetterSqlite3.Statement
}

function openPostgres(url: string): Promise<Database> {
  const knex = knexModule({
    client: 'pg',
    ...common,
    connection: { connectionString: url, connectionTimeoutMillis: 5000, application_name: 'stoa' },
    acquireConnectionTimeout: 8000,
    pool: { min: 0, max: 16 },
  })
  return Promise.resolve({ knex, dialect: dialects.postgres, close: () => knex.destroy() })
}

async function lend(knex: Knex): Promise<Database> {
  const client = String((knex.client as { driverName?: string }).driverName)
  if (client === 'pg') return { knex, dialect: dialects.postgres, close: () => Promise.resolve() }
  if (client !== 'better-sqlite3')
    throw new DatabaseProblem(`Stoa needs knex on better-sqlite3 or pg, not on ${client}.`)
  await assertDurable(knex)
  return { knex, dialect: dialects.sqlite, close: () => Promise.resolve() }
}

async function assertDurable(knex: Knex): Promise<void> {
  const rows = (await knex.raw('pragma synchronous')) as { synchronous: number | bigint }[]
  if (Number(rows[0]?.synchronous) < 2) {
    throw new DatabaseProblem('SQLite must run with PRAGMA synchronous=FULL; set it in pool.afterCreate.')
  }
  const probe = (await knex.raw('select 9007199254740993 as n')) as { n: unknown }[]
  if (probe[0]?.n !== 9007199254740993n) {
    throw new DatabaseProblem(
      'SQLite must be opened with connection.options.safeIntegers = true; money would lose digits otherwise.',
    )
  }
}

import type BetterSqlite3 from 'better-sqlite3'

const statementCacheSize = 400

/**
 * For the `pool.afterCreate` of a knex on better-sqlite3 that is lent to the host: sets up a new connection as the host's own
 * ones are. Durable, with foreign keys, with triggers that REPLACE cannot pass, and transactions that begin as writers, wait
 * half a second for other processes and are undone when their COMMIT fails. Made for better-sqlite3's `Database`.
 */
export function prepareSqliteConnection(connection: object, done: (error: Error | null) => void): void {
  try {
    prepare(connection as BetterSqlite3.Database)
  } catch (error) {
    return done(error as Error)
  }
  done(null)
}

function prepare(connection: BetterSqlite3.Database): void {
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
  // BEGIN, leaves a transaction open whose COMMIT fails, and takes the failure of a ROLLBACK for the reason of it. All four are
  // set right where all of its queries pass.
  const prepareNew = connection.prepare.bind(connection)
  const statements = new Map<string, BetterSqlite3.Statement>()
  connection.prepare = ((sql: string) => {
    const known = statements.get(sql)
    if (known) return known
    const prepared = prepareNew(sql === 'BEGIN;' ? 'BEGIN IMMEDIATE;' : sql)
    const ending = sql === 'COMMIT;' ? commitOrRollBack : /^ROLLBACK;?$/.test(sql) ? rollBackIfOpen : null
    const statement = ending ? ending(connection, prepared) : prepared
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

/**
 * A full disk or a failing one makes SQLite undo the transaction by itself. A ROLLBACK after that fails, and it would be this
 * failure that everybody hears of, as one of the program and not of the disk.
 */
function rollBackIfOpen(
  connection: BetterSqlite3.Database,
  rollback: BetterSqlite3.Statement,
): BetterSqlite3.Statement {
  const nothing: BetterSqlite3.RunResult = { changes: 0, lastInsertRowid: 0 }
  const run = () => (connection.inTransaction ? rollback.run() : nothing)
  return { reader: false, run } as unknown as BetterSqlite3.Statement
}

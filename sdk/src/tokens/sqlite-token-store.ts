import { randomUUID } from 'node:crypto'
import { open } from 'node:fs/promises'
import { acquire } from './acquire.ts'
import { sessionText } from './seal-session.ts'
import { LockLostError, matches, type LockTimes, type Session, type TokenStore } from './token-store.ts'

export interface SqliteTokenStoreOptions extends LockTimes {
  /** Seals the tokens at rest. To change it, give the new one first and the old one after it. */
  secret?: string | readonly string[]
}

/** What is used of a better-sqlite3 `Database`; named here so that the SDK's types do not need its types. */
export interface SqliteDatabase {
  exec(sql: string): unknown
  pragma(text: string): unknown
  prepare(sql: string): {
    run(...values: unknown[]): { changes: number | bigint }
    get(...values: unknown[]): unknown
    all(...values: unknown[]): unknown[]
  }
  close(): unknown
}

export interface SqliteTokenStore extends TokenStore {
  /** Closes the file if the store opened it; a database that was given stays open. */
  close(): void
}

const tables = `
  CREATE TABLE IF NOT EXISTS stoa_sessions (
    key TEXT PRIMARY KEY, company_id TEXT, user_type TEXT NOT NULL, session TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS stoa_sessions_company ON stoa_sessions (company_id, user_type);
  CREATE INDEX IF NOT EXISTS stoa_sessions_type ON stoa_sessions (user_type);
  CREATE TABLE IF NOT EXISTS stoa_session_locks (
    key TEXT PRIMARY KEY, owner TEXT NOT NULL, until INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;`

/**
 * Keeps tokens in SQLite, in tables of its own, for apps of several processes on one machine. Give a path, or a
 * better-sqlite3 `Database` that you have anyway. A lock is a row with an owner and an end; every write under it asks in
 * the same statement whether the row is still the writer's.
 * @throws Error when better-sqlite3, an optional peer dependency, is not installed.
 */
export async function sqliteTokenStore(
  pathOrDatabase: string | SqliteDatabase,
  options: SqliteTokenStoreOptions = {},
): Promise<SqliteTokenStore> {
  const { secret, ...times } = options
  const texts = sessionText<Session>(secret)
  const db = typeof pathOrDatabase === 'string' ? await openFile(pathOrDatabase) : pathOrDatabase
  db.exec(tables)
  const held = 'EXISTS (SELECT 1 FROM stoa_session_locks WHERE key = ? AND owner = ?)'
  const statements = {
    get: db.prepare('SELECT session FROM stoa_sessions WHERE key = ?'),
    // `IS` also compares null; the filter's own members come first, so that an index is used.
    list: db.prepare(
      `SELECT key, session FROM stoa_sessions
       WHERE (? IS NULL OR company_id = ?) AND (? IS NULL OR user_type = ?) ORDER BY key`,
    ),
    set: db.prepare(
      `INSERT INTO stoa_sessions (key, company_id, user_type, session) SELECT ?, ?, ?, ? WHERE ${held}
       ON CONFLICT (key) DO UPDATE SET
         company_id = excluded.company_id, user_type = excluded.user_type, session = excluded.session`,
    ),
    delete: db.prepare(`DELETE FROM stoa_sessions WHERE key = ? AND ${held}`),
    isHeld: db.prepare(`SELECT 1 WHERE ${held}`),
    lock: db.prepare(
      `INSERT INTO stoa_session_locks (key, owner, until) VALUES (?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, until = excluded.until WHERE until <= ?`,
    ),
    unlock: db.prepare('DELETE FROM stoa_session_locks WHERE key = ? AND owner = ?'),
  }

  async function get(key: string): Promise<Session | null> {
    const row = statements.get.get(key) as { session: string } | undefined
    return row ? texts.read(key, row.session) : null
  }

  async function withLock<T>(...[key, work]: Parameters<TokenStore['withLock']>): Promise<T> {
    const owner = await acquire(key, times, (lease) => {
      const candidate = randomUUID()
      const now = Date.now()
      return Number(statements.lock.run(key, candidate, now + lease, now).changes) === 1 ? candidate : null
    })
    try {
      return (await work({
        get: () => get(key),
        async set(session) {
          const { companyId = null, userType } = session
          const text = texts.write(key, session)
          const { changes } = statements.set.run(key, companyId, userType, text, key, owner)
          if (Number(changes) !== 1) throw new LockLostError(key)
        },
        async delete() {
          const { changes } = statements.delete.run(key, key, owner)
          if (Number(changes) !== 1 && !statements.isHeld.get(key, owner)) throw new LockLostError(key)
        },
      })) as T
    } finally {
      statements.unlock.run(key, owner)
    }
  }

  return {
    get,
    withLock,
    set: (key, session) => withLock(key, (locked) => locked.set(session)),
    delete: (key) => withLock(key, (locked) => locked.delete()),
    async list(filter) {
      const { companyId = null, userType = null } = filter
      const rows = statements.list.all(companyId, companyId, userType, userType) as { key: string; session: string }[]
      const all = rows.map(({ key, session }) => ({ key, session: texts.read(key, session) }))
      return all.filter(({ session }) => matches(session, filter))
    },
    close() {
      if (typeof pathOrDatabase === 'string') db.close()
    },
  }
}

async function openFile(path: string): Promise<SqliteDatabase> {
  let driver: { default: new (path: string, options: { timeout: number }) => SqliteDatabase }
  try {
    // oxlint-disable-next-line no-restricted-imports -- an optional peer: loaded by who asks for this store, by nobody else
    driver = await import('better-sqlite3')
  } catch (cause) {
    throw new Error(
      'sqliteTokenStore needs the package better-sqlite3, which is not installed here: npm install better-sqlite3. ' +
        'fileTokenStore needs nothing.',
      { cause },
    )
  }
  // SQLite would make it readable by everybody; its companions (-wal, -shm) take over the mode.
  if (path !== ':memory:') await open(path, 'a', 0o600).then((handle) => handle.close())
  const db = new driver.default(path, { timeout: 5_000 })
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL') // a refresh token that is lost with the power locks the app out
  return db
}

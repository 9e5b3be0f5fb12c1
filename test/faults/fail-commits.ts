import type { Knex } from 'knex'

/** `before`: the connection is lost and nothing is written. `after`: it is all written, and nobody hears of it. */
export type CommitFault = 'before' | 'after'

interface PgConnection {
  query(config: string | { text: string }, callback: (error: Error | null, result?: unknown) => void): unknown
  connection: { stream: { destroy(): void } }
}
interface SqliteConnection {
  prepare(sql: string): { run(): unknown }
  exec(sql: string): void
}

const lost = () => Object.assign(new Error('Connection terminated at COMMIT'), { code: 'ECONNRESET' })

/** The process ends there, and nothing after it is done. */
const die = () => void process.kill(process.pid, 'SIGKILL')

/**
 * Makes COMMITs of a database fail, as connections do, or with `isDeath` as processes do. Every connection that knex opens, and SQLite's
 * one that is open already.
 */
export async function failCommits(db: Knex, { isDeath = false }: { isDeath?: boolean } = {}) {
  let fault: CommitFault | null = null
  let left = 0
  const strike = (): CommitFault | null => {
    if (fault === null || --left > 0) return null
    const now = fault
    fault = null
    if (isDeath && now === 'before') die()
    return now
  }
  const struck = isDeath ? die : null
  const client = db.client as {
    acquireConnection(): Promise<object>
    releaseConnection(connection: object): Promise<void>
    acquireRawConnection(): Promise<object>
  }
  const patched = new WeakSet<object>()
  const patch = (connection: object) => {
    // The one that is acquired below may have been opened for it, and every COMMIT counts once.
    if (patched.has(connection)) return
    patched.add(connection)
    if ('connection' in connection) patchPg(connection as PgConnection, strike, struck)
    else patchSqlite(connection as SqliteConnection, strike, struck)
  }
  const acquireRaw = client.acquireRawConnection.bind(client)
  client.acquireRawConnection = async () => {
    const connection = await acquireRaw()
    patch(connection)
    return connection
  }
  const open = await client.acquireConnection()
  patch(open)
  await client.releaseConnection(open)
  return {
    /** The COMMIT number `passage` from now fails. */
    arm(wanted: CommitFault, passage: number): void {
      fault = wanted
      left = passage
    },
    /** Whether it has not failed yet. */
    disarm(): boolean {
      const was = fault !== null
      fault = null
      return was
    },
  }
}

type Struck = (() => void) | null

function patchPg(connection: PgConnection, strike: () => CommitFault | null, struck: Struck): void {
  const query = connection.query.bind(connection)
  connection.query = (config, callback) => {
    const isCommit = (typeof config === 'string' ? config : config.text) === 'COMMIT;'
    const fault = isCommit ? strike() : null
    if (fault === null) return query(config, callback)
    if (fault === 'after') {
      return query(config, () => {
        struck?.()
        connection.connection.stream.destroy()
        callback(lost())
      })
    }
    // The server finds the transaction left, and rolls it back.
    connection.connection.stream.destroy()
    return callback(lost())
  }
}

function patchSqlite(connection: SqliteConnection, strike: () => CommitFault | null, struck: Struck): void {
  const prepare = connection.prepare.bind(connection)
  connection.prepare = (sql) => {
    const statement = prepare(sql)
    if (sql !== 'COMMIT;') return statement
    const run = () => {
      const fault = strike()
      if (fault === 'before') connection.exec('ROLLBACK')
      const result = fault === 'before' ? null : statement.run()
      if (fault !== null) struck?.()
      if (fault !== null) throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR' })
      return result
    }
    return { reader: false, run } as unknown as { run(): unknown }
  }
}

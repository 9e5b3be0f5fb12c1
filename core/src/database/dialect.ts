export type DialectName = 'sqlite' | 'postgres'

/** The single source of truth for what differs. Code asks for a capability, never for the name of the database. */
export interface Dialect {
  readonly name: DialectName
  /** `FOR UPDATE` and `SKIP LOCKED` exist; without them one writer holds the whole database anyway. */
  readonly rowLocks: boolean
  /** It runs in this process, so that a statement costs no round trip. */
  readonly inProcess: boolean
  /** Several host processes may share the database. */
  readonly manyProcesses: boolean
  /** How many group-commit batches may be under way at once. */
  readonly batchWriters: number
  readonly timeType: string
  readonly integerType: string
  readonly booleanType: string
  readonly bytesType: string
  /** Bound parameters one statement may have. */
  readonly parameterLimit: number
  /** Held until the end of the transaction, so that two starters migrate one after the other. */
  readonly lockMigrations: string | null
  /** Connections give up waiting after a while, which migrations must not. */
  readonly timeouts: boolean
  /** What makes a transaction that has just begun one that reads everything as it was at one moment, and keeps no writer waiting. */
  readonly beginSnapshot: readonly string[]
  /** SQL for the server's own clock, which only `stoa doctor` looks at; SQLite has none but this machine's. */
  readonly databaseTime: string | null
}

export const dialects: Record<DialectName, Dialect> = {
  sqlite: {
    name: 'sqlite',
    rowLocks: false,
    inProcess: true,
    manyProcesses: false,
    batchWriters: 1,
    timeType: 'text',
    integerType: 'integer',
    booleanType: 'integer',
    bytesType: 'blob',
    parameterLimit: 30_000,
    lockMigrations: null, // BEGIN IMMEDIATE already excludes the other starter
    timeouts: false,
    // Ours begin as writers. In WAL mode one that only reads keeps its view, and nobody waits for it.
    beginSnapshot: ['commit', 'begin deferred'],
    databaseTime: null,
  },
  postgres: {
    name: 'postgres',
    rowLocks: true,
    inProcess: false,
    manyProcesses: true,
    batchWriters: 2,
    timeType: 'timestamptz(3)',
    integerType: 'bigint',
    booleanType: 'boolean',
    bytesType: 'bytea',
    parameterLimit: 60_000,
    lockMigrations: 'select pg_advisory_xact_lock(7825765)', // any constant that nobody else in the database uses
    timeouts: true,
    beginSnapshot: ['set transaction isolation level repeatable read, read only'],
    databaseTime: 'clock_timestamp()',
  },
}

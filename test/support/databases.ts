import { randomUUID } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, describe, inject } from 'vitest'
// For its declaration of what `inject` gives.
import type {} from './global-setup.ts'

/** A database of one test. `drop` may be called twice, and need not be called: the end of the test file does. */
export interface OpenedDatabase {
  /** What `HostConfig.database` takes: the path of a file (SQLite), or a `postgres://` URL. */
  readonly url: string
  drop(): Promise<void>
}

/** One of the two databases that everything has to work on. */
export interface TestDatabase {
  readonly kind: 'sqlite' | 'postgres'
  /** A fresh database. PostgreSQL's is migrated (a clone, in some 0.2 s); SQLite's is empty, for the host to migrate. */
  create(): Promise<OpenedDatabase>
}

const DATABASES: readonly TestDatabase[] = [
  { kind: 'sqlite', create: createSqlite },
  { kind: 'postgres', create: clonePostgres },
]

/**
 * Runs a suite once on each database, as `on sqlite` and `on postgres`.
 *
 *     eachDatabase((database) => {
 *       it('keeps an application', async () => {
 *         const { url } = await database.create()
 *         ...
 *       })
 *     })
 */
export function eachDatabase(suite: (database: TestDatabase) => void): void {
  for (const database of DATABASES) describe(`on ${database.kind}`, () => suite(database))
}

/** For what only exists where many processes share a database (Dialect.manyProcesses). Anything else runs on both. */
export function onPostgres(suite: (database: TestDatabase) => void): void {
  const database = DATABASES[1]!
  describe('on postgres', () => suite(database))
}

/** A path for a new SQLite file, in a folder that goes away at the end of the test file. */
export function sqliteUrl(): string {
  sqliteFolder ??= mkdtempSync(join(tmpdir(), 'stoa-sqlite-'))
  return join(sqliteFolder, `${randomUUID()}.db`)
}

/** A PostgreSQL database with nothing in it, not even Stoa's tables: for the tests of the migrations. */
export function createEmptyPostgres(): Promise<OpenedDatabase> {
  return createPostgres('template0')
}

let sqliteFolder: string | undefined
const opened = new Set<OpenedDatabase>()

// Here and not in eachDatabase: vitest runs the hooks of a file in reverse order, and this module is loaded before the
// file registers any, so what the file opened is closed before its databases are dropped under it.
afterAll(async () => {
  const left = [...opened]
  const dropOneByOne = async () => {
    for (let next = left.pop(); next; next = left.pop()) await next.drop()
  }
  // A few at a time: each takes a connection, and a large file leaves hundreds.
  await Promise.all(Array.from({ length: 4 }, dropOneByOne))
  if (sqliteFolder) await rm(sqliteFolder, { recursive: true, force: true })
}, 180_000)

function createSqlite(): Promise<OpenedDatabase> {
  const url = sqliteUrl()
  const removeFiles = async () => {
    for (const suffix of ['', '-wal', '-shm', '-journal']) await rm(url + suffix, { force: true })
  }
  return Promise.resolve(track(url, removeFiles))
}

function clonePostgres(): Promise<OpenedDatabase> {
  return createPostgres(provided('postgresTemplate'))
}

async function createPostgres(template: string): Promise<OpenedDatabase> {
  // The prefix lets global-setup.ts sweep what a killed worker left on somebody's own server.
  const name = `${provided('postgresTemplate')}_${randomUUID().replaceAll('-', '')}`
  await execute(`CREATE DATABASE ${name} TEMPLATE ${template}`)
  const url = new URL(provided('postgresUrl'))
  url.pathname = name
  // FORCE: a test that failed half-way may still be connected.
  return track(url.href, () => execute(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`))
}

function track(url: string, remove: () => Promise<void>): OpenedDatabase {
  const database: OpenedDatabase = {
    url,
    async drop() {
      if (opened.delete(database)) await remove()
    },
  }
  opened.add(database)
  return database
}

async function execute(statement: string): Promise<void> {
  const admin = new pg.Client(provided('postgresUrl'))
  await admin.connect()
  try {
    await admin.query(statement)
  } finally {
    await admin.end()
  }
}

function provided(key: 'postgresUrl' | 'postgresTemplate'): string {
  const value = inject(key) as string | undefined
  if (!value) throw new Error('there is no PostgreSQL here: tests that need a database live in test/')
  return value
}

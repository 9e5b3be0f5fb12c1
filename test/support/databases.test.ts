import { existsSync } from 'node:fs'
import knex from 'knex'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { createEmptyPostgres, eachDatabase, sqliteUrl, type TestDatabase } from './databases.ts'

const kinds: TestDatabase['kind'][] = []

eachDatabase((database) => {
  kinds.push(database.kind)

  it('gives every test a database of its own', async () => {
    const [first, second] = await Promise.all([database.create(), database.create()])
    await query(first.url, 'CREATE TABLE only_here (id TEXT)')

    await expect(query(first.url, 'SELECT id FROM only_here')).resolves.toEqual([])
    await expect(query(second.url, 'SELECT id FROM only_here')).rejects.toThrow(/only_here/)
  })

  it('drops a database once, and twice without complaint', async () => {
    const { url, drop } = await database.create()
    await query(url, 'CREATE TABLE something (id TEXT)')
    await drop()
    await drop()

    if (database.kind === 'sqlite') expect(existsSync(url)).toBe(false)
    else await expect(query(url, 'SELECT 1')).rejects.toThrow(/does not exist/)
  })

  it('gives a migrated database, or on SQLite no file yet, for the host to migrate', async () => {
    const { url } = await database.create()
    if (database.kind === 'sqlite') expect(existsSync(url)).toBe(false)
    else expect(await query(url, OUR_TABLES)).not.toEqual([])
  })

  it('names the database in the title of a test', ({ task }) => {
    expect(task.suite?.name).toBe(`on ${database.kind}`)
  })
})

describe('eachDatabase', () => {
  it('leaves out neither of the two', () => {
    expect(kinds).toEqual(['sqlite', 'postgres'])
  })
})

describe('sqliteUrl', () => {
  it('never gives the same file twice', () => {
    expect(sqliteUrl()).not.toBe(sqliteUrl())
  })
})

describe('createEmptyPostgres', () => {
  it('gives a database without any of our tables', async () => {
    const { url } = await createEmptyPostgres()
    await expect(query(url, OUR_TABLES)).resolves.toEqual([])
  })

  it('gives a database that can be dropped while somebody is still connected', async () => {
    const { url, drop } = await createEmptyPostgres()
    const client = new pg.Client(url)
    const disconnected = new Promise<Error>((resolve) => client.on('error', resolve))
    await client.connect()
    await drop()
    expect((await disconnected).message).toMatch(/terminat/)
  })
})

describe('the PostgreSQL of a test run', () => {
  it('sorts text by its bytes, as SQLite does', async () => {
    const words = `SELECT word FROM (VALUES ('b'), ('a'), ('B'), ('_')) AS words (word) ORDER BY word`
    const sorted = ['B', '_', 'a', 'b'].map((word) => ({ word }))
    await expect(query((await createEmptyPostgres()).url, words)).resolves.toEqual(sorted)
  })
})

const OUR_TABLES = `SELECT table_name FROM information_schema.tables WHERE starts_with(table_name, 'stoa_')`

async function query(url: string, statement: string): Promise<unknown[]> {
  const connection = url.startsWith('postgres:')
    ? { client: 'pg', connection: url }
    : { client: 'better-sqlite3', connection: { filename: url }, useNullAsDefault: true }
  const db = knex({ ...connection, log: { warn() {}, error() {} } })
  try {
    const result = await db.raw<unknown[] | { rows: unknown[] }>(statement)
    return Array.isArray(result) ? result : result.rows
  } finally {
    await db.destroy()
  }
}

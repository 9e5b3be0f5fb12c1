import { writeFile } from 'node:fs/promises'
import knexModule, { type Knex } from 'knex'
import type BetterSqlite3 from 'better-sqlite3'
import { afterAll, describe, expect, it } from 'vitest'
import { createHost, DatabaseProblem } from '@stoa/core'
import { openDatabase } from '../../core/src/database/index.ts'
import { eachDatabase, sqliteUrl } from '../support/databases.ts'
import { emptyUrl, open } from './support.ts'

const secret = 'a secret that only tests know, 32+'

interface Lent {
  synchronous?: 'FULL' | 'EXTRA' | 'NORMAL' | 'OFF'
  safeIntegers?: boolean
}

function lentSqlite(filename: string, { synchronous = 'FULL', safeIntegers = true }: Lent = {}): Knex {
  const knex = knexModule({
    client: 'better-sqlite3',
    connection: { filename, options: { safeIntegers } } as Knex.BetterSqlite3ConnectionConfig,
    useNullAsDefault: true,
    pool: {
      min: 1,
      max: 1,
      afterCreate(connection: BetterSqlite3.Database, done: () => void) {
        connection.pragma('journal_mode = WAL')
        connection.pragma(`synchronous = ${synchronous}`)
        done()
      },
    },
  })
  afterAll(() => knex.destroy())
  return knex
}

async function pragma(knex: Knex, name: string): Promise<unknown> {
  const [row] = (await knex.raw(`pragma ${name}`)) as Record<string, unknown>[]
  return Object.values(row!)[0]
}

describe('SQLite that the host opens', () => {
  it('is durable, with foreign keys, and so it is when it is opened again', async () => {
    const url = sqliteUrl()
    for (const source of [url, `sqlite:${url}`]) {
      const { knex, close } = await openDatabase(source)
      expect(await pragma(knex, 'synchronous')).toBe(2n)
      expect(await pragma(knex, 'journal_mode')).toBe('wal')
      expect(await pragma(knex, 'foreign_keys')).toBe(1n)
      await close()
    }
  })

  it('is durable on a connection that replaces a lost one', async () => {
    const { knex } = await open(sqliteUrl())
    await knex.destroy()
    knex.initialize()
    expect(await pragma(knex, 'synchronous')).toBe(2n)
  })

  it('begins a transaction as a writer, so that it waits for others there and nowhere else', async () => {
    const url = sqliteUrl()
    const [first, second] = [await open(url), await open(url)]
    await first.knex.schema.createTable('things', (table) => table.text('id'))
    await first.knex.transaction(async (trx) => {
      await trx('things').select()
      const begun = second.knex.transaction(() => Promise.resolve('begun'))
      await expect(begun).rejects.toMatchObject({ code: 'SQLITE_BUSY' })
    })
  })

  it('that is no SQLite file is refused, and nothing of it is touched', async () => {
    const url = sqliteUrl()
    await writeFile(url, 'these are notes of somebody, and no database at all; '.repeat(100))
    await expect(openDatabase(url)).rejects.toMatchObject({ code: 'SQLITE_NOTADB' })
  })

  it('in a folder that does not exist is refused', async () => {
    await expect(openDatabase(`${sqliteUrl()}/nothing/here.db`)).rejects.toThrow(/directory does not exist/)
  })
})

describe('a lent SQLite knex', () => {
  it.each(['FULL', 'EXTRA'] as const)('with synchronous=%s is taken, and left open', async (synchronous) => {
    const knex = lentSqlite(sqliteUrl(), { synchronous })
    const host = await createHost({ database: knex, secret })
    await host.stop()
    expect(await knex('stoa_organizations')).toEqual([])
  })

  it.each(['NORMAL', 'OFF'] as const)('with synchronous=%s is refused with the way to mend it', async (synchronous) => {
    const refused = createHost({ database: lentSqlite(sqliteUrl(), { synchronous }), secret })
    await expect(refused).rejects.toThrow(/synchronous=FULL.*afterCreate/)
    await expect(refused).rejects.toBeInstanceOf(DatabaseProblem)
  })

  it('without safe integers is refused with the way to mend it', async () => {
    const refused = createHost({ database: lentSqlite(sqliteUrl(), { safeIntegers: false }), secret })
    await expect(refused).rejects.toThrow(/safeIntegers = true/)
  })

  it('of another kind is refused', async () => {
    const knex = { client: { driverName: 'mysql2' } } as Knex
    await expect(createHost({ database: knex, secret })).rejects.toThrow(/better-sqlite3 or pg, not on/)
  })
})

eachDatabase((database) => {
  describe('the message of a failed query', () => {
    it('has the statement in it and none of its values', async () => {
      const { knex } = await open(await emptyUrl(database))
      const failed = knex('nothing_here').where({ email: 'somebody@stoa.example' }).select()
      await expect(failed).rejects.toThrow(/nothing_here/)
      const message = await failed.then(
        () => '',
        (error: Error) => `${error.message} ${error.stack}`,
      )
      expect(message).not.toContain('somebody@stoa.example')
    })
  })

  describe('a transaction whose commit fails', () => {
    it('is undone, and the next one is served', async () => {
      const { knex } = await open(await emptyUrl(database))
      await knex.schema.createTable('parents', (table) => table.text('id').primary())
      await knex.raw(
        'create table children (id text, parent text references parents (id) deferrable initially deferred)',
      )
      const failed = knex.transaction((trx) => trx('children').insert({ id: 'c', parent: 'nobody' }))
      await expect(failed).rejects.toThrow(/foreign key/i)
      expect(await knex('children')).toEqual([])
      await knex.transaction((trx) => trx('parents').insert({ id: 'p' }))
      expect(await knex('parents')).toEqual([{ id: 'p' }])
    })
  })

  describe('closing', () => {
    it('ends the connections that the host opened, so that the process can end', async () => {
      const { knex, close } = await openDatabase(await emptyUrl(database))
      await knex.raw('select 1')
      await close()
      await expect(knex.raw('select 1')).rejects.toThrow()
    })
  })
})

import { writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import knexModule, { type Knex } from 'knex'
import type BetterSqlite3 from 'better-sqlite3'
import pg from 'pg'
import { afterAll, describe, expect, it } from 'vitest'
import { createHost, DatabaseProblem, prepareSqliteConnection } from '@stoa/core'
import { seedDemoWorld } from '@stoa/core/testing'
import { isDatabaseUnavailable, migrate, openDatabase, type Migration } from '../../core/src/database/index.ts'
import { keepLog, serve } from '../http/support.ts'
import { createEmptyPostgres, eachDatabase, sqliteUrl } from '../support/databases.ts'
import { call } from '../support/host.ts'
import { emptyUrl, open } from './support.ts'

const secret = 'a secret that only tests know, 32+'

interface Lent {
  /** One more pragma, after those that are right. */
  pragma?: string
  synchronous?: 'FULL' | 'EXTRA' | 'NORMAL' | 'OFF'
  safeIntegers?: boolean
}

function lentSqlite(filename: string, { synchronous = 'FULL', safeIntegers = true, pragma }: Lent = {}): Knex {
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
        connection.pragma('recursive_triggers = ON')
        if (pragma) connection.pragma(pragma)
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
    await expect(refused).rejects.toThrow(/synchronous=FULL.*prepareSqliteConnection.*afterCreate/)
    await expect(refused).rejects.toBeInstanceOf(DatabaseProblem)
  })

  it.each(['recursive_triggers', 'foreign_keys'])('without %s is refused with the way to mend it', async (name) => {
    const refused = createHost({ database: lentSqlite(sqliteUrl(), { pragma: `${name} = OFF` }), secret })
    await expect(refused).rejects.toThrow(new RegExp(`${name}=ON.*prepareSqliteConnection`))
    await expect(refused).rejects.toBeInstanceOf(DatabaseProblem)
  })

  it('that prepareSqliteConnection set up is taken, and keeps the ledger from REPLACE', async () => {
    const knex = knexModule({
      client: 'better-sqlite3',
      connection: { filename: sqliteUrl(), options: { safeIntegers: true } } as Knex.BetterSqlite3ConnectionConfig,
      useNullAsDefault: true,
      pool: { min: 1, max: 1, afterCreate: prepareSqliteConnection },
    })
    afterAll(() => knex.destroy())
    const host = await createHost({ database: knex, secret })
    afterAll(() => host.stop())
    const replace = () =>
      knex.raw(
        `replace into stoa_ledger_entries (transaction_id, seq, account_id, amount, booked_time) values ('t', 0, 'a', 1, 'now')`,
      )
    await replace()
    await expect(replace()).rejects.toThrow(/append-only/)
    expect(await pragma(knex, 'busy_timeout')).toBe(500n)
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

describe('a lent PostgreSQL knex', () => {
  const lent = async (parsers: Record<number, (text: string) => unknown> = {}): Promise<Knex> => {
    const types = {
      getTypeParser: (oid: number, format?: 'text') => parsers[oid] ?? pg.types.getTypeParser(oid, format),
    }
    const { url } = await createEmptyPostgres()
    const knex = knexModule({ client: 'pg', connection: { connectionString: url, types } as Knex.PgConnectionConfig })
    afterAll(() => knex.destroy())
    return knex
  }

  it.each([
    ['text', undefined],
    ['bigint', BigInt],
  ])('that gives int8 as %s is taken, and left open', async (_kind, parse) => {
    const knex = await lent(parse ? { 20: parse } : {})
    const host = await createHost({ database: knex, secret })
    await host.stop()
    expect(await knex('stoa_organizations')).toEqual([])
  })

  it.each([
    ['int8 loses digits', 20, Number],
    ['timestamptz is no Date', 1184, String],
  ])('whose %s is refused', async (_what, oid, parse) => {
    const refused = createHost({ database: await lent({ [oid]: parse }), secret })
    await expect(refused).rejects.toThrow(new RegExp(`type parser.*${oid}`))
    await expect(refused).rejects.toBeInstanceOf(DatabaseProblem)
  })
})

describe('PostgreSQL that the host opens', () => {
  const setting = async (knex: Knex, name: string) => {
    const { rows } = (await knex.raw('select current_setting(?) as value', [name])) as { rows: { value: string }[] }
    return rows[0]!.value
  }

  it('waits for nothing for ever, unless the URL says so', async () => {
    const { url } = await createEmptyPostgres()
    const { knex } = await open(url)
    expect(await setting(knex, 'lock_timeout')).toBe('3s')
    expect(await setting(knex, 'statement_timeout')).toBe('15s')
    expect(await setting(knex, 'idle_in_transaction_session_timeout')).toBe('10s')
    const other = await open(`${url}?statement_timeout=60000`)
    expect(await setting(other.knex, 'statement_timeout')).toBe('1min')
  })

  it('lets go of a connection that does not answer', async () => {
    const { knex } = await open(`${(await createEmptyPostgres()).url}?query_timeout=300`)
    const pid = async (db: Knex) =>
      ((await db.raw('select pg_backend_pid() as pid')) as { rows: { pid: number }[] }).rows[0]!.pid
    const before = await pid(knex)
    const hung = await knex.raw('select pg_sleep(60)').catch((error: unknown) => error)
    expect(isDatabaseUnavailable(hung)).toBe(true)
    expect(await pid(knex)).not.toBe(before)
    const broken = await knex.transaction((trx) => trx.raw('select pg_sleep(60)')).catch((error: unknown) => error)
    expect(isDatabaseUnavailable(broken)).toBe(true)
    expect(await pid(knex)).toBeGreaterThan(0)
  })

  it.each(['lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout'])(
    'answers like an unavailable one when %s is over',
    async (name) => {
      const { url } = await createEmptyPostgres()
      const { knex: first } = await open(url)
      const { knex } = await open(`${url}?${name}=200`)
      await first.schema.createTable('things', (table) => table.text('id'))
      const error = await first.transaction(async (holder) => {
        await holder.raw('lock table things in access exclusive mode')
        return knex
          .transaction(async (trx) => {
            if (name === 'idle_in_transaction_session_timeout') {
              await trx.raw('select 1')
              await sleep(600)
              return trx.raw('select 1')
            }
            return trx('things')
          })
          .catch((thrown: unknown) => thrown)
      })
      expect(error).toBeInstanceOf(Error)
      expect(isDatabaseUnavailable(error)).toBe(true)
      expect(await knex('things')).toEqual([])
    },
  )

  it('gives migrations all the time they need', async () => {
    const { url } = await createEmptyPostgres()
    const short = '?statement_timeout=200&lock_timeout=200&query_timeout=400&idle_in_transaction_session_timeout=200'
    const database = await open(url + short)
    const slow: Migration = { name: '0001-slow', up: async ({ trx }) => void (await trx.raw('select pg_sleep(0.7)')) }
    const both = await Promise.all([migrate(database, [slow]), migrate(await open(url + short), [slow])])
    expect(both.flat()).toEqual(['0001-slow'])
    // Only they: the connection is as it was.
    await expect(database.knex.raw('select pg_sleep(0.7)')).rejects.toMatchObject({ code: '57014' })
  })
})

describe('an error of PostgreSQL', () => {
  it('tells nothing of the rows, but what is needed to find the mistake', async () => {
    const { knex } = await open((await createEmptyPostgres()).url)
    await knex.schema.createTable('people', (table) => table.text('email').primary())
    const insert = (db: Knex) => db('people').insert({ email: 'ada@stoa.example' })
    await insert(knex)
    for (const attempt of [() => insert(knex).then(), () => knex.transaction((trx) => insert(trx).then())]) {
      const error = (await attempt().catch((thrown: unknown) => thrown)) as Error
      expect(error).toMatchObject({ code: '23505', table: 'people', constraint: 'people_pkey' })
      expect(JSON.stringify([error.message, error.stack, ...Object.values(error)])).not.toContain('ada@')
    }
  })

  it('is logged by a host without values also when its database was lent', async () => {
    const { url } = await createEmptyPostgres()
    const knex = knexModule({ client: 'pg', connection: url })
    afterAll(() => knex.destroy())
    const { lines, logger } = keepLog()
    const host = await createHost({ database: knex, secret, logger })
    afterAll(() => host.stop())
    const world = await seedDemoWorld(host, { baseUrl: 'http://stoa.test' })
    await knex.raw(`alter table stoa_locations add constraint short check (length(name) < 30)`)
    const answer = await call(await serve(host.router), 'POST', '/locations', {
      token: world.organization.apiKey,
      body: { name: 'A name of somebody that is longer' },
    })
    expect(answer.status).toBe(500)
    const error = lines.find(({ level }) => level === 'error')!.details as { err: Error }
    expect(error.err).toMatchObject({ code: '23514', constraint: 'short' })
    expect(JSON.stringify([error.err.message, error.err.stack, ...Object.values(error.err)])).not.toContain('A name of')
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

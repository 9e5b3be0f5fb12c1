import { describe, expect, it } from 'vitest'
import { createHost, DatabaseProblem, inspectDatabase, migrateDatabase } from '@stoa/core'
import { migrate, migrations, pendingMigrations, type Migration } from '../../core/src/database/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { emptyUrl, lockFromAnotherProcess, open, openEmpty, schemaOf } from './support.ts'

const names = migrations.map(({ name }) => name)
const secret = 'a secret that only tests know, 32+'

eachDatabase((database) => {
  describe('migrating', () => {
    it('an empty database applies everything, once', async () => {
      const opened = await openEmpty(database)
      expect(await pendingMigrations(opened)).toEqual(names)
      expect(await migrate(opened)).toEqual(names)
      expect(await pendingMigrations(opened)).toEqual([])
      expect(await migrate(opened)).toEqual([])
    })

    it('one by one, as released programs did, leads to the same schema as all at once', async () => {
      const oneByOne = await openEmpty(database)
      for (let count = 1; count <= migrations.length; count++) {
        expect(await migrate(oneByOne, migrations.slice(0, count))).toEqual([names[count - 1]])
      }
      const atOnce = await openEmpty(database)
      await migrate(atOnce)
      const schema = await schemaOf(atOnce)
      expect(await schemaOf(oneByOne)).toEqual(schema)
      expect(schema.length).toBeGreaterThan(20)
    })

    it('is recorded with the time', async () => {
      const opened = await openEmpty(database)
      await migrate(opened)
      const rows = (await opened.knex('stoa_migrations').orderBy('name')) as {
        name: string
        applied_time: string | Date
      }[]
      expect(rows.map(({ name }) => name)).toEqual(names)
      for (const { applied_time: time } of rows) expect(Number.isNaN(new Date(time).getTime())).toBe(false)
    })

    it('makes tables with the prefix only', async () => {
      const opened = await openEmpty(database)
      await migrate(opened)
      const tables = (await schemaOf(opened)).map((line) => /\bstoa_|sqlite_/.test(line))
      expect(tables).not.toContain(false)
    })

    it('leaves an embedder’s own tables alone', async () => {
      const opened = await openEmpty(database)
      await opened.knex.schema.createTable('customers', (table) => table.text('id'))
      await opened.knex('customers').insert({ id: 'theirs' })
      await migrate(opened)
      expect(await opened.knex('customers')).toEqual([{ id: 'theirs' }])
    })
  })

  describe('two starters at once', () => {
    it('migrate one after the other', async () => {
      const url = await emptyUrl(database)
      const [first, second] = [await open(url), await open(url)]
      const applied = await Promise.all([migrate(first), migrate(second)])
      expect(applied.map((list) => list.length).sort((a, b) => a - b)).toEqual([0, names.length])
      expect(await pendingMigrations(second)).toEqual([])
    })

    it('both end up with a host', async () => {
      const url = await emptyUrl(database)
      const hosts = await Promise.all([0, 1, 2].map(() => createHost({ database: url, secret })))
      for (const host of hosts) await host.stop()
      expect((await inspectDatabase(url)).pending).toEqual([])
    })

    if (database.kind === 'sqlite')
      it('and one that takes its time is waited for', async () => {
        const url = await emptyUrl(database)
        const opened = await open(url)
        const { release } = await lockFromAnotherProcess(url)
        const migrated = migrate(opened)
        // Longer than SQLite itself waits.
        setTimeout(() => void release(), 1_500)
        expect(await migrated).toEqual(names)
      })
  })

  describe('a database that a newer program has migrated', () => {
    const newer: Migration = {
      name: '9999-future',
      up: ({ createTable }) => createTable('stoa_future', (column) => void column.id()),
    }

    it('is refused by name, and nothing of it is touched', async () => {
      const url = await emptyUrl(database)
      const opened = await open(url)
      await migrate(opened, [...migrations, newer])
      const before = await schemaOf(opened)
      for (const start of [
        () => createHost({ database: url, secret }),
        () => migrateDatabase(url),
        () => inspectDatabase(url),
        () => migrate(opened),
        () => pendingMigrations(opened),
      ]) {
        const refused = start()
        await expect(refused).rejects.toThrow(/newer version of Stoa \(9999-future\)/)
        await expect(refused).rejects.toBeInstanceOf(DatabaseProblem)
      }
      expect(await schemaOf(opened)).toEqual(before)
    })
  })

  describe('a migration that fails', () => {
    it('leaves the old schema whole, and can be tried again', async () => {
      const opened = await openEmpty(database)
      await migrate(opened, migrations.slice(0, 2))
      const before = await schemaOf(opened)
      let broken = true
      const flaky: Migration = {
        name: '0003-flaky',
        async up({ createTable, trx }) {
          await createTable('stoa_half', (column) => void column.id())
          await trx('stoa_organizations').insert({
            id: 'o',
            name: 'n',
            created_time: new Date(0).toISOString(),
            updated_time: new Date(0).toISOString(),
          })
          if (broken) throw new Error('half-way')
        },
      }
      const list = [...migrations.slice(0, 2), { ...migrations[2]!, name: '0002-x' }, flaky]
      await expect(migrate(opened, list)).rejects.toThrow('half-way')
      expect(await schemaOf(opened)).toEqual(before)
      expect(await opened.knex('stoa_organizations')).toEqual([])
      expect(await opened.knex('stoa_migrations')).toHaveLength(2)
      broken = false
      expect(await migrate(opened, list)).toEqual(['0002-x', '0003-flaky'])
    })
  })
})

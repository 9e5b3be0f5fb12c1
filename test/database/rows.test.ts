import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  boolean,
  insertRows,
  integer,
  iso,
  isUniqueViolation,
  json,
  maybeIso,
  maybeJson,
  maybeText,
  migrate,
  money,
  text,
  toJson,
  updateRows,
  type Database,
  type Row,
} from '../../core/src/database/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openEmpty } from './support.ts'

eachDatabase((database) => {
  let opened: Database
  beforeAll(async () => {
    opened = await openEmpty(database)
    await migrate(opened, [
      {
        name: 'columns',
        up: async ({ createTable }) => {
          await createTable('kinds', (column) => {
            column.id()
            column.text('words').nullable()
            column.time('moment').nullable()
            column.integer('whole').nullable()
            column.money('amount').nullable()
            column.boolean('yes').nullable()
            column.bytes('bytes').nullable()
            column.json('inside').nullable()
          })
          await createTable('owned', (column) => {
            column.id()
            column.ref('kind', 'kinds')
          })
        },
      },
    ])
  })

  let number = 0
  async function roundTrip(values: Row): Promise<Row> {
    const id = `row${++number}`
    await insertRows(opened.knex, opened.dialect, 'kinds', [{ id, ...values }])
    return (await opened.knex('kinds').where({ id }).first()) as Row
  }

  describe('what is written comes back', () => {
    it.each([0n, 1n, -1n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 63n - 1n, -(2n ** 63n)])(
      'money %s',
      async (amount) => {
        expect(money((await roundTrip({ amount })).amount)).toBe(amount)
      },
    )

    it('money, whatever the amount', async () => {
      const property = fc.asyncProperty(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), async (amount) => {
        expect(money((await roundTrip({ amount })).amount)).toBe(amount)
      })
      await fc.assert(property, { numRuns: 50 })
    })

    it('money that the database itself added up', async () => {
      await roundTrip({ amount: 2n ** 60n, words: 'sum' })
      await roundTrip({ amount: 1n, words: 'sum' })
      const [row] = (await opened
        .knex('kinds')
        .where({ words: 'sum' })
        .select(opened.knex.raw('sum(amount) as total'))) as Row[]
      expect(money(row!.total)).toBe(2n ** 60n + 1n)
    })

    it.each([0, 1, -1, Number.MAX_SAFE_INTEGER])('the whole number %d', async (whole) => {
      expect(integer((await roundTrip({ whole })).whole)).toBe(whole)
    })

    it.each([true, false])('%s', async (yes) => {
      expect(boolean((await roundTrip({ yes })).yes)).toBe(yes)
    })

    it.each([
      '2026-03-01T12:00:00.000Z',
      '2026-03-29T01:30:00.123Z',
      '1970-01-01T00:00:00.001Z',
      '2099-12-31T23:59:59.999Z',
    ])('the time %s, to the millisecond and in UTC', async (moment) => {
      expect(iso((await roundTrip({ moment })).moment)).toBe(moment)
    })

    it.each(['', 'plain', 'ÄÖÜ ☃ 😀', "it's; drop table kinds --", '  spaces  ', 'a\nb\tc', '?', '$1', '\\'])(
      'the text %j',
      async (words) => {
        expect(text((await roundTrip({ words })).words)).toBe(words)
      },
    )

    it('JSON, byte for byte', async () => {
      for (const value of [
        { b: 1, a: [null, true, 'x'] },
        [],
        'text',
        0,
        null,
        { '10': 1, '2': 2 },
        { nested: { deep: {} } },
      ]) {
        const row = await roundTrip({ inside: toJson(value) })
        expect(row.inside).toBe(JSON.stringify(value))
        expect(json(row.inside)).toEqual(value)
      }
    })

    it('bytes', async () => {
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index))
      expect(Buffer.from((await roundTrip({ bytes })).bytes as Buffer)).toEqual(bytes)
    })

    it('nothing', async () => {
      const row = await roundTrip({ words: null, moment: undefined, inside: null })
      expect([maybeText(row.words), maybeIso(row.moment), maybeJson(row.inside)]).toEqual([null, null, null])
    })
  })

  describe('insertRows', () => {
    it('inserts more rows than one statement may have parameters', async () => {
      const count = Math.ceil(opened.dialect.parameterLimit / 3) + 7
      const rows = Array.from({ length: count }, (_, index) => ({ id: `many${index}`, words: 'many', whole: index }))
      await insertRows(opened.knex, opened.dialect, 'kinds', rows)
      const [row] = (await opened
        .knex('kinds')
        .where({ words: 'many' })
        .count({ count: '*' })
        .sum({ sum: 'whole' })) as Row[]
      expect([Number(row!.count), Number(row!.sum)]).toEqual([count, (count * (count - 1)) / 2])
    })

    it('inserts none without a word', async () => {
      await insertRows(opened.knex, opened.dialect, 'kinds', [])
    })

    it('inserts all or none within a transaction', async () => {
      const rows = [
        { id: 'twice', words: 'twice' },
        { id: 'other', words: 'twice' },
        { id: 'twice', words: 'twice' },
      ]
      const failed = opened.knex.transaction((trx) => insertRows(trx, opened.dialect, 'kinds', rows))
      await expect(failed).rejects.toSatisfy(isUniqueViolation)
      expect(await opened.knex('kinds').where({ words: 'twice' })).toEqual([])
    })

    it('inserts all or none without a transaction too', async () => {
      const rows = ['alone', 'other', 'alone'].map((id) => ({ id, words: 'alone' }))
      await expect(insertRows(opened.knex, opened.dialect, 'kinds', rows)).rejects.toSatisfy(isUniqueViolation)
      expect(await opened.knex('kinds').where({ words: 'alone' })).toEqual([])
    })

    it('passes over what is there already when it is told to', async () => {
      await insertRows(opened.knex, opened.dialect, 'kinds', [{ id: 'there', words: 'first' }])
      const rows = ['there', 'new'].map((id) => ({ id, words: 'second' }))
      await insertRows(opened.knex, opened.dialect, 'kinds', rows, 'on conflict do nothing')
      const kept = (await opened.knex('kinds').whereIn('id', ['there', 'new']).orderBy('id')) as Row[]
      expect(kept.map(({ id, words }) => [id, words])).toEqual([
        ['new', 'second'],
        ['there', 'first'],
      ])
    })

    it('keeps text as it is, and of half a character only that it was one', async () => {
      const words = ['plain', 'quote " and \\ and \\u0041', 'grüße 🎉', 'tab\tline\n']
      for (const each of words) expect(text((await roundTrip({ words: each })).words)).toBe(each)
      expect(text((await roundTrip({ words: 'half \ud800 one' })).words)).toMatch(/^half .+ one$/)
    })
  })

  describe('updateRows', () => {
    const columns = {
      where: { id: 'text', amount: 'bigint' },
      set: { words: 'text', amount: 'bigint', moment: 'timestamptz', yes: 'boolean' },
    }

    it('gives each row values of its own, and says how many it found', async () => {
      const rows = ['one', 'two', 'three'].map((id, index) => ({
        id,
        amount: 2n ** 62n + BigInt(2 * index),
        words: 'old',
      }))
      await insertRows(opened.knex, opened.dialect, 'kinds', rows)
      const moment = '2026-03-01T12:00:00.123Z'
      const changes = rows.map(({ id, amount }, index) => ({
        // The last is not there with this amount.
        where: { id, amount: index === 2 ? 1n : amount },
        set: { words: index === 0 ? null : `new ${id}`, amount: amount + 1n, moment, yes: true },
      }))
      expect(await updateRows(opened.knex, opened.dialect, 'kinds', columns, changes)).toBe(2)
      const ids = rows.map(({ id }) => id)
      const kept = (await opened.knex('kinds').whereIn('id', ids).orderBy('amount')) as Row[]
      expect(kept.map((row) => [row.id, maybeText(row.words), money(row.amount), maybeIso(row.moment)])).toEqual([
        ['one', null, 2n ** 62n + 1n, moment],
        ['two', 'new two', 2n ** 62n + 3n, moment],
        ['three', 'old', 2n ** 62n + 4n, null],
      ])
      expect(kept.map((row) => row.yes !== null && boolean(row.yes))).toEqual([true, true, false])
    })

    it('changes nothing without a word', async () => {
      expect(await updateRows(opened.knex, opened.dialect, 'kinds', columns, [])).toBe(0)
    })
  })

  describe('what the database refuses is recognised', () => {
    it('a primary key that is taken', async () => {
      await roundTrip({ words: 'first' })
      const again = opened.knex('kinds').insert({ id: `row${number}` })
      await expect(again).rejects.toSatisfy(isUniqueViolation)
    })

    it('a reference to nothing', async () => {
      const orphan = opened.knex('owned').insert({ id: 'o', kind: 'nobody' })
      await expect(orphan).rejects.toThrow(/foreign key/i)
      await expect(opened.knex('owned').insert({ id: 'o', kind: 'nobody' })).rejects.not.toSatisfy(isUniqueViolation)
    })

    it('the end of something that is still referred to', async () => {
      await roundTrip({})
      await opened.knex('owned').insert({ id: 'p', kind: `row${number}` })
      await expect(
        opened
          .knex('kinds')
          .where({ id: `row${number}` })
          .delete(),
      ).rejects.toThrow(/foreign key/i)
    })
  })
})

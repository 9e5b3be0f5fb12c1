import type { Knex } from 'knex'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  fetchCollection,
  foldText,
  openDatabase,
  parseCollection,
  type CollectionSpec,
  type CollectionText,
} from '../../core/src/database/index.ts'
import { eachDatabase } from '../support/databases.ts'

const spec: CollectionSpec = {
  columns: {
    id: { column: 'id', type: 'id' },
    name: { column: 'name', type: 'text', folded: 'name_folded' },
    code: { column: 'code', type: 'text' },
    size: { column: 'size', type: 'integer' },
  },
  idColumn: 'id',
  searchColumn: 'name_folded',
  members: ['id'],
  expandable: [],
}

eachDatabase((database) => {
  describe('fetchCollection', () => {
    let db: Knex
    let close = () => Promise.resolve()
    const names = ['Ångström', 'beta 50%', 'BETA_51', 'gamma', null]

    beforeAll(async () => {
      const opened = await openDatabase((await database.create()).url)
      db = opened.knex
      close = opened.close
      await db.schema.createTable('things', (table) => {
        table.text('id').primary()
        table.text('name')
        table.text('name_folded')
        table.text('code')
        table.integer('size')
      })
      const rows = names.map((name, index) => ({
        id: `t${index}`,
        name,
        name_folded: name && foldText(name),
        code: name && 'Code',
        size: index === 2 ? null : index,
      }))
      await db('things').insert(rows)
    })
    afterAll(() => close())

    const ids = async (text: CollectionText, page = { limit: 10, offset: 0 }) => {
      const { rows, total } = await fetchCollection(db('things'), spec, parseCollection(spec, text), page)
      return { ids: rows.map((row) => row['id']), total }
    }

    it.each([
      ['name:ÅNGSTRÖM', ['t0']],
      ['code:cODE;size:1..', ['t1', 't3']],
      ['size:0,3', ['t0', 't3']],
      ['size:!0,!3', ['t1', 't2', 't4']],
      ['name:!gamma', ['t0', 't1', 't2', 't4']],
      ['size:0..3,!1', ['t0', 't3']],
      ['id:T0', []],
    ])('finds by %s', async (filter, found) => {
      expect((await ids({ filter })).ids).toEqual(found)
    })

    it('finds every word of q, taking wildcards for themselves', async () => {
      expect((await ids({ q: 'beta' })).ids).toEqual(['t1', 't2'])
      expect((await ids({ q: '50% BETA' })).ids).toEqual(['t1'])
      expect((await ids({ q: '_5' })).ids).toEqual(['t2'])
      expect((await ids({ q: '%' })).ids).toEqual(['t1'])
    })

    it('sorts with nulls last, whichever way round, and by id where nothing else decides', async () => {
      expect((await ids({ sort: 'size' })).ids).toEqual(['t0', 't1', 't3', 't4', 't2'])
      expect((await ids({ sort: '-size' })).ids).toEqual(['t4', 't3', 't1', 't0', 't2'])
      expect((await ids({ sort: 'code' })).ids).toEqual(['t0', 't1', 't2', 't3', 't4'])
    })

    it('counts everything and returns one page', async () => {
      expect(await ids({ filter: 'size:0..' }, { limit: 2, offset: 1 })).toEqual({ ids: ['t1', 't3'], total: 4 })
      expect(await ids({}, { limit: 0, offset: 0 })).toEqual({ ids: [], total: 5 })
      expect(await ids({}, { limit: 5, offset: 5 })).toEqual({ ids: [], total: 5 })
    })
  })
})

import { beforeAll, describe, expect, it } from 'vitest'
import { afterCommit, inTransaction, type Database, type Db } from '../../core/src/database/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openEmpty } from './support.ts'

eachDatabase((database) => {
  let opened: Database
  beforeAll(async () => {
    opened = await openEmpty(database)
    await opened.knex.schema.createTable('things', (table) => table.text('id'))
  })
  const ids = async () => ((await opened.knex('things').orderBy('id')) as { id: string }[]).map(({ id }) => id)
  const insert = (db: Db, id: string) => db('things').insert({ id })
  /** Commit callbacks run just after the promise of the transaction. */
  const settled = () => new Promise((resolve) => setImmediate(resolve))

  describe('inTransaction', () => {
    it('answers what the work answers, and keeps it', async () => {
      expect(await inTransaction(opened.knex, async (trx) => (await insert(trx, 'a1'), 'done'))).toBe('done')
      expect(await ids()).toContain('a1')
    })

    it('undoes everything when the work throws, and throws that', async () => {
      const failed = inTransaction(opened.knex, async (trx) => {
        await insert(trx, 'b1')
        throw new Error('changed my mind')
      })
      await expect(failed).rejects.toThrow('changed my mind')
      expect(await ids()).not.toContain('b1')
    })

    it('joins the transaction it is in: what was inner is undone with the outer', async () => {
      const failed = inTransaction(opened.knex, async (outer) => {
        await inTransaction(outer, async (inner) => {
          expect(inner).toBe(outer)
          await insert(inner, 'c1')
        })
        throw new Error('later')
      })
      await expect(failed).rejects.toThrow('later')
      expect(await ids()).not.toContain('c1')
    })
  })

  describe('afterCommit', () => {
    it('runs at once when there is no transaction', () => {
      let runs = 0
      afterCommit(opened.knex, () => runs++)
      expect(runs).toBe(1)
    })

    it('runs once after the commit, when others can see what was written', async () => {
      const seen: string[][] = []
      let looked: Promise<void> | undefined
      await inTransaction(opened.knex, async (trx) => {
        await insert(trx, 'd1')
        afterCommit(trx, () => {
          looked = ids().then((list) => void seen.push(list))
        })
        await settled()
        expect(looked).toBeUndefined()
      })
      await settled()
      await looked
      expect(seen).toEqual([expect.arrayContaining(['d1'])])
    })

    it('runs in the order it was asked, from a joined transaction too', async () => {
      const order: string[] = []
      await inTransaction(opened.knex, async (trx) => {
        afterCommit(trx, () => order.push('first'))
        await inTransaction(trx, (inner) => Promise.resolve(afterCommit(inner, () => order.push('second'))))
        afterCommit(trx, () => order.push('third'))
        expect(order).toEqual([])
      })
      await settled()
      expect(order).toEqual(['first', 'second', 'third'])
    })

    it('never runs when the work throws', async () => {
      let runs = 0
      const failed = inTransaction(opened.knex, async (trx) => {
        afterCommit(trx, () => runs++)
        await insert(trx, 'e1')
        throw new Error('no')
      })
      await expect(failed).rejects.toThrow('no')
      await settled()
      expect(runs).toBe(0)
    })

    it('never runs when the database refuses the commit', async () => {
      let runs = 0
      await opened.knex.schema.createTable('parents', (table) => table.text('id').primary())
      await opened.knex.raw(
        'create table children (id text, parent text references parents (id) deferrable initially deferred)',
      )
      const failed = inTransaction(opened.knex, async (trx) => {
        afterCommit(trx, () => runs++)
        await trx('children').insert({ id: 'c', parent: 'nobody' })
      })
      await expect(failed).rejects.toThrow(/foreign key/i)
      await settled()
      expect(runs).toBe(0)
      expect(await opened.knex('children')).toEqual([])
    })
  })
})

import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { createGroupCommit, type Database, type GroupCommit } from '../../core/src/database/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openEmpty } from './support.ts'

interface Options {
  maxBatch?: number
  writers?: number
  /** What happens within a batch before its rows are written. */
  before?: (items: string[]) => Promise<void> | void
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(1)
}

eachDatabase((database) => {
  let opened: Database
  let batches: string[][]
  let underWay: number
  let mostUnderWay: number
  beforeEach(async () => {
    opened = await openEmpty(database)
    await opened.knex.schema.createTable('things', (table) => void table.text('id').primary())
    batches = []
    underWay = 0
    mostUnderWay = 0
  })

  /** Writes each item; refuses those that begin with `bad`, and all together when one is `poison`. */
  const writer = ({ maxBatch = 100, writers = 1, before }: Options = {}): GroupCommit<string, string> =>
    createGroupCommit<string, string>({
      db: opened.knex,
      maxBatch,
      writers,
      async run(trx, items) {
        batches.push(items)
        mostUnderWay = Math.max(mostUnderWay, ++underWay)
        try {
          await before?.(items)
          const answers: (string | Error)[] = []
          for (const item of items) {
            if (item === 'poison') throw new Error('the batch is lost')
            if (item.startsWith('bad')) {
              answers.push(new Error(`${item} refused`))
              continue
            }
            await trx('things').insert({ id: item })
            answers.push(`${item} kept`)
          }
          return answers
        } finally {
          underWay--
        }
      },
    })
  const kept = async () => ((await opened.knex('things').orderBy('id')) as { id: string }[]).map(({ id }) => id)

  describe('group commit', () => {
    it('puts what arrives together into one transaction, and answers each with its own', async () => {
      const group = writer()
      const items = ['c', 'a', 'b']
      expect(await Promise.all(items.map((item) => group.submit(item)))).toEqual(['c kept', 'a kept', 'b kept'])
      expect(batches).toEqual([['c', 'a', 'b']])
      expect(await kept()).toEqual(['a', 'b', 'c'])
    })

    it('answers only what is committed: another connection sees it', async () => {
      const group = writer()
      const seen: boolean[] = []
      await Promise.all(['a', 'b'].map(async (id) => (await group.submit(id), seen.push((await kept()).includes(id)))))
      expect(seen).toEqual([true, true])
    })

    it('makes the next batch of what arrived meanwhile, in order, no larger than allowed', async () => {
      const group = writer({ maxBatch: 3, before: () => sleep(20) })
      const answers = [group.submit('a')]
      await sleep(10)
      for (const item of ['b', 'c', 'd', 'e']) answers.push(group.submit(item))
      expect(group.size).toBe(5)
      await Promise.all(answers)
      expect(batches).toEqual([['a'], ['b', 'c', 'd'], ['e']])
      expect(group.size).toBe(0)
    })

    it('refuses one item without the others', async () => {
      const group = writer()
      const answers = await Promise.allSettled(['a', 'bad', 'b'].map((item) => group.submit(item)))
      expect(answers).toEqual([
        { status: 'fulfilled', value: 'a kept' },
        { status: 'rejected', reason: new Error('bad refused') },
        { status: 'fulfilled', value: 'b kept' },
      ])
      expect(await kept()).toEqual(['a', 'b'])
    })

    it('refuses the whole batch when it fails, keeps nothing of it, and goes on with the next', async () => {
      const group = writer()
      const answers = await Promise.allSettled(['a', 'poison', 'b'].map((item) => group.submit(item)))
      expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
      expect(await kept()).toEqual([])
      expect(await group.submit('c')).toBe('c kept')
      expect(await kept()).toEqual(['c'])
    })

    it('refuses them all when the commit itself fails', async () => {
      await opened.knex.raw('create table checked (id text references things (id) deferrable initially deferred)')
      const group = createGroupCommit<string, string>({
        db: opened.knex,
        maxBatch: 10,
        writers: 1,
        run: async (trx, items) => {
          await trx('checked').insert({ id: 'nobody' })
          return items
        },
      })
      const answers = await Promise.allSettled(['a', 'b'].map((item) => group.submit(item)))
      expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
      expect(await opened.knex('checked')).toEqual([])
    })

    it('drains: resolves when all that was submitted is answered, and at once when nothing is', async () => {
      const group = writer({ maxBatch: 2, before: () => sleep(5) })
      await group.drain()
      const answered: string[] = []
      const items = ['a', 'bad', 'c', 'd', 'e']
      for (const item of items) {
        void group.submit(item).then(
          () => answered.push(item),
          () => answered.push(item),
        )
      }
      await group.drain()
      await Promise.resolve()
      expect(answered.sort()).toEqual(items)
      expect(group.size).toBe(0)
    })

    it('begins a second transaction beside one that is under way when it will have as many', async () => {
      const { batchWriters } = opened.dialect
      let finish = () => {}
      const finished = new Promise<void>((resolve) => void (finish = resolve))
      const group = writer({ writers: batchWriters, before: (items) => (items[0] === 'a' ? finished : undefined) })
      const answers = ['a', 'b', 'c'].map((item) => group.submit(item))
      await until(() => batches.length === 1)
      for (const item of ['d', 'e', 'f']) answers.push(group.submit(item))
      if (batchWriters > 1) await until(() => batches.length === 2)
      finish()
      await Promise.all(answers)
      expect(batches).toEqual([
        ['a', 'b', 'c'],
        ['d', 'e', 'f'],
      ])
    })

    it('lets nobody wait for one that does not end, as far as the database stands another', async () => {
      const { batchWriters } = opened.dialect
      let finish = () => {}
      const finished = new Promise<void>((resolve) => void (finish = resolve))
      const group = writer({ writers: batchWriters, before: (items) => (items[0] === 'a' ? finished : undefined) })
      const first = ['a', 'b', 'c'].map((item) => group.submit(item))
      await until(() => batches.length === 1)
      const later = group.submit('d')
      if (batchWriters > 1) expect(await later).toBe('d kept')
      finish()
      await Promise.all([...first, later])
      expect(await kept()).toEqual(['a', 'b', 'c', 'd'])
    })

    it('keeps to the number of writers the database stands', async () => {
      const { batchWriters } = opened.dialect
      const group = writer({ maxBatch: 5, writers: batchWriters, before: () => sleep(5) })
      const items = Array.from({ length: 100 }, (_, index) => `i${String(index).padStart(3, '0')}`)
      await Promise.all(items.map((item) => group.submit(item)))
      expect(mostUnderWay).toBe(batchWriters)
      expect(batches.flat().sort()).toEqual(items)
      expect(await kept()).toEqual(items)
    })
  })
})

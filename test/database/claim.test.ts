import type { Knex } from 'knex'
import { beforeEach, describe, expect, it } from 'vitest'
import { claimDue, iso, text, type Database } from '../../core/src/database/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { emptyUrl, open } from './support.ts'

const at = (second: number) => new Date(Date.UTC(2026, 2, 1, 12, 0, second)).toISOString()

eachDatabase((database) => {
  let first: Database
  let second: Database
  beforeEach(async () => {
    const url = await emptyUrl(database)
    first = await open(url)
    second = await open(url)
    await first.knex.schema.createTable('jobs', (table) => {
      table.text('id').primary()
      table.specificType('due_time', first.dialect.timeType)
      table.text('state').notNullable().defaultTo('waiting')
      table.text('lease_token')
      table.specificType('lease_until', first.dialect.timeType)
    })
  })

  const add = (count: number, due = at(0)) =>
    first
      .knex('jobs')
      .insert(Array.from({ length: count }, (_, i) => ({ id: `job${String(i).padStart(3, '0')}`, due_time: due })))

  /** Claims as a worker does: what is due at `now`, and what nobody holds any more. */
  const claim = (worker: Database, now: number, { limit = 10, order = 'id', seconds = 30, state = 'waiting' } = {}) =>
    claimDue(worker.knex, worker.dialect, {
      table: 'jobs',
      limit,
      leaseUntil: at(now + seconds),
      set: { state: 'running' },
      due: (query: Knex.QueryBuilder) =>
        void query
          .where('due_time', '<=', at(now))
          .where((free) => void free.where({ state }).orWhere('lease_until', '<=', at(now)))
          .orderBy(order.replace('-', ''), order.startsWith('-') ? 'desc' : 'asc'),
    })
  const idsOf = ({ rows }: { rows: Record<string, unknown>[] }) => rows.map((row) => text(row.id)).sort()

  describe('claimDue', () => {
    it('takes what is due, at most so many, and says under which lease', async () => {
      await add(5)
      await first.knex('jobs').insert({ id: 'later', due_time: at(50) })
      const claimed = await claim(first, 1, { limit: 3 })
      expect(idsOf(claimed)).toEqual(['job000', 'job001', 'job002'])
      for (const row of claimed.rows) {
        expect([row.lease_token, iso(row.lease_until), row.state]).toEqual([claimed.leaseToken, at(31), 'running'])
      }
      expect(idsOf(await claim(first, 1))).toEqual(['job003', 'job004'])
      expect(await claim(first, 1)).toMatchObject({ rows: [] })
    })

    it('chooses by the order that was asked for', async () => {
      await add(20)
      expect(idsOf(await claim(first, 1, { limit: 4, order: '-id' }))).toEqual(['job016', 'job017', 'job018', 'job019'])
    })

    it('never gives one row to two workers, however many ask at once', async () => {
      await add(100)
      // In one process SQLite's second connection would wait for the first with the thread that the first needs.
      const other = first.dialect.manyProcesses ? second : first
      const claims = await Promise.all(Array.from({ length: 16 }, (_, i) => claim(i % 2 ? first : other, 1)))
      const ids = claims.flatMap(idsOf)
      expect(new Set(ids).size).toBe(ids.length)
      // A row that is locked by somebody is skipped, so that the rest may be left for the next round.
      while (ids.length < 100) {
        const more = idsOf(await claim(first, 1, { limit: 100 }))
        expect(more.length).toBeGreaterThan(0)
        ids.push(...more)
      }
      expect(new Set(ids).size).toBe(100)
    })

    it('holds a row until its lease is over, then lets somebody else have it', async () => {
      await add(1)
      const held = await claim(first, 0)
      expect(idsOf(await claim(second, 29))).toEqual([])
      const taken = await claim(second, 30)
      expect(idsOf(taken)).toEqual(['job000'])
      expect(taken.leaseToken).not.toBe(held.leaseToken)
    })

    it('fences: who lost the lease cannot overwrite the successor’s result', async () => {
      await add(1)
      const slow = await claim(first, 0)
      const successor = await claim(second, 30)
      const finish = (worker: Database, leaseToken: string, state: string) =>
        worker
          .knex('jobs')
          .where({ id: 'job000', lease_token: leaseToken })
          .update({ state, lease_token: null, lease_until: null })
      expect(await finish(first, slow.leaseToken, 'failed')).toBe(0)
      expect(await finish(second, successor.leaseToken, 'done')).toBe(1)
      expect(await finish(first, slow.leaseToken, 'failed')).toBe(0)
      expect(await first.knex('jobs').first()).toMatchObject({ state: 'done' })
    })

    it('joins a transaction, and gives the rows back when that is undone', async () => {
      await add(2)
      const undone = first.knex.transaction(async (trx) => {
        const { rows } = await claimDue(trx, first.dialect, {
          table: 'jobs',
          limit: 5,
          leaseUntil: at(30),
          due: () => undefined,
        })
        expect(rows).toHaveLength(2)
        throw new Error('undone')
      })
      await expect(undone).rejects.toThrow('undone')
      expect(idsOf(await claim(second, 1))).toEqual(['job000', 'job001'])
    })
  })
})

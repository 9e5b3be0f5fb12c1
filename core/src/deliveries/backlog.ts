import { integer, type Db, type Row } from '../database/index.ts'
import type { Backlog } from '../metrics/index.ts'
import { nowIso, type Clock } from '../kernel/index.ts'
import { findWaitingEndpoints } from './find-waiting.ts'

/** Counting more would tell nobody more, and cost what the figure is there to warn of. */
const mostCounted = 100_000

/** What waits and for whom, for the metrics: a handful of statements through the partial indexes. */
export async function readBacklog({ db, clock }: { db: Db; clock: Clock }): Promise<Backlog> {
  const now = nowIso(clock)
  const due = (await findWaitingEndpoints(db)).filter(({ deleted }) => !deleted).map(({ dueTime }) => dueTime)
  const oldest = due.reduce((first, time) => (time < first ? time : first), now)
  const endpoints = (await db
    .select('status', 'breaker')
    .count({ total: '*' })
    .from(
      db('stoa_webhook_endpoints').select('status', 'breaker').whereNull('deleted_time').limit(mostCounted).as('few'),
    )
    .groupBy('status', 'breaker')) as Row[]
  const total = (matches: (row: Row) => boolean) =>
    endpoints.filter(matches).reduce((sum, row) => sum + integer(row.total), 0)
  return {
    pending: await countPending(db, 'ACTIVE'),
    held: await countPending(db, 'DISABLED'),
    oldestSeconds: (Date.parse(now) - Date.parse(oldest)) / 1000,
    endpoints: {
      ACTIVE: total(({ status }) => status === 'ACTIVE'),
      DISABLED: total(({ status }) => status === 'DISABLED'),
    },
    breakersOpen: total(({ breaker }) => breaker === 'open'),
  }
}

async function countPending(db: Db, status: 'ACTIVE' | 'DISABLED'): Promise<number> {
  const some = db('stoa_deliveries as d')
    .select('d.id')
    .join('stoa_webhook_endpoints as e', 'e.id', 'd.endpoint_id')
    // Literal, so that the partial index is found.
    .whereRaw(`d.state = 'pending'`)
    .where({ 'e.status': status })
    .whereNull('e.deleted_time')
    .limit(mostCounted)
  const [counted] = (await db.count({ total: '*' }).from(some.as('some'))) as Row[]
  return integer(counted?.total)
}

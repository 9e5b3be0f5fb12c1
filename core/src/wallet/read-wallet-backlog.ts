import type { Knex } from 'knex'
import { environments } from '../context.ts'
import { integer, type Db, type Row } from '../database/index.ts'
import type { WalletBacklog } from '../metrics/index.ts'

/** Counting more would tell nobody more, and cost what the figure is there to warn of. */
const mostCounted = 100_000

/** What waits in wallets, for the metrics: three statements through indexes of what waits and little else. */
export async function readWalletBacklog({ db }: { db: Db }): Promise<WalletBacklog> {
  const topUps = db('stoa_top_ups').whereIn('environment', environments).where({ status: 'pending' })
  const subscriptions = db('stoa_subscriptions').whereIn('environment', environments).where({ status: 'past_due' })
  // Literal, so that the partial index is found.
  const runs = db('stoa_payout_runs').whereRaw('finished_time is null')
  return {
    topUpsPending: await countOf(db, topUps),
    subscriptionsPastDue: await countOf(db, subscriptions),
    payoutRunsRunning: await countOf(db, runs),
  }
}

async function countOf(db: Db, rows: Knex.QueryBuilder): Promise<number> {
  const [counted] = (await db.count({ total: '*' }).from(rows.select('id').limit(mostCounted).as('some'))) as Row[]
  return integer(counted?.total)
}

import type { Knex } from 'knex'
import type { Environment } from '../../context.ts'
import {
  integer,
  iso,
  json,
  maybeIso,
  maybeJson,
  money,
  text,
  toJson,
  type Db,
  type Dialect,
  type Row,
} from '../../database/index.ts'
import type { Page, Paged } from '../../http/index.ts'
import type { Micros } from '../../kernel/index.ts'
import type { PayoutRun, RunPosition, Skipped } from './payout.ts'

export const payoutRunsTable = 'stoa_payout_runs'

/** It is due at once. */
export async function insertRun(db: Db, run: PayoutRun): Promise<void> {
  await db(payoutRunsTable).insert({
    id: run.id,
    environment: run.environment,
    currency: run.currency,
    cutoff_time: run.cutoffTime,
    minimum: run.minimum,
    actor: run.actor,
    created_time: run.createdTime,
    finished_time: run.finishedTime,
    position: toJson(run.position),
    skipped: null,
    tries: 0,
    next_time: run.createdTime,
  })
}

/** The condition and order under which a worker claims runs. */
export const dueRuns = (now: string) => (query: Knex.QueryBuilder) =>
  void query
    // Literal, so that the partial index is found.
    .whereRaw('finished_time is null')
    .where('next_time', '<=', now)
    .where((open) => void open.whereNull('lease_until').orWhere('lease_until', '<=', now))
    .orderBy(['next_time', 'id'])

/** The run, if it is still this worker's; nobody else then takes it before the transaction ends. */
export async function holdRun(db: Db, dialect: Dialect, id: string, leaseToken: string): Promise<PayoutRun | null> {
  const query = db(payoutRunsTable).where({ id, lease_token: leaseToken }).whereNull('finished_time').select('*')
  if (dialect.rowLocks) query.forUpdate()
  const [row] = (await query) as Row[]
  return row ? mapRun(row) : null
}

/** Keeps how far it got, and gives it back: its next step is due now, after those of the others. */
export async function saveProgress(db: Db, { id, position, skipped }: PayoutRun, now: string): Promise<void> {
  const free = { lease_token: null, lease_until: null }
  await db(payoutRunsTable)
    .where({ id })
    .update({
      position: toJson(position),
      skipped: skipped.count === 0 ? null : toJson(skipped),
      tries: 0,
      next_time: now,
      ...free,
    })
}

export async function finishRun(db: Db, { id }: PayoutRun, now: string): Promise<void> {
  const free = { lease_token: null, lease_until: null }
  await db(payoutRunsTable)
    .where({ id })
    .update({ finished_time: now, tries: 0, next_time: null, ...free })
}

/** How often its step has failed in a row, if it is still this worker's. */
export async function countTries(db: Db, id: string, leaseToken: string): Promise<number | null> {
  const at = { id, lease_token: leaseToken }
  const row = (await db(payoutRunsTable).where(at).whereNull('finished_time').first('tries')) as Row | undefined
  return row ? integer(row.tries) : null
}

/** Gives it back, to be gone on with later. */
export async function delayRun(
  db: Db,
  id: string,
  { leaseToken, tries, nextTime }: { leaseToken: string; tries: number; nextTime: string },
): Promise<void> {
  await db(payoutRunsTable)
    .where({ id, lease_token: leaseToken })
    .update({ tries, next_time: nextTime, lease_token: null, lease_until: null })
}

/** A run, with how many payouts it has made and of how much. */
export interface RunSummary extends PayoutRun {
  payouts: number
  amount: Micros
}

export async function findRun(db: Db, id: string): Promise<RunSummary | null> {
  const row = (await db(payoutRunsTable).where({ id }).first()) as Row | undefined
  return row ? (await summarize(db, [row]))[0]! : null
}

/** The latest first; of all environments when none is named. */
export async function listRuns(
  db: Db,
  { environment }: { environment?: Environment },
  page: Page,
): Promise<Paged<RunSummary>> {
  const all = () => db(payoutRunsTable).where(environment === undefined ? {} : { environment })
  const [{ count } = { count: 0 }] = (await all().count({ count: '*' })) as Row[]
  const rows = (await all().orderBy('id', 'desc').limit(page.limit).offset(page.offset)) as Row[]
  return { items: await summarize(db, rows), total: integer(count) }
}

async function summarize(db: Db, rows: Row[]): Promise<RunSummary[]> {
  const ids = rows.map((row) => text(row.id))
  const made = (await db('stoa_payouts')
    .whereIn('run_id', ids)
    .whereNot({ status: 'collecting' })
    .groupBy('run_id')
    .select('run_id')
    .count({ payouts: '*' })
    .sum({ amount: 'amount' })) as Row[]
  const byRun = new Map(made.map((row) => [text(row.run_id), row]))
  return rows.map((row) => ({
    ...mapRun(row),
    payouts: integer(byRun.get(text(row.id))?.payouts ?? 0),
    amount: money((byRun.get(text(row.id))?.amount ?? 0) as number),
  }))
}

export function mapRun(row: Row): PayoutRun {
  return {
    id: text(row.id),
    environment: row.environment as Environment,
    currency: text(row.currency),
    cutoffTime: iso(row.cutoff_time),
    minimum: money(row.minimum),
    actor: text(row.actor),
    createdTime: iso(row.created_time),
    finishedTime: maybeIso(row.finished_time),
    position: json<RunPosition>(row.position),
    skipped: maybeJson<Skipped>(row.skipped) ?? { count: 0, organizationIds: [] },
  }
}

import type { Environment } from '../../context.ts'
import {
  insertRows,
  integer,
  iso,
  maybeIso,
  maybeText,
  money,
  text,
  type Db,
  type Dialect,
  type Row,
} from '../../database/index.ts'
import type { Page, Paged } from '../../http/index.ts'
import type { Micros } from '../../kernel/index.ts'
import { selectRaw } from '../ledger/select-raw.ts'
import type { Due, Payout, PayoutPart, PayoutRun, PayoutStatus } from './payout.ts'

const runs = 'stoa_payout_runs'
const payouts = 'stoa_payouts'
const parts = 'stoa_payout_parts'
const items = 'stoa_payout_items'
const marks = 'stoa_payout_marks'
const entries = 'stoa_ledger_entries'
const accounts = 'stoa_ledger_accounts'

/** An account that earns. */
export interface EarningAccount {
  id: string
  kind: 'app_payable' | 'margin'
  /** The application, or the organization that resells. */
  ownerId: string
  organizationId: string
}

interface Where {
  environment: Environment
  currency: string
}

const earning = ['app_payable', 'margin']

/** The accounts of the next organizations in the order of their ids, and of each all. */
export async function nextEarningAccounts(
  db: Db,
  { environment, currency }: Where,
  after: string,
  limit: number,
): Promise<EarningAccount[]> {
  const organizations = db(accounts)
    .distinct('organization_id')
    .where({ environment, currency })
    .whereIn('kind', earning)
    .where('organization_id', '>', after)
    .orderBy('organization_id')
    .limit(limit)
    .as('next')
  const rows = (await db(`${accounts} as account`)
    .join(organizations, 'next.organization_id', 'account.organization_id')
    .where({ environment, currency })
    .whereIn('kind', earning)
    .select('account.id', 'account.kind', 'account.owner_id', 'account.organization_id')) as Row[]
  return rows.map(mapAccount)
}

export async function earningAccountsOf(
  db: Db,
  organizationId: string,
  { environment, currency }: Where,
): Promise<EarningAccount[]> {
  const rows = (await db(accounts)
    .where({ organization_id: organizationId, environment, currency })
    .whereIn('kind', earning)
    .orderBy('id')) as Row[]
  return rows.map(mapAccount)
}

// One look into the index of each account, from where it was paid out to. What payouts book themselves is told by who booked it.
const unpaid = `cross join ${entries} as entry
  where entry.account_id = wanted.column1 and entry.account_version is null
    and entry.booked_time >= coalesce((select paid_until from ${marks} where account_id = wanted.column1), ?)
    and entry.booked_time < ?
    and not exists (select 1 from ${items} item where item.transaction_id = entry.transaction_id and item.seq = entry.seq)
    and not exists (select 1 from ${payouts} own where own.transaction_id = entry.transaction_id)
    and not exists (select 1 from ${payouts} own where own.reversal_id = entry.transaction_id)`
const ever = '1970-01-01T00:00:00.000Z'

/** What each account is owed: its entries booked before `cutoff` that no payout has, and what former payouts left. Zeroes are left out. */
export async function findDues(db: Db, accountIds: string[], cutoff: string): Promise<Map<string, Due>> {
  if (accountIds.length === 0) return new Map()
  const marksOf = accountIds.map(() => '(?)').join(', ')
  const earned = await selectRaw(
    db,
    `select entry.account_id, sum(entry.amount) as amount from (values ${marksOf}) as wanted ${unpaid} group by entry.account_id`,
    [...accountIds, ever, cutoff],
  )
  return mergeDues(earned, await findCarried(db, accountIds))
}

/** Puts the unpaid entries of accounts into payouts, and returns what they came to: the only figures that a payout may be made of. */
export async function insertItems(db: Db, payoutOf: Map<string, string>, cutoff: string): Promise<Map<string, Due>> {
  const wanted = [...payoutOf]
  await db.raw(
    `insert into ${items} (transaction_id, seq, payout_id, account_id, amount, booked_time)
     select entry.transaction_id, entry.seq, wanted.column2, entry.account_id, entry.amount, entry.booked_time
     from (values ${wanted.map(() => '(?, ?)').join(', ')}) as wanted ${unpaid}`,
    [...wanted.flat(), ever, cutoff],
  )
  // Read back and not taken from an earlier look: what was booked in between is in the one and not in the other.
  const earned = (await db(items)
    .whereIn('payout_id', [...new Set(payoutOf.values())])
    .groupBy('account_id')
    .select('account_id')
    .sum({ amount: 'amount' })) as Row[]
  return mergeDues(earned, await findCarried(db, [...payoutOf.keys()]))
}

/** Frees the entries of payouts that were not made after all. */
export async function deleteItems(db: Db, payoutIds: string[]): Promise<void> {
  if (payoutIds.length > 0) await db(items).whereIn('payout_id', payoutIds).delete()
}

/** Remembers that nothing before `until` is left unpaid on these accounts. */
export async function markPaid(db: Db, dialect: Dialect, accountIds: string[], until: string): Promise<void> {
  await insertRows(
    db,
    dialect,
    marks,
    accountIds.map((id) => ({ account_id: id, paid_until: until })),
    'on conflict do nothing',
  )
  await db(marks).whereIn('account_id', accountIds).where('paid_until', '<', until).update({ paid_until: until })
}

async function findCarried(db: Db, accountIds: string[]): Promise<Row[]> {
  return (await db(`${parts} as part`)
    .join(`${payouts} as payout`, 'payout.id', 'part.payout_id')
    .whereIn('part.account_id', accountIds)
    .groupBy('part.account_id')
    .select(
      'part.account_id',
      db.raw(`sum(part.earned - case when payout.status = 'failed' then 0 else part.amount end) as amount`),
    )) as Row[]
}

function mergeDues(earned: Row[], carried: Row[]): Map<string, Due> {
  const dues = new Map<string, Due>()
  const at = (accountId: string) => {
    const due = dues.get(accountId) ?? { accountId, earned: 0n, carriedIn: 0n }
    dues.set(accountId, due)
    return due
  }
  for (const row of earned) at(text(row.account_id)).earned = money(row.amount)
  for (const row of carried) at(text(row.account_id)).carriedIn = money(row.amount)
  for (const { accountId, earned: sum, carriedIn } of dues.values()) {
    if (sum === 0n && carriedIn === 0n) dues.delete(accountId)
  }
  return dues
}

export async function insertRun(db: Db, run: PayoutRun): Promise<void> {
  await db(runs).insert({
    id: run.id,
    environment: run.environment,
    currency: run.currency,
    cutoff_time: run.cutoffTime,
    minimum: run.minimum,
    actor: run.actor,
    created_time: run.createdTime,
    finished_time: run.finishedTime,
  })
}

export async function finishRun(db: Db, id: string, now: string): Promise<void> {
  await db(runs).where({ id }).update({ finished_time: now })
}

/** A run, with how many payouts it has made and of how much. */
export interface RunSummary extends PayoutRun {
  payouts: number
  amount: Micros
}

export async function findRun(db: Db, id: string): Promise<RunSummary | null> {
  const row = (await db(runs).where({ id }).first()) as Row | undefined
  return row ? (await summarize(db, [row]))[0]! : null
}

/** The latest first. */
export async function listRuns(db: Db, page: Page): Promise<Paged<RunSummary>> {
  const [{ count } = { count: 0 }] = (await db(runs).count({ count: '*' })) as Row[]
  const rows = (await db(runs).orderBy('id', 'desc').limit(page.limit).offset(page.offset)) as Row[]
  return { items: await summarize(db, rows), total: integer(count) }
}

async function summarize(db: Db, rows: Row[]): Promise<RunSummary[]> {
  const ids = rows.map((row) => text(row.id))
  const made = (await db(payouts)
    .whereIn('run_id', ids)
    .groupBy('run_id')
    .select('run_id')
    .count({ payouts: '*' })
    .sum({ amount: 'amount' })) as Row[]
  const byRun = new Map(made.map((row) => [text(row.run_id), row]))
  return rows.map((row) => ({
    id: text(row.id),
    environment: row.environment as Environment,
    currency: text(row.currency),
    cutoffTime: iso(row.cutoff_time),
    minimum: money(row.minimum),
    actor: text(row.actor),
    createdTime: iso(row.created_time),
    finishedTime: maybeIso(row.finished_time),
    payouts: integer(byRun.get(text(row.id))?.payouts ?? 0),
    amount: money((byRun.get(text(row.id))?.amount ?? 0) as number),
  }))
}

export async function insertPayouts(
  db: Db,
  dialect: Dialect,
  made: (Payout & { parts: PayoutPart[] })[],
): Promise<void> {
  const sums = ({ earned, carriedIn, carriedOut, amount }: PayoutPart | Payout) => ({
    earned,
    carried_in: carriedIn,
    carried_out: carriedOut,
    amount,
  })
  const payoutRows = made.map((payout) => ({
    id: payout.id,
    run_id: payout.runId,
    organization_id: payout.organizationId,
    environment: payout.environment,
    currency: payout.currency,
    ...sums(payout),
    status: payout.status,
    transaction_id: payout.transactionId,
    created_time: payout.createdTime,
  }))
  const partRows = made.flatMap((payout) =>
    payout.parts.map((part) => ({ payout_id: payout.id, account_id: part.accountId, ...sums(part) })),
  )
  await insertRows(db, dialect, payouts, payoutRows)
  await insertRows(db, dialect, parts, partRows)
}

/** Writes how it ended. */
export async function settlePayout(db: Db, payout: Payout): Promise<void> {
  await db(payouts).where({ id: payout.id }).update({
    status: payout.status,
    reversal_id: payout.reversalId,
    reference: payout.reference,
    failure: payout.failure,
    settled_by: payout.settledBy,
    settled_time: payout.settledTime,
  })
}

export async function findPayout(db: Db, id: string): Promise<Payout | null> {
  const row = (await db(payouts).where({ id }).first()) as Row | undefined
  return row ? mapPayout(row) : null
}

export interface PayoutFilter {
  organizationId?: string
  environment?: Environment
  runId?: string
  status?: PayoutStatus
}

/** The latest first. */
export async function listPayouts(db: Db, filter: PayoutFilter, page: Page): Promise<Paged<Payout>> {
  const wanted = Object.fromEntries(
    Object.entries({
      organization_id: filter.organizationId,
      environment: filter.environment,
      run_id: filter.runId,
      status: filter.status,
    }).filter(([, value]) => value !== undefined),
  )
  const [{ count } = { count: 0 }] = (await db(payouts).where(wanted).count({ count: '*' })) as Row[]
  const rows = (await db(payouts).where(wanted).orderBy('id', 'desc').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(mapPayout), total: integer(count) }
}

/** A payout's part of an account, and whose account it is. */
export async function findParts(db: Db, payoutId: string): Promise<(PayoutPart & { account: EarningAccount })[]> {
  const rows = (await db(`${parts} as part`)
    .join(`${accounts} as account`, 'account.id', 'part.account_id')
    .where({ payout_id: payoutId })
    .orderBy('part.account_id')
    .select('part.*', 'account.id', 'account.kind', 'account.owner_id', 'account.organization_id')) as Row[]
  return rows.map((row) => ({
    accountId: text(row.account_id),
    earned: money(row.earned),
    carriedIn: money(row.carried_in),
    carriedOut: money(row.carried_out),
    amount: money(row.amount),
    account: mapAccount(row),
  }))
}

/** One entry that a payout paid. */
export interface PayoutItem {
  transactionId: string
  seq: number
  kind: string
  referenceId: string
  applicationId: string | null
  accountKind: EarningAccount['kind']
  amount: Micros
  bookedTime: string
}

/** In the order in which their transactions were made, after the one named. */
export async function listItems(
  db: Db,
  payoutId: string,
  { after, limit }: { after: { transactionId: string; seq: number } | null; limit: number },
): Promise<PayoutItem[]> {
  const query = db(`${items} as item`)
    .join('stoa_ledger_transactions as txn', 'txn.id', 'item.transaction_id')
    .join(`${accounts} as account`, 'account.id', 'item.account_id')
    .where('item.payout_id', payoutId)
    .orderBy(['item.transaction_id', 'item.seq'])
    .limit(limit)
    .select('item.*', 'txn.kind', 'txn.reference_id', 'txn.application_id', 'account.kind as account_kind')
  if (after) query.whereRaw('(item.transaction_id, item.seq) > (?, ?)', [after.transactionId, after.seq])
  const rows = (await query) as Row[]
  return rows.map((row) => ({
    transactionId: text(row.transaction_id),
    seq: integer(row.seq),
    kind: text(row.kind),
    referenceId: text(row.reference_id),
    applicationId: maybeText(row.application_id),
    accountKind: row.account_kind as EarningAccount['kind'],
    amount: money(row.amount),
    bookedTime: iso(row.booked_time),
  }))
}

function mapAccount(row: Row): EarningAccount {
  return {
    id: text(row.id),
    kind: row.kind as EarningAccount['kind'],
    ownerId: text(row.owner_id),
    organizationId: text(row.organization_id),
  }
}

function mapPayout(row: Row): Payout {
  return {
    id: text(row.id),
    runId: text(row.run_id),
    organizationId: text(row.organization_id),
    environment: row.environment as Environment,
    currency: text(row.currency),
    earned: money(row.earned),
    carriedIn: money(row.carried_in),
    carriedOut: money(row.carried_out),
    amount: money(row.amount),
    status: row.status as PayoutStatus,
    transactionId: text(row.transaction_id),
    reversalId: maybeText(row.reversal_id),
    reference: maybeText(row.reference),
    failure: maybeText(row.failure),
    settledBy: maybeText(row.settled_by),
    createdTime: iso(row.created_time),
    settledTime: maybeIso(row.settled_time),
  }
}

import type { Environment } from '../../context.ts'
import { insertRows, integer, iso, money, text, type Db, type Dialect, type Row } from '../../database/index.ts'
import { maxMicros, newId, type Micros } from '../../kernel/index.ts'
import { selectRaw } from '../ledger/select-raw.ts'
import type { Due, EntryPosition, PayoutRun } from './payout.ts'

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

/** The accounts of the next organizations in the order of their ids, of each all, in the order of the accounts' own ids. */
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
    .orderBy('account.id')
    .select('account.id', 'account.kind', 'account.owner_id', 'account.organization_id')) as Row[]
  return rows.map(mapAccount)
}

export async function earningAccountsOf(
  db: Db,
  organizationIds: string[],
  { environment, currency }: Where,
): Promise<EarningAccount[]> {
  const rows = (await db(accounts)
    .whereIn('organization_id', organizationIds)
    .where({ environment, currency })
    .whereIn('kind', earning)
    .orderBy('id')) as Row[]
  return rows.map(mapAccount)
}

const ever = '1970-01-01T00:00:00.000Z'

// One look into the index of each account, from where it was collected to.
const since = `entry.account_id = wanted.column1 and entry.account_version is null
  and entry.booked_time >= coalesce((select paid_until from ${marks} where account_id = wanted.column1), ?)
  and entry.booked_time < ?`
const valuesOf = (ids: string[]) => `(values ${ids.map(() => '(?)').join(', ')}) as wanted`

/** Those of the accounts that may have entries before `cutoff` which are in no payout yet. */
export async function findBusy(db: Db, accountIds: string[], cutoff: string): Promise<Set<string>> {
  const rows = await selectRaw(
    db,
    `select wanted.column1 as id from ${valuesOf(accountIds)} where exists (select 1 from ${entries} entry where ${since})`,
    [...accountIds, ever, cutoff],
  )
  return new Set(rows.map((row) => text(row.id)))
}

/** What the accounts are owed of what was collected: what the next payout has of them, and what former ones left. */
export async function findCollected(db: Db, accountIds: string[]): Promise<Map<string, Due>> {
  const rows = (await db(`${parts} as part`)
    .join(`${payouts} as payout`, 'payout.id', 'part.payout_id')
    .whereIn('part.account_id', accountIds)
    .groupBy('part.account_id')
    .select(
      'part.account_id',
      db.raw(`sum(case when payout.status = 'collecting' then part.earned else 0 end) as earned`),
      db.raw(
        `sum(case payout.status when 'collecting' then 0 when 'failed' then part.earned else part.earned - part.amount end) as carried`,
      ),
    )) as Row[]
  const dues = rows.map((row) => ({
    accountId: text(row.account_id),
    earned: money(row.earned),
    carriedIn: money(row.carried),
  }))
  return new Map(dues.filter((due) => due.earned !== 0n || due.carriedIn !== 0n).map((due) => [due.accountId, due]))
}

/** An entry that was earned. */
export interface EarnedEntry extends EntryPosition {
  amount: Micros
}

/**
 * The next entries of an account before `cutoff` in the order of booking: those after the one named, or at first those that were not
 * collected for good. Some of them may be in payouts.
 */
export async function nextEntries(
  db: Db,
  accountId: string,
  { after, cutoff, limit }: { after: EntryPosition | null; cutoff: string; limit: number },
): Promise<EarnedEntry[]> {
  const query = db(entries)
    .where({ account_id: accountId })
    .whereNull('account_version')
    .where('booked_time', '<', cutoff)
    .orderBy(['booked_time', 'transaction_id', 'seq'])
    .limit(limit)
  if (after) {
    query
      .where('booked_time', '>=', after.bookedTime)
      .whereRaw('(booked_time, transaction_id, seq) > (?, ?, ?)', [after.bookedTime, after.transactionId, after.seq])
  } else {
    const mark = (await db(marks).where({ account_id: accountId }).first()) as Row | undefined
    query.where('booked_time', '>=', mark ? iso(mark.paid_until) : ever)
  }
  return ((await query) as Row[]).map((row) => ({
    transactionId: text(row.transaction_id),
    seq: integer(row.seq),
    amount: money(row.amount),
    bookedTime: iso(row.booked_time),
  }))
}

/** Without those that are in payouts, and those that payouts booked themselves, which are no earnings. */
export async function withoutCollected(db: Db, found: EarnedEntry[]): Promise<EarnedEntry[]> {
  const ids = found.map(({ transactionId }) => transactionId)
  const inItems = (await db(items).whereIn('transaction_id', ids).select('transaction_id', 'seq')) as Row[]
  const booked = (await db(payouts).whereIn('transaction_id', ids).select('transaction_id as id')) as Row[]
  const reversed = (await db(payouts).whereIn('reversal_id', ids).select('reversal_id as id')) as Row[]
  const known = new Set(inItems.map((row) => `${text(row.transaction_id)} ${integer(row.seq)}`))
  const own = new Set([...booked, ...reversed].map((row) => text(row.id)))
  return found.filter(({ transactionId, seq }) => !known.has(`${transactionId} ${seq}`) && !own.has(transactionId))
}

/**
 * Puts entries of an account into the payout that its organization gets next, which begins with the first. Returns how many: those from
 * the first on with which the sum would pass 64 bits are left for the payout after it. `db` must have the lock of the clearing.
 */
export async function collectItems(
  db: Db,
  dialect: Dialect,
  { run, account, now }: { run: PayoutRun; account: EarningAccount; now: string },
  earned: EarnedEntry[],
): Promise<number> {
  const { environment, currency } = run
  const at = { organization_id: account.organizationId, environment, currency, status: 'collecting' }
  const nothing = { earned: 0n, carried_in: 0n, carried_out: 0n, amount: 0n }
  const draft = (await db(payouts).where(at).first('id', 'earned')) as Row | undefined
  const id = draft ? text(draft.id) : newId('pay')
  if (!draft) await db(payouts).insert({ id, run_id: run.id, ...at, ...nothing, created_time: now })
  const key = { payout_id: id, account_id: account.id }
  const part = (await db(parts).where(key).first('earned')) as Row | undefined
  if (!part) await db(parts).insert({ ...key, ...nothing })

  const before = [money(draft?.earned ?? 0), money(part?.earned ?? 0)]
  const { count, sum } = takeFitting(earned, before)
  const itemRows = earned.slice(0, count).map(({ transactionId, seq, amount, bookedTime }) => ({
    transaction_id: transactionId,
    seq,
    ...key,
    amount,
    booked_time: bookedTime,
  }))
  await insertRows(db, dialect, items, itemRows)
  // Added up here: SQLite makes an inexact number of a sum beyond 64 bits. Until it is paid, all of it is left over.
  const sums = (total: Micros) => ({ earned: total, carried_out: total })
  await db(payouts)
    .where({ id })
    .update(sums(before[0]! + sum))
  await db(parts)
    .where(key)
    .update(sums(before[1]! + sum))
  return count
}

/** As many from the first on as can be added to all of the sums without passing 64 bits on the way. */
function takeFitting(earned: EarnedEntry[], sums: Micros[]): { count: number; sum: Micros } {
  let sum = 0n
  for (const [count, { amount }] of earned.entries()) {
    const isWithin = sums.map((each) => each + sum + amount).every((each) => each <= maxMicros && each >= -maxMicros)
    if (!isWithin) return { count, sum }
    sum += amount
  }
  return { count: earned.length, sum }
}

/** Remembers that nothing before `until` is left to be collected on this account. */
export async function markCollected(db: Db, dialect: Dialect, accountId: string, until: string): Promise<void> {
  await insertRows(db, dialect, marks, [{ account_id: accountId, paid_until: until }], 'on conflict do nothing')
  await db(marks).where({ account_id: accountId }).where('paid_until', '<', until).update({ paid_until: until })
}

/** The payouts whose items are being collected, by organization. */
export async function findCollecting(
  db: Db,
  organizationIds: string[],
  { environment, currency }: Where,
): Promise<Map<string, string>> {
  const rows = (await db(payouts)
    .whereIn('organization_id', organizationIds)
    .where({ environment, currency, status: 'collecting' })
    .select('id', 'organization_id')) as Row[]
  return new Map(rows.map((row) => [text(row.organization_id), text(row.id)]))
}

export function mapAccount(row: Row): EarningAccount {
  return {
    id: text(row.id),
    kind: row.kind as EarningAccount['kind'],
    ownerId: text(row.owner_id),
    organizationId: text(row.organization_id),
  }
}

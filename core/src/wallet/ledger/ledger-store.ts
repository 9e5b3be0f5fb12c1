import type { Environment } from '../../context.ts'
import {
  insertRows,
  integer,
  iso,
  maybeText,
  money,
  text,
  updateRows,
  type Db,
  type Dialect,
  type Row,
} from '../../database/index.ts'
import type { Page, Paged } from '../../http/index.ts'
import { accountId, isChained, type Account, type AccountKey, type BalanceLevel, type NewAccount } from './account.ts'
import type { LedgerEntry, LedgerTransaction, Posting, TransactionKind } from './ledger.ts'

const accounts = 'stoa_ledger_accounts'
const transactions = 'stoa_ledger_transactions'
const entries = 'stoa_ledger_entries'

/** Makes those of the accounts that do not exist. Whoever makes one first, the others get the same. */
export async function ensureAccounts(db: Db, dialect: Dialect, wanted: NewAccount[], now: string): Promise<void> {
  // In one order, so that two that make some of the same never wait for each other.
  const distinct = new Map(wanted.map((account) => [accountId(account), newRow(account, now)]))
  const rows = [...distinct.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1))
  await insertRows(db, dialect, accounts, rows, 'on conflict do nothing')
}

function newRow(account: NewAccount, now: string) {
  const keepsBalance = isChained(account.kind)
  const zero = keepsBalance ? 0n : null
  return {
    id: accountId(account),
    kind: account.kind,
    owner_type: account.ownerType,
    owner_id: account.ownerId,
    organization_id: account.organizationId,
    environment: account.environment,
    currency: account.currency,
    status: 'active',
    balance: zero,
    held: zero,
    granted: zero,
    min_balance: account.kind === 'wallet' ? 0n : null,
    version: keepsBalance ? 0 : null,
    head: keepsBalance ? '' : null,
    level: keepsBalance ? 'ok' : null,
    created_time: now,
  }
}

export async function findAccount(db: Db, key: AccountKey): Promise<Account | null> {
  const row = (await db(accounts)
    .where({ id: accountId(key) })
    .first()) as Row | undefined
  return row ? mapAccount(row) : null
}

/** Which of the owners have a wallet, in whichever currency, as `<ownerId> <environment>`. */
export async function findOwnersWithWallets(db: Db, ownerIds: string[]): Promise<Set<string>> {
  if (ownerIds.length === 0) return new Set()
  const rows = (await db(accounts)
    .where({ kind: 'wallet' })
    .whereIn('owner_id', [...new Set(ownerIds)])
    .select('owner_id', 'environment')) as Row[]
  return new Set(rows.map((row) => `${text(row.owner_id)} ${text(row.environment)}`))
}

export async function findAccountById(db: Db, id: string): Promise<Account | null> {
  const row = (await db(accounts).where({ id }).whereNotNull('version').first()) as Row | undefined
  return row ? mapAccount(row) : null
}

/**
 * Those of the accounts that exist and keep a balance, locked until the transaction ends, always in the order of their ids: so two
 * that want some of the same wait for each other and never deadlock.
 */
export async function lockAccounts(db: Db, dialect: Dialect, ids: string[]): Promise<Account[]> {
  if (ids.length === 0) return []
  const query = db(accounts).whereIn('id', ids).whereNotNull('version').orderBy('id')
  return ((await (dialect.rowLocks ? query.forNoKeyUpdate() : query)) as Row[]).map(mapAccount)
}

const balances = {
  where: { id: 'text', version: 'bigint' },
  set: { balance: 'bigint', held: 'bigint', granted: 'bigint', version: 'bigint', head: 'text', level: 'text' },
} as const

/**
 * Writes accounts that changed. `versions` are what they had when they were read: a row that no longer has it was written by somebody
 * who did not hold the lock, and everything is rolled back.
 */
export async function updateAccounts(
  db: Db,
  dialect: Dialect,
  changed: Account[],
  versions: ReadonlyMap<string, number>,
): Promise<void> {
  const changes = changed.map(({ id, balance, held, granted, version, head, level }) => ({
    where: { id, version: versions.get(id)! },
    set: { balance, held, granted, version, head, level },
  }))
  const updated = await updateRows(db, dialect, accounts, balances, changes)
  if (updated !== changed.length) throw new Error('An account was changed outside its lock')
}

export async function insertPostings(db: Db, dialect: Dialect, postings: Posting[]): Promise<void> {
  const transactionRows = postings.map(({ transaction }) => transactionRow(transaction))
  const entryRows = postings.flatMap((posting) => posting.entries.map(entryRow))
  await insertRows(db, dialect, transactions, transactionRows)
  await insertRows(db, dialect, entries, entryRows)
}

export interface StatementLine {
  transactionId: string
  /** The account's version: 1, 2, 3, … */
  number: number
  kind: TransactionKind
  referenceId: string
  applicationId: string | null
  description: string | null
  amount: bigint
  balance: bigint
  bookedTime: string
  eventTime: string
}

/** A wallet's lines, the latest first. Versions have no gaps, so the version is the count. */
export async function listStatementLines(db: Db, wallet: Account, page: Page): Promise<Paged<StatementLine>> {
  const rows = (await db(`${entries} as entry`)
    .join(`${transactions} as transaction`, 'transaction.id', 'entry.transaction_id')
    .where('entry.account_id', wallet.id)
    .whereNotNull('entry.account_version')
    .orderBy('entry.account_version', 'desc')
    .limit(page.limit)
    .offset(page.offset)
    .select('transaction.*', 'entry.amount', 'entry.balance_after', 'entry.account_version')) as Row[]
  return { items: rows.map(mapStatementLine), total: wallet.version }
}

/** Of a transaction's row with its entry's amount, balance and version. */
export function mapStatementLine(row: Row): StatementLine {
  return {
    transactionId: text(row.id),
    number: integer(row.account_version),
    kind: row.kind as TransactionKind,
    referenceId: text(row.reference_id),
    applicationId: maybeText(row.application_id),
    description: maybeText(row.description),
    amount: money(row.amount),
    balance: money(row.balance_after),
    bookedTime: iso(row.booked_time),
    eventTime: iso(row.event_time),
  }
}

export function mapAccount(row: Row): Account {
  const maybeMoney = (value: unknown) => (value === null ? null : money(value))
  return {
    id: text(row.id),
    kind: row.kind as Account['kind'],
    ownerType: row.owner_type as Account['ownerType'],
    ownerId: text(row.owner_id),
    organizationId: maybeText(row.organization_id),
    environment: row.environment as Environment,
    currency: text(row.currency),
    status: row.status as Account['status'],
    statusReason: maybeText(row.status_reason),
    balance: money(row.balance),
    held: money(row.held),
    granted: money(row.granted),
    minBalance: maybeMoney(row.min_balance),
    version: integer(row.version),
    head: text(row.head),
    level: row.level as BalanceLevel,
    lowBalance: maybeMoney(row.low_balance),
    topUpBelow: maybeMoney(row.top_up_below),
  }
}

export function mapTransaction(row: Row): LedgerTransaction {
  return {
    id: text(row.id),
    kind: row.kind as TransactionKind,
    referenceId: text(row.reference_id),
    reversesId: maybeText(row.reverses_id),
    applicationId: maybeText(row.application_id),
    environment: row.environment as Environment,
    currency: text(row.currency),
    actor: text(row.actor),
    description: maybeText(row.description),
    bookedTime: iso(row.booked_time),
    eventTime: iso(row.event_time),
  }
}

export function mapEntry(row: Row): LedgerEntry {
  return {
    transactionId: text(row.transaction_id),
    seq: integer(row.seq),
    accountId: text(row.account_id),
    amount: money(row.amount),
    balanceAfter: row.balance_after === null ? null : money(row.balance_after),
    accountVersion: row.account_version === null ? null : integer(row.account_version),
    hash: maybeText(row.hash),
    bookedTime: iso(row.booked_time),
  }
}

function transactionRow(transaction: LedgerTransaction): Row {
  return {
    id: transaction.id,
    kind: transaction.kind,
    reference_id: transaction.referenceId,
    reverses_id: transaction.reversesId,
    application_id: transaction.applicationId,
    environment: transaction.environment,
    currency: transaction.currency,
    actor: transaction.actor,
    description: transaction.description,
    booked_time: transaction.bookedTime,
    event_time: transaction.eventTime,
  }
}

function entryRow(entry: LedgerEntry): Row {
  return {
    transaction_id: entry.transactionId,
    seq: entry.seq,
    account_id: entry.accountId,
    amount: entry.amount,
    balance_after: entry.balanceAfter,
    account_version: entry.accountVersion,
    hash: entry.hash,
    booked_time: entry.bookedTime,
  }
}

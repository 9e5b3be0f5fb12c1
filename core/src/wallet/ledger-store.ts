import type { Environment } from '../context.ts'
import { insertRows, integer, iso, maybeText, money, text, type Db, type Dialect, type Row } from '../database/index.ts'
import type { Page, Paged } from '../http/index.ts'
import { newId } from '../kernel/index.ts'
import type { AccountKey, LedgerEntry, LedgerTransaction, Posting, TransactionKind, Wallet } from './ledger.ts'

const accounts = 'stoa_ledger_accounts'
const transactions = 'stoa_ledger_transactions'
const entries = 'stoa_ledger_entries'

/** Makes the account unless it exists, and returns its id. Whoever makes it first, the others get the same. */
export async function ensureAccount(
  db: Db,
  account: AccountKey & { organizationId: string | null },
  now: string,
): Promise<string> {
  const key = keyColumns(account)
  const isWallet = account.kind === 'wallet'
  await db(accounts)
    .insert({
      id: newId('acc'),
      ...key,
      organization_id: account.organizationId,
      status: 'active',
      balance: isWallet ? 0n : null,
      min_balance: isWallet ? 0n : null,
      version: isWallet ? 0 : null,
      created_time: now,
    })
    .onConflict(['owner_type', 'owner_id', 'kind', 'environment', 'currency'])
    .ignore()
  const row = (await db(accounts).where(key).first('id')) as Row
  return text(row.id)
}

export async function findWallet(db: Db, key: Omit<AccountKey, 'kind'>): Promise<Wallet | null> {
  const row = (await db(accounts)
    .where(keyColumns({ ...key, kind: 'wallet' }))
    .first()) as Row | undefined
  return row ? mapWallet(row) : null
}

/**
 * The wallets of these locations, locked until the transaction ends, always in the order of their ids: so two batches that
 * want some of the same wallets wait for each other and never deadlock.
 */
export async function lockWalletsOfLocations(
  db: Db,
  dialect: Dialect,
  locationIds: string[],
  environments: Environment[],
): Promise<Wallet[]> {
  const query = db(accounts)
    .where({ kind: 'wallet', owner_type: 'location' })
    .whereIn('owner_id', locationIds)
    .whereIn('environment', environments)
    .orderBy('id')
  return ((await (dialect.rowLocks ? query.forUpdate() : query)) as Row[]).map(mapWallet)
}

export async function lockWallet(db: Db, dialect: Dialect, id: string): Promise<Wallet> {
  const query = db(accounts).where({ id })
  return mapWallet(((await (dialect.rowLocks ? query.forUpdate() : query)) as Row[])[0]!)
}

/**
 * Writes balances and versions of wallets that moved, in one statement. `versions` are what the wallets had when they were
 * read: a row that no longer has it was written by somebody who did not hold the lock, and everything is rolled back.
 */
export async function updateWallets(db: Db, wallets: Wallet[], versions: ReadonlyMap<string, number>): Promise<void> {
  const moved = wallets.filter(({ id, version }) => versions.get(id) !== version)
  if (moved.length === 0) return
  // Both databases call the columns of a VALUES list column1, column2, …
  const marks = moved.map(() => '(?, cast(? as bigint), cast(? as bigint), cast(? as bigint))').join(', ')
  const bindings = moved.flatMap(({ id, balance, version }) => [id, balance, version, versions.get(id)!])
  const updated = await selectRaw(
    db,
    `update ${accounts} set balance = moved.column2, version = moved.column3 from (values ${marks}) as moved
     where ${accounts}.id = moved.column1 and ${accounts}.version = moved.column4 returning ${accounts}.id`,
    bindings,
  )
  if (updated.length !== moved.length) throw new Error('A wallet was changed outside its lock')
}

export async function insertPostings(db: Db, dialect: Dialect, postings: Posting[]): Promise<void> {
  const transactionRows = postings.map(({ transaction }) => transactionRow(transaction))
  const entryRows = postings.flatMap((posting) => posting.entries.map(entryRow))
  await insertRows(db, dialect, transactions, transactionRows)
  await insertRows(db, dialect, entries, entryRows)
}

export async function findEntries(db: Db, transactionId: string): Promise<LedgerEntry[]> {
  const rows = (await db(entries).where({ transaction_id: transactionId }).orderBy('seq')) as Row[]
  return rows.map((row) => ({
    transactionId: text(row.transaction_id),
    seq: integer(row.seq),
    accountId: text(row.account_id),
    amount: money(row.amount),
    balanceAfter: row.balance_after === null ? null : money(row.balance_after),
    accountVersion: row.account_version === null ? null : integer(row.account_version),
    bookedTime: iso(row.booked_time),
  }))
}

export interface StatementLine {
  transactionId: string
  /** The wallet's version: 1, 2, 3, … */
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
export async function listStatementLines(db: Db, wallet: Wallet, page: Page): Promise<Paged<StatementLine>> {
  const rows = (await db(`${entries} as entry`)
    .join(`${transactions} as transaction`, 'transaction.id', 'entry.transaction_id')
    .where('entry.account_id', wallet.id)
    .orderBy('entry.account_version', 'desc')
    .limit(page.limit)
    .offset(page.offset)
    .select('transaction.*', 'entry.amount', 'entry.balance_after', 'entry.account_version')) as Row[]
  const items = rows.map((row) => ({
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
  }))
  return { items, total: wallet.version }
}

/** Runs SQL that gives rows; the two drivers wrap them differently. */
export async function selectRaw(db: Db, sql: string, bindings: readonly unknown[] = []): Promise<Row[]> {
  const result = (await db.raw(sql, bindings as string[])) as Row[] | { rows: Row[] }
  return Array.isArray(result) ? result : result.rows
}

function keyColumns(key: AccountKey) {
  return {
    owner_type: key.ownerType,
    owner_id: key.ownerId,
    kind: key.kind,
    environment: key.environment,
    currency: key.currency,
  }
}

function mapWallet(row: Row): Wallet {
  return {
    id: text(row.id),
    kind: 'wallet',
    ownerType: row.owner_type as Wallet['ownerType'],
    ownerId: text(row.owner_id),
    organizationId: text(row.organization_id),
    environment: row.environment as Environment,
    currency: text(row.currency),
    status: row.status as Wallet['status'],
    balance: money(row.balance),
    minBalance: money(row.min_balance),
    version: integer(row.version),
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
    booked_time: entry.bookedTime,
  }
}

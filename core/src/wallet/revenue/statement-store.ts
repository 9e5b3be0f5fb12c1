import { integer, iso, maybeText, money, text, type Db, type Row } from '../../database/index.ts'
import type { Micros } from '../../kernel/index.ts'
import type { Account } from '../ledger/account.ts'
import type { StatementLine } from '../ledger/ledger-store.ts'
import type { TransactionKind } from '../ledger/ledger.ts'
import { selectRaw } from '../ledger/select-raw.ts'
import type { Period } from './period.ts'
import { settlingMilliseconds } from './start-payouts.ts'

const entries = 'stoa_ledger_entries'
const transactions = 'stoa_ledger_transactions'

/** Which of a wallet's lines are in a period, by their numbers, and its balance before and after them. */
export interface WalletPeriod {
  /** The first line in it. */
  first: number
  /** The first line after it. */
  end: number
  opening: Micros
  closing: Micros
}

/**
 * A wallet's lines have numbers without gaps, and times that grow with them but for what was booked at the same moment. A period begins at
 * the first line that is not older than it, whatever follows: so periods that follow each other have every line once, and what comes later
 * never moves the beginning of one.
 */
export async function findWalletPeriod(
  db: Db,
  wallet: Pick<Account, 'id' | 'version'>,
  { from, to }: Period,
): Promise<WalletPeriod> {
  const first = await firstLineAt(db, wallet, from)
  const end = await firstLineAt(db, wallet, to)
  return {
    first,
    end,
    opening: await balanceAfter(db, wallet, first - 1),
    closing: await balanceAfter(db, wallet, end - 1),
  }
}

// An index on times would be one more for every charge to keep, so the numbers are searched by halves: for a line that is older by
// more than what is booked at the same moment can differ, from which on the lines are looked through.
async function firstLineAt(db: Db, { id, version }: Pick<Account, 'id' | 'version'>, time: string): Promise<number> {
  const earlier = new Date(Date.parse(time) - settlingMilliseconds).toISOString()
  let low = 1
  let high = version + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const row = (await db(entries).where({ account_id: id, account_version: middle }).first('booked_time')) as Row
    if (iso(row.booked_time) >= earlier) high = middle
    else low = middle + 1
  }
  const found = (await db(entries)
    .where({ account_id: id })
    .where('account_version', '>=', low)
    .where('booked_time', '>=', time)
    .orderBy('account_version')
    .first('account_version')) as Row | undefined
  return found ? integer(found.account_version) : version + 1
}

async function balanceAfter(db: Db, { id }: Pick<Account, 'id'>, version: number): Promise<Micros> {
  if (version === 0) return 0n
  const row = (await db(entries).where({ account_id: id, account_version: version }).first('balance_after')) as Row
  return money(row.balance_after)
}

/** Lines `from` (included) to `end` (excluded), in the order in which they were booked. */
export async function listLines(
  db: Db,
  walletId: string,
  { from, end, limit }: { from: number; end: number; limit: number },
): Promise<StatementLine[]> {
  const rows = (await db(`${entries} as entry`)
    .join(`${transactions} as txn`, 'txn.id', 'entry.transaction_id')
    .where('entry.account_id', walletId)
    .where('entry.account_version', '>=', from)
    .where('entry.account_version', '<', end)
    .orderBy('entry.account_version')
    .limit(limit)
    .select('txn.*', 'entry.amount', 'entry.balance_after', 'entry.account_version')) as Row[]
  return rows.map((row) => ({
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
}

/** What was booked on an account for one reason. */
export interface Total {
  kind: TransactionKind
  applicationId: string | null
  count: number
  amount: Micros
}

/** An account that keeps no balance: what it had at the beginning, and what came and went, by kind and application. */
export async function sumAccount(
  db: Db,
  accountId: string,
  { from, to }: Period,
): Promise<{ opening: Micros; totals: Total[] }> {
  const own = () => db(`${entries} as entry`).where({ account_id: accountId }).whereNull('account_version')
  const [before] = (await own().where('entry.booked_time', '<', from).sum({ amount: 'amount' })) as Row[]
  const rows = (await own()
    .where('entry.booked_time', '>=', from)
    .where('entry.booked_time', '<', to)
    .join(`${transactions} as txn`, 'txn.id', 'entry.transaction_id')
    .groupBy('txn.kind', 'txn.application_id')
    .orderBy(['txn.kind', 'txn.application_id'])
    .select('txn.kind', 'txn.application_id')
    .count({ count: '*' })
    .sum({ amount: 'entry.amount' })) as Row[]
  return {
    opening: money((before?.amount ?? 0) as number),
    totals: rows.map((row) => ({
      kind: row.kind as TransactionKind,
      applicationId: maybeText(row.application_id),
      count: integer(row.count),
      amount: money(row.amount),
    })),
  }
}

/** What charges of a meter came to, or what was given back of it, which is negative. */
export interface MeterTotal {
  meterId: string
  kind: 'charge' | 'refund'
  count: number
  units: Micros
  /** What was paid, with the margin of those who resell. */
  amount: Micros
  baseAmount: Micros
  feeAmount: Micros
}

/**
 * By meter, what an application charged in a period. Found by its installations, in whose order charges are kept; they belong to the
 * period by the booking of their transaction, from which their own time may differ by a moment.
 */
export async function sumMeters(
  db: Db,
  of: { applicationId: string; environment: string; currency: string },
  { from, to }: Period,
): Promise<MeterTotal[]> {
  const around = (time: string, by: number) => new Date(Date.parse(time) + by).toISOString()
  const rows = await selectRaw(
    db,
    `select charge.meter_id, case when charge.seq = 0 then 'charge' else 'refund' end as kind, count(*) as count,
       sum(charge.units) as units, sum(charge.amount) as amount, sum(charge.base_amount) as base_amount, sum(charge.fee_amount) as fee_amount
     from stoa_installations installation
     cross join stoa_charges charge
     cross join ${transactions} txn
     where installation.application_id = ? and installation.environment = ?
       and charge.installation_id = installation.id and charge.created_time >= ? and charge.created_time < ? and charge.currency = ?
       and txn.id = charge.transaction_id and txn.booked_time >= ? and txn.booked_time < ?
     group by charge.meter_id, case when charge.seq = 0 then 'charge' else 'refund' end
     order by 1, 2`,
    [
      of.applicationId,
      of.environment,
      around(from, -settlingMilliseconds),
      around(to, settlingMilliseconds),
      of.currency,
      from,
      to,
    ],
  )
  return rows.map((row) => {
    const kind = row.kind as MeterTotal['kind']
    const signed = (value: unknown) => (kind === 'refund' ? -money(value) : money(value))
    return {
      meterId: text(row.meter_id),
      kind,
      count: integer(row.count),
      units: signed(row.units),
      amount: signed(row.amount),
      baseAmount: signed(row.base_amount),
      feeAmount: signed(row.fee_amount),
    }
  })
}

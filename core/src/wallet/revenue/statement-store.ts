import { integer, iso, money, type Db, type Row } from '../../database/index.ts'
import { shiftTime, type Micros } from '../../kernel/index.ts'
import type { Account } from '../ledger/account.ts'
import { mapStatementLine, type StatementLine } from '../ledger/ledger-store.ts'
import type { Period } from './period.ts'
import { settlingMilliseconds } from './start-payout-run.ts'

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
  const earlier = shiftTime(time, -settlingMilliseconds)
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
  return rows.map(mapStatementLine)
}

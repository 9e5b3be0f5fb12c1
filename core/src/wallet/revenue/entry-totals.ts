import { setImmediate } from 'node:timers/promises'
import { integer, iso, maybeText, money, text, type Db, type Row } from '../../database/index.ts'
import type { Micros } from '../../kernel/index.ts'
import type { TransactionKind } from '../ledger/ledger.ts'

/**
 * Rows that are read in one go. SQLite answers nobody else meanwhile, and a sum over a busy month would keep every charge waiting: so
 * sums are made of pages, between which others get their turn.
 */
export const readAtOnce = 5000

/** What was booked on an account for one reason. */
export interface Total {
  kind: TransactionKind
  applicationId: string | null
  count: number
  amount: Micros
}

interface Entry {
  transactionId: string
  seq: number
  amount: Micros
  bookedTime: string
  kind: TransactionKind
  applicationId: string | null
}

/**
 * What came and went on an account that keeps no balance, by kind and application. In pages of `readAtOnce`: `db` should be no
 * transaction, so that others get their turn between them.
 */
export async function sumEntries(
  db: Db,
  accountId: string,
  { from, to }: { from: string; to: string },
): Promise<Total[]> {
  const totals = new Map<string, Total>()
  let after: Entry | null = null
  do {
    const page: Entry[] = await nextPage(db, accountId, { from, to, after })
    for (const { kind, applicationId, amount } of page) {
      const key = totalKey({ kind, applicationId })
      const known = totals.get(key) ?? { kind, applicationId, count: 0, amount: 0n }
      totals.set(key, { ...known, count: known.count + 1, amount: known.amount + amount })
    }
    after = page.length === readAtOnce ? page.at(-1)! : null
    if (after) await setImmediate()
  } while (after)
  return inOrder([...totals.values()], totalKey)
}

const totalKey = ({ kind, applicationId }: Pick<Total, 'kind' | 'applicationId'>) => `${kind} ${applicationId ?? ''}`

export function inOrder<Item>(items: Item[], keyOf: (item: Item) => string): Item[] {
  return items.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

async function nextPage(
  db: Db,
  accountId: string,
  { from, to, after }: { from: string; to: string; after: Entry | null },
): Promise<Entry[]> {
  const query = db('stoa_ledger_entries as entry')
    .join('stoa_ledger_transactions as txn', 'txn.id', 'entry.transaction_id')
    .where('entry.account_id', accountId)
    .whereNull('entry.account_version')
    .where('entry.booked_time', '>=', after?.bookedTime ?? from)
    .where('entry.booked_time', '<', to)
    .orderBy(['entry.booked_time', 'entry.transaction_id', 'entry.seq'])
    .limit(readAtOnce)
    .select('entry.transaction_id', 'entry.seq', 'entry.amount', 'entry.booked_time', 'txn.kind', 'txn.application_id')
  if (after) {
    const last = [after.bookedTime, after.transactionId, after.seq]
    void query.whereRaw('(entry.booked_time, entry.transaction_id, entry.seq) > (?, ?, ?)', last)
  }
  return ((await query) as Row[]).map((row) => ({
    transactionId: text(row.transaction_id),
    seq: integer(row.seq),
    amount: money(row.amount),
    bookedTime: iso(row.booked_time),
    kind: row.kind as TransactionKind,
    applicationId: maybeText(row.application_id),
  }))
}

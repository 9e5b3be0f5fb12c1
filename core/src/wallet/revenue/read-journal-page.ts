import type { Db, Row } from '../../database/index.ts'
import { mapEntry, mapTransaction } from '../ledger/ledger-store.ts'
import type { LedgerTransaction, Posting } from '../ledger/ledger.ts'

/** At most `limit` transactions with their entries, in the order of their ids, those after the id `after`. */
export async function readJournalPage(
  db: Db,
  { after, limit }: { after: string | null; limit: number },
): Promise<Posting[]> {
  const query = db('stoa_ledger_transactions').orderBy('id').limit(limit)
  const found = (await (after === null ? query : query.where('id', '>', after))) as Row[]
  const postings = new Map(found.map(mapTransaction).map((each) => [each.id, posting(each)]))
  const rows = (await db('stoa_ledger_entries')
    .whereIn('transaction_id', [...postings.keys()])
    .orderBy(['transaction_id', 'seq'])) as Row[]
  for (const entry of rows.map(mapEntry)) postings.get(entry.transactionId)!.entries.push(entry)
  return [...postings.values()]
}

const posting = (transaction: LedgerTransaction): Posting => ({ transaction, entries: [] })

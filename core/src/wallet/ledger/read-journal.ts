import type { Db, Row } from '../../database/index.ts'
import { mapEntry, mapTransaction } from './ledger-store.ts'
import type { LedgerTransaction, Posting } from './ledger.ts'

/**
 * A page of the journal in the order of ids: at most `limit` transactions with their entries, those after the id `after`. On a
 * database that several processes write to, a transaction can be committed after one that has a later id: whoever reads on from
 * the last that they have should read the last minutes again. Dependencies are in the entries: an account's versions have no gaps.
 */
export async function readJournalPage(
  db: Db,
  { after, limit }: { after: string | null; limit: number },
): Promise<Posting[]> {
  const query = db('stoa_ledger_transactions').orderBy('id').limit(limit)
  const rows = (await (after === null ? query : query.where('id', '>', after))) as Row[]
  return withEntries(db, rows.map(mapTransaction))
}

/** Transactions with their entries, by id. Those that do not exist are missing. */
export async function findPostings(db: Db, ids: string[]): Promise<Map<string, Posting>> {
  if (ids.length === 0) return new Map()
  const rows = (await db('stoa_ledger_transactions').whereIn('id', [...new Set(ids)])) as Row[]
  const postings = await withEntries(db, rows.map(mapTransaction))
  return new Map(postings.map((posting) => [posting.transaction.id, posting]))
}

async function withEntries(db: Db, transactions: LedgerTransaction[]): Promise<Posting[]> {
  if (transactions.length === 0) return []
  const postings = new Map(
    transactions.map(({ id }, index) => [id, { transaction: transactions[index]!, entries: [] }] as [string, Posting]),
  )
  const rows = (await db('stoa_ledger_entries')
    .whereIn('transaction_id', [...postings.keys()])
    .orderBy(['transaction_id', 'seq'])) as Row[]
  for (const entry of rows.map(mapEntry)) postings.get(entry.transactionId)!.entries.push(entry)
  return [...postings.values()]
}

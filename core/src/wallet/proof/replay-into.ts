import { DatabaseProblem, inTransaction, type Db, type Dialect } from '../../database/index.ts'
import { ensureAccounts, insertPostings, updateAccounts } from '../ledger/ledger-store.ts'
import { checkChains } from './check-chains.ts'
import { createFindings } from './findings.ts'
import type { JournalAccount, JournalItem } from './journal-lines.ts'
import { createReplay, type Replay } from './replay-journal.ts'

const atOnce = 500

export interface Replayed {
  accounts: number
  transactions: number
  /** One line for each thing that is not as the journal says; none when it is the same ledger. */
  differences: string[]
}

/** Makes the ledger of a journal again in memory, and says what differs. */
export async function replayJournal(items: AsyncIterable<JournalItem>): Promise<Replayed> {
  const replay = createReplay()
  let accounts = 0
  for await (const item of items) {
    if ('account' in item) accounts++
    replay.take(item)
    replay.booked()
  }
  return { accounts, transactions: replay.transactions(), differences: replay.differences() }
}

/**
 * Makes the ledger of a journal again in a database that has none: accounts, transactions, entries, balances and heads, all or nothing;
 * not charges, grants or holds, which are no part of it. What was written is checked as it stands there. @throws DatabaseProblem when
 * there is a ledger already.
 */
export function replayInto(
  db: Db,
  dialect: Dialect,
  items: AsyncIterable<JournalItem>,
  now: string,
): Promise<Replayed> {
  return inTransaction(db, async (trx) => {
    if (await trx('stoa_ledger_accounts').first('id')) {
      throw new DatabaseProblem('This database has a ledger already; replay the journal into an empty one.')
    }
    const replay = createReplay()
    const accounts: JournalAccount[] = []
    const postings: ReturnType<Replay['booked']> = []
    const write = async () => {
      await insertPostings(trx, dialect, postings.splice(0))
    }
    for await (const item of items) {
      if ('account' in item) accounts.push(item.account)
      replay.take(item)
      postings.push(...replay.booked())
      if (postings.length >= atOnce) await write()
    }
    await write()
    await ensureAccounts(trx, dialect, accounts, now)
    const moved = replay.accounts().filter(({ version }) => version > 0)
    for (let start = 0; start < moved.length; start += atOnce) {
      const part = moved.slice(start, start + atOnce)
      await updateAccounts(trx, dialect, part, new Map(part.map(({ id }) => [id, 0])))
    }
    for (const { id, minBalance } of accounts) {
      // An overdraft that was agreed; all other limits are what a new account has.
      if (minBalance) await trx('stoa_ledger_accounts').where({ id }).update({ min_balance: minBalance })
    }
    const found = createFindings()
    await checkChains(trx, found)
    const differences = [...replay.differences(), ...found.lines()]
    return { accounts: accounts.length, transactions: replay.transactions(), differences }
  })
}

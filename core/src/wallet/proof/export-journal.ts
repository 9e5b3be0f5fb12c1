import { integer, maybeText, money, readSnapshot, text, type Db, type Dialect, type Row } from '../../database/index.ts'
import { selectRaw } from '../ledger/select-raw.ts'
import type { JournalAccount, JournalItem } from './journal-lines.ts'
import { readJournalPage } from '../ledger/read-journal.ts'
import { pageSize, readPages } from './read-pages.ts'

/**
 * Gives the whole journal, as it is at one moment: every account with what it comes to, then the transactions with their entries in the
 * order of ids; with `after` only those with a later id. `take` is awaited, so that a slow reader is not overrun.
 */
export function exportJournal(
  db: Db,
  dialect: Dialect,
  { after = null }: { after?: string | null },
  take: (items: JournalItem[]) => void | Promise<void>,
): Promise<void> {
  return readSnapshot(db, dialect, async (trx) => {
    const accounts = readPages((last: JournalAccount | null) => readAccounts(trx, last?.id ?? ''))
    for await (const page of accounts) await take(page.map((account) => ({ account })))
    for (let last = after; ;) {
      const page = await readJournalPage(trx, { after: last, limit: pageSize })
      if (page.length > 0) await take(page.map((posting) => ({ posting })))
      if (page.length < pageSize) return
      last = page.at(-1)!.transaction.id
    }
  })
}

/** Accounts without a chain come to the sum of their entries, which an index on the account finds. */
async function readAccounts(db: Db, after: string): Promise<JournalAccount[]> {
  const rows = await selectRaw(
    db,
    `select account.*, coalesce(account.balance, (
       select sum(entry.amount) from stoa_ledger_entries entry
       where entry.account_id = account.id and entry.account_version is null
     ), 0) as total
     from stoa_ledger_accounts account where account.id > ? order by account.id limit ?`,
    [after, pageSize],
  )
  return rows.map(mapJournalAccount)
}

function mapJournalAccount(row: Row): JournalAccount {
  return {
    id: text(row.id),
    kind: row.kind as JournalAccount['kind'],
    ownerType: row.owner_type as JournalAccount['ownerType'],
    ownerId: text(row.owner_id),
    organizationId: maybeText(row.organization_id),
    environment: row.environment as JournalAccount['environment'],
    currency: text(row.currency),
    balance: money(row.total),
    minBalance: row.min_balance === null ? null : money(row.min_balance),
    version: row.version === null ? null : integer(row.version),
    head: maybeText(row.head),
  }
}

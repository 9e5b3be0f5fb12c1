import { maybeText, type Db, type Row } from '../../database/index.ts'
import type { Account } from '../ledger/account.ts'
import { mapAccount, mapEntry } from '../ledger/ledger-store.ts'
import { contentOf, hashEntry, type LedgerEntry } from '../ledger/ledger.ts'
import { selectRaw } from '../ledger/select-raw.ts'
import type { Findings } from './findings.ts'
import { findPostings } from '../ledger/read-journal.ts'
import { pageSize, readPages } from './read-pages.ts'

/** What the entries of an account that were walked through come to. */
interface Chain {
  accountId: string
  account: Account | null
  count: number
  total: bigint
  /** Of the entry walked last, as it says. */
  version: number
  balance: bigint
  head: string
}

/**
 * Walks every chain from its first entry to its last: versions without gaps, each balance the one before it and the amount, each hash
 * that of the whole transaction after the hash before it; and what they come to is what the account says.
 */
export async function checkChains(db: Db, found: Findings): Promise<void> {
  let chain = null as Chain | null
  for await (const entries of chainedEntries(db)) {
    const accounts = await findAccounts(db, entries)
    const contents = await readContents(db, entries)
    for (const entry of entries) {
      if (chain?.accountId !== entry.accountId) {
        if (chain) compare(chain, found)
        const { accountId } = entry
        const account = accounts.get(accountId) ?? null
        chain = { accountId, account, count: 0, total: 0n, version: 0, balance: 0n, head: '' }
      }
      follow(chain, entry, contents.get(entry.transactionId) ?? null, found)
    }
  }
  if (chain) compare(chain, found)
  await checkUnused(db, found)
}

function chainedEntries(db: Db): AsyncGenerator<LedgerEntry[]> {
  return readPages(async (after: LedgerEntry | null) => {
    const query = db('stoa_ledger_entries')
      .whereNotNull('account_version')
      .orderBy(['account_id', 'account_version'])
      .limit(pageSize)
    // As a row, which both databases find in the index; the same with `or` they look for in all of it.
    if (after) void query.whereRaw('(account_id, account_version) > (?, ?)', [after.accountId, after.accountVersion])
    return ((await query) as Row[]).map(mapEntry)
  })
}

async function findAccounts(db: Db, entries: LedgerEntry[]): Promise<Map<string, Account>> {
  const ids = [...new Set(entries.map(({ accountId }) => accountId))]
  const rows = (await db('stoa_ledger_accounts').whereIn('id', ids).whereNotNull('version')) as Row[]
  return new Map(rows.map(mapAccount).map((account) => [account.id, account]))
}

async function readContents(db: Db, entries: LedgerEntry[]): Promise<Map<string, string>> {
  const postings = await findPostings(
    db,
    entries.map(({ transactionId }) => transactionId),
  )
  return new Map([...postings].map(([id, { transaction, entries: all }]) => [id, contentOf(transaction, all)]))
}

// After a break it goes on from what the entry says, so that one is told once and not for all that comes after it.
function follow(chain: Chain, entry: LedgerEntry, content: string | null, found: Findings): void {
  const { amount, accountVersion: version, balanceAfter, hash, transactionId, seq } = entry
  chain.count += 1
  chain.total += amount
  if (version !== chain.version + 1 || balanceAfter !== chain.balance + amount) {
    found.add('chains', `${nameOf(chain)} breaks its chain at version ${version}`)
  }
  if (content !== null && hash !== hashEntry(chain.head, seq, content)) {
    found.add(
      'hashes',
      `entry ${transactionId}/${seq} of ${nameOf(chain)} at version ${version} is not what its hash stands for`,
    )
  }
  chain.version = version!
  chain.balance = balanceAfter ?? chain.balance + amount
  chain.head = hash ?? ''
}

const nameOf = ({ account, accountId }: Chain) => `${account?.kind ?? 'account'} ${accountId}`

function compare(chain: Chain, found: Findings): void {
  const { account, count, total, head } = chain
  // Nobody's entries are told of by checkTransactions.
  if (!account) return
  if (account.balance !== total || account.version !== count) {
    const says = `says ${account.balance} at version ${account.version}`
    found.add('balances', `${nameOf(chain)} ${says}, its entries say ${total} at ${count}`)
  }
  if (account.head !== head) found.add('hashes', `${nameOf(chain)} has another head than its last entry`)
}

/** Accounts without any entry, and those that are below their limit. */
async function checkUnused(db: Db, found: Findings): Promise<void> {
  const unused = await selectRaw(
    db,
    `select account.* from stoa_ledger_accounts account
     where account.version is not null and (account.balance <> 0 or account.version <> 0 or account.head <> '')
       and not exists (
         select 1 from stoa_ledger_entries entry where entry.account_id = account.id and entry.account_version is not null
       )`,
  )
  for (const { id, kind, balance, version } of unused.map(mapAccount)) {
    found.add('balances', `${kind} ${id} says ${balance} at version ${version}, and has no entries`)
  }
  const below = await selectRaw(
    db,
    `select id, kind, balance, held from stoa_ledger_accounts
     where version is not null and (balance - held < min_balance or held < 0)`,
  )
  for (const { id, kind, balance, held } of below) {
    found.add(
      'limits',
      `${maybeText(kind)} ${maybeText(id)} is below its limit: ${String(balance)}, and ${String(held)} of it held`,
    )
  }
}

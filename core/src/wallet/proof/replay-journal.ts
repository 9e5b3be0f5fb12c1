import { accountId, isChained, type Account } from '../ledger/account.ts'
import { book, type LedgerEntry, type Posting } from '../ledger/ledger.ts'
import type { JournalAccount, JournalItem } from './journal-lines.ts'

/** A ledger that is made again from its journal alone, by the same rules as the first time. */
export interface Replay {
  /** An account has to come before the transactions on it; transactions in any order in which their ids are roughly sorted. */
  take(item: JournalItem): void
  /** What was booked since the last call. */
  booked(): Posting[]
  /** The chained accounts as they are now. */
  accounts(): Account[]
  transactions(): number
  /** What differs from the journal, line by line; call it at the end. */
  differences(): string[]
}

/**
 * Books every transaction of a journal anew, through `book`, and compares: balances, versions and hashes of each entry, and what
 * each account comes to. An account's versions say in which order its transactions were booked; one that came too early waits.
 */
export function createReplay(): Replay {
  const expected = new Map<string, JournalAccount>()
  const accounts = new Map<string, Account>()
  const sums = new Map<string, bigint>()
  /** By `<account>@<version>` that the account has to reach first. */
  const waiting = new Map<string, Posting>()
  const differences: string[] = []
  const done: Posting[] = []
  let count = 0

  function open(account: JournalAccount): void {
    expected.set(account.id, account)
    if (accountId(account) !== account.id) differences.push(`account ${account.id} is not the one that its owner has`)
    if (isChained(account.kind)) accounts.set(account.id, emptyAccount(account))
  }

  /** What this transaction has to wait for; null when nothing. */
  function firstNeed({ entries }: Posting): string | null {
    const next = new Map<string, number>()
    for (const { accountId: id, accountVersion } of entries) {
      const account = accounts.get(id)
      if (!account || accountVersion === null) continue
      const version = next.get(id) ?? account.version
      if (accountVersion > version + 1) return `${id}@${accountVersion - 1}`
      next.set(id, accountVersion)
    }
    return null
  }

  function bookOne(posting: Posting): void {
    const { transaction, entries } = posting
    const { id } = transaction
    for (const entry of entries) {
      if (!expected.has(entry.accountId)) differences.push(`entry ${id}/${entry.seq} is on no account`)
    }
    try {
      const legs = entries.map((entry) => ({
        account: accounts.get(entry.accountId) ?? { id: entry.accountId },
        amount: entry.amount,
      }))
      const again = book(transaction, legs)
      count++
      done.push(again)
      for (const [index, entry] of again.entries.entries()) {
        sums.set(entry.accountId, (sums.get(entry.accountId) ?? 0n) + entry.amount)
        const line = compare(entry, entries[index]!)
        if (line !== null) differences.push(line)
      }
    } catch (error) {
      differences.push(`transaction ${id} cannot be booked: ${(error as Error).message}`)
    }
  }

  function take(posting: Posting): void {
    const ready = [posting]
    for (let next = ready.pop(); next; next = ready.pop()) {
      const need = firstNeed(next)
      if (need !== null) {
        if (waiting.has(need)) differences.push(`transaction ${next.transaction.id} has the place of another`)
        waiting.set(need, next)
        continue
      }
      bookOne(next)
      for (const { accountId: id, accountVersion } of next.entries) {
        const key = `${id}@${accountVersion}`
        const follower = waiting.get(key)
        if (!follower) continue
        waiting.delete(key)
        ready.push(follower)
      }
    }
  }

  return {
    take: (item) => ('account' in item ? open(item.account) : take(item.posting)),
    booked: () => done.splice(0),
    accounts: () => [...accounts.values()],
    transactions: () => count,
    differences: () => [
      ...differences,
      ...[...waiting].map(
        ([need, { transaction }]) => `transaction ${transaction.id} follows ${need}, which never comes`,
      ),
      ...[...expected.values()].flatMap((account) =>
        differenceOf(account, accounts.get(account.id) ?? null, sums.get(account.id) ?? 0n),
      ),
    ],
  }
}

/** Without a limit: it may have been another when a transaction was booked. */
function emptyAccount({
  id,
  kind,
  ownerType,
  ownerId,
  organizationId,
  environment,
  currency,
}: JournalAccount): Account {
  return {
    id,
    kind,
    ownerType,
    ownerId,
    organizationId,
    environment,
    currency,
    status: 'active',
    balance: 0n,
    held: 0n,
    granted: 0n,
    minBalance: null,
    version: 0,
    head: '',
    level: 'ok',
    lowBalance: null,
    topUpBelow: null,
    statusReason: null,
  }
}

function compare(again: LedgerEntry, first: LedgerEntry): string | null {
  const same =
    again.seq === first.seq &&
    again.balanceAfter === first.balanceAfter &&
    again.accountVersion === first.accountVersion &&
    again.hash === first.hash
  if (same) return null
  const told = ({ balanceAfter, accountVersion, hash }: LedgerEntry) => `${balanceAfter} at ${accountVersion} (${hash})`
  return `entry ${first.transactionId}/${first.seq} was ${told(first)} and is now ${told(again)}`
}

function differenceOf(first: JournalAccount, again: Account | null, sum: bigint): string[] {
  const { id, kind, balance, version, head } = first
  const same = again
    ? balance === again.balance && version === again.version && head === again.head && balance === sum
    : balance === sum
  return same
    ? []
    : [`${kind} ${id} was ${balance} at ${version}, and is now ${again?.balance ?? sum} at ${again?.version ?? null}`]
}

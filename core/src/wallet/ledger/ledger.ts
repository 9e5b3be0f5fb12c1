import { createHash } from 'node:crypto'
import type { Environment } from '../../context.ts'
import { newId, type Micros } from '../../kernel/index.ts'
import type { Account } from './account.ts'

export const transactionKinds = [
  'charge',
  'refund',
  'top-up',
  'grant',
  'grant-expiry',
  'subscription',
  'payout',
  'payout-reversal',
  'adjustment',
] as const
export type TransactionKind = (typeof transactionKinds)[number]

/** Money moved, once and for good. */
export interface LedgerTransaction {
  id: string
  kind: TransactionKind
  /** The charge, top-up, grant, subscription item, payout or adjustment it was booked for. */
  referenceId: string
  /** The transaction whose legs it takes back, or a part of them. */
  reversesId: string | null
  applicationId: string | null
  environment: Environment
  currency: string
  /** `<kind of caller>:<id>` of who moved the money. */
  actor: string
  description: string | null
  bookedTime: string
  eventTime: string
}

/** One leg of a transaction. Only legs on accounts with a balance have a place in a chain. */
export interface LedgerEntry {
  transactionId: string
  seq: number
  accountId: string
  /** Never 0. */
  amount: Micros
  balanceAfter: Micros | null
  accountVersion: number | null
  /** Of the transaction and of the account's entry before this one: no line can be changed without changing all after it. */
  hash: string | null
  bookedTime: string
}

export interface Posting {
  transaction: LedgerTransaction
  entries: LedgerEntry[]
}

/** With the id that something else has named already, or none. */
export type NewTransaction = Omit<LedgerTransaction, 'id'> & { id?: string }

/** An amount that goes to an account: one that is locked, or the id of one that keeps no balance. */
export interface Leg {
  account: Account | { id: string }
  amount: Micros
}

/**
 * Books legs as one transaction and moves the accounts among them along, in memory; the caller writes both. A transaction
 * without money, of a charge that rounds to nothing, has no entries. Throws when the legs do not sum to zero, or when an
 * account would be taken below its limit: the rules refuse that before they get here, and this is what proves it.
 */
export function book(transaction: NewTransaction, legs: Leg[]): Posting {
  const whole: LedgerTransaction = { ...transaction, id: transaction.id ?? newId('txn') }
  const entries: LedgerEntry[] = []
  const moved: { account: Account; entry: LedgerEntry }[] = []
  let sum = 0n
  for (const { account, amount } of legs) {
    sum += amount
    if (amount === 0n) continue
    const entry: LedgerEntry = {
      transactionId: whole.id,
      seq: entries.length,
      accountId: account.id,
      amount,
      balanceAfter: null,
      accountVersion: null,
      hash: null,
      bookedTime: whole.bookedTime,
    }
    if ('balance' in account) {
      moveAccount(account, amount)
      entry.balanceAfter = account.balance
      entry.accountVersion = account.version
      moved.push({ account, entry })
    }
    entries.push(entry)
  }
  if (sum !== 0n) throw new Error(`The legs of a ${transaction.kind} sum to ${sum} micro-units, not to 0`)
  if (entries.length > 0 && moved.length === 0) throw new Error(`A ${transaction.kind} on no account that has a chain`)
  const content = contentOf(whole, entries)
  for (const { account, entry } of moved) entry.hash = account.head = hashEntry(account.head, entry.seq, content)
  return { transaction: whole, entries }
}

function moveAccount(account: Account, amount: Micros): void {
  account.balance += amount
  account.version += 1
  if (amount < 0n && account.minBalance !== null && account.balance - account.held < account.minBalance) {
    throw new Error(`Account ${account.id} would pass its limit`)
  }
}

/** What the hashes of a transaction's entries stand for: all of it, in an order that does not change. */
export function contentOf(transaction: LedgerTransaction, entries: LedgerEntry[]): string {
  const { id, kind, referenceId, reversesId, applicationId, environment, currency } = transaction
  const { actor, description, bookedTime, eventTime } = transaction
  return JSON.stringify([
    [
      id,
      kind,
      referenceId,
      reversesId,
      applicationId,
      environment,
      currency,
      actor,
      description,
      bookedTime,
      eventTime,
    ],
    ...entries.map(({ seq, accountId, amount, balanceAfter, accountVersion }) => [
      seq,
      accountId,
      String(amount),
      balanceAfter === null ? null : String(balanceAfter),
      accountVersion,
    ]),
  ])
}

/** The hash of the entry `seq` of a transaction, after `previous`, the hash of the entry before it on its account. */
export function hashEntry(previous: string, seq: number, content: string): string {
  return createHash('sha256').update(`${previous}\n${seq}\n${content}`).digest('base64url')
}

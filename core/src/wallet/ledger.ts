import type { Environment } from '../context.ts'
import { newId, type Micros } from '../kernel/index.ts'

/** Whose money it is, in which environment and currency. The two environments never meet in one account. */
export interface AccountKey {
  kind: AccountKind
  ownerType: 'organization' | 'location' | 'application' | 'platform'
  ownerId: string
  environment: Environment
  currency: string
}

/**
 * `wallet`: what a target has to spend. `app_payable`: what an application's publisher has earned. `topup_clearing`: the other
 * side of money that came in. `platform_fee`: the platform's share, nothing as yet.
 */
export type AccountKind = 'wallet' | 'app_payable' | 'topup_clearing' | 'platform_fee'

export interface Wallet extends AccountKey {
  id: string
  organizationId: string
  status: 'active' | 'suspended'
  balance: Micros
  /** How far down the balance may go; 0 unless an overdraft was agreed. */
  minBalance: Micros
  /** Counts the wallet's entries, without gaps. */
  version: number
}

export type TransactionKind = 'charge' | 'refund' | 'top-up'

/** Money moved, once and for good. */
export interface LedgerTransaction {
  id: string
  kind: TransactionKind
  /** The charge or top-up it was booked for. */
  referenceId: string
  /** The transaction whose legs it takes back. */
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

/** One leg of a transaction. Only legs on wallets have a place in a chain. */
export interface LedgerEntry {
  transactionId: string
  seq: number
  accountId: string
  /** Never 0. */
  amount: Micros
  balanceAfter: Micros | null
  accountVersion: number | null
  bookedTime: string
}

export interface Posting {
  transaction: LedgerTransaction
  entries: LedgerEntry[]
}

export interface Leg {
  account: Wallet | { id: string }
  amount: Micros
}

/**
 * Books legs as one transaction and moves the wallets among them along, in memory; the caller writes both. A transaction
 * without money, of a charge that rounds to nothing, has no entries. Throws when the legs do not sum to zero, or when a
 * wallet would be taken below its limit: the rules refuse that before they get here, and this is what proves it.
 */
export function book(transaction: Omit<LedgerTransaction, 'id'>, legs: Leg[]): Posting {
  const id = newId('txn')
  const entries: LedgerEntry[] = []
  let sum = 0n
  for (const { account, amount } of legs) {
    sum += amount
    if (amount === 0n) continue
    const chain = 'balance' in account ? moveWallet(account, amount) : { balanceAfter: null, accountVersion: null }
    entries.push({
      transactionId: id,
      seq: entries.length,
      accountId: account.id,
      amount,
      ...chain,
      bookedTime: transaction.bookedTime,
    })
  }
  if (sum !== 0n) throw new Error(`The legs of a ${transaction.kind} sum to ${sum} micro-units, not to 0`)
  return { transaction: { id, ...transaction }, entries }
}

function moveWallet(wallet: Wallet, amount: Micros) {
  wallet.balance += amount
  wallet.version += 1
  if (amount < 0n && wallet.balance < wallet.minBalance) throw new Error(`Wallet ${wallet.id} would pass its limit`)
  return { balanceAfter: wallet.balance, accountVersion: wallet.version }
}

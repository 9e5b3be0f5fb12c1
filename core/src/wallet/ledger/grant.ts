import type { Micros } from '../../kernel/index.ts'
import type { Account } from './account.ts'

/** `promotional` credit was given, `paid` credit was bought; both are spent before the rest of the balance, and can end. */
export const grantKinds = ['promotional', 'paid'] as const
export type GrantKind = (typeof grantKinds)[number]

/** A part of a wallet's balance with rules of its own. */
export interface Grant {
  id: string
  accountId: string
  kind: GrantKind
  /** The operator's own number; the same one never grants twice. */
  reference: string
  amount: Micros
  /** What of it was not spent, and of that what holds reserve. */
  remaining: Micros
  held: Micros
  /** From 0, which is spent first, to 100. */
  priority: number
  effectiveTime: string
  expiresTime: string | null
  /** When not null, only for this application, or this meter of it. */
  applicationId: string | null
  meterId: string | null
  description: string | null
  actor: string
  transactionId: string
  /** The account that it came from: the platform's, or the wallet of an organization that gave it to a location. */
  sourceAccountId: string
  /** When it was taken back or had expired; null while it stands. */
  closedTime: string | null
  createdTime: string
}

/** What money is wanted for: it decides which grants may be spent. */
export interface Purpose {
  applicationId: string
  /** Null for a subscription. */
  meterId: string | null
  /** At which time grants have to be in force. */
  time: string
}

/** An amount that was taken of a grant, or reserved of it. */
export interface Slice {
  grantId: string
  amount: Micros
}

/** In the order in which they are spent: by priority, then what ends first, then promotional before paid, then the oldest. */
export function bySpending(a: Grant, b: Grant): number {
  if (a.priority !== b.priority) return a.priority - b.priority
  if (a.expiresTime !== b.expiresTime) {
    if (a.expiresTime === null) return 1
    if (b.expiresTime === null) return -1
    return a.expiresTime < b.expiresTime ? -1 : 1
  }
  if (a.kind !== b.kind) return a.kind === 'promotional' ? -1 : 1
  return a.id < b.id ? -1 : 1
}

function isUsable(grant: Grant, { applicationId, meterId, time }: Purpose): boolean {
  return (
    grant.remaining > grant.held &&
    grant.effectiveTime <= time &&
    (grant.expiresTime === null || grant.expiresTime > time) &&
    (grant.applicationId === null || grant.applicationId === applicationId) &&
    (grant.meterId === null || grant.meterId === meterId)
  )
}

const sum = (amounts: Micros[]) => amounts.reduce((total, amount) => total + amount, 0n)

/**
 * What could be spent for this purpose now: the wallet's own money down to its limit, or with `noOverdraft` down to 0, and
 * the grants that are for it; without what holds reserve. May be negative: what is in overdraft has to be paid back first.
 */
export function availableFor(
  wallet: Account,
  grants: Grant[],
  purpose: Purpose,
  { noOverdraft = false }: { noOverdraft?: boolean } = {},
): Micros {
  const own = ownMoney(wallet, grants)
  const limit = noOverdraft ? 0n : (wallet.minBalance ?? 0n)
  const usable = sum(grants.filter((grant) => isUsable(grant, purpose)).map(({ remaining, held }) => remaining - held))
  return own - limit + usable
}

/** The balance without grants and without what holds reserve of it. */
export function ownMoney(wallet: Account, grants: Grant[]): Micros {
  const heldOfGrants = sum(grants.map(({ held }) => held))
  return wallet.balance - wallet.granted - (wallet.held - heldOfGrants)
}

/**
 * Which grants `amount` is to be taken of, in order; the rest of it is the wallet's own money. Changes nothing. `grants` are all
 * of the wallet's that have something left, in the order of spending.
 */
export function sliceGrants(grants: Grant[], amount: Micros, purpose: Purpose): Slice[] {
  const slices: Slice[] = []
  let wanted = amount
  for (const grant of grants) {
    if (wanted === 0n) break
    if (!isUsable(grant, purpose)) continue
    const free = grant.remaining - grant.held
    const taken = free < wanted ? free : wanted
    slices.push({ grantId: grant.id, amount: taken })
    wanted -= taken
  }
  return slices
}

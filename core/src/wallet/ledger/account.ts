import { createHash } from 'node:crypto'
import type { Environment } from '../../context.ts'
import type { Micros } from '../../kernel/index.ts'

/**
 * - `wallet`: what a target has to spend.
 * - `app_payable`: what an application's publisher has earned with it; `margin`: what an organization earns by reselling.
 * - `platform_fee`: the platform's share.
 * - `topup_clearing`, `promotion`, `adjustment`: the other side of money that was paid in, given as a present, put right.
 * - `breakage`: what was paid for and expired. `payout_clearing`: what was paid out.
 */
export type AccountKind =
  | 'wallet'
  | 'app_payable'
  | 'margin'
  | 'platform_fee'
  | 'topup_clearing'
  | 'promotion'
  | 'adjustment'
  | 'breakage'
  | 'payout_clearing'

/** Whose money it is, in which environment and currency. The two environments never meet in one account. */
export interface AccountKey {
  kind: AccountKind
  ownerType: 'organization' | 'location' | 'application' | 'platform'
  ownerId: string
  environment: Environment
  currency: string
}

/** An account to be made when it does not exist. */
export interface NewAccount extends AccountKey {
  /** The organization it belongs to or was earned by; null for the platform's. */
  organizationId: string | null
}

/** `low` and `depleted` when less than `lowBalance`, or nothing, is left to spend. */
export type BalanceLevel = 'ok' | 'low' | 'depleted'

/** An account with a balance of its own, locked by whoever changes it. */
export interface Account extends NewAccount {
  id: string
  status: 'active' | 'suspended'
  /** Why it is suspended. */
  statusReason: string | null
  balance: Micros
  /** Reserved by open holds; part of the balance. */
  held: Micros
  /** What remains of its grants; part of the balance. */
  granted: Micros
  /** How far down the balance may go: 0 unless an overdraft was agreed, null where there is no limit. */
  minBalance: Micros | null
  /** Counts the account's entries, without gaps. */
  version: number
  /** The hash of its last entry, which stands for all before it; '' before the first. */
  head: string
  level: BalanceLevel
  /** Below this its owner is told; null for never. */
  lowBalance: Micros | null
  /** Below this a top-up rule is due; null without one. */
  topUpBelow: Micros | null
}

/** A target's account. The others with a chain are the platform's. */
export type Wallet = Account

/** The kinds that keep a balance. All the others are the sum of their entries, and are never locked. */
const chained: ReadonlySet<AccountKind> = new Set(['wallet', 'payout_clearing', 'adjustment'])

export const isChained = (kind: AccountKind): boolean => chained.has(kind)

/** The id of the one account that this can be, so that nobody has to look it up before money goes there. */
export function accountId({ kind, ownerType, ownerId, environment, currency }: AccountKey): string {
  const key = JSON.stringify([kind, ownerType, ownerId, environment, currency])
  return `acc_${createHash('sha256').update(key).digest('hex').slice(0, 32)}`
}

/** The platform's own account of a kind. */
export function platformAccount(
  kind: Exclude<AccountKind, 'wallet' | 'app_payable' | 'margin'>,
  { environment, currency }: Pick<AccountKey, 'environment' | 'currency'>,
): NewAccount {
  return { kind, ownerType: 'platform', ownerId: 'platform', organizationId: null, environment, currency }
}

import { boolean, integer, iso, maybeIso, maybeText, money, text, type Db, type Row } from '../../database/index.ts'
import type { Micros } from '../../kernel/index.ts'

/** When and by how much a wallet is topped up by itself. */
export interface TopUpRule {
  accountId: string
  enabled: boolean
  /** Below this, what no hold reserves is too little. */
  threshold: Micros
  /** Exactly one of the two: how much is added, or what the balance is to come to. */
  amount: Micros | null
  target: Micros | null
  /** The most that it asks for in one day (UTC). */
  dailyLimit: Micros | null
  coolOffSeconds: number
  paymentMethod: string | null
  /** Declined payments in a row. */
  failures: number
  actor: string
  /** When the worker looks at the wallet; null for not before it runs low. */
  dueTime: string | null
  createdTime: string
  updatedTime: string
}

const table = 'stoa_top_up_rules'

export async function findTopUpRule(db: Db, accountId: string): Promise<TopUpRule | null> {
  const row = (await db(table).where({ account_id: accountId }).first()) as Row | undefined
  return row ? mapRule(row) : null
}

/** Wallets whose rules are due, the longest first, without those of `except`. */
export async function findDueWallets(
  db: Db,
  now: string,
  { limit, except }: { limit: number; except: string[] },
): Promise<string[]> {
  const rows = (await db(table)
    .where({ enabled: true })
    .where('due_time', '<=', now)
    .whereNotIn('account_id', except)
    .orderBy('due_time')
    .limit(limit)
    .select('account_id')) as Row[]
  return rows.map((row) => text(row.account_id))
}

/** Writes the rule and, with the same breath, below what its wallet is low. Whoever calls it holds the wallet's lock. */
export async function saveTopUpRule(db: Db, rule: TopUpRule): Promise<void> {
  const { created_time, ...changing } = ruleRow(rule)
  await db(table)
    .insert({ ...changing, created_time })
    .onConflict('account_id')
    .merge(changing)
  await mirror(db, rule.accountId, rule.enabled ? rule.threshold : null)
}

export async function deleteTopUpRule(db: Db, accountId: string): Promise<boolean> {
  const deleted = await db(table).where({ account_id: accountId }).delete()
  await mirror(db, accountId, null)
  return deleted > 0
}

export async function updateTopUpRule(
  db: Db,
  accountId: string,
  change: { failures?: number; due_time?: string | null },
): Promise<void> {
  await db(table).where({ account_id: accountId }).update(change)
}

// A column of the account, so that charges need not read the rule. They never write it.
async function mirror(db: Db, accountId: string, threshold: Micros | null): Promise<void> {
  await db('stoa_ledger_accounts').where({ id: accountId }).update({ top_up_below: threshold })
}

function ruleRow(rule: TopUpRule) {
  return {
    account_id: rule.accountId,
    enabled: rule.enabled,
    threshold: rule.threshold,
    amount: rule.amount,
    target: rule.target,
    daily_limit: rule.dailyLimit,
    cool_off_seconds: rule.coolOffSeconds,
    payment_method: rule.paymentMethod,
    failures: rule.failures,
    actor: rule.actor,
    due_time: rule.dueTime,
    created_time: rule.createdTime,
    updated_time: rule.updatedTime,
  }
}

function mapRule(row: Row): TopUpRule {
  const maybeMoney = (value: unknown) => (value === null ? null : money(value))
  return {
    accountId: text(row.account_id),
    enabled: boolean(row.enabled),
    threshold: money(row.threshold),
    amount: maybeMoney(row.amount),
    target: maybeMoney(row.target),
    dailyLimit: maybeMoney(row.daily_limit),
    coolOffSeconds: integer(row.cool_off_seconds),
    paymentMethod: maybeText(row.payment_method),
    failures: integer(row.failures),
    actor: text(row.actor),
    dueTime: maybeIso(row.due_time),
    createdTime: iso(row.created_time),
    updatedTime: iso(row.updated_time),
  }
}

import type { Knex } from 'knex'
import { invalidField, nowIso } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { accountId, type NewAccount } from '../ledger/account.ts'
import { ensureAccounts, lockAccounts } from '../ledger/ledger-store.ts'
import { fundingOf } from './funding-of.ts'
import { readAmount, readPayable } from '../read-amount.ts'
import { deleteTopUpRule, findTopUpRule, saveTopUpRule, type TopUpRule } from './top-up-rule.ts'

export interface NewTopUpRule {
  threshold: number | string
  amount?: number | string | null
  target?: number | string | null
  dailyLimit?: number | string | null
  /** By default 600. */
  coolOffSeconds?: number
  paymentMethod?: string | null
  /** By default it is. */
  enabled?: boolean
  actor: string
}

/**
 * Sets the one rule of a wallet, with declines forgotten. A wallet that is below the threshold already is topped up at once. `db` must be
 * a transaction. Throws `validation_failed`, `funding_unavailable` when there is nobody to ask for money.
 */
export async function putTopUpRule(
  ctx: WalletContext,
  db: Knex.Transaction,
  wallet: NewAccount,
  input: NewTopUpRule,
): Promise<TopUpRule> {
  fundingOf(ctx, wallet.environment)
  const terms = readTerms(input, wallet)
  const now = nowIso(ctx.clock)
  await ensureAccounts(db, ctx.dialect, [wallet], now)
  const [account] = await lockAccounts(db, ctx.dialect, [accountId(wallet)])
  const former = await findTopUpRule(db, account!.id)
  const isLow = account!.balance - account!.held < terms.threshold
  const rule: TopUpRule = {
    accountId: account!.id,
    ...terms,
    failures: 0,
    dueTime: terms.enabled && isLow ? now : null,
    createdTime: former?.createdTime ?? now,
    updatedTime: now,
  }
  await saveTopUpRule(db, rule)
  return rule
}

/** False when there was none. `db` must be a transaction. */
export async function removeTopUpRule(ctx: WalletContext, db: Knex.Transaction, wallet: NewAccount): Promise<boolean> {
  await lockAccounts(db, ctx.dialect, [accountId(wallet)])
  return deleteTopUpRule(db, accountId(wallet))
}

function readTerms(input: NewTopUpRule, wallet: Pick<NewAccount, 'currency' | 'environment'>) {
  const { coolOffSeconds = 600, enabled = true, actor } = input
  const maybe = (name: 'amount' | 'target' | 'dailyLimit') =>
    input[name] === null || input[name] === undefined ? null : readPayable(input[name], wallet, name)
  const threshold = readAmount(input.threshold, 'threshold', 0n)
  const [amount, target, dailyLimit] = [maybe('amount'), maybe('target'), maybe('dailyLimit')]
  if ((amount === null) === (target === null)) {
    throw invalidField('amount', 'must be given, or target instead, and not both')
  }
  if (target !== null && target < threshold) throw invalidField('target', 'must be at least the threshold')
  if (amount !== null && dailyLimit !== null && amount > dailyLimit) {
    throw invalidField('dailyLimit', 'must be at least the amount')
  }
  const paymentMethod = input.paymentMethod ?? null
  return { threshold, amount, target, dailyLimit, coolOffSeconds, paymentMethod, enabled, actor }
}

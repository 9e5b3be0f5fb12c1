import { inTransaction } from '../../database/index.ts'
import { isoIn, nowIso, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import type { Account } from '../ledger/account.ts'
import { lockAccounts } from '../ledger/ledger-store.ts'
import { minorUnit } from '../currency.ts'
import { draftTopUp, scopeOf } from './draft-top-up.ts'
import { findTopUpRule, updateTopUpRule, type TopUpRule } from './top-up-rule.ts'
import { findTopUpHistory, insertTopUp, noTurn } from './top-up-store.ts'
import { ownerOfWallet } from './wallet-owner.ts'

/** What a rule has to do now: ask for money, or look again at a time, or (null) when the wallet runs low again. */
export type RuleStep = { ask: Micros } | { waitUntil: string | null }

export interface RuleFacts {
  /** What no hold reserves. */
  free: Micros
  /** Asked for and not yet known to have come. */
  pending: Micros
  isRuleUnderWay: boolean
  /** What the rule asked for today and was not refused. */
  ofDay: Micros
  /** When its last top-up succeeded. */
  lastTime: string | null
}

const day = 86_400_000

/** The start of the day (UTC) of a time, `days` later. */
export function dayStart(time: string, days = 0): string {
  return new Date(Date.parse(`${time.slice(0, 10)}T00:00:00.000Z`) + days * day).toISOString()
}

/** Decides; changes nothing. `unit` is the smallest amount that can be paid. */
function nextRuleStep(rule: TopUpRule, facts: RuleFacts, { now, unit }: { now: string; unit: Micros }): RuleStep {
  // When that is settled, it is looked at again.
  if (facts.isRuleUnderWay || facts.free + facts.pending >= rule.threshold) return { waitUntil: null }
  if (facts.lastTime !== null) {
    const coolOffEnd = new Date(Date.parse(facts.lastTime) + rule.coolOffSeconds * 1000).toISOString()
    if (coolOffEnd > now) return { waitUntil: coolOffEnd }
  }
  const left = rule.dailyLimit === null ? null : rule.dailyLimit - facts.ofDay
  const tomorrow = { waitUntil: dayStart(now, 1) }
  if (rule.amount !== null) return left !== null && rule.amount > left ? tomorrow : { ask: rule.amount }
  // Up, so that the target is reached; and as far as the day allows, because what is missing may be more than a day's limit for ever.
  const missing = roundUp(rule.target! - facts.free - facts.pending, unit)
  if (left === null || missing <= left) return { ask: missing }
  const part = left - (left % unit)
  return part > 0n ? { ask: part } : tomorrow
}

const roundUp = (amount: Micros, unit: Micros) => ((amount + unit - 1n) / unit) * unit

/** Makes the top-up that a due rule wants, for the worker to ask for. Two that do it at once make one. */
export async function runTopUpRule(ctx: WalletContext, accountId: string): Promise<void> {
  await inTransaction(ctx.db, async (trx) => {
    const [wallet] = await lockAccounts(trx, ctx.dialect, [accountId])
    const rule = await findTopUpRule(trx, accountId)
    const now = nowIso(ctx.clock)
    if (!wallet || !rule?.enabled || rule.dueTime === null || rule.dueTime > now) return
    if (wallet.environment === 'production' && ctx.funding === null) {
      ctx.logger.warn({ accountId }, 'a top-up rule is due and no funding is configured')
      return updateTopUpRule(trx, accountId, { due_time: isoIn(ctx.clock, 3600) })
    }
    const history = await findTopUpHistory(trx, accountId, dayStart(now))
    const facts = { ...history, free: wallet.balance - wallet.held }
    const step = nextRuleStep(rule, facts, { now, unit: minorUnit(wallet.currency) })
    if ('waitUntil' in step) return updateTopUpRule(trx, accountId, { due_time: step.waitUntil })
    await insertTopUp(trx, autoTopUp(rule, wallet, step.ask, now), { ...noTurn, nextTime: now })
    await updateTopUpRule(trx, accountId, { due_time: null })
  })
}

function autoTopUp({ paymentMethod }: TopUpRule, wallet: Account, amount: Micros, now: string) {
  const { environment, currency } = wallet
  const owner = ownerOfWallet(wallet)
  const input = {
    environment,
    paymentMethod,
    reference: '',
    description: 'Automatic top-up',
    actor: `top-up-rule:${wallet.id}`,
  }
  const drafted = draftTopUp(input, owner, { amount, currency, now })
  return { ...drafted, source: 'auto' as const, scope: scopeOf(owner, environment), reference: drafted.id }
}

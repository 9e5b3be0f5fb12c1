import { inTransaction } from '../../database/index.ts'
import { defineOperation, type Operation } from '../../http/index.ts'
import {
  microsNumber,
  microsText,
  Nullable,
  StoaError,
  Strict,
  Time,
  Type,
  type Micros,
  type Static,
} from '../../kernel/index.ts'
import { actorOf } from '../actor-of.ts'
import type { WalletContext } from '../context.ts'
import { Decimal, ExactText, StorableText } from '../exact.ts'
import { accountId } from '../ledger/account.ts'
import { fundWallet, readWallet } from '../permissions.ts'
import { findTopUpRule, type TopUpRule } from './top-up-rule.ts'
import { putTopUpRule, removeTopUpRule } from './top-up-rules.ts'
import { Currency, ownWallet } from './wallet-operations.ts'

const MaybeNumber = (description: string) => Nullable(Type.Number(), { description })

const RuleShape = Type.Object({
  currency: Type.String(),
  enabled: Type.Boolean(),
  threshold: Type.Number({ description: 'Below this, without what holds reserve, the wallet is topped up.' }),
  amount: MaybeNumber('How much is added each time.'),
  target: MaybeNumber('What the balance is to come to.'),
  dailyLimit: MaybeNumber('The most that is asked for in one day (UTC).'),
  exact: Type.Object({
    threshold: ExactText,
    amount: Nullable(ExactText),
    target: Nullable(ExactText),
    dailyLimit: Nullable(ExactText),
  }),
  coolOffSeconds: Type.Integer(),
  paymentMethod: Nullable(Type.String()),
  failures: Type.Integer({ description: 'Declined payments in a row; the seventh switches it off.' }),
  nextTime: Nullable(Time('When the wallet is looked at; null for when it runs low.')),
  createdTime: Time(),
  updatedTime: Time(),
})

const Money = (description: string) => Type.Optional(Nullable(Type.Union(Decimal.anyOf), { description }))
const RuleBody = Strict({
  threshold: Type.Union(Decimal.anyOf, {
    description: 'Below this, without what holds reserve, the wallet is topped up.',
  }),
  amount: Money('How much is added each time. Either this or `target`.'),
  target: Money('What the balance is to come to. Either this or `amount`.'),
  dailyLimit: Money('The most that is asked for in one day (UTC); null for no limit.'),
  coolOffSeconds: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 30 * 86_400,
      description: 'How long it waits after one that succeeded; by default 600.',
    }),
  ),
  paymentMethod: Type.Optional(Nullable(StorableText(255, 'In the words of the platform’s payment provider.'))),
  enabled: Type.Optional(Type.Boolean({ description: 'By default true.' })),
})

const query = Type.Object({ currency: Type.Optional(Currency) })
const parts = { path: '/wallet/top-up-rule', scope: 'target', surface: 'platform', tag: 'Wallets', query } as const

export function topUpRuleOperations(ctx: WalletContext): Operation[] {
  return [
    defineOperation({
      ...parts,
      id: 'getTopUpRule',
      method: 'GET',
      summary: 'See when the wallet is topped up by itself',
      permission: readWallet,
      responses: { 200: RuleShape },
      errors: ['not_found'],
      handler: async ({ caller, db, query: { currency } }) => {
        const wallet = ownWallet(ctx, caller, currency)
        const rule = await findTopUpRule(db, accountId(wallet))
        if (!rule) throw new StoaError('not_found', { message: 'The wallet has no top-up rule.' })
        return ruleShape(rule, wallet.currency)
      },
    }),
    defineOperation({
      ...parts,
      id: 'putTopUpRule',
      method: 'PUT',
      summary: 'Have the wallet topped up by itself when it runs low',
      description:
        'At once when it is low already. One payment is under way at a time. After a declined one it waits, twice as long ' +
        'each time; after seven in a row it switches itself off (event `top-up-rule.disabled`) until it is set again.',
      permission: fundWallet,
      body: RuleBody,
      responses: { 200: RuleShape },
      errors: ['validation_failed', 'funding_unavailable'],
      handler: async ({ caller, db, query: { currency }, body }) => {
        const wallet = ownWallet(ctx, caller, currency)
        const input = { ...body, actor: actorOf(caller) }
        const rule = await inTransaction(db, (trx) => putTopUpRule(ctx, trx, wallet, input))
        return ruleShape(rule, wallet.currency)
      },
    }),
    defineOperation({
      ...parts,
      id: 'deleteTopUpRule',
      method: 'DELETE',
      summary: 'Stop topping the wallet up by itself',
      description: 'A payment that is under way is finished.',
      permission: fundWallet,
      responses: { 204: null },
      errors: ['not_found'],
      handler: async ({ caller, db, query: { currency } }) => {
        const wallet = ownWallet(ctx, caller, currency)
        const removed = await inTransaction(db, (trx) => removeTopUpRule(ctx, trx, wallet))
        if (!removed) throw new StoaError('not_found', { message: 'The wallet has no top-up rule.' })
        return undefined
      },
    }),
  ]
}

function ruleShape(rule: TopUpRule, currency: string): Static<typeof RuleShape> {
  const { enabled, threshold, amount, target, dailyLimit } = rule
  const { coolOffSeconds, paymentMethod, failures, dueTime, createdTime, updatedTime } = rule
  return {
    currency,
    enabled,
    threshold: microsNumber(threshold),
    amount: maybe(amount, microsNumber),
    target: maybe(target, microsNumber),
    dailyLimit: maybe(dailyLimit, microsNumber),
    exact: {
      threshold: microsText(threshold),
      amount: maybe(amount, microsText),
      target: maybe(target, microsText),
      dailyLimit: maybe(dailyLimit, microsText),
    },
    coolOffSeconds,
    paymentMethod,
    failures,
    nextTime: dueTime,
    createdTime,
    updatedTime,
  }
}

const maybe = <T>(amount: Micros | null, show: (amount: Micros) => T) => (amount === null ? null : show(amount))

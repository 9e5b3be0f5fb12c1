import { environments } from '../../context.ts'
import { inTransaction } from '../../database/index.ts'
import { defineOperation, pagedReply, PageQuery, reply, type Operation } from '../../http/index.ts'
import { Id, Nullable, OneOf, Strict, Time, Type, type Static } from '../../kernel/index.ts'
import { actorOf } from '../actor-of.ts'
import { assertMayActIn } from '../assert-may-act-in.ts'
import type { WalletContext } from '../context.ts'
import { amounts, Decimal, ExactText, StorableText } from '../exact.ts'
import { given } from '../given.ts'
import { adjustWallets } from '../permissions.ts'
import { Currency } from '../wallets/wallet-operations.ts'
import { adjust, listAdjustments, type Adjustment } from './adjustments.ts'

const owner = (description: string) => Type.Optional(Nullable(StorableText(50, description)))

const AdjustmentBody = Strict({
  walletId: owner('For a wallet.'),
  applicationId: owner('For what the publisher of an application has earned with it.'),
  organizationId: owner('For what an organization has earned by reselling.'),
  amount: Type.Union(Decimal.anyOf, {
    description: 'Negative to take; not 0, at most 6 decimals; a number or decimal text.',
  }),
  currency: Type.Optional(Currency),
  environment: Type.Optional(OneOf(environments, { description: 'By default that of the credential.' })),
  reason: Type.String({ ...StorableText(1000), minLength: 1, description: 'Why. The wallet’s organization sees it.' }),
  reference: Type.String({
    ...StorableText(255),
    minLength: 1,
    description: 'Your own number of it. The same one never adjusts twice.',
  }),
})

const AdjustmentShape = Type.Object({
  id: Id(),
  reference: Type.String(),
  accountId: Id('The wallet’s id, or that of another account.'),
  environment: OneOf(environments),
  currency: Type.String(),
  amount: Type.Number(),
  exact: Type.Object({ amount: ExactText }),
  reason: Type.String(),
  actor: Type.String({ description: 'Who did it: `user:` or `api-key:` and an id.' }),
  transactionId: Id(),
  createdTime: Time(),
})

const surface = 'platform'
const tag = 'Wallets'
const path = '/platform/adjustments'

export function adjustmentOperations(ctx: WalletContext): Operation[] {
  return [
    defineOperation({
      id: 'createAdjustment',
      method: 'POST',
      path,
      surface,
      tag,
      summary: 'Put a wallet, or what somebody has earned, right',
      description:
        'For the platform’s operator: a transaction with a reason, against the platform’s own account. Takes at most what a wallet has ' +
        'of its own, without grants and holds. The same reference with the same content is answered as before (200, ' +
        '`Idempotent-Replayed: true`), with another account or amount refused.',
      permission: adjustWallets,
      body: AdjustmentBody,
      responses: { 201: AdjustmentShape, 200: AdjustmentShape },
      errors: ['not_found', 'validation_failed', 'insufficient_funds', 'reference_reused', 'rights_exceeded'],
      handler: async ({ caller, db, body }) => {
        const environment = body.environment ?? caller.environment
        assertMayActIn(caller, environment)
        const actor = actorOf(caller)
        const { adjustment, replayed } = await inTransaction(db, (trx) =>
          adjust(ctx, trx, { ...body, environment, actor }),
        )
        return replayed
          ? reply(200, adjustmentShape(adjustment), { 'Idempotent-Replayed': 'true' })
          : reply(201, adjustmentShape(adjustment))
      },
    }),
    defineOperation({
      id: 'listAdjustments',
      method: 'GET',
      path,
      surface,
      tag,
      summary: 'List adjustments of the credential’s environment, the latest first',
      permission: adjustWallets,
      query: Type.Object({
        ...PageQuery,
        accountId: Type.Optional(Type.String({ description: 'Only of this account.' })),
      }),
      responses: { 200: Type.Array(AdjustmentShape) },
      handler: async ({ caller: { environment }, db, query }) => {
        const { items, total } = await listAdjustments(db, { environment, accountId: given(query.accountId) }, query)
        return pagedReply({ items: items.map(adjustmentShape), total }, query)
      },
    }),
  ]
}

function adjustmentShape({ amount, ...rest }: Adjustment): Static<typeof AdjustmentShape> {
  return { ...rest, ...amounts({ amount }) }
}

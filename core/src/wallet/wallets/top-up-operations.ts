import { environments } from '../../context.ts'
import { inTransaction } from '../../database/index.ts'
import { defineOperation, pagedReply, PageQuery, reply, type Operation } from '../../http/index.ts'
import { Id, Nullable, OneOf, StoaError, Strict, Type } from '../../kernel/index.ts'
import { actorOf } from '../actor-of.ts'
import type { WalletContext } from '../context.ts'
import { Decimal, StorableText } from '../exact.ts'
import { fundWallet, readWallet, readWallets, topUpWallets } from '../permissions.ts'
import { giveUpTopUp } from './give-up-top-up.ts'
import { requestTopUp } from './request-top-up.ts'
import { findTopUp, listAllTopUps, listTopUps } from './top-up-store.ts'
import { OperatorTopUpShape, operatorTopUpShape, TopUpShape, topUpShape, topUpStatuses, type TopUp } from './top-up.ts'
import { topUp, type TopUpOutcome } from './top-ups.ts'
import { Currency } from './wallet-operations.ts'
import { readEnvironment } from './wallet-owner.ts'

const reference = (description: string) => Type.String({ ...StorableText(255), minLength: 1, description })
const Amount = Type.Union(Decimal.anyOf, { description: 'More than 0, at most 6 decimals; a number or decimal text.' })

const TopUpBody = Strict({
  organizationId: Type.Optional(Nullable(StorableText(50, 'For the wallet of an organization.'))),
  locationId: Type.Optional(Nullable(StorableText(50, 'For the wallet of a location.'))),
  amount: Amount,
  currency: Type.Optional(Currency),
  environment: Type.Optional(OneOf(environments, { description: 'By default that of the credential.' })),
  reference: reference('Your own number of the payment. The same one never adds money twice.'),
  description: Type.Optional(Nullable(StorableText(1000))),
})

const RequestBody = Strict({
  amount: Type.Union(Decimal.anyOf, {
    description: 'A multiple of the smallest amount that can be paid, such as a cent.',
  }),
  currency: Type.Optional(Currency),
  paymentMethod: Type.Optional(
    Nullable(
      StorableText(
        255,
        'In the words of the platform’s payment provider; by default the one it knows. In sandbox, `play_declined`, `play_pending` and `play_delayed` do what they say, and any other succeeds.',
      ),
    ),
  ),
  reference: reference('Your own number of the payment. The same one never asks for money twice.'),
  description: Type.Optional(Nullable(StorableText(1000))),
})

const surface = 'platform'
const tag = 'Wallets'

export function topUpOperations(ctx: WalletContext): Operation[] {
  return [
    defineOperation({
      id: 'topUp',
      method: 'POST',
      path: '/platform/top-ups',
      surface,
      tag,
      summary: 'Add money to a wallet',
      description:
        'For the platform’s operator. The same reference with the same content is answered as before (200, ' +
        '`Idempotent-Replayed: true`), with another wallet or amount refused.',
      permission: topUpWallets,
      body: TopUpBody,
      responses: { 201: OperatorTopUpShape, 200: OperatorTopUpShape },
      errors: ['not_found', 'validation_failed', 'reference_reused', 'rights_exceeded'],
      handler: async ({ caller, db, body }) => {
        const environment = readEnvironment(caller, body.environment)
        const input = { ...body, environment, actor: actorOf(caller) }
        return answer(await inTransaction(db, (trx) => topUp(ctx, trx, input)), operatorTopUpShape)
      },
    }),
    defineOperation({
      id: 'listAllTopUps',
      method: 'GET',
      path: '/platform/top-ups',
      surface,
      tag,
      summary: 'List the top-ups of all wallets, the latest first',
      description:
        'Of the environment of the credential. With `status=pending`, what the payment provider has not settled.',
      permission: readWallets,
      query: Type.Object({
        ...PageQuery,
        status: Type.Optional(OneOf(topUpStatuses)),
        organizationId: Type.Optional(Id('Only those of this organization and its locations.')),
      }),
      responses: { 200: Type.Array(OperatorTopUpShape) },
      handler: async ({ caller: { environment }, db, query }) => {
        const filter = { environment, status: query.status ?? null, organizationId: query.organizationId ?? null }
        const { items, total } = await listAllTopUps(db, filter, query)
        return pagedReply({ items: items.map(operatorTopUpShape), total }, query)
      },
    }),
    defineOperation({
      id: 'failTopUp',
      method: 'POST',
      path: '/platform/top-ups/:id/fail',
      surface,
      tag,
      summary: 'Give up a top-up that the payment provider leaves pending',
      description:
        'The provider is asked once more: what came is booked, what was declined has failed as it says. Otherwise it fails with your ' +
        'reason, which the organization is told. Should the provider take the money within 90 days after all, it is booked, once, and ' +
        '`top-up.succeeded` tells so; cancel the payment there to prevent that.',
      permission: topUpWallets,
      params: Type.Object({ id: Id() }),
      body: Strict({
        reason: Type.String({ ...StorableText(500), minLength: 1, description: 'For the organization.' }),
      }),
      responses: { 200: OperatorTopUpShape },
      errors: ['not_found', 'wrong_state', 'validation_failed'],
      transaction: false,
      handler: async ({ caller, db, params: { id }, body: { reason } }) => {
        const found = await findTopUp(db, id)
        if (found?.environment !== caller.environment) throw new StoaError('not_found')
        return operatorTopUpShape(await giveUpTopUp(ctx, found, { reason, actor: actorOf(caller) }))
      },
    }),
    defineOperation({
      id: 'requestTopUp',
      method: 'POST',
      path: '/wallet/top-ups',
      scope: 'target',
      surface,
      tag,
      summary: 'Top the wallet up from your means of payment',
      description:
        'Answered when the payment provider answered. `pending` means that it is not known yet: look again, or wait for ' +
        'the event `top-up.succeeded` or `top-up.failed`. In sandbox it is play money.',
      permission: fundWallet,
      body: RequestBody,
      responses: { 201: TopUpShape, 200: TopUpShape },
      errors: ['validation_failed', 'reference_reused', 'funding_unavailable'],
      transaction: false,
      handler: async ({ caller, body }) => {
        const { organizationId, locationId, environment } = caller
        const input = { ...body, environment, actor: actorOf(caller) }
        return answer(await requestTopUp(ctx, { organizationId, locationId }, input), topUpShape)
      },
    }),
    defineOperation({
      id: 'listTopUps',
      method: 'GET',
      path: '/wallet/top-ups',
      scope: 'target',
      surface,
      tag,
      summary: 'List the top-ups of the wallet, the latest first',
      permission: readWallet,
      query: Type.Object({ ...PageQuery, currency: Type.Optional(Currency) }),
      responses: { 200: Type.Array(TopUpShape) },
      handler: async ({ caller, db, query }) => {
        const { organizationId, locationId, environment } = caller
        const filter = { organizationId, locationId, environment, currency: query.currency ?? null }
        const { items, total } = await listTopUps(db, filter, query)
        return pagedReply({ items: items.map(topUpShape), total }, query)
      },
    }),
    defineOperation({
      id: 'getTopUp',
      method: 'GET',
      path: '/wallet/top-ups/:id',
      scope: 'target',
      surface,
      tag,
      summary: 'See one top-up',
      permission: readWallet,
      params: Type.Object({ id: Id() }),
      responses: { 200: TopUpShape },
      errors: ['not_found'],
      handler: async ({ caller, db, params: { id } }) => {
        const found = await findTopUp(db, id)
        const isOwn =
          found?.organizationId === caller.organizationId &&
          found.locationId === caller.locationId &&
          found.environment === caller.environment
        if (!isOwn) throw new StoaError('not_found')
        return topUpShape(found)
      },
    }),
  ]
}

function answer<Shape>({ topUp: made, replayed }: TopUpOutcome, shape: (topUp: TopUp) => Shape) {
  return replayed ? reply(200, shape(made), { 'Idempotent-Replayed': 'true' }) : reply(201, shape(made))
}

import { environments } from '../../context.ts'
import { defineOperation, pagedReply, PageQuery, reply, type Caller, type Operation } from '../../http/index.ts'
import { Id, Nullable, OneOf, StoaError, Strict, Time, Type, type Static } from '../../kernel/index.ts'
import { inTransaction, type Db } from '../../database/index.ts'
import type { WalletContext } from '../context.ts'
import { amounts, Decimal, ExactText, StorableText } from '../exact.ts'
import { findAccount, listStatementLines, type StatementLine } from '../ledger/ledger-store.ts'
import type { Wallet } from '../ledger/account.ts'
import { transactionKinds } from '../ledger/ledger.ts'
import { readWallet, topUpWallets } from '../permissions.ts'
import { topUp, type TopUp } from './top-ups.ts'

const owner = { organizationId: Id(), locationId: Nullable(Id('Null for the organization’s own wallet.')) }

const WalletShape = Type.Object({
  ...owner,
  environment: OneOf(environments),
  currency: Type.String(),
  status: OneOf(['active', 'suspended']),
  balance: Type.Number(),
  available: Type.Number({ description: 'What can be charged now.' }),
  exact: Type.Object({ balance: ExactText, available: ExactText }),
})

const StatementLineShape = Type.Object({
  number: Type.Integer({ description: '1, 2, 3, … without gaps, in the order in which they were booked.' }),
  transactionId: Id(),
  kind: OneOf(transactionKinds),
  referenceId: Id('The charge or the top-up.'),
  applicationId: Nullable(Id()),
  description: Nullable(Type.String()),
  amount: Type.Number({ description: 'Negative for what was taken.' }),
  balance: Type.Number({ description: 'After this line.' }),
  exact: Type.Object({ amount: ExactText, balance: ExactText }),
  eventTime: Time(),
  bookedTime: Time(),
})

const TopUpBody = Strict({
  organizationId: Type.Optional(Nullable(StorableText(50, 'For the wallet of an organization.'))),
  locationId: Type.Optional(Nullable(StorableText(50, 'For the wallet of a location.'))),
  amount: Type.Union(Decimal.anyOf, { description: 'More than 0, at most 6 decimals; a number or decimal text.' }),
  environment: Type.Optional(OneOf(environments, { description: 'By default that of the credential.' })),
  reference: Type.String({
    ...StorableText(255),
    minLength: 1,
    description: 'Your own number of the payment. The same one never adds money twice.',
  }),
  description: Type.Optional(Nullable(StorableText(1000))),
})

const TopUpShape = Type.Object({
  id: Id(),
  reference: Type.String(),
  ...owner,
  environment: OneOf(environments),
  currency: Type.String(),
  amount: Type.Number(),
  exact: Type.Object({ amount: ExactText }),
  description: Nullable(Type.String()),
  createdTime: Time(),
})

const surface = 'platform'
const tag = 'Wallets'

export function walletOperations(ctx: WalletContext): Operation[] {
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
      responses: { 201: TopUpShape, 200: TopUpShape },
      errors: ['not_found', 'validation_failed', 'reference_reused', 'rights_exceeded'],
      handler: async ({ caller, db, body }) => {
        const environment = body.environment ?? caller.environment
        if (environment === 'production' && caller.environment === 'sandbox') {
          throw new StoaError('rights_exceeded', { message: 'A sandbox credential cannot add money in production.' })
        }
        const actor = caller.userId === null ? `${caller.kind}:${caller.credentialId}` : `user:${caller.userId}`
        const { topUp: made, replayed } = await inTransaction(db, (trx) =>
          topUp(ctx, trx, { ...body, environment, actor }),
        )
        return replayed ? reply(200, topUpShape(made), { 'Idempotent-Replayed': 'true' }) : reply(201, topUpShape(made))
      },
    }),
    defineOperation({
      id: 'getWallet',
      method: 'GET',
      path: '/wallet',
      scope: 'target',
      surface,
      tag,
      summary: 'See the wallet of the organization, or of the location the path names',
      permission: readWallet,
      responses: { 200: WalletShape },
      handler: async ({ caller, db }) => walletShape(ctx, caller, await walletOf(ctx, db, caller)),
    }),
    defineOperation({
      id: 'listWalletEntries',
      method: 'GET',
      path: '/wallet/entries',
      scope: 'target',
      surface,
      tag,
      summary: 'List what went in and out of the wallet, the latest first',
      permission: readWallet,
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(StatementLineShape) },
      handler: async ({ caller, db, query }) => {
        const wallet = await walletOf(ctx, db, caller)
        const { items, total } = wallet ? await listStatementLines(db, wallet, query) : { items: [], total: 0 }
        return pagedReply({ items: items.map(lineShape), total }, query)
      },
    }),
  ]
}

function walletOf(
  ctx: WalletContext,
  db: Db,
  { organizationId, locationId, environment }: Caller,
): Promise<Wallet | null> {
  const { currency } = ctx.config
  return locationId === null
    ? findAccount(db, { kind: 'wallet', ownerType: 'organization', ownerId: organizationId, environment, currency })
    : findAccount(db, { kind: 'wallet', ownerType: 'location', ownerId: locationId, environment, currency })
}

/** A wallet that nobody has put anything into yet is shown as the empty one it would be. */
function walletShape(ctx: WalletContext, caller: Caller, wallet: Wallet | null): Static<typeof WalletShape> {
  const { organizationId, locationId, environment } = caller
  const balance = wallet?.balance ?? 0n
  return {
    organizationId,
    locationId,
    environment,
    currency: ctx.config.currency,
    status: wallet?.status ?? 'active',
    ...amounts({ balance, available: balance - (wallet?.held ?? 0n) - (wallet?.minBalance ?? 0n) }),
  }
}

function lineShape(line: StatementLine): Static<typeof StatementLineShape> {
  const { amount, balance, ...rest } = line
  return { ...rest, ...amounts({ amount, balance }) }
}

function topUpShape(made: TopUp): Static<typeof TopUpShape> {
  const { id, reference, organizationId, locationId, environment, currency, amount, description, createdTime } = made
  return {
    id,
    reference,
    organizationId,
    locationId,
    environment,
    currency,
    ...amounts({ amount }),
    description,
    createdTime,
  }
}

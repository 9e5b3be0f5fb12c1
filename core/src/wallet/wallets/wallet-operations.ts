import { environments } from '../../context.ts'
import { inTransaction, type Db } from '../../database/index.ts'
import { defineOperation, pagedReply, PageQuery, type Caller, type Operation } from '../../http/index.ts'
import { Id, Nullable, OneOf, Strict, Time, Type, type Static } from '../../kernel/index.ts'
import { assertMayActIn } from '../assert-may-act-in.ts'
import { actorOf } from '../actor-of.ts'
import type { WalletContext } from '../context.ts'
import { amounts, Decimal, ExactText, StorableText } from '../exact.ts'
import type { NewAccount, Wallet } from '../ledger/account.ts'
import { findAccount, listStatementLines, type StatementLine } from '../ledger/ledger-store.ts'
import { transactionKinds } from '../ledger/ledger.ts'
import { manageWallet, readWallet, readWallets, writeWallets } from '../permissions.ts'
import { readCurrency } from '../currency.ts'
import { readAmount } from '../read-amount.ts'
import { readEnvironment, walletOf } from './wallet-owner.ts'
import { listWalletChanges, listWallets } from './wallet-queries.ts'
import { resumeWallet, setLowBalance, setOverdraft, suspendWallet } from './wallet-settings.ts'
import { emptyWallet, WalletShape, walletShapes } from './wallet-shape.ts'

const StatementLineShape = Type.Object({
  number: Type.Integer({ description: '1, 2, 3, … without gaps, in the order in which they were booked.' }),
  transactionId: Id(),
  kind: OneOf(transactionKinds),
  referenceId: Id('The charge, the top-up or the grant.'),
  applicationId: Nullable(Id()),
  description: Nullable(Type.String()),
  amount: Type.Number({ description: 'Negative for what was taken.' }),
  balance: Type.Number({ description: 'After this line.' }),
  exact: Type.Object({ amount: ExactText, balance: ExactText }),
  eventTime: Time(),
  bookedTime: Time(),
})

const WalletChangeShape = Type.Object({
  id: Id(),
  kind: Type.String({ description: 'As the event that told it.' }),
  value: Type.String({ description: 'The status, or the overdraft, from then on.' }),
  reason: Type.String(),
  actor: Type.String(),
  createdTime: Time(),
})

export const Currency = Type.String({ pattern: '^[A-Z]{3}$', description: 'ISO 4217; by default the host’s.' })
const CurrencyQuery = { currency: Type.Optional(Currency) }
const Reason = Strict({ reason: Type.String({ ...StorableText(500), minLength: 1 }) })
const Status = OneOf(['active', 'suspended'])
const params = Type.Object({ id: Id() })
const surface = 'platform'
const tag = 'Wallets'

export function walletOperations(ctx: WalletContext): Operation[] {
  const shapeOf = async (db: Db, wallet: Wallet) => (await walletShapes(ctx, db, [wallet]))[0]!
  return [
    defineOperation({
      id: 'getWallet',
      method: 'GET',
      path: '/wallet',
      scope: 'target',
      surface,
      tag,
      summary: 'See the wallet of the organization, or of the location the path names',
      permission: readWallet,
      query: Type.Object(CurrencyQuery),
      responses: { 200: WalletShape },
      handler: async ({ caller, db, query }) => {
        const wallet = ownWallet(ctx, caller, query.currency)
        return shapeOf(db, (await findAccount(db, wallet)) ?? emptyWallet(wallet))
      },
    }),
    defineOperation({
      id: 'listWallets',
      method: 'GET',
      path: '/wallets',
      scope: 'target',
      surface,
      tag,
      summary: 'List the wallets of the organization and of its locations',
      permission: readWallet,
      query: Type.Object({
        ...PageQuery,
        locationId: Type.Optional(Id('Only those of this location.')),
        currency: Type.Optional(Currency),
        status: Type.Optional(Status),
      }),
      responses: { 200: Type.Array(WalletShape) },
      handler: async ({ caller, db, query }) => {
        const { organizationId, environment } = caller
        const { currency = null, status = null } = query
        const named = query.locationId ?? null
        const locationId = caller.locationId ?? named
        if (named !== null && named !== locationId) return pagedReply({ items: [], total: 0 }, query)
        const found = await listWallets(db, { organizationId, locationId, environment, currency, status }, query)
        return pagedReply({ ...found, items: await walletShapes(ctx, db, found.items) }, query)
      },
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
      query: Type.Object({ ...PageQuery, ...CurrencyQuery }),
      responses: { 200: Type.Array(StatementLineShape) },
      handler: async ({ caller, db, query }) => {
        const wallet = await findAccount(db, ownWallet(ctx, caller, query.currency))
        const { items, total } = wallet ? await listStatementLines(db, wallet, query) : { items: [], total: 0 }
        return pagedReply({ items: items.map(lineShape), total }, query)
      },
    }),
    defineOperation({
      id: 'putWalletSettings',
      method: 'PUT',
      path: '/wallet/settings',
      scope: 'target',
      surface,
      tag,
      summary: 'Say below what balance you are told that the wallet is low',
      permission: manageWallet,
      query: Type.Object(CurrencyQuery),
      body: Strict({
        lowBalance: Nullable(Type.Union(Decimal.anyOf), { description: 'Null for never.' }),
      }),
      responses: { 200: WalletShape },
      errors: ['validation_failed'],
      handler: async ({ caller, db, query, body }) => {
        const lowBalance = body.lowBalance === null ? null : readAmount(body.lowBalance, 'lowBalance', 0n)
        const wallet = ownWallet(ctx, caller, query.currency)
        return shapeOf(db, await inTransaction(db, (trx) => setLowBalance(ctx, trx, wallet, lowBalance)))
      },
    }),
    defineOperation({
      id: 'listAllWallets',
      method: 'GET',
      path: '/platform/wallets',
      surface,
      tag,
      summary: 'List the wallets of everybody',
      description: 'For the platform’s operator.',
      permission: readWallets,
      query: Type.Object({
        ...PageQuery,
        organizationId: Type.Optional(Id()),
        locationId: Type.Optional(Id()),
        currency: Type.Optional(Currency),
        status: Type.Optional(Status),
        environment: Type.Optional(OneOf(environments, { description: 'By default that of the credential.' })),
      }),
      responses: { 200: Type.Array(WalletShape) },
      handler: async ({ caller, db, query }) => {
        const { organizationId = null, locationId = null, currency = null, status = null } = query
        const environment = readEnvironment(caller, query.environment)
        const found = await listWallets(db, { organizationId, locationId, environment, currency, status }, query)
        return pagedReply({ ...found, items: await walletShapes(ctx, db, found.items) }, query)
      },
    }),
    defineOperation({
      id: 'suspendWallet',
      method: 'POST',
      path: '/platform/wallets/:id/suspend',
      surface,
      tag,
      summary: 'Suspend a wallet: it pays for nothing until it is resumed',
      description: 'Money can still come in, and what was charged can be given back.',
      permission: writeWallets,
      params,
      body: Reason,
      responses: { 200: WalletShape },
      errors: ['not_found', 'rights_exceeded'],
      handler: ({ caller, db, params: { id }, body }) =>
        inTransaction(db, async (trx) => {
          const decision = { ...body, actor: actorOf(caller) }
          return shapeOf(trx, within(caller, await suspendWallet(ctx, trx, id, decision)))
        }),
    }),
    defineOperation({
      id: 'resumeWallet',
      method: 'POST',
      path: '/platform/wallets/:id/resume',
      surface,
      tag,
      summary: 'Let a suspended wallet pay again',
      permission: writeWallets,
      params,
      body: Reason,
      responses: { 200: WalletShape },
      errors: ['not_found', 'wrong_state', 'rights_exceeded'],
      handler: ({ caller, db, params: { id }, body }) =>
        inTransaction(db, async (trx) => {
          const decision = { ...body, actor: actorOf(caller) }
          return shapeOf(trx, within(caller, await resumeWallet(ctx, trx, id, decision)))
        }),
    }),
    defineOperation({
      id: 'setWalletOverdraft',
      method: 'PUT',
      path: '/platform/wallets/:id/overdraft',
      surface,
      tag,
      summary: 'Say how far below zero a wallet may go',
      description: 'Holds never draw on it. It cannot be less than what the wallet is below zero already.',
      permission: writeWallets,
      params,
      body: Strict({
        overdraft: Type.Union(Decimal.anyOf, { description: '0 for none.' }),
        reason: Reason.properties.reason,
      }),
      responses: { 200: WalletShape },
      errors: ['not_found', 'wrong_state', 'validation_failed', 'rights_exceeded'],
      handler: ({ caller, db, params: { id }, body }) =>
        inTransaction(db, async (trx) => {
          const overdraft = readAmount(body.overdraft, 'overdraft', 0n)
          const decision = { overdraft, reason: body.reason, actor: actorOf(caller) }
          return shapeOf(trx, within(caller, await setOverdraft(ctx, trx, id, decision)))
        }),
    }),
    defineOperation({
      id: 'listWalletChanges',
      method: 'GET',
      path: '/platform/wallets/:id/changes',
      surface,
      tag,
      summary: 'List who suspended a wallet or changed its overdraft, when and why, the latest first',
      permission: readWallets,
      params,
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(WalletChangeShape) },
      handler: async ({ db, params: { id }, query }) => pagedReply(await listWalletChanges(db, id, query), query),
    }),
  ]
}

/** The wallet of the target that the caller acts in. */
export function ownWallet(ctx: WalletContext, caller: Caller, currency: string | undefined): NewAccount {
  return walletOf(caller, { environment: caller.environment, currency: readCurrency(ctx, currency) })
}

/** Throws `rights_exceeded`, and so takes back what was done, when it is a production wallet and the credential of the sandbox. */
function within(caller: Caller, wallet: Wallet): Wallet {
  assertMayActIn(caller, wallet.environment)
  return wallet
}

function lineShape(line: StatementLine): Static<typeof StatementLineShape> {
  const { amount, balance, ...rest } = line
  return { ...rest, ...amounts({ amount, balance }) }
}

import { environments } from '../../context.ts'
import { inTransaction, type Db } from '../../database/index.ts'
import {
  defineOperation,
  pagedReply,
  PageQuery,
  reply,
  type Caller,
  type Operation,
  type Page,
} from '../../http/index.ts'
import { Id, nowIso, Nullable, OneOf, StoaError, Strict, Time, Type } from '../../kernel/index.ts'
import { actorOf } from '../actor-of.ts'
import type { WalletContext } from '../context.ts'
import { Decimal, StorableText } from '../exact.ts'
import type { Wallet } from '../ledger/account.ts'
import { findGrants } from '../ledger/grant-store.ts'
import { grantKinds } from '../ledger/grant.ts'
import { findAccountById } from '../ledger/ledger-store.ts'
import { readGrants, readWallet, writeGrants } from '../permissions.ts'
import { takeBackGrant } from './expire-grant.ts'
import { listGrants } from './grant-queries.ts'
import { GrantShape, grantShape } from './grant-shape.ts'
import { grantMoney } from './grants.ts'
import { Currency, ownWallet } from './wallet-operations.ts'
import { readEnvironment } from './wallet-owner.ts'
import type { WalletFilter } from './wallet-queries.ts'

const GrantBody = Strict({
  organizationId: Type.Optional(Nullable(StorableText(50, 'For the wallet of an organization.'))),
  locationId: Type.Optional(Nullable(StorableText(50, 'For the wallet of a location.'))),
  amount: Type.Union(Decimal.anyOf, { description: 'More than 0, at most 6 decimals; a number or decimal text.' }),
  currency: Type.Optional(Currency),
  environment: Type.Optional(OneOf(environments, { description: 'By default that of the credential.' })),
  kind: OneOf(grantKinds, { description: '`promotional` is a present, `paid` was bought and paid for elsewhere.' }),
  priority: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 100, description: 'The lowest is spent first; by default 50.' }),
  ),
  effectiveTime: Type.Optional(Nullable(Time(), { description: 'By default now; before it, it cannot be spent.' })),
  expiresTime: Type.Optional(Nullable(Time(), { description: 'When what is left of it ends; null for never.' })),
  applicationId: Type.Optional(Nullable(StorableText(50, 'Only for this application.'))),
  meterId: Type.Optional(Nullable(StorableText(50, 'Only for this meter of the application.'))),
  reference: Type.String({
    ...StorableText(255),
    minLength: 1,
    description: 'Your own number of it. The same one never grants twice.',
  }),
  description: Type.Optional(Nullable(StorableText(1000))),
})

const ListQuery = {
  ...PageQuery,
  open: Type.Optional(Type.Boolean({ description: 'Only those of which something is left, or (false) nothing.' })),
}
const params = Type.Object({ id: Id() })
const surface = 'platform'
const tag = 'Grants'

export function grantOperations(ctx: WalletContext): Operation[] {
  async function shapes(db: Db, wallets: WalletFilter, query: Page & { open?: boolean }) {
    const { items, total } = await listGrants(db, { wallets, isOpen: query.open ?? null }, query)
    const now = nowIso(ctx.clock)
    const known = new Map<string, Wallet>()
    for (const id of new Set(items.map((grant) => grant.accountId))) known.set(id, (await findAccountById(db, id))!)
    return pagedReply(
      { items: items.map((grant) => grantShape(grant, known.get(grant.accountId)!, now)), total },
      query,
    )
  }

  async function end(caller: Caller, db: Db, id: string) {
    return inTransaction(db, async (trx) => {
      const { grant, wallet } = await takeBackGrant(ctx, trx, id, actorOf(caller))
      if (wallet.environment !== caller.environment) readEnvironment(caller, wallet.environment)
      return grantShape(grant, wallet, nowIso(ctx.clock))
    })
  }

  return [
    defineOperation({
      id: 'createGrant',
      method: 'POST',
      path: '/platform/grants',
      surface,
      tag,
      summary: 'Grant money to a wallet',
      description:
        'A grant is spent before the wallet’s own money: by priority, then what ends first, then promotional before paid. ' +
        'The same reference with the same wallet and amount is answered as before (200, `Idempotent-Replayed: true`).',
      permission: writeGrants,
      body: GrantBody,
      responses: { 201: GrantShape, 200: GrantShape },
      errors: ['not_found', 'validation_failed', 'reference_reused', 'rights_exceeded'],
      handler: async ({ caller, db, body }) => {
        const environment = readEnvironment(caller, body.environment)
        const input = { ...body, environment, actor: actorOf(caller) }
        const { grant, wallet, replayed } = await inTransaction(db, (trx) => grantMoney(ctx, trx, input))
        const shape = grantShape(grant, wallet, nowIso(ctx.clock))
        return replayed ? reply(200, shape, { 'Idempotent-Replayed': 'true' }) : reply(201, shape)
      },
    }),
    defineOperation({
      id: 'listAllGrants',
      method: 'GET',
      path: '/platform/grants',
      surface,
      tag,
      summary: 'List what was granted, the latest first',
      permission: readGrants,
      query: Type.Object({
        ...ListQuery,
        organizationId: Type.Optional(StorableText(50)),
        locationId: Type.Optional(StorableText(50)),
        currency: Type.Optional(Currency),
        environment: Type.Optional(OneOf(environments, { description: 'By default that of the credential.' })),
      }),
      responses: { 200: Type.Array(GrantShape) },
      handler: async ({ caller, db, query }) => {
        const { organizationId = null, locationId = null, currency = null } = query
        const environment = readEnvironment(caller, query.environment)
        return shapes(db, { organizationId, locationId, environment, currency, status: null }, query)
      },
    }),
    defineOperation({
      id: 'getGrant',
      method: 'GET',
      path: '/platform/grants/:id',
      surface,
      tag,
      summary: 'See one grant',
      permission: readGrants,
      params,
      responses: { 200: GrantShape },
      errors: ['not_found'],
      handler: async ({ caller, db, params: { id } }) => {
        const [grant] = await findGrants(db, [id])
        const wallet = grant && (await findAccountById(db, grant.accountId))
        if (!wallet) throw new StoaError('not_found')
        if (wallet.environment !== caller.environment && caller.environment === 'sandbox')
          throw new StoaError('not_found')
        return grantShape(grant, wallet, nowIso(ctx.clock))
      },
    }),
    defineOperation({
      id: 'expireGrant',
      method: 'POST',
      path: '/platform/grants/:id/expire',
      surface,
      tag,
      summary: 'Take back what is left of a grant',
      description:
        'It ends now. What holds reserve of it goes when they end, and what charges give back later goes at once. Doing it ' +
        'again changes nothing.',
      permission: writeGrants,
      params,
      responses: { 200: GrantShape },
      errors: ['not_found', 'rights_exceeded'],
      handler: ({ caller, db, params: { id } }) => end(caller, db, id),
    }),
    defineOperation({
      id: 'listGrants',
      method: 'GET',
      path: '/wallet/grants',
      scope: 'target',
      surface,
      tag,
      summary: 'List what was granted to the wallet, the latest first',
      permission: readWallet,
      query: Type.Object({ ...ListQuery, currency: Type.Optional(Currency) }),
      responses: { 200: Type.Array(GrantShape) },
      handler: ({ caller, db, query }) => {
        const { ownerId, environment, currency, ...wallet } = ownWallet(ctx, caller, query.currency)
        const ownerType = wallet.ownerType === 'location' ? 'location' : 'organization'
        const filter = { organizationId: caller.organizationId, environment, currency, status: null }
        return shapes(db, { ...filter, ownerType, locationId: ownerType === 'location' ? ownerId : null }, query)
      },
    }),
  ]
}

import { findLocation } from '../../accounts/index.ts'
import { inTransaction, type Db } from '../../database/index.ts'
import { defineOperation, reply, type Caller, type Operation } from '../../http/index.ts'
import { Id, microsNumber, newId, StoaError, Type, type Static } from '../../kernel/index.ts'
import { actorOf } from '../actor-of.ts'
import type { WalletContext } from '../context.ts'
import { Decimal, StorableText } from '../exact.ts'
import { accountId, type NewAccount } from '../ledger/account.ts'
import { findOpenGrants } from '../ledger/grant-store.ts'
import { findAccount } from '../ledger/ledger-store.ts'
import { giveCredits, readLocationBalance } from '../permissions.ts'
import { grantMoney } from './grants.ts'
import { ownWallet } from './wallet-operations.ts'
import { walletOf } from './wallet-owner.ts'

const path = '/saas-api/public-api/companies/:companyId/locations/:locationId/wallet-balance'
const surface = 'runtime'
const tag = 'Billing'
const callers: ['user', 'api-key', 'application'] = ['user', 'api-key', 'application']
const scopeParameter = 'companyId'
const params = Type.Object({ companyId: Id(), locationId: Id() })

const BalanceShape = Type.Object({
  walletId: Id(),
  balance: Type.Number({ description: 'Without the complimentary credits.' }),
  complimentaryCredits: Type.Number({ description: 'What is left of promotional grants.' }),
})

/** HighLevel's calls of an agency about the wallets of its locations. */
export function locationBalanceOperations(ctx: WalletContext): Operation[] {
  return [
    defineOperation({
      id: 'getWalletBalance',
      method: 'GET',
      path,
      surface,
      tag,
      summary: 'See what is in the wallet of a location',
      permission: readLocationBalance,
      callers,
      scopeParameter,
      params,
      responses: { 200: BalanceShape },
      errors: ['not_found'],
      handler: async ({ caller, db, params: at }) => balanceOf(db, await walletAt(ctx, db, caller, at)),
    }),
    defineOperation({
      id: 'addComplimentaryCredits',
      method: 'POST',
      path: `${path}/complimentary-credits`,
      surface,
      tag,
      summary: 'Give money of the organization’s own wallet to a location',
      description:
        'The location gets it as a promotional grant, which is spent first. The same reference never gives twice (200, ' +
        '`Idempotent-Replayed: true`).',
      permission: giveCredits,
      callers,
      scopeParameter,
      params,
      body: Type.Object({
        complimentaryCreditsAmount: Type.Union(Decimal.anyOf, { description: 'More than 0, at most 6 decimals.' }),
        reference: Type.Optional(Type.String({ ...StorableText(200), minLength: 1 })),
      }),
      responses: { 201: BalanceShape, 200: BalanceShape },
      errors: ['not_found', 'insufficient_funds', 'validation_failed', 'reference_reused', 'wallet_suspended'],
      handler: ({ caller, db, params: at, body }) =>
        inTransaction(db, async (trx) => {
          const wallet = await walletAt(ctx, trx, caller, at)
          const { environment, organizationId } = caller
          const { replayed } = await grantMoney(ctx, trx, {
            locationId: at.locationId,
            amount: body.complimentaryCreditsAmount,
            environment,
            kind: 'promotional',
            // Of this organization: operators' references and those of others are other ones.
            reference: `credits ${organizationId} ${environment} ${body.reference ?? newId('ref')}`,
            description: 'Complimentary credits',
            actor: actorOf(caller),
            from: ownWallet(ctx, { ...caller, locationId: null }, undefined),
          })
          const balance = await balanceOf(trx, wallet)
          return replayed ? reply(200, balance, { 'Idempotent-Replayed': 'true' }) : reply(201, balance)
        }),
    }),
  ]
}

async function walletAt(
  ctx: WalletContext,
  db: Db,
  caller: Caller,
  { companyId, locationId }: Static<typeof params>,
): Promise<NewAccount> {
  if (caller.locationId !== null) {
    throw new StoaError('caller_not_allowed', {
      message: 'This takes the token of an installation in an organization; this one is for a location.',
    })
  }
  const location = companyId === caller.organizationId ? await findLocation(db, locationId) : null
  if (location?.organizationId !== companyId) throw new StoaError('not_found')
  return walletOf({ organizationId: companyId, locationId }, { ...caller, currency: ctx.config.currency })
}

async function balanceOf(db: Db, wallet: NewAccount): Promise<Static<typeof BalanceShape>> {
  const id = accountId(wallet)
  const balance = (await findAccount(db, wallet))?.balance ?? 0n
  const grants = (await findOpenGrants(db, [id])).get(id) ?? []
  const given = grants.filter(({ kind }) => kind === 'promotional').reduce((sum, { remaining }) => sum + remaining, 0n)
  return {
    walletId: id,
    balance: microsNumber(balance - given),
    complimentaryCredits: microsNumber(given),
  }
}

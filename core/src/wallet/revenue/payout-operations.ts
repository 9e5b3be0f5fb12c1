import { environments, type Environment } from '../../context.ts'
import { inTransaction, type Db } from '../../database/index.ts'
import { defineOperation, pagedReply, PageQuery, type Caller, type Operation } from '../../http/index.ts'
import { Id, invalidField, OneOf, StoaError, Type } from '../../kernel/index.ts'
import { actorOf } from '../actor-of.ts'
import { assertMayActIn } from '../assert-may-act-in.ts'
import type { WalletContext } from '../context.ts'
import { minorUnit } from '../currency.ts'
import { amounts } from '../exact.ts'
import { readEarnings, readPayouts, writePayouts } from '../permissions.ts'
import { payoutStatuses, planPayout, type Payout } from './payout.ts'
import {
  Currency,
  earnedWith,
  EarningsShape,
  FailedBody,
  ItemShape,
  itemShape,
  PaidBody,
  partShape,
  PayoutShape,
  payoutShape,
  PayoutWithParts,
  RunBody,
  RunShape,
  runShape,
} from './payout-schemas.ts'
import { earningAccountsOf } from './collected-store.ts'
import { findDues } from './find-dues.ts'
import { findRun, listRuns } from './payout-run-store.ts'
import { findParts, findPayout, listItems, listPayouts } from './payout-store.ts'
import { endPayout, type Settlement } from './settle-payout.ts'
import { startPayoutRun } from './start-payout-run.ts'

const byId = Type.Object({ id: Id() })
const ofPlatform = { surface: 'platform', tag: 'Revenue' } as const
const ofOrganization = { surface: 'store', tag: 'Earnings', scope: 'organization', permission: readEarnings } as const

export function payoutOperations(ctx: WalletContext): Operation[] {
  return [...platformOperations(ctx), ...earningOperations(ctx)]
}

function platformOperations(ctx: WalletContext): Operation[] {
  const settle = (db: Db, caller: Caller, id: string, settlement: Settlement) =>
    inTransaction(db, async (trx) => {
      const by = { actor: actorOf(caller), environment: caller.environment }
      return payoutShape(await endPayout(ctx, trx, id, by, settlement))
    })
  return [
    defineOperation({
      ...ofPlatform,
      id: 'createPayoutRun',
      method: 'POST',
      path: '/platform/payout-runs',
      summary: 'Pay out what organizations have earned',
      description:
        'Makes a payout for every organization that something is due to: all it has earned with its applications and by reselling that ' +
        'no payout has yet, what was given back netted, down to the whole minor unit of the currency. Nothing is ever in two payouts, ' +
        'also when runs overlap or a process dies: another goes on. It runs in the background; see GET /platform/payout-runs/{id}. The ' +
        'transfers are yours: say for each payout how it ended.',
      permission: writePayouts,
      body: RunBody,
      responses: { 202: RunShape },
      errors: ['validation_failed', 'rights_exceeded'],
      handler: async ({ caller, db, body }) => {
        assertMayActIn(caller, body.environment)
        const run = await startPayoutRun(ctx, db, { ...body, actor: actorOf(caller) })
        return runShape({ ...run, payouts: 0, amount: 0n })
      },
    }),
    defineOperation({
      ...ofPlatform,
      id: 'getPayoutRun',
      method: 'GET',
      path: '/platform/payout-runs/:id',
      summary: 'See how far a run has got: its payouts are complete when it has finished',
      permission: readPayouts,
      params: byId,
      responses: { 200: RunShape },
      errors: ['not_found'],
      handler: async ({ caller, db, params: { id } }) => {
        const run = await findRun(db, id)
        if (!run || (run.environment === 'production' && caller.environment === 'sandbox')) {
          throw new StoaError('not_found')
        }
        return runShape(run)
      },
    }),
    defineOperation({
      ...ofPlatform,
      id: 'listPayoutRuns',
      method: 'GET',
      path: '/platform/payout-runs',
      summary: 'List the runs, the latest first: a sandbox credential sees those of the sandbox',
      permission: readPayouts,
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(RunShape) },
      handler: async ({ caller, db, query }) => {
        const { items, total } = await listRuns(db, visibleTo(caller), query)
        return pagedReply({ items: items.map(runShape), total }, query)
      },
    }),
    defineOperation({
      ...ofPlatform,
      id: 'listAllPayouts',
      method: 'GET',
      path: '/platform/payouts',
      summary: 'List payouts, the latest first: with `status=created` those that wait for a transfer',
      permission: readPayouts,
      query: Type.Object({
        ...PageQuery,
        runId: Type.Optional(Id()),
        organizationId: Type.Optional(Id()),
        environment: Type.Optional(OneOf(environments)),
        status: Type.Optional(OneOf(payoutStatuses)),
      }),
      responses: { 200: Type.Array(PayoutShape) },
      errors: ['rights_exceeded'],
      handler: async ({ caller, db, query: { limit, offset, ...filter } }) => {
        if (filter.environment) assertMayActIn(caller, filter.environment)
        const { items, total } = await listPayouts(db, { ...filter, ...visibleTo(caller) }, { limit, offset })
        return pagedReply({ items: items.map(payoutShape), total }, { limit, offset })
      },
    }),
    defineOperation({
      ...ofPlatform,
      id: 'payoutPaid',
      method: 'POST',
      path: '/platform/payouts/:id/paid',
      summary: 'Say that a payout was transferred',
      permission: writePayouts,
      params: byId,
      body: PaidBody,
      responses: { 200: PayoutShape },
      errors: ['not_found', 'wrong_state'],
      handler: ({ caller, db, params: { id }, body: { reference } }) =>
        settle(db, caller, id, { status: 'paid', reference }),
    }),
    defineOperation({
      ...ofPlatform,
      id: 'payoutFailed',
      method: 'POST',
      path: '/platform/payouts/:id/failed',
      summary: 'Say that a payout could not be transferred; the next run pays it again',
      permission: writePayouts,
      params: byId,
      body: FailedBody,
      responses: { 200: PayoutShape },
      errors: ['not_found', 'wrong_state'],
      handler: ({ caller, db, params: { id }, body: { reason } }) =>
        settle(db, caller, id, { status: 'failed', failure: reason }),
    }),
  ]
}

function earningOperations(ctx: WalletContext): Operation[] {
  return [
    defineOperation({
      ...ofOrganization,
      id: 'getEarnings',
      method: 'GET',
      path: '/earnings',
      summary: 'See what the organization has earned and was not paid yet',
      query: Type.Object({ currency: Type.Optional(Currency) }),
      responses: { 200: EarningsShape },
      handler: async ({ caller, db, query }) => {
        const { organizationId, environment } = caller
        const currency = query.currency ?? ctx.config.currency
        const accounts = await earningAccountsOf(db, [organizationId], { environment, currency })
        const dues = await findDues(ctx, db, accounts, { environment, currency })
        const plan = planPayout([...dues.values()], { minimum: 0n, minorUnit: minorUnit(currency) })
        const due = [...dues.values()].reduce((sum, { earned, carriedIn }) => sum + earned + carriedIn, 0n)
        return {
          organizationId,
          environment,
          currency,
          ...amounts({ due, payable: plan?.amount ?? 0n }),
          parts: accounts.map((account) => {
            const { earned = 0n, carriedIn: carried = 0n } = dues.get(account.id) ?? {}
            return { ...earnedWith(account), ...amounts({ earned, carried, due: earned + carried }) }
          }),
        }
      },
    }),
    defineOperation({
      ...ofOrganization,
      id: 'listPayouts',
      method: 'GET',
      path: '/payouts',
      summary: 'List the organization’s payouts, the latest first',
      query: Type.Object({ ...PageQuery, status: Type.Optional(OneOf(payoutStatuses)) }),
      responses: { 200: Type.Array(PayoutShape) },
      handler: async ({ caller, db, query: { status, ...page } }) => {
        const { organizationId, environment } = caller
        const filter = { organizationId, environment, ...(status !== undefined && { status }) }
        const { items, total } = await listPayouts(db, filter, page)
        return pagedReply({ items: items.map(payoutShape), total }, page)
      },
    }),
    defineOperation({
      ...ofOrganization,
      id: 'getPayout',
      method: 'GET',
      path: '/payouts/:id',
      summary: 'See a payout, and what of it was earned with what',
      params: byId,
      responses: { 200: PayoutWithParts },
      errors: ['not_found'],
      handler: async ({ caller, db, params: { id } }) => {
        const payout = await ownPayout(db, caller, id)
        return { ...payoutShape(payout), parts: (await findParts(db, id)).map(partShape) }
      },
    }),
    defineOperation({
      ...ofOrganization,
      id: 'listPayoutItems',
      method: 'GET',
      path: '/payouts/:id/items',
      summary: 'List what a payout pays, entry by entry',
      params: byId,
      query: Type.Object({
        limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }),
        after: Type.Optional(Type.String({ maxLength: 80, description: '`next` of the page before.' })),
      }),
      responses: {
        200: Type.Object({
          items: Type.Array(ItemShape),
          next: Type.Union([Type.String(), Type.Null()], { description: 'Null at the end.' }),
        }),
      },
      errors: ['not_found', 'validation_failed'],
      handler: async ({ caller, db, params: { id }, query: { after, limit } }) => {
        const payout = await ownPayout(db, caller, id)
        const items = await listItems(db, payout.id, { after: readAfter(after), limit })
        const last = items.at(-1)
        return {
          items: items.map(itemShape),
          next: last && items.length === limit ? `${last.transactionId}.${last.seq}` : null,
        }
      },
    }),
  ]
}

/** A sandbox credential sees nothing of production, one of production both. */
function visibleTo({ environment }: Caller): { environment?: Environment } {
  return environment === 'sandbox' ? { environment } : {}
}

async function ownPayout(db: Db, { organizationId, environment }: Caller, id: string): Promise<Payout> {
  const payout = await findPayout(db, id)
  if (payout?.organizationId !== organizationId || payout.environment !== environment) throw new StoaError('not_found')
  return payout
}

function readAfter(after: string | undefined) {
  if (after === undefined) return null
  const match = /^(\w+)\.(\d{1,9})$/.exec(after)
  if (!match) throw invalidField('after', 'must be what `next` said')
  return { transactionId: match[1]!, seq: Number(match[2]) }
}

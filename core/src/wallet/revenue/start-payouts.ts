import type { Knex } from 'knex'
import type { Environment } from '../../context.ts'
import { inTransaction, type Db } from '../../database/index.ts'
import { publishMany } from '../../events/index.ts'
import { invalidField, newId, nowIso, toMicros, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { accountId, platformAccount } from '../ledger/account.ts'
import { openJournal } from '../ledger/journal.ts'
import { ensureAccounts } from '../ledger/ledger-store.ts'
import { payoutEvent } from './payout-events.ts'
import { minorUnitOf, planPayout, type Payout, type PayoutPart, type PayoutRun } from './payout.ts'
import {
  deleteItems,
  findDues,
  finishRun,
  insertItems,
  insertPayouts,
  insertRun,
  markPaid,
  nextEarningAccounts,
  type EarningAccount,
} from './payout-store.ts'

/** What is set off; the currency is the host's when it is not named. */
export interface PayoutRunWish {
  environment: Environment
  currency?: string | undefined
  cutoffTime?: string | undefined
  minimum?: number | string | undefined
  actor: string
}

/**
 * How far back a cutoff lies at least. What is booked has the time at which its transaction began, so one that is still open could
 * book before a later cutoff. One that did all the same is in no payout, and so comes into the next.
 */
export const settlingMilliseconds = 60_000
/** How far before the cutoff the next run begins to look, for what was booked late. */
const lookBackMilliseconds = 24 * 60 * 60_000
/** Organizations that are paid in one transaction. */
const atOnce = 100

/**
 * Pays out to every organization what its accounts have earned up to the cutoff. Each hundred of them are one transaction, which keeps
 * all other runs of the same environment and currency waiting: so a run that is repeated, interrupted, or started twice pays nothing
 * twice, and the next one pays what was left. Throws `validation_failed` for the cutoff and the minimum. `db` must be no transaction.
 */
export async function startPayouts(ctx: WalletContext, db: Db, wish: PayoutRunWish): Promise<PayoutRun> {
  const now = nowIso(ctx.clock)
  const run: PayoutRun = {
    id: newId('prn'),
    environment: wish.environment,
    currency: wish.currency ?? ctx.config.currency,
    cutoffTime: readCutoff(wish.cutoffTime, now),
    minimum: readMinimum(wish.minimum),
    actor: wish.actor,
    createdTime: now,
    finishedTime: null,
  }
  await insertRun(db, run)
  let after = ''
  for (;;) {
    const accounts = await nextEarningAccounts(db, run, after, atOnce)
    if (accounts.length === 0) break
    await inTransaction(db, (trx) => payOrganizations(ctx, trx, run, accounts))
    after = accounts.map(({ organizationId }) => organizationId).reduce((last, id) => (id > last ? id : last))
  }
  const finishedTime = nowIso(ctx.clock)
  await finishRun(db, run.id, finishedTime)
  return { ...run, finishedTime }
}

function readCutoff(given: string | undefined, now: string): string {
  const latest = Date.parse(now) - settlingMilliseconds
  if (given === undefined) return new Date(latest).toISOString()
  const time = Date.parse(given)
  if (!(time <= latest)) throw invalidField('cutoffTime', 'must lie at least a minute back')
  return new Date(time).toISOString()
}

function readMinimum(given: number | string | undefined): Micros {
  if (given === undefined) return 0n
  const minimum = toMicros(given)
  if (minimum === null || minimum < 0n)
    throw invalidField('minimum', 'must be a decimal of 0 or more, with at most 6 decimals')
  return minimum
}

async function payOrganizations(
  ctx: WalletContext,
  trx: Knex.Transaction,
  run: PayoutRun,
  accounts: EarningAccount[],
): Promise<void> {
  const clearing = platformAccount('payout_clearing', run)
  await ensureAccounts(trx, ctx.dialect, [clearing], nowIso(ctx.clock))
  const journal = await openJournal(ctx, trx, [accountId(clearing)])
  const rules = { minimum: run.minimum, minorUnit: minorUnitOf(run.currency) }

  // First who is likely to be paid, so that the entries of the others are left alone.
  const expected = await findDues(
    trx,
    accounts.map(({ id }) => id),
    run.cutoffTime,
  )
  const payees = [...byOrganization(accounts)].filter(([, own]) => planPayout(duesOf(own, expected), rules) !== null)
  if (payees.length === 0) return
  const payoutOf = new Map(
    payees.flatMap(([, own]) => {
      const id = newId('pay')
      return own.map((account): [string, string] => [account.id, id])
    }),
  )
  const dues = await insertItems(trx, payoutOf, run.cutoffTime)

  const made: (Payout & { parts: PayoutPart[] })[] = []
  const unmade: string[] = []
  for (const [organizationId, own] of payees) {
    const id = payoutOf.get(own[0]!.id)!
    const plan = planPayout(duesOf(own, dues), rules)
    if (!plan) {
      unmade.push(id)
      continue
    }
    const { environment, currency } = run
    const transaction = journal.post(
      {
        kind: 'payout',
        referenceId: id,
        reversesId: null,
        applicationId: null,
        environment,
        currency,
        actor: run.actor,
        description: null,
        eventTime: journal.now,
      },
      [
        ...plan.parts.map((part) => ({ account: { id: part.accountId }, amount: -part.amount })),
        { account: journal.account(accountId(clearing))!, amount: plan.amount },
      ],
    )
    made.push({
      id,
      runId: run.id,
      organizationId,
      environment,
      currency,
      ...plan,
      status: 'created',
      transactionId: transaction.id,
      reversalId: null,
      reference: null,
      failure: null,
      settledBy: null,
      createdTime: journal.now,
      settledTime: null,
    })
  }
  await deleteItems(trx, unmade)
  await journal.write()
  await insertPayouts(trx, ctx.dialect, made)
  const paidUntil = new Date(Date.parse(run.cutoffTime) - lookBackMilliseconds).toISOString()
  const paid = made.flatMap(({ parts }) => parts.map((part) => part.accountId))
  if (paid.length > 0) await markPaid(trx, ctx.dialect, paid, paidUntil)
  await publishMany(
    ctx,
    trx,
    made.map((payout) => payoutEvent('payout.created', payout, journal.now)),
  )
}

function byOrganization(accounts: EarningAccount[]): Map<string, EarningAccount[]> {
  const found = new Map<string, EarningAccount[]>()
  for (const account of accounts) {
    found.set(account.organizationId, [...(found.get(account.organizationId) ?? []), account])
  }
  return found
}

const duesOf = (accounts: EarningAccount[], dues: Awaited<ReturnType<typeof findDues>>) =>
  accounts.flatMap(({ id }) => dues.get(id) ?? [])

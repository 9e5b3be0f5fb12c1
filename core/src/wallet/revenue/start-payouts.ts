import type { Knex } from 'knex'
import type { Environment } from '../../context.ts'
import { inTransaction, type Db } from '../../database/index.ts'
import { publishMany } from '../../events/index.ts'
import { invalidField, newId, nowIso, toMicros, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { minorUnit } from '../currency.ts'
import { accountId, platformAccount } from '../ledger/account.ts'
import { openJournal, type Journal } from '../ledger/journal.ts'
import { ensureAccounts } from '../ledger/ledger-store.ts'
import { payoutEvent } from './payout-events.ts'
import { planPayout, type Payout, type PayoutPart, type PayoutRun } from './payout.ts'
import {
  collectItems,
  earningAccountsOf,
  findBusy,
  findCollected,
  findCollecting,
  markCollected,
  nextEarningAccounts,
  nextEntries,
  withoutCollected,
  type EarnedEntry,
  type EarningAccount,
} from './collected-store.ts'
import { finishRun, insertRun, savePayouts } from './payout-store.ts'

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
/** How far before what was collected the next run begins to look, for what was booked late. */
const lookBackMilliseconds = 24 * 60 * 60_000
/** Organizations that are paid in one transaction. */
const atOnce = 100
/** Entries that are collected in one: few enough that charges, which wait for it on SQLite, hardly notice. */
const collectedAtOnce = 2000

/**
 * Pays out to every organization what its accounts have earned up to the cutoff. First the entries are collected, some thousand in a
 * transaction, into the payout that the organization gets next; then it is booked. What is not enough for a payout stays collected, so
 * that no entry is ever looked at again, and is part of the next one. Every step keeps all other runs of the same environment and currency
 * waiting: so a run that is repeated, interrupted, or started twice pays nothing twice, and the next one goes on where it ended. Throws
 * `validation_failed` for the cutoff and the minimum. `db` must be no transaction.
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
    const busy = await findBusy(
      db,
      accounts.map(({ id }) => id),
      run.cutoffTime,
    )
    for (const account of accounts.filter(({ id }) => busy.has(id))) await collect(ctx, db, run, account)
    const organizationIds = [...new Set(accounts.map(({ organizationId }) => organizationId))]
    await inTransaction(db, (trx) => payOrganizations(ctx, trx, run, organizationIds))
    after = organizationIds.reduce((last, id) => (id > last ? id : last))
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

async function collect(ctx: WalletContext, db: Db, run: PayoutRun, account: EarningAccount): Promise<void> {
  let after: EarnedEntry | null = null
  do {
    const last: EarnedEntry | null = after
    after = await inTransaction(db, (trx) => collectSome(ctx, trx, { run, account, after: last }))
  } while (after !== null)
}

/** Returns the last of them, or null at the end. */
async function collectSome(
  ctx: WalletContext,
  trx: Knex.Transaction,
  { run, account, after }: { run: PayoutRun; account: EarningAccount; after: EarnedEntry | null },
): Promise<EarnedEntry | null> {
  const { now } = await lockClearing(ctx, trx, run)
  const found = await nextEntries(trx, account.id, { after, cutoff: run.cutoffTime, limit: collectedAtOnce })
  const fresh = await withoutCollected(trx, found)
  if (fresh.length > 0) await collectItems(trx, ctx.dialect, { run, account, now }, fresh)
  const last = found.length === collectedAtOnce ? found.at(-1)! : null
  const until = Date.parse(last?.bookedTime ?? run.cutoffTime) - lookBackMilliseconds
  await markCollected(trx, ctx.dialect, account.id, new Date(until).toISOString())
  return last
}

/** Whoever has it is the only one that collects or pays in this environment and currency. */
async function lockClearing(ctx: WalletContext, trx: Knex.Transaction, run: PayoutRun): Promise<Journal> {
  const clearing = platformAccount('payout_clearing', run)
  await ensureAccounts(trx, ctx.dialect, [clearing], nowIso(ctx.clock))
  return openJournal(ctx, trx, [accountId(clearing)])
}

async function payOrganizations(
  ctx: WalletContext,
  trx: Knex.Transaction,
  run: PayoutRun,
  organizationIds: string[],
): Promise<void> {
  const journal = await lockClearing(ctx, trx, run)
  // Looked for under the lock: while this run collected, for minutes maybe, another one may have collected of accounts that are newer.
  const accounts = await earningAccountsOf(trx, organizationIds, run)
  const clearing = journal.account(accountId(platformAccount('payout_clearing', run)))!
  const rules = { minimum: run.minimum, minorUnit: minorUnit(run.currency) }
  const dues = await findCollected(
    trx,
    accounts.map(({ id }) => id),
  )
  const payees = byOrganization(accounts)
  const collecting = await findCollecting(trx, [...payees.keys()], run)
  const made: (Payout & { parts: PayoutPart[] })[] = []
  for (const [organizationId, own] of payees) {
    const plan = planPayout(
      own.flatMap(({ id }) => dues.get(id) ?? []),
      rules,
    )
    if (!plan) continue
    // Without one when it is all of former payouts.
    const id = collecting.get(organizationId) ?? newId('pay')
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
        { account: clearing, amount: plan.amount },
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
      settlementId: null,
      createdTime: journal.now,
      settledTime: null,
    })
  }
  if (made.length === 0) return
  await journal.write()
  await savePayouts(trx, made)
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

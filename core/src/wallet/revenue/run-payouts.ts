import type { Knex } from 'knex'
import { inTransaction, type Db } from '../../database/index.ts'
import { publishMany } from '../../events/index.ts'
import { newId, nowIso } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { minorUnit } from '../currency.ts'
import { accountId, platformAccount } from '../ledger/account.ts'
import { openJournal, type Journal } from '../ledger/journal.ts'
import { ensureAccounts } from '../ledger/ledger-store.ts'
import { payoutEvent } from './payout-events.ts'
import { planPayout, type Payout, type PayoutPart, type PayoutRun, type RunPosition } from './payout.ts'
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
  type EarningAccount,
} from './collected-store.ts'
import { finishRun, holdRun, saveProgress } from './payout-run-store.ts'
import { savePayouts } from './payout-store.ts'

/** How far before what was collected the next run begins to look, for what was booked late. */
const lookBackMilliseconds = 24 * 60 * 60_000
/** Organizations that are paid in one transaction. */
const atOnce = 100
/** Accounts that are looked at in one query. */
const lookedAtOnce = 200
/** Entries that are collected in one: few enough that charges, which wait for it on SQLite, hardly notice. */
const collectedAtOnce = 2000

/**
 * One step of a run, in one transaction; how far it got is kept with what it did, so that whoever goes on, in whichever process, goes on
 * there. A run pays out to every organization what its accounts have earned up to the cutoff: first the entries are collected, some
 * thousand in a step, into the payout that the organization gets next; then it is booked. What is not enough for a payout stays collected,
 * so that no entry is ever looked at again, and is part of the next one. Every step keeps all other runs of the same environment and
 * currency waiting: so runs that overlap pay nothing twice. Does nothing when the run is this worker's no longer. `db` must be no
 * transaction.
 */
export async function runPayoutStep(ctx: WalletContext, db: Db, run: PayoutRun, leaseToken: string): Promise<void> {
  const accounts = await nextEarningAccounts(db, run, run.position.organizationId, atOnce)
  const account = await nextToCollect(db, run, accounts)
  await inTransaction(db, async (trx) => {
    // Since it was claimed a successor may have claimed it, after this lease ran out, and be further.
    const held = await holdRun(trx, ctx.dialect, run.id, leaseToken)
    if (!held) return
    if (accounts.length === 0) return finishRun(trx, held, nowIso(ctx.clock))
    await saveProgress(
      trx,
      held,
      account ? await collect(ctx, trx, held, account) : await pay(ctx, trx, held, accounts),
      nowIso(ctx.clock),
    )
  })
}

/** The account on which something is left to be collected, the first after those that were; null when there is none. */
async function nextToCollect(
  db: Db,
  { position, cutoffTime }: PayoutRun,
  accounts: EarningAccount[],
): Promise<EarningAccount | null> {
  if (position.entry) return accounts.find(({ id }) => id === position.accountId) ?? null
  const left = accounts.filter(({ id }) => id > position.accountId)
  for (let from = 0; from < left.length; from += lookedAtOnce) {
    const some = left.slice(from, from + lookedAtOnce)
    const ids = some.map(({ id }) => id)
    const busy = await findBusy(db, ids, cutoffTime)
    const found = some.find(({ id }) => busy.has(id))
    if (found) return found
  }
  return null
}

async function collect(
  ctx: WalletContext,
  trx: Knex.Transaction,
  run: PayoutRun,
  account: EarningAccount,
): Promise<RunPosition> {
  const { now } = await lockClearing(ctx, trx, run)
  const wanted = { after: run.position.entry, cutoff: run.cutoffTime, limit: collectedAtOnce }
  const found = await nextEntries(trx, account.id, wanted)
  const fresh = await withoutCollected(trx, found)
  if (fresh.length > 0) await collectItems(trx, ctx.dialect, { run, account, now }, fresh)
  const last = found.length === collectedAtOnce ? found.at(-1)! : null
  const until = Date.parse(last?.bookedTime ?? run.cutoffTime) - lookBackMilliseconds
  await markCollected(trx, ctx.dialect, account.id, new Date(until).toISOString())
  const entry = last && { transactionId: last.transactionId, seq: last.seq, bookedTime: last.bookedTime }
  return { ...run.position, accountId: account.id, entry }
}

async function pay(
  ctx: WalletContext,
  trx: Knex.Transaction,
  run: PayoutRun,
  accounts: EarningAccount[],
): Promise<RunPosition> {
  const organizationIds = [...new Set(accounts.map(({ organizationId }) => organizationId))]
  await payOrganizations(ctx, trx, run, organizationIds)
  return {
    organizationId: organizationIds.reduce((last, id) => (id > last ? id : last)),
    accountId: '',
    entry: null,
  }
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

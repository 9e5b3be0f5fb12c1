import type { Knex } from 'knex'
import { inSavepoint, inTransaction, isDatabaseUnavailable, type Db } from '../../database/index.ts'
import { nowIso } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { lockClearing, payOrganizations } from './pay-organizations.ts'
import { withSkipped, type PayoutRun, type RunPosition } from './payout.ts'
import {
  collectItems,
  findBusy,
  markCollected,
  nextEarningAccounts,
  nextEntries,
  withoutCollected,
  type EarningAccount,
} from './collected-store.ts'
import { finishRun, holdRun, saveProgress } from './payout-run-store.ts'

/** How far before what was collected the next run begins to look, for what was booked late. */
const lookBackMilliseconds = 24 * 60 * 60_000
/** Organizations that are paid in one transaction. */
const atOnce = 100
/** Accounts that are looked at in one query. */
const lookedAtOnce = 200
/** Entries that are collected in one: few enough that charges, which wait for it on SQLite, hardly notice. */
const collectedAtOnce = 2000

/** What a step does: it collects of an account, or pays organizations when nothing is left to be collected of them. */
interface Step {
  account: EarningAccount | null
  organizationIds: string[]
  /** The last organization in the order of ids, paid or skipped. */
  lastId: string
}

/**
 * One step of a run, in one transaction; how far it got is kept with what it did, so that whoever goes on, in whichever process, goes on
 * there. A run pays out to every organization what its accounts have earned up to the cutoff: first the entries are collected, some
 * thousand in a step, into the payout that the organization gets next; then it is booked. What is not enough for a payout stays collected,
 * so that no entry is ever looked at again, and is part of the next one. Every step keeps all other runs of the same environment and
 * currency waiting: so runs that overlap pay nothing twice. Does nothing when the run is this worker's no longer. `db` must be no
 * transaction.
 *
 * What fails, unless the database is to blame, is done again at once with each organization alone. One that fails alone is skipped: this
 * run pays it nothing, says so, and goes on; the next one tries it again. Throws when it is nobody's own fault.
 */
export async function runPayoutStep(ctx: WalletContext, db: Db, run: PayoutRun, leaseToken: string): Promise<void> {
  const accounts = await nextEarningAccounts(db, run, run.position.organizationId, atOnce)
  const wanted = accounts.filter(({ organizationId }) => !run.position.skipped.includes(organizationId))
  const step: Step = {
    account: await nextToCollect(db, run, wanted),
    organizationIds: [...new Set(wanted.map(({ organizationId }) => organizationId))],
    lastId: accounts.reduce((last, { organizationId: id }) => (id > last ? id : last), ''),
  }
  const take = (how: typeof takeWhole) =>
    inTransaction(db, async (trx) => {
      // Since it was claimed a successor may have claimed it, after this lease ran out, and be further.
      const held = await holdRun(trx, ctx.dialect, run.id, leaseToken)
      if (!held) return
      if (accounts.length === 0) return finishRun(trx, held, nowIso(ctx.clock))
      await saveProgress(trx, await how(ctx, trx, held, step), nowIso(ctx.clock))
    })
  try {
    await take(takeWhole)
  } catch (err) {
    if (isDatabaseUnavailable(err)) throw err
    ctx.logger.warn({ err, payoutRunId: run.id }, 'a step of a payout run failed; each organization is tried alone')
    await take(takeInPieces)
  }
}

/** The account on which something is left to be collected, the first after those that were; null when there is none. */
async function nextToCollect(
  db: Db,
  { position, cutoffTime }: PayoutRun,
  accounts: EarningAccount[],
): Promise<EarningAccount | null> {
  const begun = position.entry && accounts.find(({ id }) => id === position.accountId)
  if (begun) return begun
  // Also when the one that was begun is not there any more: an organization that earns since has pushed it out of those that are paid next.
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

/** Returns the run as it is then. */
async function takeWhole(
  ctx: WalletContext,
  trx: Knex.Transaction,
  run: PayoutRun,
  { account, organizationIds, lastId }: Step,
): Promise<PayoutRun> {
  if (account) return { ...run, position: await collect(ctx, trx, run, account) }
  await payOrganizations(ctx, trx, run, organizationIds)
  return { ...run, position: afterPaying(run, lastId) }
}

async function takeInPieces(
  ctx: WalletContext,
  trx: Knex.Transaction,
  run: PayoutRun,
  { account, organizationIds, lastId }: Step,
): Promise<PayoutRun> {
  // When what all of them share is broken, no organization is to be skipped for it.
  await lockClearing(ctx, trx, run)
  if (account) {
    const { id, organizationId } = account
    const position = await alone(ctx, trx, run, organizationId, () => collect(ctx, trx, run, account))
    if (position) return { ...run, position }
    // What it has collected is not paid either: what it owes may be among the rest.
    const skipped = [...run.position.skipped, organizationId]
    const passed = { ...run.position, accountId: id, entry: null, skipped }
    return { ...run, position: passed, skipped: withSkipped(run.skipped, [organizationId]) }
  }
  const failed: string[] = []
  for (const id of organizationIds) {
    const payouts = await alone(ctx, trx, run, id, () => payOrganizations(ctx, trx, run, [id]))
    if (payouts === null) failed.push(id)
  }
  return { ...run, position: afterPaying(run, lastId), skipped: withSkipped(run.skipped, failed) }
}

/**
 * Null when it fails, of which nothing stays. Not the kernel's `eachByItself`, which remembers in this process alone and lets what fails
 * rest also when the database is away.
 */
async function alone<T>(
  ctx: WalletContext,
  trx: Knex.Transaction,
  run: PayoutRun,
  organizationId: string,
  work: () => Promise<T>,
): Promise<T | null> {
  try {
    return await inSavepoint(trx, work)
  } catch (err) {
    if (isDatabaseUnavailable(err)) throw err
    const about = { err, payoutRunId: run.id, organizationId }
    ctx.logger.error(about, 'a payout run skips an organization that it could not pay; the next run tries it again')
    return null
  }
}

const afterPaying = ({ position }: PayoutRun, lastId: string): RunPosition => ({
  organizationId: lastId,
  accountId: '',
  entry: null,
  // Those that were pushed out of the ones that were paid come again.
  skipped: position.skipped.filter((id) => id > lastId),
})

async function collect(
  ctx: WalletContext,
  trx: Knex.Transaction,
  run: PayoutRun,
  account: EarningAccount,
): Promise<RunPosition> {
  const { now } = await lockClearing(ctx, trx, run)
  const after = run.position.accountId === account.id ? run.position.entry : null
  const found = await nextEntries(trx, account.id, { after, cutoff: run.cutoffTime, limit: collectedAtOnce })
  const fresh = await withoutCollected(trx, found)
  const taken = fresh.length > 0 ? await collectItems(trx, ctx.dialect, { run, account, now }, fresh) : 0
  const left = fresh[taken] ?? null
  if (left) {
    const about = { payoutRunId: run.id, organizationId: account.organizationId, accountId: account.id }
    ctx.logger.warn(about, 'an account has earned more than a payout can hold; the rest is left for the next one')
  }
  const last = found.length === collectedAtOnce && !left ? found.at(-1)! : null
  const until = Date.parse((left ?? last)?.bookedTime ?? run.cutoffTime) - lookBackMilliseconds
  await markCollected(trx, ctx.dialect, account.id, new Date(until).toISOString())
  const entry = last && { transactionId: last.transactionId, seq: last.seq, bookedTime: last.bookedTime }
  return { ...run.position, accountId: account.id, entry }
}

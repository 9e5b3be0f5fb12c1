import { readSnapshot, type Db, type Dialect } from '../../database/index.ts'
import { checkBilling } from './check-billing.ts'
import { checkChains } from './check-chains.ts'
import { checkCharges } from './check-charges.ts'
import { checkEvents } from './check-events.ts'
import { checkFunding } from './check-funding.ts'
import { checkGrants } from './check-grants.ts'
import { checkPayoutEvents } from './check-payout-events.ts'
import { checkTransactions } from './check-transactions.ts'
import { checkUsage } from './check-usage.ts'
import { createFindings } from './findings.ts'

export interface CheckOptions {
  /** ISO: charges since then are compared with the events that tell of them. Without it, none are: old events are removed. */
  eventsSince?: string
}

/**
 * Recomputes every sum, chain, hash and balance from the entries, and compares charges, refunds, counters, grants, holds, top-ups, subscriptions,
 * payouts and events with what was booked for them. Looks at one moment, however long it takes and whatever is charged meanwhile, in
 * pages, so that memory does not depend on how much there is. Returns one line for each thing that is off; none when the books are right.
 */
export function checkLedger(db: Db, dialect: Dialect, options: CheckOptions = {}): Promise<string[]> {
  return readSnapshot(db, dialect, (trx) => findProblems(trx, options))
}

/** As checkLedger, on what `db` sees: a transaction that looks at one moment. */
export async function findProblems(db: Db, { eventsSince }: CheckOptions): Promise<string[]> {
  const found = createFindings()
  await checkTransactions(db, found)
  await checkChains(db, found)
  await checkCharges(db, found)
  await checkGrants(db, found)
  await checkUsage(db, found)
  await checkFunding(db, found)
  await checkBilling(db, found)
  if (eventsSince !== undefined) {
    await checkEvents(db, found, eventsSince)
    await checkPayoutEvents(db, found, eventsSince)
  }
  return found.lines()
}

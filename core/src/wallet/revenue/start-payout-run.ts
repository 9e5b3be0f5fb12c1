import type { Environment } from '../../context.ts'
import { afterCommit, type Db } from '../../database/index.ts'
import { invalidField, newId, nowIso, toMicros, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { insertRun } from './payout-run-store.ts'
import type { PayoutRun } from './payout.ts'

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

/** Begins a run, which workers go on with from now on. Throws `validation_failed` for the cutoff and the minimum. */
export async function startPayoutRun(ctx: WalletContext, db: Db, wish: PayoutRunWish): Promise<PayoutRun> {
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
    position: { organizationId: '', accountId: '', entry: null, skipped: [] },
    skipped: { count: 0, organizationIds: [] },
  }
  await insertRun(db, run)
  afterCommit(db, () => ctx.signals.emit('payout-runs-due'))
  return run
}

function readCutoff(given: string | undefined, now: string): string {
  const latest = Date.parse(now) - settlingMilliseconds
  if (given === undefined) return new Date(latest).toISOString()
  const time = Date.parse(given)
  if (!(time <= latest)) throw invalidField('cutoffTime', 'must lie at least a minute back')
  // In UTC: 1 January of the year 1 is in another one elsewhere, and PostgreSQL knows no year 0.
  if (time < 0) throw invalidField('cutoffTime', 'must not lie before 1970')
  return new Date(time).toISOString()
}

function readMinimum(given: number | string | undefined): Micros {
  if (given === undefined) return 0n
  const minimum = toMicros(given)
  if (minimum === null || minimum < 0n)
    throw invalidField('minimum', 'must be a decimal of 0 or more, with at most 6 decimals')
  return minimum
}

import type { Environment } from '../../context.ts'
import type { Db } from '../../database/index.ts'
import { nowIso, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { sumEntries, type Total } from './entry-totals.ts'
import { sumMeters, type MeterTotal } from './meter-totals.ts'
import {
  firstEntryTime,
  insertMonth,
  isClosedMonth,
  lastClosedMonth,
  monthMetersOf,
  monthTotalsOf,
  type ClosedMonth,
} from './month-store.ts'
import { monthAt } from './period.ts'

/** An account that keeps no balance. */
export interface SummedAccount {
  id: string
  /** Whose charges are told by meter; null for a margin. */
  applicationId: string | null
  environment: Environment
  currency: string
}

interface Range {
  from: string
  to: string
}

/**
 * How long after its end a month is summed for good: longer than any transaction is open. Between the end and then, its statement is made
 * of its entries each time.
 */
const closingMilliseconds = 60 * 60_000

const ever = '1970-01-01T00:00:00.000Z'

/** What the account had at the beginning of the range, and what came and went in it, by kind and application, and by meter. */
export async function accountStatement(
  ctx: WalletContext,
  db: Db,
  account: SummedAccount,
  range: Range,
): Promise<{ opening: Micros; totals: Total[]; meters: MeterTotal[] }> {
  const opening = await balanceAt(ctx, db, account, range.from)
  await closeMonths(ctx, db, account, range.to)
  if (await isClosedMonth(db, account.id, range)) {
    const [totals, meters] = [
      await monthTotalsOf(db, account.id, range.from),
      await monthMetersOf(db, account.id, range.from),
    ]
    return { opening, totals, meters }
  }
  return { opening, totals: await sumEntries(db, account.id, range), meters: await metersOf(db, account, range) }
}

/**
 * What was booked on the account before `time`: the balance at the end of the last closed month, and the entries since. Months that are
 * over are summed once, by whoever needs them first, in pages between which others get their turn; so from then on only the entries of
 * the present month (and of the one before, in the first hour) are read, at most `readAtOnce` of them in one go.
 */
export async function balanceAt(ctx: WalletContext, db: Db, account: SummedAccount, time: string): Promise<Micros> {
  const closed = await closeMonths(ctx, db, account, time)
  const rest = { from: closed?.to ?? ever, to: time }
  const since = rest.from < rest.to ? await sumEntries(db, account.id, rest) : []
  return sumOf(since, closed?.balance ?? 0n)
}

/** Sums the months that ended at `until` or before and are over. Returns the last one of them. */
async function closeMonths(
  ctx: WalletContext,
  db: Db,
  account: SummedAccount,
  until: string,
): Promise<ClosedMonth | null> {
  const latest = new Date(Date.parse(nowIso(ctx.clock)) - closingMilliseconds).toISOString()
  const end = until < latest ? until : latest
  let last = await lastClosedMonth(db, account.id, end)
  const first = last?.to ?? (await firstEntryTime(db, account.id))
  if (first === null) return null
  for (let month = monthAt(first); month.to <= end; month = monthAt(month.to)) {
    const totals = await sumEntries(db, account.id, month)
    const meters = await metersOf(db, account, month)
    last = { ...month, balance: sumOf(totals, last?.balance ?? 0n) }
    await insertMonth(db, ctx.dialect, account.id, { ...last, totals, meters })
  }
  return last
}

function metersOf(db: Db, { applicationId, environment, currency }: SummedAccount, range: Range) {
  return applicationId === null ? [] : sumMeters(db, { applicationId, environment, currency }, range)
}

const sumOf = (totals: Total[], opening: Micros): Micros => totals.reduce((sum, { amount }) => sum + amount, opening)

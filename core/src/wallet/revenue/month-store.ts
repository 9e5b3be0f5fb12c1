import {
  insertRows,
  inTransaction,
  integer,
  iso,
  money,
  text,
  type Db,
  type Dialect,
  type Row,
} from '../../database/index.ts'
import type { Micros } from '../../kernel/index.ts'
import type { TransactionKind } from '../ledger/ledger.ts'
import { inOrder, type Total } from './entry-totals.ts'
import type { MeterTotal } from './meter-totals.ts'

const months = 'stoa_account_months'
const monthTotals = 'stoa_account_month_totals'
const monthMeters = 'stoa_account_month_meters'

/** A month (UTC) of an account that keeps no balance, summed when nothing could be booked in it any more. */
export interface ClosedMonth {
  /** Included. */
  from: string
  /** Excluded. */
  to: string
  /** At its end. */
  balance: Micros
}

/** The last one that ends at `until` or before. */
export async function lastClosedMonth(db: Db, accountId: string, until: string): Promise<ClosedMonth | null> {
  const query = db(months).where({ account_id: accountId }).where('end_time', '<=', until)
  const row = (await query.orderBy('start_time', 'desc').first()) as Row | undefined
  return row ? { from: iso(row.start_time), to: iso(row.end_time), balance: money(row.balance) } : null
}

export async function isClosedMonth(db: Db, accountId: string, { from, to }: { from: string; to: string }) {
  const row = await db(months).where({ account_id: accountId, start_time: from, end_time: to }).first('account_id')
  return row !== undefined
}

export async function monthTotalsOf(db: Db, accountId: string, from: string): Promise<Total[]> {
  const rows = (await db(monthTotals).where({ account_id: accountId, start_time: from })) as Row[]
  const totals = rows.map((row) => ({
    kind: row.kind as TransactionKind,
    applicationId: text(row.application_key) || null,
    count: integer(row.count),
    amount: money(row.amount),
  }))
  return inOrder(totals, ({ kind, applicationId }) => `${kind} ${applicationId ?? ''}`)
}

export async function monthMetersOf(db: Db, accountId: string, from: string): Promise<MeterTotal[]> {
  const rows = (await db(monthMeters).where({ account_id: accountId, start_time: from })) as Row[]
  const totals = rows.map((row) => ({
    meterId: text(row.meter_id),
    kind: row.kind as MeterTotal['kind'],
    count: integer(row.count),
    units: money(row.units),
    amount: money(row.amount),
    baseAmount: money(row.base_amount),
    feeAmount: money(row.fee_amount),
  }))
  return inOrder(totals, ({ meterId, kind }) => `${meterId} ${kind}`)
}

/** Writes a month with its parts, all or nothing. Whoever does it first, the others found the same. */
export function insertMonth(
  db: Db,
  dialect: Dialect,
  accountId: string,
  { from, to, balance, totals, meters }: ClosedMonth & { totals: Total[]; meters: MeterTotal[] },
): Promise<void> {
  const key = { account_id: accountId, start_time: from }
  const insert = (trx: Db, table: string, rows: Row[]) =>
    insertRows(trx, dialect, table, rows, 'on conflict do nothing')
  return inTransaction(db, async (trx) => {
    await insert(trx, months, [{ ...key, end_time: to, balance }])
    await insert(
      trx,
      monthTotals,
      totals.map(({ kind, applicationId, count, amount }) => ({
        ...key,
        kind,
        application_key: applicationId ?? '',
        count,
        amount,
      })),
    )
    await insert(
      trx,
      monthMeters,
      meters.map(({ meterId, kind, count, units, amount, baseAmount, feeAmount }) => ({
        ...key,
        meter_id: meterId,
        kind,
        count,
        units,
        amount,
        base_amount: baseAmount,
        fee_amount: feeAmount,
      })),
    )
  })
}

/** The time of the first entry of an account that keeps no balance; null when it has none. */
export async function firstEntryTime(db: Db, accountId: string): Promise<string | null> {
  const query = db('stoa_ledger_entries').where({ account_id: accountId }).whereNull('account_version')
  const row = (await query.orderBy('booked_time').first('booked_time')) as Row | undefined
  return row ? iso(row.booked_time) : null
}

import { setImmediate } from 'node:timers/promises'
import { integer, iso, maybeIso, money, text, type Db, type Row } from '../../database/index.ts'
import { shiftTime, type Micros } from '../../kernel/index.ts'
import { selectRaw } from '../ledger/select-raw.ts'
import { inOrder, readAtOnce } from './entry-totals.ts'
import { settlingMilliseconds } from './start-payout-run.ts'

/** What charges of a meter came to, or what was given back of it, which is negative. */
export interface MeterTotal {
  meterId: string
  kind: 'charge' | 'refund'
  count: number
  units: Micros
  /** What was paid, with the margin of those who resell. */
  amount: Micros
  baseAmount: Micros
  feeAmount: Micros
}

/** Whose charges are summed. */
export interface MetersOf {
  applicationId: string
  environment: string
  currency: string
}

interface Range {
  from: string
  to: string
}

/** Installations that are looked at in one go for whether they have charges in the range. */
const installationsAtOnce = 500

/**
 * By meter, what an application charged in a range of time. Found by its installations, in whose order charges are kept, a page of one at
 * a time: at most `readAtOnce` charges in one go. They belong to the range by the booking of their transaction, from which their own time
 * may differ by a moment. `db` should be no transaction.
 */
export async function sumMeters(db: Db, of: MetersOf, { from, to }: Range): Promise<MeterTotal[]> {
  const wide = { from: shiftTime(from, -settlingMilliseconds), to: shiftTime(to, settlingMilliseconds) }
  const totals = new Map<string, MeterTotal>()
  for await (const installationId of chargedInstallations(db, of, wide)) {
    for await (const { bookedTime, currency, ...record } of recordsOf(db, installationId, wide)) {
      if (currency !== of.currency || bookedTime === null || bookedTime < from || bookedTime >= to) continue
      const key = meterKey(record)
      const known = totals.get(key)
      totals.set(key, known ? add(known, record) : record)
    }
  }
  return inOrder([...totals.values()], meterKey)
}

const meterKey = ({ meterId, kind }: Pick<MeterTotal, 'meterId' | 'kind'>) => `${meterId} ${kind}`

function add(known: MeterTotal, more: MeterTotal): MeterTotal {
  return {
    ...known,
    count: known.count + more.count,
    units: known.units + more.units,
    amount: known.amount + more.amount,
    baseAmount: known.baseAmount + more.baseAmount,
    feeAmount: known.feeAmount + more.feeAmount,
  }
}

async function* chargedInstallations(db: Db, of: MetersOf, { from, to }: Range): AsyncGenerator<string> {
  let after = ''
  for (;;) {
    const rows = await selectRaw(
      db,
      `select page.id, exists (
         select 1 from stoa_charges charge
         where charge.installation_id = page.id and charge.created_time >= ? and charge.created_time < ?
       ) as has_charges
       from (
         select id from stoa_installations where application_id = ? and environment = ? and id > ?
         order by id limit ${installationsAtOnce}
       ) as page order by page.id`,
      [from, to, of.applicationId, of.environment, after],
    )
    for (const row of rows) if (row.has_charges === true || Number(row.has_charges) === 1) yield text(row.id)
    if (rows.length < installationsAtOnce) return
    after = text(rows.at(-1)!.id)
    await setImmediate()
  }
}

type ChargeRecord = MeterTotal & { bookedTime: string | null; currency: string }

async function* recordsOf(db: Db, installationId: string, { from, to }: Range): AsyncGenerator<ChargeRecord> {
  let after: Row | null = null
  for (;;) {
    const query = db('stoa_charges as charge')
      .leftJoin('stoa_ledger_transactions as txn', 'txn.id', 'charge.transaction_id')
      .where('charge.installation_id', installationId)
      .where('charge.created_time', '>=', after ? iso(after.created_time) : from)
      .where('charge.created_time', '<', to)
      .orderBy(['charge.created_time', 'charge.id', 'charge.seq'])
      .limit(readAtOnce)
      .select('charge.id', 'charge.seq', 'charge.meter_id', 'charge.currency', 'charge.units', 'charge.amount')
      .select('charge.base_amount', 'charge.fee_amount', 'charge.created_time', 'txn.booked_time')
    if (after) {
      const last = [iso(after.created_time), text(after.id), integer(after.seq)]
      void query.whereRaw('(charge.created_time, charge.id, charge.seq) > (?, ?, ?)', last)
    }
    const rows = (await query) as Row[]
    for (const row of rows) yield mapRecord(row)
    await setImmediate()
    if (rows.length < readAtOnce) return
    after = rows.at(-1)!
  }
}

function mapRecord(row: Row): ChargeRecord {
  const kind = integer(row.seq) === 0 ? 'charge' : 'refund'
  const signed = (value: unknown) => (kind === 'refund' ? -money(value) : money(value))
  return {
    meterId: text(row.meter_id),
    kind,
    count: 1,
    units: signed(row.units),
    amount: signed(row.amount),
    baseAmount: signed(row.base_amount),
    feeAmount: signed(row.fee_amount),
    bookedTime: maybeIso(row.booked_time),
    currency: text(row.currency),
  }
}

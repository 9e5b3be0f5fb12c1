import { insertRows, integer, iso, money, text, type Db, type Dialect, type Row } from '../../database/index.ts'
import type { Micros } from '../../kernel/index.ts'
import { selectRaw } from '../ledger/select-raw.ts'

/** How much was used under a limit in a period, net of what was given back. */
export interface UsageCounter {
  /** What is limited; changes with the limit, so that a new one begins to count from what the charges say. */
  key: string
  periodStart: string
  units: Micros
  amount: Micros
  /** The last percentage of the limit that was announced. */
  announced: number
}

export interface WantedCounter {
  key: string
  periodStart: string
  periodEnd: string
  installationId: string
  /** Null for all meters. */
  meterId: string | null
  /** Null for all. */
  currency: string | null
}

const table = 'stoa_usage_counters'

export const counterName = ({ key, periodStart }: Pick<UsageCounter, 'key' | 'periodStart'>) => `${key} ${periodStart}`

/**
 * The counters, locked until the transaction ends, by `counterName`. One that is missing is counted from the charges first: whoever
 * makes it, the others wait and go on from there. Lock wallets before, never after.
 */
export async function lockCounters(
  db: Db,
  dialect: Dialect,
  wanted: WantedCounter[],
): Promise<Map<string, UsageCounter>> {
  const distinct = [...new Map(wanted.map((each) => [counterName(each), each])).values()]
  const found = await lockExisting(db, dialect, distinct)
  const missing = distinct.filter((each) => !found.has(counterName(each)))
  if (missing.length === 0) return found
  const rows: Row[] = []
  for (const each of missing.toSorted((a, b) => (a.key < b.key ? -1 : 1))) {
    rows.push({ key: each.key, period_start: each.periodStart, ...(await countCharges(db, each)), announced: 0 })
  }
  await insertRows(db, dialect, table, rows, 'on conflict do nothing')
  return new Map([...found, ...(await lockExisting(db, dialect, missing))])
}

export async function updateCounters(db: Db, dialect: Dialect, counters: UsageCounter[]): Promise<void> {
  if (counters.length === 0) return
  const marks = counters.map(() => '(?, ?, cast(? as bigint), cast(? as bigint), cast(? as bigint))').join(', ')
  const bindings = counters.flatMap(({ key, periodStart, units, amount, announced }) => [
    key,
    periodStart,
    units,
    amount,
    announced,
  ])
  await selectRaw(
    db,
    `update ${table} set units = used.column3, amount = used.column4, announced = used.column5 from (values ${marks}) as used
     where ${table}.key = used.column1 and ${table}.period_start = cast(used.column2 as ${dialect.timeType}) returning ${table}.key`,
    bindings,
  )
}

/** As lockCounters, of those that charging has needed already. */
export async function lockExisting(
  db: Db,
  dialect: Dialect,
  wanted: Pick<WantedCounter, 'key' | 'periodStart'>[],
): Promise<Map<string, UsageCounter>> {
  const names = new Set(wanted.map(counterName))
  if (names.size === 0) return new Map()
  const query = db(table)
    .whereIn('key', [...new Set(wanted.map(({ key }) => key))])
    .whereIn('period_start', [...new Set(wanted.map(({ periodStart }) => periodStart))])
    .orderBy(['key', 'period_start'])
  const rows = (await (dialect.rowLocks ? query.forNoKeyUpdate() : query)) as Row[]
  return new Map(rows.map(mapCounter).map((counter) => [counterName(counter), counter]))
}

/** What the charges booked in the period come to, less what was given back of them before it ended. */
export async function countCharges(
  db: Db,
  wanted: Omit<WantedCounter, 'key'>,
): Promise<Pick<UsageCounter, 'units' | 'amount'>> {
  const { periodStart, periodEnd, installationId, meterId, currency } = wanted
  const charges = db('stoa_charges as charge')
    .where({ 'charge.installation_id': installationId, 'charge.seq': 0 })
    .where('charge.created_time', '>=', periodStart)
    .where('charge.created_time', '<', periodEnd)
  if (meterId !== null) charges.where('charge.meter_id', meterId)
  if (currency !== null) charges.where('charge.currency', currency)
  const refunds = charges
    .clone()
    .join('stoa_charges as refund', (on) => void on.on('refund.id', 'charge.id').andOnVal('refund.seq', '>', 0))
    .where('refund.created_time', '<', periodEnd)
  const total = async (query: typeof charges, record: string) => {
    const [row] = (await query.sum({ units: `${record}.units`, amount: `${record}.amount` })) as Row[]
    return { units: money(row!.units ?? 0), amount: money(row!.amount ?? 0) }
  }
  const taken = await total(charges.clone(), 'charge')
  const returned = await total(refunds, 'refund')
  return { units: taken.units - returned.units, amount: taken.amount - returned.amount }
}

export function mapCounter(row: Row): UsageCounter {
  return {
    key: text(row.key),
    periodStart: iso(row.period_start),
    units: money(row.units),
    amount: money(row.amount),
    announced: integer(row.announced),
  }
}

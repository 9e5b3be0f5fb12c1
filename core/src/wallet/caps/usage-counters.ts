import {
  insertRows,
  integer,
  iso,
  money,
  text,
  type Db,
  type Dialect,
  type Row,
  updateRows,
} from '../../database/index.ts'
import { maxMicros, type Micros } from '../../kernel/index.ts'

/** How much was used under a limit in a period, net of what was given back. */
export interface UsageCounter {
  /** A cap, or a meter of an installation. */
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
  /** False: only if it is there already. Whatever was counted once in a period is counted to its end. */
  isNeeded: boolean
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
  const missing = distinct.filter((each) => each.isNeeded && !found.has(counterName(each)))
  if (missing.length === 0) return found
  const rows: Row[] = []
  for (const each of missing.toSorted((a, b) => (a.key < b.key ? -1 : 1))) {
    rows.push({ key: each.key, period_start: each.periodStart, ...(await countCharges(db, each)), announced: 0 })
  }
  await insertRows(db, dialect, table, rows, 'on conflict do nothing')
  return new Map([...found, ...(await lockExisting(db, dialect, missing))])
}

/** The same without a lock, for advice: nothing is made. */
export async function readCounters(
  db: Db,
  dialect: Dialect,
  wanted: WantedCounter[],
): Promise<Map<string, UsageCounter>> {
  const found = await lockExisting(db, { ...dialect, rowLocks: false }, wanted)
  for (const each of wanted) {
    if (!each.isNeeded || found.has(counterName(each))) continue
    const { key, periodStart } = each
    found.set(counterName(each), { key, periodStart, announced: 0, ...(await countCharges(db, each)) })
  }
  return found
}

const counts = {
  where: { key: 'text', period_start: 'timestamptz' },
  set: { units: 'bigint', amount: 'bigint', announced: 'bigint' },
} as const

export async function updateCounters(db: Db, dialect: Dialect, counters: UsageCounter[]): Promise<void> {
  const changes = counters.map(({ key, periodStart, units, amount, announced }) => ({
    where: { key, period_start: periodStart },
    set: { units, amount, announced },
  }))
  await updateRows(db, dialect, table, counts, changes)
}

/** As lockCounters, of those that charging has needed already. */
async function lockExisting(
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
  wanted: Omit<WantedCounter, 'key' | 'isNeeded'>,
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
    // In two parts, whose sums stay far from what the database can hold: units may cost nothing, and what was charged and given back
    // again counts twice until here.
    const parts = ['units', 'amount'].flatMap((name) => [
      `sum(${record}.${name} / 1000000) as whole_${name}`,
      `sum(${record}.${name} % 1000000) as micro_${name}`,
    ])
    const [row] = (await query.select(db.raw(parts.join(', ')))) as Row[]
    const whole = (name: string) => money(row![`whole_${name}`] ?? 0) * 1_000_000n + money(row![`micro_${name}`] ?? 0)
    return { units: whole('units'), amount: whole('amount') }
  }
  const taken = await total(charges.clone(), 'charge')
  const returned = await total(refunds, 'refund')
  // Units of many meters say nothing together.
  const units = meterId === null ? 0n : taken.units - returned.units
  return { units: units < maxMicros ? units : maxMicros, amount: taken.amount - returned.amount }
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

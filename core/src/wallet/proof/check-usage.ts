import { json, maybeText, money, text, type Db, type Row } from '../../database/index.ts'
import { microsText, type Micros } from '../../kernel/index.ts'
import { mapScope } from '../caps/cap-store.ts'
import { periodAt, type Period } from '../caps/period.ts'
import { countCharges, mapCounter, type UsageCounter } from '../caps/usage-counters.ts'
import type { Findings } from './findings.ts'
import { pageSize, readPages } from './read-pages.ts'

/**
 * Counters of caps and limits are what the charges of their period come to, and what holds reserve of grants is what the grants say.
 */
export async function checkUsage(db: Db, found: Findings): Promise<void> {
  for await (const counters of pagesOf(db, 'stoa_usage_counters', ['key', 'period_start'])) {
    const limits = await findLimits(db, counters)
    for (const counter of counters.map(mapCounter)) {
      const limit = limits.get(counter.key)
      if (limit) await compare(db, counter, limit, found)
    }
  }
  await checkSlices(db, found)
}

interface Counted {
  period: Period
  installationId: string
  meterId: string | null
  currency: string | null
}

/** What the counters count, by key; none for a cap that was taken away. */
async function findLimits(db: Db, counters: Row[]): Promise<Map<string, Counted>> {
  const keys = [...new Set(counters.map(({ key }) => text(key)))].map((key) => key.split(':'))
  const ids = (kind: string) => keys.flatMap(([is, id]) => (is === kind ? [id!] : []))
  const caps = (await db('stoa_caps').whereIn('id', ids('cap')).whereNull('ended_time')) as Row[]
  const limits = new Map<string, Counted>(
    caps.map((cap) => [`cap:${text(cap.id)}`, { ...mapScope(cap), installationId: text(cap.installation_id) }]),
  )
  for (const [kind, meterId, installationId, period] of keys) {
    if (kind !== 'usage') continue
    const limit = { period: period as Period, installationId: installationId!, meterId: meterId!, currency: null }
    limits.set(`usage:${meterId}:${installationId}:${period}`, limit)
  }
  return limits
}

async function compare(db: Db, counter: UsageCounter, limit: Counted, found: Findings): Promise<void> {
  const { key, periodStart, units, amount } = counter
  const { start, end } = periodAt(limit.period, periodStart)
  const counted = await countCharges(db, { ...limit, periodStart: start, periodEnd: end })
  if (start === periodStart && counted.units === units && counted.amount === amount) return
  const told = (of: { units: Micros; amount: Micros }) => `${microsText(of.units)} units for ${microsText(of.amount)}`
  found.add('counters', `counter ${key} of ${periodStart} says ${told(counter)}, its charges say ${told(counted)}`)
}

/** What open holds reserve of grants, by grant; closed ones reserve nothing. */
async function checkSlices(db: Db, found: Findings): Promise<void> {
  const reserved = new Map<string, Micros>()
  for await (const holds of pagesOf(db, 'stoa_holds', ['id'], { status: 'open' })) {
    for (const hold of holds) {
      const slices = json<[string, string][]>(hold.slices)
      for (const [grantId, amount] of slices) reserved.set(grantId, (reserved.get(grantId) ?? 0n) + BigInt(amount))
      const total = slices.reduce((sum, [, amount]) => sum + BigInt(amount), 0n)
      const rest = money(hold.amount) - money(hold.captured)
      if (total > rest) found.add('slices', `hold ${text(hold.id)} reserves ${total} of grants, and in all ${rest}`)
    }
  }
  const tell = (id: string, held: Micros) => {
    const sliced = reserved.get(id) ?? 0n
    if (sliced !== held) found.add('slices', `grant ${id} says ${held} held, open holds say ${sliced}`)
    reserved.delete(id)
  }
  for await (const grants of readPages((after: Row | null) => heldGrants(db, maybeText(after?.id ?? null)))) {
    for (const { id, held } of grants) tell(text(id), money(held))
  }
  // What is left is of grants that say they hold nothing.
  for (const id of reserved.keys()) tell(id, 0n)
}

async function heldGrants(db: Db, after: string | null): Promise<Row[]> {
  const query = db('stoa_grants').where('held', '<>', 0).orderBy('id').limit(pageSize)
  return (await (after === null ? query : query.where('id', '>', after))) as Row[]
}

/** Rows in the order of a key. */
function pagesOf(db: Db, table: string, key: string[], where: Row = {}): AsyncGenerator<Row[]> {
  return readPages(async (after: Row | null) => {
    const query = db(table)
      .where(where as object)
      .orderBy(key)
      .limit(pageSize)
    const marks = key.map(() => '?').join(', ')
    if (after) void query.whereRaw(`(${key.join(', ')}) > (${marks})`, key.map((name) => after[name]) as string[])
    return (await query) as Row[]
  })
}

import { iso, maybeIso, maybeText, text, type Db, type Row } from '../../database/index.ts'
import { withPrefix } from '../../kernel/index.ts'
import type { PayoutEventType } from '../revenue/payout-events.ts'
import type { Findings } from './findings.ts'
import { pageSize, readPages } from './read-pages.ts'

const types: PayoutEventType[] = ['payout.created', 'payout.paid', 'payout.failed']

/** The column of a payout that has the id of its event, with another prefix. */
const columns: Record<PayoutEventType, { column: string; prefix: string }> = {
  'payout.created': { column: 'transaction_id', prefix: 'txn' },
  'payout.paid': { column: 'settlement_id', prefix: 'pst' },
  'payout.failed': { column: 'settlement_id', prefix: 'pst' },
}

/** As checkEvents, of payouts: that one was made and how it ended were told once each since `since`, and nothing else was. */
export async function checkPayoutEvents(db: Db, found: Findings, since: string): Promise<void> {
  for await (const payouts of payoutsOf(db)) {
    const tellings = payouts.flatMap(tellingsOf).filter(({ time }) => time >= since)
    const events = await findEvents(
      db,
      tellings.flatMap(({ event }) => event ?? []),
    )
    for (const { payout, type, event } of tellings) {
      if (event !== null && events.get(event) === type) continue
      found.add('events', `payout ${payout} was not told: there is no ${type}${event === null ? '' : ` ${event}`}`)
    }
  }
  for await (const events of eventsOf(db)) {
    for (const type of types) {
      const told = events.filter((event) => event.type === type).map(({ id }) => id)
      const known = await findTold(db, type, told)
      for (const id of told) if (!known.has(id)) found.add('events', `event ${id} is a ${type} of nothing`)
    }
  }
}

interface Recorded {
  id: string
  status: string
  /** Null where something is off. */
  transactionId: string | null
  settlementId: string | null
  createdTime: string
  settledTime: string | null
}

function payoutsOf(db: Db): AsyncGenerator<Recorded[]> {
  return readPages(async (after: Recorded | null) => {
    const query = db('stoa_payouts').whereNot({ status: 'collecting' }).orderBy('id').limit(pageSize)
    if (after) void query.where('id', '>', after.id)
    return ((await query) as Row[]).map((row) => ({
      id: text(row.id),
      status: text(row.status),
      transactionId: maybeText(row.transaction_id),
      settlementId: maybeText(row.settlement_id),
      createdTime: iso(row.created_time),
      settledTime: maybeIso(row.settled_time),
    }))
  })
}

function tellingsOf(payout: Recorded) {
  const { id, status, transactionId, settlementId, createdTime, settledTime } = payout
  const telling = (type: PayoutEventType, told: string | null, time: string) => ({
    payout: id,
    type,
    time,
    event: told === null ? null : withPrefix('evt', told),
  })
  const made = telling('payout.created', transactionId, createdTime)
  if (status === 'created') return [made]
  return [made, telling(status === 'paid' ? 'payout.paid' : 'payout.failed', settlementId, settledTime ?? createdTime)]
}

async function findEvents(db: Db, ids: string[]): Promise<Map<string, string>> {
  const rows = (await db('stoa_events').whereIn('id', ids).where({ test: false }).select('id', 'type')) as Row[]
  return new Map(rows.map((row) => [text(row.id), text(row.type)]))
}

/** Examples that somebody asked for tell of nothing. */
function eventsOf(db: Db): AsyncGenerator<{ id: string; type: string }[]> {
  return readPages(async (after: { id: string } | null) => {
    const query = db('stoa_events').whereIn('type', types).where({ test: false }).orderBy('id').limit(pageSize)
    if (after) void query.where('id', '>', after.id)
    return ((await query.select('id', 'type')) as Row[]).map((row) => ({ id: text(row.id), type: text(row.type) }))
  })
}

/** Those of the events that tell of something. */
async function findTold(db: Db, type: PayoutEventType, events: string[]): Promise<Set<string>> {
  if (events.length === 0) return new Set()
  const { column, prefix } = columns[type]
  const query = db('stoa_payouts').whereIn(
    column,
    events.map((id) => withPrefix(prefix, id)),
  )
  if (type !== 'payout.created') void query.where({ status: type.slice('payout.'.length) })
  const rows = (await query.select({ id: column })) as Row[]
  return new Set(rows.map((row) => withPrefix('evt', text(row.id))))
}

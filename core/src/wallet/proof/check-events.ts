import { text, type Db, type Row } from '../../database/index.ts'
import { withPrefix } from '../../kernel/index.ts'
import type { Findings } from './findings.ts'
import { pageSize, readPages } from './read-pages.ts'

const types = ['charge.created', 'charge.refunded'] as const
type Type = (typeof types)[number]

interface Told {
  id: string
  type: Type
}

/**
 * Every charge and refund since `since` (ISO; older events may be gone) was told by one event, and no event tells of one that does not
 * exist. An event's id follows from what it tells, so it cannot be there twice.
 */
export async function checkEvents(db: Db, found: Findings, since: string): Promise<void> {
  for await (const records of recordsOf(db, since)) {
    const events = await findEvents(
      db,
      records.map(({ event }) => event),
    )
    for (const { name, type, event } of records) {
      if (events.get(event) !== type) found.add('events', `${name} was not told: there is no ${type} ${event}`)
    }
  }
  for await (const events of eventsOf(db)) {
    const known = new Set([...(await findCharges(db, events)), ...(await findRefunds(db, events))])
    for (const { id, type } of events) {
      if (!known.has(id)) found.add('events', `event ${id} is a ${type} of nothing`)
    }
  }
}

interface Recorded {
  id: string
  seq: unknown
  name: string
  type: Type
  /** The id that its event must have. */
  event: string
}

// Also refunds of late of what was charged long ago, so that their ids say nothing.
function recordsOf(db: Db, since: string): AsyncGenerator<Recorded[]> {
  return readPages(async (after: Recorded | null) => {
    const query = db('stoa_charges')
      .where('created_time', '>=', since)
      .orderBy(['id', 'seq'])
      .limit(pageSize)
      .select('id', 'seq', 'transaction_id')
    if (after) void query.whereRaw('(id, seq) > (?, ?)', [after.id, after.seq as number])
    return ((await query) as Row[]).map(recorded)
  })
}

function recorded(row: Row): Recorded {
  const { seq } = row
  const id = text(row.id)
  const isCharge = Number(seq) === 0
  return {
    id,
    seq,
    name: isCharge ? `charge ${id}` : `refund ${id}/${Number(seq)}`,
    type: isCharge ? 'charge.created' : 'charge.refunded',
    event: withPrefix('evt', isCharge ? id : text(row.transaction_id)),
  }
}

async function findEvents(db: Db, ids: string[]): Promise<Map<string, string>> {
  const rows = (await db('stoa_events').whereIn('id', ids).where({ test: false }).select('id', 'type')) as Row[]
  return new Map(rows.map((row) => [text(row.id), text(row.type)]))
}

/** Examples that somebody asked for tell of nothing. */
function eventsOf(db: Db): AsyncGenerator<Told[]> {
  return readPages(async (after: Told | null) => {
    const query = db('stoa_events').whereIn('type', types).where({ test: false }).orderBy('id').limit(pageSize)
    if (after) void query.where('id', '>', after.id)
    return ((await query.select('id', 'type')) as Row[]).map((row) => ({ id: text(row.id), type: row.type as Type }))
  })
}

async function findCharges(db: Db, events: Told[]): Promise<string[]> {
  const ids = events.filter(({ type }) => type === 'charge.created').map(({ id }) => withPrefix('chg', id))
  const rows = (await db('stoa_charges').whereIn('id', ids).where({ seq: 0 }).select('id')) as Row[]
  return rows.map((row) => withPrefix('evt', text(row.id)))
}

async function findRefunds(db: Db, events: Told[]): Promise<string[]> {
  const ids = events.filter(({ type }) => type === 'charge.refunded').map(({ id }) => withPrefix('txn', id))
  const query = db('stoa_ledger_transactions').whereIn('id', ids).where({ kind: 'refund' })
  return ((await query.select('id')) as Row[]).map((row) => withPrefix('evt', text(row.id)))
}

import { json, text, type Db, type Row } from '../database/index.ts'
import {
  listPastEvents,
  wantsType,
  wouldReceive,
  type DeliveryCause,
  type EventsContext,
  type InstalledPlace,
  type PastEvent,
  type Receiver,
} from '../events/index.ts'
import { newId, nowIso } from '../kernel/index.ts'
import { queuedAgain } from './resend.ts'
import { insertMissing, lockInState, type Replay } from './replay-store.ts'

/** How many deliveries or events a page looks at, and so how much there is in one transaction: a few times what it may queue. */
const pageSizeOf = ({ perSecond }: Replay) => Math.min(Math.max(4 * perSecond, 100), 1000)

export interface Progress {
  /** Those that the endpoint's owner may know of. */
  lookedAt: number
  queued: number
  /** The last id that was looked at; null when there was none. */
  cursor: string | null
  /** Whether this was the last page. */
  isLast: boolean
}

/** What is looked at, oldest first; `fits` is what is to be queued of it. */
interface Candidate {
  id: string
  fits: boolean
  counts: boolean
}

/**
 * Looks at a page and queues what fits of it, a second's worth at most. Call it in the transaction that keeps the progress:
 * then each delivery is queued once, however often a page has to be begun again.
 */
export async function replayPage(ctx: EventsContext, trx: Db, replay: Replay, receiver: Receiver): Promise<Progress> {
  const page = await (replay.kind === 'missing' ? eventsOf : deliveriesOf)(ctx, trx, replay, receiver)
  const { dryRun } = replay.filter
  const looked: Candidate[] = []
  const fitting: string[] = []
  for (const candidate of page) {
    if (candidate.fits && !dryRun && fitting.length === replay.perSecond) break
    looked.push(candidate)
    if (candidate.fits) fitting.push(candidate.id)
  }
  return {
    lookedAt: looked.filter(({ counts }) => counts).length,
    queued: dryRun ? fitting.length : await queue(ctx, trx, replay, receiver, fitting),
    cursor: looked.at(-1)?.id ?? replay.cursor,
    isLast: page.length < pageSizeOf(replay) && looked.length === page.length,
  }
}

async function deliveriesOf(_ctx: EventsContext, trx: Db, replay: Replay): Promise<Candidate[]> {
  const { filter, endpointId, cursor } = replay
  const query = trx('stoa_deliveries').select('id', 'type', 'state').where({ endpoint_id: endpointId })
  // Literal, so that the partial index is found.
  if (replay.kind === 'failed') void query.whereRaw(`state = 'failed'`)
  if (cursor === null) void query.where('id', '>=', filter.fromId)
  else void query.where('id', '>', cursor)
  const rows = (await query.where('id', '<', filter.endId).orderBy('id').limit(pageSizeOf(replay))) as Row[]
  const states = statesOf(replay)
  return rows.map((row) => ({
    id: text(row.id),
    fits: states.includes(text(row.state)) && fitsType(replay, text(row.type)),
    counts: true,
  }))
}

async function eventsOf(ctx: EventsContext, trx: Db, replay: Replay, receiver: Receiver): Promise<Candidate[]> {
  const { filter, cursor } = replay
  const after = cursor ?? filter.fromId
  const installed = await installedFor(ctx, trx, receiver)
  const events = await listPastEvents(trx, receiver, installed, {
    after,
    before: filter.endId,
    limit: pageSizeOf(replay),
  })
  const ids = events.map(({ id }) => id)
  const there = (await trx('stoa_deliveries')
    .select('event_id')
    .where({ endpoint_id: receiver.id })
    .whereIn('event_id', ids)) as Row[]
  const known = new Set(there.map((row) => text(row.event_id)))
  const wanted = wouldReceive(ctx, receiver, events, installed)
  const ofItself = await tellingOf(trx, receiver, events)
  return events.map((event) => ({
    id: event.id,
    fits: wanted.has(event.id) && !known.has(event.id) && !ofItself.has(event.id) && fitsType(replay, event.type),
    // How much happens at somebody else's is theirs to know.
    counts: wanted.has(event.id) || isOwn(receiver, event),
  }))
}

/**
 * Those that tell what became of the endpoint itself. They are published to the others alone, which is not stored: they are few,
 * and say in their bodies whom they are about.
 */
async function tellingOf(trx: Db, { id: endpointId }: Receiver, events: PastEvent[]): Promise<ReadonlySet<string>> {
  const ids = events.filter(({ type }) => /^endpoint\.|^delivery\.exhausted$/.test(type)).map(({ id }) => id)
  if (ids.length === 0) return new Set()
  const rows = (await trx('stoa_events').select('id', 'payload').whereIn('id', ids)) as Row[]
  const about = (row: Row) => json<{ data?: { endpointId?: unknown } | null }>(row.payload).data?.endpointId
  return new Set(rows.filter((row) => about(row) === endpointId).map((row) => text(row.id)))
}

function isOwn({ organizationId, installationId }: Receiver, event: PastEvent): boolean {
  return installationId === null && [event.publisherId, event.organizationId].includes(organizationId)
}

/** What is installed now, and granted something by which the endpoint could be told of what it wants. */
async function installedFor(ctx: EventsContext, trx: Db, receiver: Receiver): Promise<InstalledPlace[]> {
  const { organizationId: publisherId, applicationId, installationId, environment, events } = receiver
  const permissions = ctx.eventTypes
    .all()
    .filter(({ type, audience }) => wantsType(events, type) && (installationId || audience.includes('installations')))
    .flatMap(({ permission }) => permission ?? [])
  if (permissions.length === 0) return []
  const of = installationId === null ? { publisherId } : { installationId }
  return (await ctx.installationsOf(trx, of, environment)).filter(
    (at) =>
      (applicationId === null || applicationId === at.applicationId) &&
      permissions.some((permission) => at.permissions.has(permission)),
  )
}

async function queue(ctx: EventsContext, trx: Db, replay: Replay, receiver: Receiver, ids: string[]): Promise<number> {
  if (ids.length === 0) return 0
  const now = nowIso(ctx.clock)
  if (replay.kind === 'missing') return insertMissing(trx, ctx.dialect, await deliveryRows(trx, receiver, ids, now))
  // Somebody may have asked for one of them meanwhile, and then it waits to be sent already.
  const locked = await lockInState(trx, ctx.dialect, ids, statesOf(replay))
  await trx('stoa_deliveries')
    .whereIn('id', locked)
    .update(queuedAgain(trx, 'replay', now))
  return locked.length
}

function statesOf({ filter }: Replay): readonly string[] {
  return filter.statuses ?? ['failed']
}

function fitsType({ filter }: Replay, type: string): boolean {
  return filter.types === null || wantsType(filter.types, type)
}

async function deliveryRows(trx: Db, receiver: Receiver, eventIds: string[], now: string): Promise<Row[]> {
  const events = (await trx('stoa_events').select('id', 'type').whereIn('id', eventIds).orderBy('id')) as Row[]
  return events.map((event) => ({
    id: newId('dlv'),
    event_id: text(event.id),
    endpoint_id: receiver.id,
    organization_id: receiver.organizationId,
    environment: receiver.environment,
    type: text(event.type),
    format: receiver.format,
    fifo: receiver.fifo,
    cause: 'replay' satisfies DeliveryCause,
    state: 'pending',
    attempt: 0,
    base_attempt: 0,
    next_time: now,
    created_time: now,
  }))
}

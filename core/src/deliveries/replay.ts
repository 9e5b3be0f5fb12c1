import { lockOrganization } from '../accounts/index.ts'
import type { Db } from '../database/index.ts'
import { ownedEndpoint, scopeOf, type EventsContext } from '../events/index.ts'
import type { Caller } from '../http/index.ts'
import { firstIdAt, invalidField, isoIn, newId, nowIso, StoaError, utcTime } from '../kernel/index.ts'
import { countRunning, endReplay, findReplay, insertReplay, type Replay } from './replay-store.ts'
import type { CreateReplay } from './replay-schemas.ts'
import { seesEndpoint } from './search-deliveries.ts'

/** Each looks at up to a thousand rows at a time, and all organizations' take turns. */
const mostOfEndpoint = 5
/** In one environment. */
const mostOfOrganization = 20

/** Asks for a replay; a worker does it. Its range ends now at the latest: what happens while it runs is not part of it. */
export async function createReplay(
  ctx: EventsContext,
  db: Db,
  caller: Caller,
  endpointId: string,
  body: CreateReplay,
): Promise<Replay> {
  const endpoint = await ownedEndpoint(db, caller, endpointId)
  const now = nowIso(ctx.clock)
  const since = utcTime('since', body.since)
  const until = body.until === undefined ? now : utcTime('until', body.until)
  const { retentionDays } = ctx.config.webhooks
  if (since < isoIn(ctx.clock, -retentionDays * 86_400)) {
    throw invalidField('since', `may lie at most ${retentionDays} days back: what is older is not kept`)
  }
  if (until <= since) throw invalidField('until', 'must be after since')
  if (body.statuses !== undefined && body.kind !== 'range')
    throw invalidField('statuses', 'is for the kind range alone')

  // So that two requests at once cannot both be the last.
  await lockOrganization(db, ctx.dialect, endpoint.organizationId)
  const { ofEndpoint, ofOrganization } = await countRunning(db, endpoint)
  if (ofEndpoint >= mostOfEndpoint || ofOrganization >= mostOfOrganization) {
    throw new StoaError('limit_reached', {
      message: `At most ${mostOfEndpoint} replays of an endpoint and ${mostOfOrganization} of an organization run at once; wait for one, or cancel one.`,
    })
  }
  const prefix = body.kind === 'missing' ? 'evt' : 'dlv'
  const replay: Replay = {
    id: newId('whr'),
    endpointId: endpoint.id,
    kind: body.kind,
    filter: {
      since,
      until: until > now ? now : until,
      types: body.types ?? null,
      statuses: body.kind === 'range' ? (body.statuses ?? ['delivered', 'failed', 'cancelled']) : null,
      dryRun: body.dryRun ?? false,
      fromId: firstIdAt(prefix, since),
      // An id of this moment, rather than one made of the time: other processes' clocks may be ahead of this one's.
      endId: until >= now ? newId(prefix) : firstIdAt(prefix, until),
    },
    perSecond: body.perSecond ?? 100,
    state: 'running',
    reason: null,
    cursor: null,
    lookedAt: 0,
    queued: 0,
    createdBy: caller.userId ?? caller.credentialId,
    createdTime: now,
    finishedTime: null,
    nextTime: now,
  }
  await insertReplay(db, replay)
  return replay
}

/** Throws 404 for a replay of an endpoint outside the caller's scope. */
export async function ownedReplay(db: Db, caller: Caller, id: string): Promise<Replay> {
  const replay = await findReplay(db, id)
  if (!replay || !(await seesEndpoint(db, scopeOf(caller), replay.endpointId))) throw new StoaError('not_found')
  return replay
}

/** Queues no more. What it has queued is sent; the deliveries can be cancelled one by one. */
export async function cancelReplay(ctx: EventsContext, db: Db, caller: Caller, id: string): Promise<Replay> {
  await ownedReplay(db, caller, id)
  const changed = await endReplay(db, id, 'cancelled', nowIso(ctx.clock))
  if (!changed)
    throw new StoaError('wrong_state', { message: 'This replay runs no more, so there is nothing to cancel.' })
  return ownedReplay(db, caller, id)
}

import { findTenants } from '../accounts/index.ts'
import { createGroupCommit, inTransaction, isDatabaseUnavailable, type Db } from '../database/index.ts'
import { invalidField, StoaError } from '../kernel/index.ts'
import type { EventsContext } from './events-context.ts'
import { prepareEvent, type EmbedderEvent } from './prepare-event.ts'
import { writeEvents, type EventToWrite, type Published } from './publish.ts'

export interface Outbox {
  /** See `Host.publish`. */
  publish(db: Db | null, event: EmbedderEvent): Promise<Published>
  /** Resolves when everything that was published without a transaction so far has been answered. */
  drain(): Promise<void>
}

const mostPerBatch = 256
const mostWaiting = 10_000
const mostTries = 5

/** How the embedder's own code publishes: in its own transaction, or in one that many callers share, and with it a flush to disk. */
export function createOutbox(ctx: EventsContext): Outbox {
  const openGroup = (maxBatch: number) =>
    createGroupCommit<EventToWrite, Published>({
      db: ctx.db,
      maxBatch,
      writers: ctx.dialect.batchWriters,
      run: (trx, events) => writeChecked(ctx, trx, events),
    })
  const together = openGroup(mostPerBatch)
  const alone = openGroup(1)
  // Whole calls, not what the groups hold: an event that is tried again is in neither of them for a moment.
  let underWay = 0
  const idle: (() => void)[] = []

  /** A batch that failed because of one event must not fail the others. Whatever is tried again here has been rolled back. */
  async function submit(event: EventToWrite): Promise<Published> {
    let group = together
    for (let tries = 1; ; tries++) {
      try {
        return await group.submit(event)
      } catch (error) {
        if (error instanceof StoaError) throw error
        if (isConflict(error) && tries < mostTries) continue
        if (group === alone || isDatabaseUnavailable(error)) throw error
        group = alone
      }
    }
  }

  async function publishAlong(event: EventToWrite): Promise<Published> {
    if (underWay >= mostWaiting) {
      const message = 'Too many events are waiting to be written; publish it again a little later.'
      throw new StoaError('unavailable', { message, retryAfter: 1 })
    }
    underWay++
    try {
      return await submit(event)
    } finally {
      underWay--
      if (underWay === 0) for (const done of idle.splice(0)) done()
    }
  }

  return {
    async publish(db, event) {
      const prepared = prepareEvent(ctx, event)
      if (db === null) return publishAlong(prepared)
      const [answer] = await inTransaction(db, (trx) => writeChecked(ctx, trx, [prepared]))
      if (answer instanceof StoaError) throw answer
      return answer!
    },
    drain: () => (underWay === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
  }
}

/** Writes those that happened where something can happen; the others are answered with what is wrong, and leave nothing. */
async function writeChecked(ctx: EventsContext, db: Db, events: EventToWrite[]): Promise<(Published | StoaError)[]> {
  const { organizations, locations } = await findTenants(db, {
    organizationIds: [...new Set(events.map(({ organizationId }) => organizationId))],
    locationIds: [...new Set(events.flatMap(({ locationId }) => locationId ?? []))],
  })
  const checked: (EventToWrite | StoaError)[] = []
  for (const event of events) {
    const { organizationId, locationId } = event
    if (!organizations.has(organizationId)) {
      checked.push(invalidField('organizationId', 'there is no organization with this id'))
    } else if (locationId !== null && locations.get(locationId) !== organizationId) {
      checked.push(invalidField('locationId', 'the organization has no location with this id'))
    } else {
      checked.push(event.applicationId === null ? event : await withPublisher(ctx, db, event))
    }
  }
  const written = await writeEvents(
    ctx,
    db,
    checked.filter((each): each is EventToWrite => !(each instanceof StoaError)),
  )
  let next = 0
  return checked.map((each) => (each instanceof StoaError ? each : written[next++]!))
}

async function withPublisher(ctx: EventsContext, db: Db, event: EventToWrite): Promise<EventToWrite | StoaError> {
  const installed = await ctx.installationsAt(db, event)
  const at = installed.find(({ applicationId }) => applicationId === event.applicationId)
  return at ? { ...event, publisherId: at.publisherId } : new StoaError('not_installed')
}

/** Serialization failure or deadlock: the loser of two transactions that got in each other's way. */
function isConflict(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return code === '40001' || code === '40P01'
}

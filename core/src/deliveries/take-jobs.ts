import { LRUCache } from 'lru-cache'
import { isoIn, nowIso } from '../kernel/index.ts'
import { claimDeliveries, type Claimed, type Wanted } from './claim-deliveries.ts'
import { releaseDeliveries } from './delivery-store.ts'
import {
  findEvents,
  findTargets,
  keysVersion,
  openKeys,
  type EventsContext,
  type OpenedKeys,
  type Target,
} from '../events/index.ts'
import type { Job } from './lanes.ts'
import type { Rests } from './rests.ts'
import type { Load } from './send-delivery.ts'

const leastLeaseSeconds = 60
const mostSecrets = 10_000

/** Seconds that a taken delivery belongs to this process: several times what a try can last. */
export function leaseSeconds(timeoutMilliseconds: number): number {
  return Math.max(leastLeaseSeconds, (4 * timeoutMilliseconds) / 1000)
}

/** Takes due deliveries, with their events and endpoints, in a handful of statements however many there are. */
export function createTaker(ctx: EventsContext, rests: Rests): (wanted: Wanted[]) => Promise<Job<Load>[]> {
  const load = createLoader(ctx, rests)
  return async (wanted) => {
    const claimed = await claimDeliveries(ctx.db, ctx.dialect, wanted, {
      now: nowIso(ctx.clock),
      leaseUntil: isoIn(ctx.clock, leaseSeconds(ctx.config.webhooks.timeoutMilliseconds)),
    })
    return load(claimed)
  }
}

/** Adds to deliveries that were taken what is needed to send them; gives back those whose secret cannot be opened. */
export function createLoader(ctx: EventsContext, rests: Rests): (claimed: Claimed[]) => Promise<Job<Load>[]> {
  // Opening a secret costs more than signing with it. The key says which version of the row it was read from.
  const known = new LRUCache<string, OpenedKeys>({ max: mostSecrets })

  async function openOnce(target: Target): Promise<OpenedKeys> {
    const version = keysVersion(target)
    const keys = known.get(version) ?? (await openKeys(ctx, target))
    known.set(version, keys)
    return keys
  }

  async function openAll(targets: Iterable<Target>): Promise<Map<string, OpenedKeys>> {
    const opened = new Map<string, OpenedKeys>()
    for (const target of targets) {
      try {
        opened.set(target.id, await openOnce(target))
      } catch (error) {
        // Tried again after a while: the key may come back, and unsigned is not an option.
        ctx.logger.error({ err: error, endpointId: target.id }, 'the secret of a webhook endpoint cannot be opened')
      }
    }
    return opened
  }

  /** Its schedule is for what its receiver does; the host's own trouble must not use it up. */
  async function leaveAlone(claimed: Claimed[], targets: Map<string, Target>): Promise<void> {
    if (claimed.length === 0) return
    const until = isoIn(ctx.clock, leaseSeconds(ctx.config.webhooks.timeoutMilliseconds))
    for (const { endpointId } of claimed) rests.rest(targets.get(endpointId)!, until)
    try {
      await releaseDeliveries(ctx.db, ctx.dialect, claimed, until)
    } catch (error) {
      ctx.logger.warn({ err: error }, 'webhooks: could not give deliveries back; the leases will run out')
    }
  }

  return async (claimed) => {
    if (claimed.length === 0) return []
    const [events, targets] = await Promise.all([
      findEvents(ctx.db, distinct(claimed, 'eventId')),
      findTargets(ctx.db, distinct(claimed, 'endpointId')),
    ])
    const opened = await openAll(targets.values())
    await leaveAlone(
      claimed.filter(({ endpointId }) => !opened.has(endpointId)),
      targets,
    )
    return claimed.flatMap((each) => {
      const keys = opened.get(each.endpointId)
      if (keys === undefined) return []
      const load = { event: events.get(each.eventId)!, target: targets.get(each.endpointId)!, keys }
      return [{ claimed: each, load }]
    })
  }
}

function distinct(claimed: Claimed[], member: 'eventId' | 'endpointId'): string[] {
  return [...new Set(claimed.map((each) => each[member]))]
}

import { afterCommit, maybeIso, text, type Db, type Row } from '../database/index.ts'
import { findTargets, scopeOf, type DeliveryCause, type EventsContext, type Target } from '../events/index.ts'
import type { Caller } from '../http/index.ts'
import { nowIso, StoaError } from '../kernel/index.ts'
import { showDeliveries, type Delivery } from './history-store.ts'
import { findDelivery } from './search-deliveries.ts'

const table = 'stoa_deliveries'

/** Due at once, with the whole schedule before it. Attempts go on being counted from the first one ever. */
export function queuedAgain(db: Db, cause: DeliveryCause, now: string): Row {
  return {
    state: 'pending',
    cause,
    base_attempt: db.raw('attempt'),
    next_time: now,
    lease_token: null,
    lease_until: null,
    completed_time: null,
  }
}

/** Throws 404 for a delivery outside the caller's scope, in words that do not tell it from one that does not exist. */
export async function ownedDelivery(db: Db, caller: Caller, id: string): Promise<Row> {
  const row = await findDelivery(db, scopeOf(caller), id)
  if (!row) throw new StoaError('not_found')
  return row
}

/**
 * Sends an event to an endpoint once more, whatever came of it, with a schedule of retries that begins anew. To a disabled
 * endpoint it is held. Throws 409 `wrong_state` while it is being sent: that try may be the one that succeeds, and to send
 * beside it would only make a duplicate certain. A lease that has run out is nobody's, and whoever had it is fenced off.
 */
export async function resendDelivery(ctx: EventsContext, db: Db, caller: Caller, id: string): Promise<Delivery> {
  const row = await ownedDelivery(db, caller, id)
  const endpoint = await endpointOf(db, row)
  const now = nowIso(ctx.clock)
  const changed = await db(table)
    .where({ id })
    .where((free) => void free.whereNull('lease_until').orWhere('lease_until', '<=', now))
    .update(queuedAgain(db, 'resend', now))
  if (changed === 0) {
    throw new StoaError('wrong_state', {
      message: 'This delivery is being sent at this moment; look at what comes of it, and ask again then.',
    })
  }
  if (endpoint.status === 'ACTIVE') afterCommit(db, () => ctx.signals.emit('deliveries-due'))
  return shown(db, caller, id)
}

/** No more is tried. A try that is under way is not recalled: it is kept in the history, and changes nothing. */
export async function cancelDelivery(ctx: EventsContext, db: Db, caller: Caller, id: string): Promise<Delivery> {
  await ownedDelivery(db, caller, id)
  const changed = await db(table)
    .where({ id, state: 'pending' })
    .update({
      state: 'cancelled',
      next_time: null,
      lease_token: null,
      lease_until: null,
      completed_time: nowIso(ctx.clock),
    })
  if (changed === 0) {
    throw new StoaError('wrong_state', {
      message: 'This delivery waits for nothing any more, so there is nothing to cancel.',
    })
  }
  return shown(db, caller, id)
}

async function endpointOf(db: Db, delivery: Row): Promise<Target> {
  const id = text(delivery.endpoint_id)
  const deleted = (await db('stoa_webhook_endpoints').where({ id }).first('deleted_time')) as Row | undefined
  if (maybeIso(deleted?.deleted_time) !== null) {
    throw new StoaError('wrong_state', { message: 'The endpoint was deleted; there is nowhere to send this to.' })
  }
  return (await findTargets(db, [id])).get(id)!
}

async function shown(db: Db, caller: Caller, id: string): Promise<Delivery> {
  const [delivery] = await showDeliveries(db, [await ownedDelivery(db, caller, id)])
  return delivery!
}

import type { Knex } from 'knex'
import {
  announceEndpoint,
  type EndpointHealth,
  type EventsContext,
  type NewEvent,
  type Target,
} from '../events/index.ts'
import type { LastTry } from './delivery-store.ts'
import type { Result } from './send-delivery.ts'

/** To the other endpoints of whoever owns it: it itself is in no state to be told. */
async function announce(
  ctx: EventsContext,
  trx: Knex.Transaction,
  target: Target,
  type: NewEvent['type'],
  data: object,
): Promise<void> {
  await announceEndpoint(ctx, trx, target, { type, data, notTo: target.id })
}

export async function announceFailing(
  ctx: EventsContext,
  trx: Knex.Transaction,
  target: Target,
  { failures, failingSince, breakerUntil: until }: EndpointHealth,
): Promise<void> {
  await announce(ctx, trx, target, 'endpoint.failing', { until, failures, failingSince })
}

export async function announceRecovered(
  ctx: EventsContext,
  trx: Knex.Transaction,
  target: Target,
  { failingSince }: EndpointHealth,
): Promise<void> {
  await announce(ctx, trx, target, 'endpoint.recovered', { failingSince })
}

export async function announceDisabled(
  ctx: EventsContext,
  trx: Knex.Transaction,
  target: Target,
  end: { cause: string; reason: string },
): Promise<void> {
  await announce(ctx, trx, target, 'endpoint.disabled', end)
}

/** The last try of an event failed. Not of those that tell of such things, or two dead endpoints would tell each other for ever. */
export async function announceExhausted(
  ctx: EventsContext,
  trx: Knex.Transaction,
  { claimed, load: { event, target } }: Result,
  { status, error }: LastTry,
): Promise<void> {
  if (event.test || /^(endpoint|delivery)\./.test(event.type)) return
  await announce(ctx, trx, target, 'delivery.exhausted', {
    deliveryId: claimed.id,
    event: { id: event.id, type: event.type },
    attempts: claimed.attempt,
    lastStatus: status,
    lastError: error,
  })
}

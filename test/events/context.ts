import { EventEmitter } from 'eventemitter3'
import { LifecycleEmitter } from '../../core/src/context.ts'
import { parseConfig, type ConfigInput } from '../../core/src/config.ts'
import type { Database } from '../../core/src/database/index.ts'
import { mostInHand } from '../../core/src/deliveries/index.ts'
import { createEventTypes, ownEventTypes, type EventsContext, type NewEvent } from '../../core/src/events/index.ts'
import type { Caller } from '../../core/src/http/index.ts'
import { createSecretBox, createSigningKeys } from '../../core/src/kernel/index.ts'
import { createMetrics } from '../../core/src/metrics/index.ts'
import { createOutbound } from '../../core/src/outbound/index.ts'

// Knows nothing of vitest: the processes that are killed use it too.

export const publisher = 'org_publisher'
export const application = 'app_one'

export type Webhooks = NonNullable<ConfigInput['webhooks']>

/** A line of the level warn or above. */
export interface Complaint {
  details: object
  message: string
}

interface ContextOptions {
  clock: EventsContext['clock']
  /** `test` by default. */
  mode?: ConfigInput['mode']
  webhooks?: Webhooks
  complaints?: Complaint[]
}

/** A context as host.ts makes one, as far as this slice looks into it. */
export function createContext({ knex: db, dialect }: Database, options: ContextOptions): EventsContext {
  const complain = (details: object, message = '') => options.complaints?.push({ details, message })
  const logger = { debug() {}, info() {}, warn: complain, error: complain }
  const config = parseConfig({
    secret: 'a secret of at least thirty-two characters',
    mode: options.mode ?? 'test',
    webhooks: { allowPrivateNetworks: true, allowHttp: true, pollMilliseconds: 20, ...options.webhooks },
  })
  return {
    db,
    dialect,
    config,
    clock: options.clock,
    logger,
    metrics: createMetrics({ clock: options.clock }),
    secretBox: createSecretBox([config.secret]),
    signingKeys: createSigningKeys([config.secret]),
    lifecycle: new LifecycleEmitter(logger),
    signals: new EventEmitter(),
    outbound: createOutbound({
      ...config.webhooks,
      userAgent: 'Stoa/test',
      connectionsPerOrigin: mostInHand(config.webhooks.concurrency),
    }),
    eventTypes: createEventTypes(ownEventTypes),
    installationsAt: () => Promise.resolve([]),
    installationsOf: () => Promise.resolve([]),
    eventHooks: { enrich: {}, delivered: {}, exhausted: {}, highLevel: {} },
    ownsApplication: (_db, organizationId, id) =>
      Promise.resolve(organizationId === publisher && ['app_one', 'app_two'].includes(id)),
  } satisfies Partial<EventsContext> as unknown as EventsContext
}

export function createCaller(caller: Partial<Caller> = {}): Caller {
  return {
    kind: 'api-key',
    credentialId: 'key_1',
    userId: null,
    organizationId: publisher,
    locationId: null,
    environment: 'production',
    permissions: new Set(['webhooks:index', 'webhooks:create', 'webhooks:update', 'webhooks:delete']),
    onlyApplicationId: null,
    application: null,
    ...caller,
  }
}

/** An event with a payload that is hard to get over the wire unchanged. */
export function chargeEvent(event: Partial<NewEvent> = {}): NewEvent {
  const type = event.type ?? 'charge.created'
  return {
    type,
    publisherId: publisher,
    applicationId: application,
    organizationId: 'org_merchant',
    locationId: 'loc_1',
    environment: 'production',
    payload: {
      type,
      timestamp: '2026-01-01T00:00:00.000Z',
      data: {
        zuletzt: 'é 😀 \u2028 \ud800 \u0000 </script>',
        chargeId: 'chg_1',
        applicationId: application,
        organizationId: 'org_merchant',
        locationId: 'loc_1',
        environment: 'production',
        meterId: 'mtr_1',
        eventId: 'their-event-1',
        userId: null,
        units: '0.1',
        pricePerUnit: '0.00001',
        amount: '0.000001',
        currency: 'USD',
        eventTime: '2026-01-01T00:00:00.000Z',
      },
    },
    ...event,
  }
}

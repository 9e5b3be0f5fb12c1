import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { EventEmitter } from 'eventemitter3'
import { onTestFinished } from 'vitest'
import { parseConfig, type ConfigInput } from '../../core/src/config.ts'
import { migrate, openDatabase, type Database } from '../../core/src/database/index.ts'
import { createEndpoint } from '../../core/src/events/endpoints.ts'
import {
  createDispatcher,
  publish,
  type Dispatcher,
  type EventsContext,
  type NewEvent,
} from '../../core/src/events/index.ts'
import type { Caller } from '../../core/src/http/index.ts'
import { createSecretBox } from '../../core/src/kernel/index.ts'
import { createOutbound } from '../../core/src/outbound/index.ts'
import type { TestDatabase } from '../support/databases.ts'

export const publisher = 'org_publisher'
export const application = 'app_one'

/** A clock that stands still until it is moved. Begins at the present, because verifiers look at the real time. */
export function createMovableClock() {
  let time = Date.now()
  return {
    now: () => new Date(time),
    advance(seconds: number) {
      time += seconds * 1000
    },
  }
}

export interface Received {
  headers: IncomingHttpHeaders
  body: string
}

export interface Receiver {
  url: string
  received: Received[]
  /** How requests are answered from now on. `index` counts from 0. */
  answer(how: (response: ServerResponse, index: number) => void): void
  /** Most requests that were open at once. */
  mostOpen(): number
  close(): Promise<void>
}

/** Somebody's webhook endpoint: notes what arrives and answers as it is told, by default 204. */
export async function openReceiver(): Promise<Receiver> {
  const received: Received[] = []
  let open = 0
  let mostOpen = 0
  let answer: (response: ServerResponse, index: number) => void = (response) => response.writeHead(204).end()
  const server = createServer((request, response) => {
    mostOpen = Math.max(mostOpen, ++open)
    response.on('close', () => open--)
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      received.push({ headers: request.headers, body: Buffer.concat(chunks).toString('utf8') })
      answer(response, received.length - 1)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () =>
    new Promise<void>((resolve) => {
      server.closeAllConnections()
      server.close(() => resolve())
    })
  onTestFinished(close)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    answer(how) {
      answer = how
    },
    mostOpen: () => mostOpen,
    close,
  }
}

export interface OpenedEvents {
  ctx: EventsContext
  clock: ReturnType<typeof createMovableClock>
  /** Lines of the level warn and above. */
  complaints: { details: object; message: string }[]
  addEndpoint(options: {
    url: string
    events?: string[]
    applicationId?: string
    caller?: Partial<Caller>
    status?: 'ACTIVE' | 'DISABLED'
  }): Promise<{ id: string; secret: string }>
  publish(event?: Partial<NewEvent>): Promise<string>
  /** A dispatcher of this process, or one with another database connection, as another process has. */
  dispatch(ctx?: EventsContext): Dispatcher
  deliveries(): Promise<{ event_id: string; endpoint_id: string; state: string; attempt: number }[]>
  attempts(): Promise<{ n: number; outcome: string; response_status: number | null; error_code: string | null }[]>
}

export type Webhooks = NonNullable<ConfigInput['webhooks']>

/** The slice on a database of its own, with loopback allowed and a clock that the test moves. */
export async function openEvents(database: TestDatabase, webhooks: Webhooks = {}): Promise<OpenedEvents> {
  const { url, drop } = await database.create()
  const opened = await openDatabase(url)
  await migrate(opened)
  const clock = createMovableClock()
  const complaints: OpenedEvents['complaints'] = []
  const ctx = createContext(opened, { clock, webhooks, complaints })
  const dispatchers: Dispatcher[] = []
  onTestFinished(async () => {
    await Promise.all(dispatchers.map((dispatcher) => dispatcher.stop()))
    await ctx.outbound.close()
    await opened.close()
    await drop()
  })
  for (const id of [publisher, 'org_other']) {
    const now = clock.now().toISOString()
    await opened.knex('stoa_organizations').insert({ id, name: id, created_time: now, updated_time: now })
  }
  return {
    ctx,
    clock,
    complaints,
    addEndpoint: ({ url: address, events = ['*'], applicationId, caller, status }) =>
      ctx.db.transaction((trx) =>
        createEndpoint(ctx, trx, createCaller(caller), {
          url: address,
          events: events as ['*'],
          ...(applicationId && { applicationId }),
          ...(status && { status }),
        }),
      ),
    publish: (event) => ctx.db.transaction((trx) => publish(ctx, trx, chargeEvent(event))),
    dispatch(other = ctx) {
      const dispatcher = createDispatcher(other)
      dispatchers.push(dispatcher)
      dispatcher.start()
      return dispatcher
    },
    async deliveries() {
      const rows = (await ctx.db('stoa_deliveries').orderBy('id')) as Record<string, unknown>[]
      return rows.map((row) => ({ ...row, attempt: Number(row.attempt) })) as never
    },
    async attempts() {
      const rows = (await ctx.db('stoa_delivery_attempts').orderBy(['delivery_id', 'n'])) as Record<string, unknown>[]
      return rows.map((row) => ({
        ...row,
        n: Number(row.n),
        response_status: row.response_status === null ? null : Number(row.response_status),
      })) as never
    },
  }
}

interface ContextOptions {
  clock: EventsContext['clock']
  webhooks?: Webhooks
  complaints?: OpenedEvents['complaints']
}

/** A context as host.ts makes one, as far as this slice looks into it. */
export function createContext({ knex: db, dialect }: Database, options: ContextOptions): EventsContext {
  const complain = (details: object, message = '') => options.complaints?.push({ details, message })
  const config = parseConfig({
    secret: 'a secret of at least thirty-two characters',
    mode: 'development',
    webhooks: { allowPrivateNetworks: true, allowHttp: true, pollMilliseconds: 20, ...options.webhooks },
  })
  return {
    db,
    dialect,
    config,
    clock: options.clock,
    logger: { debug() {}, info() {}, warn: complain, error: complain },
    secretBox: createSecretBox([config.secret]),
    lifecycle: new EventEmitter(),
    signals: new EventEmitter(),
    outbound: createOutbound({ ...config.webhooks, userAgent: 'Stoa/test' }),
    eventHooks: { enrich: {}, delivered: {}, exhausted: {} },
    ownsApplication: (_db, organizationId, id) =>
      Promise.resolve(organizationId === publisher && ['app_one', 'app_two'].includes(id)),
  } as Partial<EventsContext> as EventsContext
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
        locationId: 'loc_1',
        amount: '0.000001',
        currency: 'USD',
        // Refunds and charges alike; application events have other members.
        ...(type.startsWith('application.') && { name: 'One', from: 'draft', to: 'available', reason: null }),
      },
    },
    ...event,
  }
}

/** Waits until something is so; the test's own timeout ends it. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10))
}

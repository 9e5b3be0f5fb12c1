import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { migrate, openDatabase } from '../../core/src/database/index.ts'
import { createDispatcher, type Dispatcher } from '../../core/src/deliveries/index.ts'
import { createEndpoint, publish, type EventsContext, type NewEvent } from '../../core/src/events/index.ts'
import type { Caller } from '../../core/src/http/index.ts'
import type { TestDatabase } from '../support/databases.ts'
import { chargeEvent, createCaller, createContext, publisher, type Complaint, type Webhooks } from './context.ts'

export { application, chargeEvent, createCaller, createContext, publisher } from './context.ts'

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
  /** The path, as it is in the request. */
  url: string
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
      received.push({ url: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString('utf8') })
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
  /** Of the database, for another process. */
  url: string
  ctx: EventsContext
  clock: ReturnType<typeof createMovableClock>
  /** Lines of the level warn and above. */
  complaints: Complaint[]
  addEndpoint(options: {
    url: string
    events?: string[]
    applicationId?: string
    caller?: Partial<Caller>
    status?: 'ACTIVE' | 'DISABLED'
    format?: 'standard' | 'highlevel'
  }): Promise<{ id: string; secret: string }>
  publish(event?: Partial<NewEvent>): Promise<string>
  /** A dispatcher of this process, or one with another database connection, as another process has. */
  dispatch(ctx?: EventsContext): Dispatcher
  deliveries(): Promise<{ event_id: string; endpoint_id: string; state: string; attempt: number }[]>
  attempts(): Promise<{ n: number; outcome: string; response_status: number | null; error_code: string | null }[]>
}

/** The slice on a database of its own, with loopback allowed and a clock that the test moves. */
export async function openEvents(database: TestDatabase, webhooks: Webhooks = {}): Promise<OpenedEvents> {
  const { url, drop } = await database.create()
  const opened = await openDatabase(url)
  await migrate(opened)
  const clock = createMovableClock()
  const complaints: Complaint[] = []
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
    url,
    ctx,
    clock,
    complaints,
    addEndpoint: ({ url: address, events = ['*'], applicationId, caller, status, format }) =>
      ctx.db.transaction((trx) =>
        createEndpoint(ctx, trx, createCaller(caller), {
          url: address,
          events: events as ['*'],
          ...(applicationId && { applicationId }),
          ...(status && { status }),
          ...(format && { format }),
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

/** Ids of the events that arrived, sorted, repetitions included. */
export function arrivedIds({ received }: Receiver): string[] {
  return received.map(({ headers }) => String(headers['webhook-id'])).sort()
}

/** Waits until something is so; the test's own timeout ends it. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10))
}

import { onTestFinished } from 'vitest'
import { openDatabase, type Database } from '../../core/src/database/index.ts'
import { deliveriesOperations } from '../../core/src/deliveries/index.ts'
import type { EventsContext } from '../../core/src/events/index.ts'
import { Reply, type Caller } from '../../core/src/http/index.ts'
import { newId } from '../../core/src/kernel/index.ts'
import { createCaller, publisher } from '../events/support.ts'
import type { TestDatabase } from '../support/databases.ts'
import { openHost, type OpenedHost } from '../support/host.ts'

export interface HostWithDatabase {
  host: OpenedHost
  /** Another connection to the host's database. */
  database: Database
}

/** A host, and a way to put things into its database that would take long to happen. */
export async function openHostWithDatabase(
  kind: TestDatabase,
  options: Parameters<typeof openHost>[1] = {},
): Promise<HostWithDatabase> {
  const created = await kind.create()
  const host = await openHost({ kind: kind.kind, create: () => Promise.resolve(created) }, options)
  const database = await openDatabase(created.url)
  const { stop } = host
  host.stop = async () => {
    await database.close()
    await stop()
  }
  return { host, database }
}

export interface Seed {
  endpointId: string
  organizationId?: string
  environment?: 'production' | 'sandbox'
  applicationId?: string | null
  type?: string
  state?: 'pending' | 'delivered' | 'failed' | 'cancelled'
  lastStatus?: number | null
  lastError?: string | null
  eventId?: string
  attempts?: number
  leaseUntil?: string | null
  createdTime?: string
  completedTime?: string
}

/** A delivery as the dispatcher leaves it. Returns its id. */
export async function seedDelivery(db: Database['knex'], seed: Seed): Promise<{ id: string; eventId: string }> {
  const {
    organizationId = publisher,
    environment = 'production',
    type = 'charge.created',
    state = 'delivered',
    lastStatus = state === 'delivered' ? 200 : null,
    lastError = null,
    attempts = 0,
    createdTime = new Date().toISOString(),
    completedTime = createdTime,
    leaseUntil = null,
  } = seed
  const eventId = seed.eventId ?? newId('evt')
  if (seed.eventId === undefined) {
    await db('stoa_events').insert({
      id: eventId,
      type,
      publisher_id: organizationId,
      application_id: seed.applicationId ?? null,
      organization_id: 'org_merchant',
      environment,
      test: false,
      payload: JSON.stringify({ type }),
      created_time: createdTime,
    })
  }
  const id = newId('dlv')
  await db('stoa_deliveries').insert({
    id,
    event_id: eventId,
    endpoint_id: seed.endpointId,
    organization_id: organizationId,
    environment,
    type,
    format: 'standard',
    fifo: false,
    cause: 'event',
    state,
    attempt: attempts,
    base_attempt: 0,
    next_time: state === 'pending' ? (leaseUntil ?? createdTime) : null,
    lease_token: leaseUntil && 'a lease',
    lease_until: leaseUntil,
    last_status: lastStatus,
    last_error: lastError,
    created_time: createdTime,
    completed_time: state === 'pending' ? null : completedTime,
  })
  for (let n = 1; n <= attempts; n++) {
    await db('stoa_delivery_attempts').insert({
      delivery_id: id,
      n,
      cause: 'event',
      method: 'POST',
      url: 'https://example.com/hook',
      request_headers: '{"content-type":"application/json","authorization":"***"}',
      started_time: createdTime,
      duration_ms: 10 * n,
      connect_ms: 3,
      first_byte_ms: 7,
      outcome: lastError === null && n === attempts ? 'success' : 'failure',
      response_status: n === attempts ? lastStatus : 500,
      response_headers: '{"x-mine":"1"}',
      response_body: 'a body',
      error_code: n === attempts ? lastError : 'status',
      error_message: n === attempts && lastError === null ? null : 'It went wrong.',
      remote_address: '192.0.2.1',
    })
  }
  return { id, eventId }
}

/** Performs an operation as the pipeline would, without HTTP: for tests that move the clock. */
export function performer(ctx: EventsContext) {
  const operations = deliveriesOperations(ctx)
  return async (
    id: string,
    input: { caller?: Partial<Caller>; params?: object; query?: object; body?: object } = {},
    // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
  ): Promise<any> => {
    const operation = operations.find((each) => each.id === id)!
    const run = (db: EventsContext['db']) =>
      operation.handler({
        db,
        caller: createCaller(input.caller),
        params: input.params ?? {},
        query: { limit: 100, offset: 0, ...input.query },
        body: input.body,
        ip: '',
        request: {} as never,
      })
    const answer = operation.method === 'GET' ? await run(ctx.db) : await ctx.db.transaction((trx) => run(trx))
    return answer instanceof Reply ? answer.body : answer
  }
}

/** Another process's connection to the same database; on SQLite there is one process, and it is this one. */
export async function anotherContext(ctx: EventsContext, url: string): Promise<EventsContext> {
  if (!ctx.dialect.manyProcesses) return ctx
  const opened = await openDatabase(url)
  onTestFinished(() => opened.close())
  return { ...ctx, db: opened.knex }
}

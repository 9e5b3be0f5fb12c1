import { randomUUID } from 'node:crypto'
import { createDispatcher } from '../../core/src/deliveries/index.ts'
import { createGroupCommit, migrate, openDatabase } from '../../core/src/database/index.ts'
import { createEndpoint, publishMany, type NewEvent } from '../../core/src/events/index.ts'
import { systemClock } from '../../core/src/kernel/index.ts'
import { chargeEvent, createCaller, createContext } from '../events/context.ts'

/**
 * The slices that publish and deliver, in a process of their own and without HTTP in front, told by messages what to do.
 * Everything is on: signing, the guard, retries, attempts, health.
 */
export type Order =
  | { do: 'endpoints'; urls: string[] }
  | { do: 'publish'; organization: number; count: number }
  | { do: 'start' }
  | { do: 'stop' }
  | { do: 'paced'; organization: number; count: number; perSecond: number }
  | { do: 'spread'; organizations: number; seconds: number; perSecond: number }
  | { do: 'steady'; organization: number; seconds: number; perSecond: number }
  | { do: 'bare inserts'; count: number }
  | { do: 'hang'; url: string; every: number }
  | { do: 'attempts'; count: number }
  | { do: 'memory' }

const [, , url = ''] = process.argv
const database = await openDatabase(url)
await migrate(database)
const ctx = createContext(database, {
  clock: systemClock,
  mode: 'production',
  webhooks: { pollMilliseconds: 500, allowPrivateNetworks: ['127.0.0.0/8'] },
})
const { db, dialect } = ctx
const perOrganization = 25
const attemptsAtOnce = 50_000
let round = 0
let dispatcher = createDispatcher(ctx)
let organizations = 0

const eventOf = (organization: number): NewEvent => chargeEvent({ publisherId: `org_${organization}` })
const publishing = createGroupCommit<NewEvent, string>({
  db,
  maxBatch: 64,
  writers: dialect.batchWriters,
  run: (trx, events) => publishMany(ctx, trx, events),
})
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
const wallClock = () => performance.timeOrigin + performance.now()

async function addOrganization(): Promise<string> {
  const id = `org_${organizations++}`
  const now = new Date().toISOString()
  await db('stoa_organizations').insert({ id, name: id, created_time: now, updated_time: now })
  return id
}

async function addEndpoints(urls: string[]): Promise<number> {
  for (let from = 0; from < urls.length; from += perOrganization) {
    const organizationId = await addOrganization()
    await db.transaction(async (trx) => {
      for (const each of urls.slice(from, from + perOrganization)) {
        await createEndpoint(ctx, trx, createCaller({ organizationId }), { url: each, events: ['charge.created'] })
      }
    })
  }
  return organizations
}

async function inParallel(total: number, workers: number, work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  let left = total
  await Promise.all(
    Array.from({ length: workers }, async () => {
      while (left-- > 0) await work()
    }),
  )
  return total / ((performance.now() - started) / 1000)
}

/** One transaction an event, as an embedder's own. Gives back when it began and when it had committed, by the wall clock. */
async function paced(next: () => number, total: number, perSecond: number): Promise<[string, number, number][]> {
  const published: Promise<[string, number, number]>[] = []
  const started = performance.now()
  for (let n = 0; n < total; n++) {
    const began = wallClock()
    const event = eventOf(next())
    published.push(
      db
        .transaction((trx) => publishMany(ctx, trx, [event]))
        .then(([id]): [string, number, number] => [id!, began, wallClock()]),
    )
    await pause(Math.max(0, started + ((n + 1) * 1000) / perSecond - performance.now()))
  }
  return Promise.all(published)
}

/** At a steady rate, many to a commit. Returns how many were published. */
async function steady(organization: number, seconds: number, perSecond: number): Promise<number> {
  const started = performance.now()
  const published: Promise<string>[] = []
  while (performance.now() < started + seconds * 1000) {
    const due = ((performance.now() - started) / 1000) * perSecond
    while (published.length < due) published.push(publishing.submit(eventOf(organization)))
    await pause(5)
  }
  return (await Promise.all(published)).length
}

/** What a database does without any of this: rows of a delivery's size in transactions of 64. */
async function bareInserts(total: number): Promise<number> {
  await db.raw('create table if not exists bare (id text primary key, body text)')
  const commit = createGroupCommit<string, number>({
    db,
    maxBatch: 64,
    writers: dialect.batchWriters,
    run: async (trx, bodies) => {
      await trx('bare').insert(bodies.map((body) => ({ id: randomUUID(), body })))
      return bodies.map(() => 0)
    },
  })
  return inParallel(total, 256, () => commit.submit('x'.repeat(600)))
}

/** Past deliveries with an attempt each, to see whether the search for work notices them. */
async function addAttempts(total: number): Promise<void> {
  for (let from = 0; from < total; from += attemptsAtOnce) await addSome(from, Math.min(total, from + attemptsAtOnce))
  await db.raw('analyze')
}

async function addSome(from: number, to: number): Promise<void> {
  const endpoints = (await db('stoa_webhook_endpoints').limit(1).select('id')) as { id: string }[]
  const endpointId = endpoints[0]!.id
  const now = new Date().toISOString()
  const series = dialect.rowLocks
    ? `select n from generate_series(${from + 1}, ${to}) as n`
    : `with recursive series(n) as (select ${from + 1} union all select n + 1 from series where n < ${to}) select n from series`
  const no = dialect.rowLocks ? 'false' : '0'
  const id = (prefix: string) => `'${prefix}_0${round}_' || n`
  await db.raw(`insert into stoa_events (id, type, organization_id, environment, test, payload, created_time)
    select ${id('evt')}, 'charge.created', 'org_0', 'production', ${no}, '{}', '${now}' from (${series}) s`)
  await db.raw(`insert into stoa_deliveries (id, event_id, endpoint_id, organization_id, environment, type, format, fifo, cause,
      state, attempt, base_attempt, last_status, created_time, completed_time)
    select ${id('dlv')}, ${id('evt')}, '${endpointId}', 'org_0', 'production', 'charge.created', 'standard', ${no}, 'event',
      'delivered', 1, 0, 204, '${now}', '${now}' from (${series}) s`)
  await db.raw(`insert into stoa_delivery_attempts (delivery_id, n, cause, method, url, request_headers, started_time,
      duration_ms, outcome, response_status)
    select ${id('dlv')}, 1, 'event', 'POST', 'https://example.com', '{}', '${now}', 10, 'success', 204 from (${series}) s`)
}

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'endpoints':
      return addEndpoints(order.urls)
    case 'publish':
      return inParallel(order.count, 256, () => publishing.submit(eventOf(order.organization)))
    case 'start':
      dispatcher.start()
      return 'started'
    case 'stop':
      await dispatcher.stop()
      dispatcher = createDispatcher(ctx)
      return 'stopped'
    case 'paced':
      return paced(() => order.organization, order.count, order.perSecond)
    case 'spread': {
      let n = 0
      return paced(() => n++ % order.organizations, order.seconds * order.perSecond, order.perSecond)
    }
    case 'steady':
      return steady(order.organization, order.seconds, order.perSecond)
    case 'bare inserts':
      return bareInserts(order.count)
    case 'hang': {
      const rows = (await db('stoa_webhook_endpoints').orderBy('id').select('id')) as { id: string }[]
      const ids = rows.map(({ id }) => id).filter((_, index) => index % order.every === 0)
      return db('stoa_webhook_endpoints').whereIn('id', ids).update({ url: order.url })
    }
    case 'attempts':
      round++
      return addAttempts(order.count)
    case 'memory':
      return process.memoryUsage.rss()
  }
}

process.on('message', (order: Order) => {
  obey(order).then(
    (answer) => process.send!(answer ?? 'done'),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
process.send!('ready')

import { setTimeout as sleep } from 'node:timers/promises'
import type { Knex } from 'knex'
import { createGroupCommit, openDatabase } from '../../core/src/database/index.ts'
import { createDispatcher } from '../../core/src/deliveries/index.ts'
import { publish, publishMany, type EventsContext } from '../../core/src/events/index.ts'
import { chargeEvent, createContext } from '../events/context.ts'

/** Where in the life of a delivery the process ends itself. `never` is for the last one, which only sends. */
export type KillPoint = 'committed' | 'claimed' | 'sent' | 'attempts-written' | 'deliveries-written' | 'any' | 'never'

export interface Orders {
  url: string
  /** Makes the events of this process unlike those of others. */
  name: string
  point: KillPoint
  /** At which passage of the point. */
  passage: number
  /** Milliseconds that its clock is ahead: what a predecessor had leased is due. */
  ahead: number
}

/** Events that were committed, or that are about to be rolled back. */
export interface Told {
  committed?: string[]
  doomed?: string[]
}

/**
 * A process to be killed. Waits for its orders, so that it is there at once when its predecessor dies; then publishes, in
 * transactions of its own and in commits that many share, and sends, until it comes to the point at which it kills itself.
 */
process.once('message', (orders: Orders) => void run(orders))
process.send!('ready')

const tell = (told: Told) => void process.send!(told)
const die = () => process.kill(process.pid, 'SIGKILL')

async function run({ url, name, point, passage, ahead }: Orders): Promise<void> {
  const clock = { now: () => new Date(Date.now() + ahead) }
  const ctx = createContext(await openDatabase(url), { clock, webhooks: { concurrency: 8 } })
  let passed = 0
  const pass = (here: KillPoint) => {
    if (here === point && ++passed === passage) die()
  }
  await watch(ctx, pass)
  createDispatcher(ctx).start()
  if (point === 'never') return
  const publishing = [0, 1].map((writer) => publishAlone(ctx, `${name}-alone-${writer}`))
  await Promise.all([...publishing, publishTogether(ctx, `${name}-together`)])
}

/** Every point has a place in the code that cannot be passed without being noticed here. */
async function watch(ctx: EventsContext, pass: (here: KillPoint) => void): Promise<void> {
  ctx.signals.on('deliveries-due', () => pass('committed'))
  const { send } = ctx.outbound
  ctx.outbound.send = async (request) => {
    pass('claimed')
    const result = await send(request)
    if (result.ok) pass('sent')
    return result
  }
  ctx.db.on('query-response', (_response: unknown, { sql }: { sql: string }) => {
    if (/^insert into .stoa_delivery_attempts/.test(sql)) pass('attempts-written')
    if (/^update .stoa_deliveries. set .*.completed_time/.test(sql)) pass('deliveries-written')
  })
  if (ctx.dialect.inProcess) await watchInserts(ctx, () => pass('attempts-written'))
}

interface Statement {
  run(...values: unknown[]): unknown
}

/** Where rows are inserted by a statement of the connection's own, knex tells of none. */
async function watchInserts({ db }: EventsContext, written: () => void): Promise<void> {
  const client = db.client as Knex.Client
  const connection = (await client.acquireConnection()) as { prepare(sql: string): Statement }
  const prepare = connection.prepare.bind(connection)
  connection.prepare = (sql) => {
    const statement = prepare(sql)
    if (!/^insert into .stoa_delivery_attempts/.test(sql)) return statement
    return {
      run(...values) {
        const result = statement.run(...values)
        written()
        return result
      },
    }
  }
  await client.releaseConnection(connection)
}

const eventOf = (eventId: string) => {
  const { payload, ...event } = chargeEvent()
  return { ...event, payload: { ...payload, data: { ...(payload as { data: object }).data, eventId } } }
}

/** Transactions of one to three events; every fourth is rolled back. */
async function publishAlone(ctx: EventsContext, name: string): Promise<void> {
  for (let n = 0; ; n++) {
    const events = Array.from({ length: 1 + (n % 3) }, (_, index) => eventOf(`${name}-${n}-${index}`))
    const isDoomed = n % 4 === 3
    try {
      const committed = await ctx.db.transaction(async (trx) => {
        const ids = await publishMany(ctx, trx, events)
        if (!isDoomed) return ids
        tell({ doomed: ids })
        throw new Error('rolled back')
      })
      tell({ committed })
    } catch (error) {
      if (!isDoomed) throw error
    }
    await sleep(5)
  }
}

/** As charges are made: many at once, in one transaction. */
async function publishTogether(ctx: EventsContext, name: string): Promise<void> {
  const commit = createGroupCommit<string, string>({
    db: ctx.db,
    maxBatch: 8,
    writers: ctx.dialect.batchWriters,
    run: async (trx, items) => {
      const ids: string[] = []
      for (const item of items) ids.push(await publish(ctx, trx, eventOf(item)))
      return ids
    },
  })
  for (let n = 0; ; n++) {
    tell({ committed: await Promise.all([0, 1, 2, 3].map((each) => commit.submit(`${name}-${n}-${each}`))) })
    await sleep(10)
  }
}

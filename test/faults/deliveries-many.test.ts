import { expect, it, onTestFinished } from 'vitest'
import { integer, openDatabase, type Row } from '../../core/src/database/index.ts'
import { publishMany, type NewEvent } from '../../core/src/events/index.ts'
import {
  arrivedIds,
  chargeEvent,
  createContext,
  openEvents,
  openReceiver,
  until,
  type OpenedEvents,
} from '../events/support.ts'
import { eachDatabase } from '../support/databases.ts'

/** Due in one second; STOA_DUE=100000 for those who want to know. */
const due = Number(process.env.STOA_DUE ?? 10_000)
const portion = 1000

async function publishLots({ ctx }: OpenedEvents, count: number, event: Partial<NewEvent> = {}): Promise<void> {
  for (let left = count; left > 0; left -= portion) {
    const events = Array.from({ length: Math.min(left, portion) }, () => chargeEvent(event))
    await ctx.db.transaction((trx) => publishMany(ctx, trx, events))
  }
}

async function count({ ctx }: OpenedEvents, state: string): Promise<number> {
  const [row] = (await ctx.db('stoa_deliveries').where({ state }).count({ total: '*' })) as Row[]
  return integer(row!.total)
}

/** Asked seldom: counting is work, too. */
async function untilDelivered(opened: OpenedEvents, total: number): Promise<void> {
  await until(async () => {
    await new Promise((resolve) => setTimeout(resolve, 200))
    return (await count(opened, 'delivered')) === total
  })
}

/** Where there can be more than one: a dispatcher with its own connections, as another process has. */
async function dispatchElsewhere(opened: OpenedEvents): Promise<void> {
  if (!opened.ctx.dialect.manyProcesses) return
  const database = await openDatabase(opened.url)
  const other = createContext(database, { clock: opened.clock })
  const dispatcher = opened.dispatch(other)
  onTestFinished(async () => {
    await dispatcher.stop()
    await other.outbound.close()
    await database.close()
  })
}

eachDatabase((database) => {
  it(
    'sends each of very many that are due in the same second exactly once, with every worker there is',
    { timeout: 60_000 + due * 5 },
    async () => {
      const opened = await openEvents(database)
      const receivers = await Promise.all(Array.from({ length: 4 }, () => openReceiver()))
      for (const { url } of receivers) await opened.addEndpoint({ url })
      await publishLots(opened, due / receivers.length)
      const began = performance.now()
      opened.dispatch()
      await dispatchElsewhere(opened)
      await untilDelivered(opened, due)
      if (process.env.STOA_DUE) {
        const seconds = Math.round((performance.now() - began) / 100) / 10
        process.stdout.write(`${database.kind}: ${due} due, delivered in ${seconds} s\n`)
      }

      for (const receiver of receivers) {
        const ids = arrivedIds(receiver)
        expect(ids).toHaveLength(due / receivers.length)
        expect(new Set(ids).size).toBe(ids.length)
      }
      const attempts = (await opened.ctx
        .db('stoa_delivery_attempts')
        .select('outcome', 'n')
        .count({ total: '*' })
        .groupBy('outcome', 'n')) as Row[]
      expect(attempts.map(({ outcome, n, total }) => [outcome, integer(n), integer(total)])).toEqual([
        ['success', 1, due],
      ])
    },
  )

  it('sends one event to a thousand endpoints, once to each', async () => {
    const opened = await openEvents(database)
    const { ctx } = opened
    const receiver = await openReceiver()
    const { id } = await opened.addEndpoint({ url: receiver.url })
    const endpoint = (await ctx.db('stoa_webhook_endpoints').where({ id }).first()) as object
    const others = await Promise.all(
      Array.from({ length: 999 }, async (_, index) => {
        const other = `whe_${index}`
        const sealed = await ctx.secretBox.seal(
          `whsec_${Buffer.alloc(32).toString('base64')}`,
          `webhook-endpoint:${other}`,
        )
        const secrets = JSON.stringify([{ id: `whs_${index}`, version: 'v1', sealed, expiresTime: null }])
        return { ...endpoint, id: other, url: `${receiver.url}/${index}`, secrets }
      }),
    )
    await ctx.db.batchInsert('stoa_webhook_endpoints', others, 50)
    opened.dispatch()
    await opened.publish()
    await untilDelivered(opened, 1000)

    expect(receiver.received).toHaveLength(1000)
    expect(new Set(receiver.received.map(({ url }) => url)).size).toBe(1000)
    expect(new Set(arrivedIds(receiver)).size).toBe(1)
  }, 60_000)

  it('sends the one event of a tenant among the first few hundred, although another has ten thousand waiting', async () => {
    const opened = await openEvents(database)
    const [busy, quiet] = [await openReceiver(), await openReceiver()]
    await opened.addEndpoint({ url: busy.url })
    await opened.addEndpoint({ url: quiet.url, caller: { organizationId: 'org_other' } })
    await publishLots(opened, 10_000)
    opened.clock.advance(1)
    await opened.publish({ publisherId: 'org_other', applicationId: null })
    const dispatcher = opened.dispatch()
    await until(() => quiet.received.length === 1)
    expect(busy.received.length).toBeLessThan(500)
    await dispatcher.stop()
  }, 60_000)

  it('spreads what failed together in an outage over two fifths of the wait', async () => {
    const opened = await openEvents(database, { retrySeconds: [3600], breaker: { failures: 100_000 } })
    const receiver = await openReceiver()
    receiver.answer((response) => response.writeHead(500).end())
    await opened.addEndpoint({ url: receiver.url })
    await publishLots(opened, 300)
    opened.dispatch()
    await until(async () => (await opened.attempts()).length === 300)

    const rows = (await opened.ctx.db('stoa_deliveries').select('next_time')) as { next_time: string | Date }[]
    const now = opened.clock.now().getTime()
    const waits = rows.map((row) => (new Date(row.next_time).getTime() - now) / 1000)
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(2880)
    expect(Math.max(...waits)).toBeLessThanOrEqual(4320)
    const perMinute = new Map<number, number>()
    for (const wait of waits) {
      const minute = Math.floor(wait / 60)
      perMinute.set(minute, (perMinute.get(minute) ?? 0) + 1)
    }
    // 12.5 to be expected in each of 24.
    expect(Math.max(...perMinute.values())).toBeLessThan(40)
    expect(perMinute.size).toBeGreaterThan(18)
  }, 60_000)
})

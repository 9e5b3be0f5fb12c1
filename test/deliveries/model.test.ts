import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { OutboundRequest, OutboundResult } from '../../core/src/outbound/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openEvents, until, type OpenedEvents } from '../events/support.ts'

// The dispatcher with its database as they are, against a model in memory; only the network is made up, and time is moved
// by the test. Times are of that clock, in seconds.

const schedule = [10, 100, 1000]
const kinds = ['plain', 'fifo', 'paced'] as const
type Kind = (typeof kinds)[number]
type Behaviour = 'takes' | 'refuses' | 'silent' | 'gone' | 'aborts'

interface Try {
  event: string
  at: number
  behaviour: Behaviour
}

/** What the model knows of an endpoint: what its receiver was sent, in order, and what it was told to do. */
interface Modelled {
  id: string
  kind: Kind
  behaviour: Behaviour
  status: 'ACTIVE' | 'DISABLED' | 'deleted'
  tries: Try[]
  expected: string[]
}

const answers: Record<Behaviour, Partial<OutboundResult>> = {
  takes: { ok: true, status: 204 },
  refuses: { ok: true, status: 500 },
  silent: { ok: false, error: 'timeout', message: 'silent' },
  gone: { ok: true, status: 410 },
  aborts: { ok: true, status: 400, headers: { 'webhook-delivery': 'abort-message' } },
}

const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('publish' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('behave' as const),
      who: fc.constantFrom(...kinds),
      how: fc.constantFrom<Behaviour[]>('takes', 'takes', 'refuses', 'silent', 'gone', 'aborts'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('wait' as const), seconds: fc.constantFrom(1, 15, 130, 2000, 90_000) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('switch' as const),
      who: fc.constantFrom(...kinds),
      to: fc.constantFrom('ACTIVE' as const, 'DISABLED' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
)

eachDatabase((database) => {
  it('loses nothing, repeats nothing that was taken, keeps to schedule, order, rate and switches', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 3, maxLength: 14 }), async (commands) => {
        const world = await openWorld(await openEvents(database, webhooks))
        for (const each of commands) {
          await world.run(each)
          await world.check()
        }
        await world.finish()
      }),
      { numRuns: database.kind === 'sqlite' ? 30 : 10, endOnFailure: true },
    )
  }, 240_000)
})

const webhooks = {
  retrySeconds: schedule,
  breaker: { failures: 4, seconds: 30, mostSeconds: 60 },
  disableAfter: { days: 1000 },
  pollMilliseconds: 10,
}

async function openWorld(opened: OpenedEvents) {
  const { ctx, clock } = opened
  const start = clock.now().getTime()
  const now = () => (clock.now().getTime() - start) / 1000
  const byUrl = new Map<string, Modelled>()
  const rate = 2
  for (const kind of kinds) {
    const url = `http://127.0.0.1/${kind}`
    const { id } = await opened.addEndpoint({ url, events: ['charge.created'] })
    if (kind === 'fifo') await change(id, { fifo: true })
    if (kind === 'paced') await change(id, { rate_limit: rate })
    byUrl.set(url, { id, kind, behaviour: 'takes', status: 'ACTIVE', tries: [], expected: [] })
  }
  const endpoints = [...byUrl.values()]
  const of = (kind: Kind) => endpoints.find((each) => each.kind === kind)!
  Object.assign(ctx, { outbound: { ...ctx.outbound, send } })
  let dispatcher = opened.dispatch()

  function change(id: string, columns: object) {
    return ctx.db('stoa_webhook_endpoints').where({ id }).update(columns)
  }

  function send({ url, headers }: OutboundRequest): Promise<OutboundResult> {
    const endpoint = byUrl.get(url)!
    const { behaviour } = endpoint
    endpoint.tries.push({ event: String(headers?.['webhook-id']), at: now(), behaviour })
    if (behaviour === 'gone') endpoint.status = 'DISABLED'
    const timings = { connectMilliseconds: null, firstByteMilliseconds: 1 }
    const common = {
      headers: {},
      body: '',
      truncated: false,
      truncatedBy: null,
      durationMs: 1,
      remoteAddress: '127.0.0.1',
    }
    return Promise.resolve({ ...common, timings, ...answers[behaviour] } as OutboundResult)
  }

  /** Nothing is under way, and nothing that may be sent is due. */
  async function quiet(): Promise<void> {
    const time = clock.now().toISOString()
    await until(async () => {
      const rows = (await ctx
        .db('stoa_deliveries as d')
        .join('stoa_webhook_endpoints as e', 'e.id', 'd.endpoint_id')
        .where({ 'd.state': 'pending' })
        .select('e.*', 'd.id', 'd.endpoint_id', 'd.next_time', 'd.lease_token')) as Record<string, unknown>[]
      const later = (value: unknown) => value !== null && new Date(value as string).toISOString() > time
      const heads = new Set(
        [...rows].sort(byId).map((row, index, all) => (all.findIndex(sameEndpoint(row)) === index ? row : null)),
      )
      return rows.every((row) => {
        if (row.lease_token !== null) return false
        const waits = later(row.next_time) || row.status !== 'ACTIVE'
        const limited =
          (row.breaker === 'open' && later(row.breaker_until)) || (row.rate_limit !== null && later(row.rate_time))
        return (
          waits || limited || (isTrue(row.fifo) && !heads.has(row)) || (isTrue(row.fifo) && headWaits(rows, row, later))
        )
      })
    })
  }

  return {
    async run(each: Command): Promise<void> {
      if (each.do === 'publish') {
        for (let n = 0; n < each.count; n++) {
          const id = await opened.publish()
          for (const endpoint of endpoints) endpoint.expected.push(id)
        }
      }
      if (each.do === 'behave') of(each.who).behaviour = each.how
      if (each.do === 'wait') clock.advance(each.seconds)
      if (each.do === 'switch') {
        const endpoint = of(each.who)
        await change(endpoint.id, { status: each.to })
        endpoint.status = each.to
      }
      if (each.do === 'restart') {
        await dispatcher.stop()
        dispatcher = opened.dispatch()
      }
      await quiet()
    },
    async check(): Promise<void> {
      const deliveries = (await ctx.db('stoa_deliveries').orderBy('id')) as Record<string, unknown>[]
      for (const endpoint of endpoints) {
        const own = deliveries.filter(({ endpoint_id: id }) => id === endpoint.id)
        expect(own.map(({ event_id: id }) => id)).toEqual(endpoint.expected)
        for (const delivery of own) checkDelivery(endpoint, delivery)
        if (endpoint.kind === 'fifo') checkOrder(endpoint)
        if (endpoint.kind === 'paced') checkRate(endpoint, rate)
      }
    },
    /** Every receiver answers from now on, and is switched on: then nothing stays behind but what had come to its end. */
    async finish(): Promise<void> {
      for (const endpoint of endpoints) {
        endpoint.behaviour = 'takes'
        endpoint.status = 'ACTIVE'
        await change(endpoint.id, { status: 'ACTIVE' })
      }
      await until(async () => {
        clock.advance(700)
        await quiet()
        return (await opened.deliveries()).every(({ state }) => state !== 'pending')
      })
      await this.check()
      for (const { tries, expected } of endpoints) {
        for (const event of expected) {
          const own = tries.filter((each) => each.event === event)
          const taken = own.some(({ behaviour }) => behaviour === 'takes')
          const ended = own.length === schedule.length + 1 || own.at(-1)?.behaviour === 'aborts'
          expect(taken || ended).toBe(true)
        }
      }
      await dispatcher.stop()
    },
  }
}

type Command = typeof command extends fc.Arbitrary<infer T> ? T : never

const isTrue = (value: unknown) => value === true || value === 1n
const byId = (a: Record<string, unknown>, b: Record<string, unknown>) => (String(a.id) < String(b.id) ? -1 : 1)
const sameEndpoint = (row: Record<string, unknown>) => (other: Record<string, unknown>) =>
  other.endpoint_id === row.endpoint_id

function headWaits(
  rows: Record<string, unknown>[],
  row: Record<string, unknown>,
  later: (value: unknown) => boolean,
): boolean {
  const [head] = rows.filter(sameEndpoint(row)).sort(byId)
  return later(head?.next_time)
}

function checkDelivery({ tries }: Modelled, delivery: Record<string, unknown>): void {
  const own = tries.filter(({ event }) => event === delivery.event_id)
  const last = own.at(-1)
  expect(Number(delivery.attempt)).toBe(own.length)
  // Nothing is sent after it was taken, or after it was to be dropped.
  for (const { behaviour } of own.slice(0, -1)) expect(['takes', 'aborts']).not.toContain(behaviour)
  for (let n = 1; n < own.length; n++) {
    expect(own[n]!.at - own[n - 1]!.at).toBeGreaterThanOrEqual(0.8 * schedule[n - 1]! - 0.001)
  }
  const ended = own.length === schedule.length + 1 || last?.behaviour === 'aborts'
  expect(delivery.state).toBe(last?.behaviour === 'takes' ? 'delivered' : ended ? 'failed' : 'pending')
}

/** Behind one that is not finished nothing is sent. */
function checkOrder({ tries, expected }: Modelled): void {
  let reached = 0
  for (const { event } of tries) {
    const place = expected.indexOf(event)
    expect(place).toBeGreaterThanOrEqual(reached)
    reached = place
  }
}

function checkRate({ tries }: Modelled, perSecond: number): void {
  for (const { at } of tries) {
    const window = tries.filter((each) => each.at >= at && each.at < at + 1)
    expect(window.length).toBeLessThanOrEqual(perSecond + 1)
  }
}

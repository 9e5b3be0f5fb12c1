import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { expect, it } from 'vitest'
import type { LifecycleEvents } from '../../core/src/context.ts'
import { updateEndpoint } from '../../core/src/events/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { chargeEvent, createCaller, openEvents, openReceiver, until, type OpenedEvents } from './support.ts'

/** Waits until nothing is due or under way any more. */
async function settled({ ctx, clock, deliveries }: OpenedEvents): Promise<void> {
  await until(async () => {
    const rows = (await deliveries()) as unknown as { state: string; next_time: string | Date; lease_token: unknown }[]
    const now = clock.now()
    return rows.every((row) => row.state !== 'pending' || (row.lease_token === null && new Date(row.next_time) > now))
  })
  // The results are written, and nothing is left in a transaction.
  await ctx.db('stoa_events').select('id').limit(1)
}

function setStatus({ ctx }: OpenedEvents, id: string, status: 'ACTIVE' | 'DISABLED') {
  return ctx.db.transaction((trx) => updateEndpoint(ctx, trx, createCaller(), id, { status }))
}

eachDatabase((database) => {
  it('signs the very bytes it sends, as standardwebhooks and svix verify them', async () => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    const { secret } = await opened.addEndpoint({ url: receiver.url })
    opened.dispatch()

    const id = await opened.publish()
    await until(() => receiver.received.length === 1)

    const [{ headers, body }] = receiver.received as [{ url: string; headers: Record<string, string>; body: string }]
    expect(body).toBe(JSON.stringify(chargeEvent().payload))
    expect(new StandardWebhook(secret).verify(body, headers)).toEqual(chargeEvent().payload)
    expect(new SvixWebhook(secret).verify(body, headers)).toEqual(chargeEvent().payload)
    expect(() => new StandardWebhook(secret).verify(`${body} `, headers)).toThrow()
    expect(headers).toMatchObject({
      'webhook-id': id,
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      'user-agent': 'Stoa/test',
    })
    await settled(opened)
    expect(await opened.deliveries()).toMatchObject([{ state: 'delivered', attempt: 1 }])
    expect(await opened.attempts()).toMatchObject([{ n: 1, outcome: 'success', response_status: 204 }])
  })

  it('sends what the enrich hook makes and stores what was published', async () => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    const { secret } = await opened.addEndpoint({ url: receiver.url })
    opened.ctx.eventHooks.enrich['charge.created'] = (_db, event) =>
      Promise.resolve({ ...event.payload, token: `secret token of ${event.id}` })
    opened.dispatch()

    const id = await opened.publish()
    await until(() => receiver.received.length === 1)
    await settled(opened)

    const [{ headers, body }] = receiver.received as [{ url: string; headers: Record<string, string>; body: string }]
    expect(new StandardWebhook(secret).verify(body, headers)).toMatchObject({ token: `secret token of ${id}` })
    const stored = JSON.stringify(
      [await opened.ctx.db('stoa_events'), await opened.attempts()],
      (_key, value: unknown) => (typeof value === 'bigint' ? Number(value) : value),
    )
    expect(stored).not.toContain('secret token')
  })

  it('tries again on schedule with the same id and a fresh timestamp, and gives up after the last', async () => {
    const opened = await openEvents(database, { retrySeconds: [10, 100] })
    const { clock, dispatch, publish, deliveries, attempts } = opened
    const receiver = await openReceiver()
    receiver.answer((response) => response.writeHead(500).end('broken'))
    await opened.addEndpoint({ url: receiver.url })
    const failures: LifecycleEvents['delivery.failed'][0][] = []
    opened.ctx.lifecycle.on('delivery.failed', (failure) => failures.push(failure))
    dispatch()

    const id = await publish()
    await until(() => receiver.received.length === 1)
    await settled(opened)
    clock.advance(7.9)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(receiver.received).toHaveLength(1)
    clock.advance(4.2)
    await until(() => receiver.received.length === 2)
    await settled(opened)
    clock.advance(79)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(receiver.received).toHaveLength(2)
    expect(failures).toEqual([])
    clock.advance(42)
    await until(() => receiver.received.length === 3)
    await settled(opened)
    clock.advance(1_000_000)
    await new Promise((resolve) => setTimeout(resolve, 100))

    expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([id, id, id])
    const times = receiver.received.map(({ headers }) => Number(headers['webhook-timestamp']))
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(12)
    expect(times[2]! - times[1]!).toBeGreaterThanOrEqual(121)
    const [delivery] = await deliveries()
    expect(delivery).toMatchObject({ state: 'failed', attempt: 3 })
    expect(await attempts()).toMatchObject(
      [1, 2, 3].map((n) => ({
        n,
        outcome: 'failure',
        response_status: 500,
        response_body: 'broken',
        error_code: 'status',
      })),
    )
    expect(failures).toMatchObject([{ eventId: id, attempts: 3 }])
  })

  it('waits as long as Retry-After asks, when that is longer than the schedule, but a day at most', async () => {
    const opened = await openEvents(database, { retrySeconds: [1, 1, 1] })
    const receiver = await openReceiver()
    const wishes = ['3600', String(10 * 365 * 86_400)]
    receiver.answer((response, index) => response.writeHead(429, { 'Retry-After': wishes[index] ?? '0' }).end())
    await opened.addEndpoint({ url: receiver.url })
    opened.dispatch()

    await opened.publish()
    await until(() => receiver.received.length === 1)
    await settled(opened)
    opened.clock.advance(3599)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(receiver.received).toHaveLength(1)
    opened.clock.advance(2)
    await until(() => receiver.received.length === 2)
    await settled(opened)
    opened.clock.advance(86_300)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(receiver.received).toHaveLength(2)
    opened.clock.advance(101)
    await until(() => receiver.received.length === 3)
  })

  it('does not follow a redirect: it is a failure', async () => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    const elsewhere = await openReceiver()
    receiver.answer((response) => response.writeHead(307, { Location: elsewhere.url }).end())
    await opened.addEndpoint({ url: receiver.url })
    opened.dispatch()

    await opened.publish()
    await until(() => receiver.received.length === 1)
    await settled(opened)

    expect(elsewhere.received).toEqual([])
    expect(await opened.attempts()).toMatchObject([
      { outcome: 'failure', response_status: 307, error_code: 'redirect' },
    ])
    expect(await opened.deliveries()).toMatchObject([{ state: 'pending' }])
  })

  it('counts a receiver that does not answer in time as failed', async () => {
    const opened = await openEvents(database, { timeoutMilliseconds: 100 })
    const receiver = await openReceiver()
    receiver.answer(() => undefined)
    await opened.addEndpoint({ url: receiver.url })
    opened.dispatch()

    await opened.publish()
    await until(async () => (await opened.attempts()).length === 1)

    expect(await opened.attempts()).toMatchObject([
      { outcome: 'failure', response_status: null, error_code: 'timeout' },
    ])
  })

  it('disables the endpoint of a receiver that is gone, holds its events, and sends them once it is enabled', async () => {
    const opened = await openEvents(database, { retrySeconds: [5, 5] })
    const receiver = await openReceiver()
    receiver.answer((response) => response.writeHead(410).end())
    const { id } = await opened.addEndpoint({ url: receiver.url })
    opened.dispatch()

    const first = await opened.publish()
    await until(() => receiver.received.length === 1)
    await settled(opened)
    expect(await opened.ctx.db('stoa_webhook_endpoints')).toMatchObject([
      { status: 'DISABLED', status_reason: 'The receiver answered 410 Gone.' },
    ])
    opened.clock.advance(60)
    const second = await opened.publish()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(receiver.received).toHaveLength(1)

    receiver.answer((response) => response.writeHead(200).end())
    await setStatus(opened, id, 'ACTIVE')
    await until(() => receiver.received.length === 3)
    await settled(opened)
    expect(receiver.received.slice(1).map(({ headers }) => headers['webhook-id'])).toEqual([first, second])
    expect((await opened.deliveries()).map(({ state }) => state)).toEqual(['delivered', 'delivered'])
  })

  it('runs the delivered hook in the transaction that records the 2xx, and sends again when it throws', async () => {
    const opened = await openEvents(database, { retrySeconds: [0, 0] })
    const receiver = await openReceiver()
    await opened.addEndpoint({ url: receiver.url })
    const seen: unknown[] = []
    opened.ctx.eventHooks.delivered['charge.created'] = async (trx, event) => {
      const row = (await trx('stoa_events').where({ id: event.id }).first('location_id')) as { location_id: string }
      seen.push(row.location_id)
      await trx('stoa_events')
        .where({ id: event.id })
        .update({ location_id: `call ${seen.length}` })
      if (seen.length === 1) throw new Error('not now')
    }
    opened.dispatch()

    await opened.publish()
    await until(async () => (await opened.deliveries())[0]?.state === 'delivered')

    expect(receiver.received).toHaveLength(2)
    // Nothing is left of the call that threw.
    expect(seen).toEqual(['loc_1', 'loc_1'])
    expect(await opened.ctx.db('stoa_events')).toMatchObject([{ location_id: 'call 2' }])
    expect(await opened.attempts()).toMatchObject([
      { n: 1, outcome: 'failure', response_status: 204, error_code: 'host' },
      { n: 2, outcome: 'success' },
    ])
  })

  it('runs the exhausted hook in the transaction that records the last failure', async () => {
    const opened = await openEvents(database, { retrySeconds: [] })
    const receiver = await openReceiver()
    receiver.answer((response) => response.writeHead(503).end())
    await opened.addEndpoint({ url: receiver.url })
    opened.ctx.eventHooks.exhausted['charge.created'] = async (trx, event) => {
      await trx('stoa_events').where({ id: event.id }).update({ location_id: 'exhausted' })
    }
    opened.dispatch()

    await opened.publish()
    await until(async () => (await opened.deliveries())[0]?.state === 'failed')

    const events = (await opened.ctx.db('stoa_events').orderBy('id')) as object[]
    expect(events).toMatchObject([{ location_id: 'exhausted' }, { type: 'delivery.exhausted' }])
  })

  it('keeps a result that comes after its lease ended, and leaves the delivery to its successor', async () => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    const open: (() => void)[] = []
    receiver.answer((response) => open.push(() => response.writeHead(500).end()))
    await opened.addEndpoint({ url: receiver.url })
    const slow = opened.dispatch()
    await opened.publish()
    await until(() => open.length === 1)

    // Not stopped but stuck: its lease ends while the receiver takes its time, and another process takes over.
    opened.clock.advance(61)
    opened.dispatch()
    await until(() => open.length === 2)
    receiver.answer((response) => response.writeHead(200).end())
    open[0]!()
    await until(async () => (await opened.attempts()).length === 1)
    expect(await opened.attempts()).toMatchObject([{ n: 1, outcome: 'failure' }])
    const [delivery] = (await opened.deliveries()) as unknown as { state: string; lease_token: string | null }[]
    expect(delivery).toMatchObject({ state: 'pending' })
    expect(delivery!.lease_token).not.toBeNull()

    open[1]!()
    await until(async () => (await opened.attempts()).length === 2)
    await slow.stop()
    expect(await opened.attempts()).toMatchObject([{ n: 1 }, { n: 2 }])
  })

  it('sends what a stopped dispatcher left, with the same id', async () => {
    const opened = await openEvents(database, { retrySeconds: [30], concurrency: 1, perEndpoint: 1 })
    const receiver = await openReceiver()
    receiver.answer((response, index) => response.writeHead(index === 0 ? 500 : 200).end())
    await opened.addEndpoint({ url: receiver.url })
    const first = opened.dispatch()
    const id = await opened.publish()
    await until(() => receiver.received.length === 1)
    await first.stop()
    expect(await opened.attempts()).toHaveLength(1)
    opened.clock.advance(40)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(receiver.received).toHaveLength(1)

    opened.dispatch()
    await until(() => receiver.received.length === 2)
    await settled(opened)
    expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([id, id])
    expect(await opened.deliveries()).toMatchObject([{ state: 'delivered', attempt: 2 }])
  })

  it('finishes what is under way before it stops, and gives back what it had not begun', async () => {
    const opened = await openEvents(database, { concurrency: 2, perEndpoint: 2 })
    const receiver = await openReceiver()
    // At once in the beginning, so that more is taken than can be sent.
    receiver.answer((response, index) => setTimeout(() => response.writeHead(200).end(), index < 2 ? 0 : 150))
    await opened.addEndpoint({ url: receiver.url })
    for (let n = 0; n < 10; n++) await opened.publish()
    const dispatcher = opened.dispatch()
    await until(() => receiver.received.length === 4)
    const taken = (await opened.deliveries()).filter(({ attempt }) => attempt > 0)
    expect(taken.length).toBeGreaterThan(4)

    await dispatcher.stop()

    expect(receiver.received).toHaveLength(4)
    const rows = (await opened.deliveries()) as unknown as { state: string; attempt: number; lease_token: unknown }[]
    expect(rows.filter(({ state }) => state === 'delivered')).toHaveLength(4)
    const untouched = rows.filter((row) => row.state === 'pending' && row.attempt === 0 && row.lease_token === null)
    expect(untouched).toHaveLength(6)
  })

  it('goes on after the database refused it for a while', async () => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    await opened.addEndpoint({ url: receiver.url })
    opened.dispatch()
    await opened.ctx.db.schema.renameTable('stoa_deliveries', 'stoa_elsewhere')
    await until(() => opened.complaints.length > 0)
    await opened.ctx.db.schema.renameTable('stoa_elsewhere', 'stoa_deliveries')

    const id = await opened.publish()
    await until(() => receiver.received.length === 1)
    expect(receiver.received[0]!.headers['webhook-id']).toBe(id)
  })

  it('sends the result again when recording it failed, and keeps it once', async () => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    await opened.addEndpoint({ url: receiver.url })
    receiver.answer((response) => {
      void opened.ctx.db.schema
        .renameTable('stoa_delivery_attempts', 'stoa_elsewhere')
        .then(() => response.writeHead(200).end())
    })
    opened.dispatch()
    await opened.publish()
    await until(() => opened.complaints.some(({ message }) => /is lost/.test(message)))
    await opened.ctx.db.schema.renameTable('stoa_elsewhere', 'stoa_delivery_attempts')
    expect(await opened.deliveries()).toMatchObject([{ state: 'pending', attempt: 1 }])

    receiver.answer((response) => response.writeHead(200).end())
    opened.clock.advance(61)
    await until(async () => (await opened.deliveries())[0]?.state === 'delivered')
    expect(await opened.attempts()).toMatchObject([{ n: 2, outcome: 'success' }])
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
  })
})

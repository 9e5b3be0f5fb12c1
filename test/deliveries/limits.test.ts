import { expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { createContext, openEvents, openReceiver, until, type OpenedEvents } from '../events/support.ts'
import { openDatabase } from '../../core/src/database/index.ts'

const settle = () => new Promise((resolve) => setTimeout(resolve, 150))

/** A dispatcher of another process. */
async function dispatchElsewhere(opened: OpenedEvents): Promise<() => Promise<void>> {
  const { ctx, clock } = opened
  if (!ctx.dialect.manyProcesses) return () => Promise.resolve()
  const database = await openDatabase(opened.url)
  const other = createContext(database, { clock, webhooks: ctx.config.webhooks })
  const dispatcher = opened.dispatch(other)
  return async () => {
    await dispatcher.stop()
    await other.outbound.close()
    await database.close()
  }
}

const change = (opened: OpenedEvents, id: string, columns: object) =>
  opened.ctx.db('stoa_webhook_endpoints').where({ id }).update(columns)

eachDatabase((database) => {
  it('keeps to a rate limit, on all processes together', async () => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    const { id } = await opened.addEndpoint({ url: receiver.url })
    await change(opened, id, { rate_limit: 5 })
    for (let n = 0; n < 60; n++) await opened.publish()
    opened.dispatch()
    const stopOther = await dispatchElsewhere(opened)

    // By a clock that the test moves: ten seconds in steps of a twentieth.
    for (let step = 0; step < 200; step++) {
      opened.clock.advance(0.05)
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
    await settle()
    expect(receiver.received.length).toBeGreaterThanOrEqual(45)
    expect(receiver.received.length).toBeLessThanOrEqual(55)
    await stopOther()
  }, 30_000)

  it('never has more under way than an endpoint wants, on all processes together', async () => {
    const opened = await openEvents(database, { perEndpoint: 16 })
    const receiver = await openReceiver()
    const open: (() => void)[] = []
    receiver.answer((response) => open.push(() => response.writeHead(204).end()))
    const { id } = await opened.addEndpoint({ url: receiver.url })
    await change(opened, id, { concurrency: 3 })
    for (let n = 0; n < 40; n++) await opened.publish()
    opened.dispatch()
    const stopOther = await dispatchElsewhere(opened)
    while (receiver.received.length < 40) {
      await until(() => open.length > 0)
      open.shift()!()
    }
    for (const answer of open) answer()
    await until(async () => (await opened.deliveries()).every(({ state }) => state === 'delivered'))
    expect(receiver.mostOpen()).toBeLessThanOrEqual(3)
    expect(receiver.mostOpen()).toBeGreaterThan(1)
    await stopOther()
  }, 30_000)

  it('keeps the order of an endpoint that wants it, over failures, two processes and a restart', async () => {
    const opened = await openEvents(database, { retrySeconds: [10, 10, 10] })
    const receiver = await openReceiver()
    let failing = 2
    receiver.answer((response) => response.writeHead(failing-- > 0 ? 500 : 204).end())
    const { id } = await opened.addEndpoint({ url: receiver.url })
    await change(opened, id, { fifo: true })
    const published: string[] = []
    for (let n = 0; n < 12; n++) published.push(await opened.publish())
    const first = opened.dispatch()
    const stopOther = await dispatchElsewhere(opened)

    await until(async () => (await opened.attempts()).length === 1)
    await settle()
    // The others wait behind the first, which waits for its next try.
    expect(receiver.received).toHaveLength(1)
    opened.clock.advance(12.1)
    await until(async () => (await opened.attempts()).length === 2)
    await first.stop()
    opened.dispatch()
    opened.clock.advance(12.1)
    await until(async () => (await opened.deliveries()).every(({ state }) => state === 'delivered'))
    const arrived = receiver.received.map(({ headers }) => String(headers['webhook-id']))
    expect(arrived).toEqual([published[0], published[0], ...published])
    expect(receiver.mostOpen()).toBe(1)
    await stopOther()
  }, 30_000)

  it('goes on with the next in order when the first is given up', async () => {
    const opened = await openEvents(database, { retrySeconds: [] })
    const receiver = await openReceiver()
    receiver.answer((response, index) => response.writeHead(index === 0 ? 400 : 204).end())
    const { id } = await opened.addEndpoint({ url: receiver.url, events: ['charge.created'] })
    await change(opened, id, { fifo: true })
    const published = [await opened.publish(), await opened.publish(), await opened.publish()]
    opened.dispatch()
    await until(async () => (await opened.deliveries()).every(({ state }) => state !== 'pending'))
    expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual(published)
  })

  it('sends what was published in another order than the endpoint has now', async () => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    const { id } = await opened.addEndpoint({ url: receiver.url })
    for (let n = 0; n < 3; n++) await opened.publish()
    await change(opened, id, { fifo: true })
    await opened.publish()
    opened.dispatch()
    await until(() => receiver.received.length === 4)
  })

  it('leaves a receiver alone that fails and fails, asks it once in a while, and goes on when it answers', async () => {
    const opened = await openEvents(database, {
      retrySeconds: [1000, 1000, 1000],
      breaker: { failures: 5, seconds: 30, mostSeconds: 100 },
    })
    const receiver = await openReceiver()
    const watcher = await openReceiver()
    let status = 500
    receiver.answer((response) => response.writeHead(status).end())
    const { id } = await opened.addEndpoint({ url: receiver.url, events: ['charge.*'] })
    await opened.addEndpoint({ url: watcher.url, events: ['endpoint.*'] })
    const health = () =>
      opened.ctx.db('stoa_webhook_endpoints').where({ id }).first() as Promise<Record<string, unknown>>
    for (let n = 0; n < 40; n++) await opened.publish()
    const first = opened.dispatch()
    await until(async () => (await health()).breaker === 'open')
    await settle()
    const before = receiver.received.length
    expect(before).toBeLessThan(40)

    // It is known to every process, and to those that start later.
    await first.stop()
    opened.dispatch()
    const stopOther = await dispatchElsewhere(opened)
    await settle()
    expect(receiver.received.length).toBe(before)
    opened.clock.advance(31)
    await until(() => receiver.received.length === before + 1)
    await until(async () => Number((await health()).failures) === before + 1)
    expect(receiver.received.length).toBe(before + 1)
    opened.clock.advance(31)
    await settle()
    expect(receiver.received.length).toBe(before + 1)
    status = 204
    opened.clock.advance(30)
    await until(async () => (await health()).breaker === 'closed')
    // What is under way must end within its lease, or it is sent twice.
    await until(() => watcher.received.length === 2)
    await settle()
    opened.clock.advance(2000)
    await until(async () =>
      (await opened.deliveries()).every(({ state, endpoint_id: at }) => at !== id || state === 'delivered'),
    )
    await until(() => watcher.received.length === 2)
    expect(watcher.received.map(({ body }) => (JSON.parse(body) as { type: string }).type)).toEqual([
      'endpoint.failing',
      'endpoint.recovered',
    ])
    await stopOther()
  }, 30_000)

  it('turns off what failed for days and over several events, says so, and holds what comes', async () => {
    const opened = await openEvents(database, {
      retrySeconds: [],
      disableAfter: { days: 5, messages: 3 },
      breaker: { failures: 4 },
    })
    const receiver = await openReceiver()
    const watcher = await openReceiver()
    receiver.answer((response) => response.writeHead(500).end())
    const { id } = await opened.addEndpoint({ url: receiver.url, events: ['charge.*'] })
    await opened.addEndpoint({ url: watcher.url, events: ['endpoint.disabled'] })
    const told: unknown[] = []
    opened.ctx.lifecycle.on('endpoint.disabled', (details) => told.push(details))
    opened.dispatch()
    const endpoint = () => opened.ctx.db('stoa_webhook_endpoints').where({ id }).first() as Promise<{ status: string }>
    const fail = async () => {
      const before = receiver.received.length
      await opened.publish()
      await until(() => receiver.received.length === before + 1)
      await until(
        async () => !(await opened.deliveries()).some(({ state, endpoint_id: at }) => at === id && state === 'pending'),
      )
    }
    for (let day = 0; day < 5; day++) {
      await fail()
      expect((await endpoint()).status).toBe('ACTIVE')
      opened.clock.advance(24 * 3600)
    }
    await fail()
    expect(await endpoint()).toMatchObject({ status: 'DISABLED', status_cause: 'failing' })
    await until(() => watcher.received.length === 1)
    expect(JSON.parse(watcher.received[0]!.body)).toMatchObject({
      type: 'endpoint.disabled',
      data: { endpointId: id, cause: 'failing' },
    })
    expect(told).toMatchObject([{ endpointId: id, cause: 'failing' }])
    await opened.publish()
    await settle()
    expect(
      (await opened.deliveries()).filter(({ state, endpoint_id: at }) => at === id && state === 'pending'),
    ).toHaveLength(1)
  }, 30_000)

  it('does not blame a receiver for what the host or the way out of it could not do', async () => {
    const opened = await openEvents(database, {
      retrySeconds: [1000, 1000],
      breaker: { failures: 2 },
      disableAfter: { days: 1, messages: 1 },
    })
    const receiver = await openReceiver()
    const { id } = await opened.addEndpoint({ url: receiver.url, events: ['charge.created'] })
    opened.ctx.eventHooks.delivered['charge.created'] = () => Promise.reject(new Error('the host is ill'))
    opened.dispatch()
    for (let n = 0; n < 6; n++) {
      const before = receiver.received.length
      await opened.publish()
      await until(
        async () =>
          receiver.received.length > before &&
          (await opened.deliveries()).every((each) => !('lease_token' in each) || each.lease_token === null),
      )
      opened.clock.advance(24 * 3600)
    }
    const endpoint = (await opened.ctx.db('stoa_webhook_endpoints').where({ id }).first()) as Record<string, unknown>
    expect(endpoint).toMatchObject({ status: 'ACTIVE', breaker: 'closed' })
    expect(Number(endpoint.failures)).toBe(0)
    expect((await opened.attempts()).every(({ error_code: code }) => code === 'host')).toBe(true)
  })
})

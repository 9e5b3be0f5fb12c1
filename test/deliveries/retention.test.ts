import { expect, it } from 'vitest'
import { createRetention } from '../../core/src/deliveries/index.ts'
import { openEvents, openReceiver, until, type OpenedEvents } from '../events/support.ts'
import { eachDatabase } from '../support/databases.ts'
import { anotherContext, performer, seedDelivery } from './support.ts'

const day = 86_400

eachDatabase((database) => {
  async function open() {
    const events = await openEvents(database, { retentionDays: 30 })
    const { id: endpointId } = await events.addEndpoint({ url: 'http://127.0.0.1:9/' })
    return { ...events, endpointId, retention: createRetention(events.ctx) }
  }
  const count = async ({ ctx }: Pick<OpenedEvents, 'ctx'>, table: string) =>
    Number(((await ctx.db(table).count({ n: '*' }).first()) as { n: number }).n)
  const createdTime = (events: OpenedEvents) => events.clock.now().toISOString()

  it('removes deliveries, attempts, events and replays when their days are over, and not before', async () => {
    const events = await open()
    const { ctx, endpointId, clock, retention } = events
    const made = { endpointId, attempts: 2, createdTime: createdTime(events) }
    for (const state of ['delivered', 'failed', 'cancelled'] as const) await seedDelivery(ctx.db, { ...made, state })
    await ctx
      .db('stoa_deliveries')
      .where({ state: 'cancelled' })
      .update({ completed_time: createdTime(events) })
    const perform = performer(ctx)
    const body = { kind: 'failed', since: new Date(clock.now().getTime() - 1000).toISOString() }
    const replay = await perform('createWebhookReplay', { params: { id: endpointId }, body })
    await perform('cancelWebhookReplay', { params: { id: replay.id } })
    const left = () =>
      Promise.all(
        ['stoa_deliveries', 'stoa_delivery_attempts', 'stoa_events', 'stoa_webhook_replays'].map((table) =>
          count(events, table),
        ),
      )

    clock.advance(29 * day)
    await retention.sweep()
    expect(await left()).toEqual([3, 6, 3, 1])
    // What happened since is young, whatever its id says: ids are made by the machine's clock.
    await seedDelivery(ctx.db, { endpointId, attempts: 1, createdTime: createdTime(events) })
    clock.advance(1.5 * day)
    await retention.sweep()
    expect(await left()).toEqual([1, 1, 1, 0])
  })

  it('cancels what is held for a disabled endpoint, and removes it a day later; what waits for an active one stays', async () => {
    const events = await open()
    const { ctx, endpointId, clock, retention, addEndpoint } = events
    const off = await addEndpoint({ url: 'http://127.0.0.1:9/', status: 'DISABLED' })
    const pending = { state: 'pending', createdTime: createdTime(events) } as const
    const { id: held } = await seedDelivery(ctx.db, { ...pending, endpointId: off.id })
    const { id: waiting } = await seedDelivery(ctx.db, { ...pending, endpointId })
    clock.advance(31 * day)
    await retention.sweep()
    const row = async (id: string) => (await ctx.db('stoa_deliveries').where({ id }).first()) as object | undefined
    expect(await row(held)).toMatchObject({ state: 'cancelled', last_error: 'expired', next_time: null })
    expect(await row(waiting)).toMatchObject({ state: 'pending' })
    clock.advance(1.1 * day)
    await retention.sweep()
    expect(await row(held)).toBeUndefined()
    expect(await row(waiting)).toMatchObject({ state: 'pending' })
    expect(await count(events, 'stoa_events')).toBe(1)
  })

  it('leaves for a day what was sent again lately', async () => {
    const events = await open()
    const { ctx, endpointId, clock, retention } = events
    const { id } = await seedDelivery(ctx.db, { endpointId, createdTime: createdTime(events) })
    clock.advance(31 * day)
    await ctx
      .db('stoa_deliveries')
      .where({ id })
      .update({ completed_time: createdTime(events) })
    await retention.sweep()
    expect(await count(events, 'stoa_deliveries')).toBe(1)
    clock.advance(1.1 * day)
    await retention.sweep()
    expect(await count(events, 'stoa_deliveries')).toBe(0)
  })

  it('does not begin again at what has to stay', async () => {
    const events = await open()
    const { ctx, endpointId, clock, retention } = events
    const made = createdTime(events)
    const rows = (await seedMany(events, endpointId, 1100)).map(({ event_id }) => event_id)
    expect(rows).toHaveLength(1100)
    await ctx
      .db('stoa_deliveries')
      .whereIn('event_id', rows.slice(0, 550))
      .update({ state: 'pending', completed_time: null, next_time: made })
    clock.advance(31 * day)
    await retention.sweep()
    expect([await count(events, 'stoa_deliveries'), await count(events, 'stoa_events')]).toEqual([550, 550])
  })

  it('lets deliveries be claimed, sent and recorded while it removes others', async () => {
    const events = await open()
    const { clock, retention, addEndpoint, publish, dispatch, ctx } = events
    const receiver = await openReceiver()
    const { id } = await addEndpoint({ url: receiver.url, events: ['charge.created'] })
    await ctx
      .db('stoa_webhook_endpoints')
      .whereNot({ id })
      .update({ deleted_time: createdTime(events), status: 'DISABLED' })
    await seedMany(events, id, 3000)
    clock.advance(31 * day)
    dispatch()
    let isOver = false
    const sweeping = retention.sweep().then(() => {
      isOver = true
    })
    let sentMeanwhile = 0
    while (!isOver) {
      await publish()
      const before = receiver.received.length
      await until(() => receiver.received.length > before || isOver)
      if (!isOver) sentMeanwhile++
    }
    await sweeping
    expect(sentMeanwhile).toBeGreaterThan(1)
    await until(async () => (await ctx.db('stoa_deliveries').where({ state: 'pending' })).length === 0)
    expect(await count(events, 'stoa_deliveries')).toBe(receiver.received.length)
  }, 30_000)

  it('may be done by several processes at once', async () => {
    const events = await open()
    const { ctx, endpointId, clock, retention, url, complaints } = events
    await seedMany(events, endpointId, 1200)
    clock.advance(31 * day)
    const other = createRetention(await anotherContext(ctx, url))
    await Promise.all([retention.sweep(), other.sweep()])
    await retention.sweep()
    expect([await count(events, 'stoa_deliveries'), await count(events, 'stoa_events')]).toEqual([0, 0])
    expect(complaints).toEqual([])
  })

  it('sweeps when it is started, and every hour by the clock of the host', async () => {
    const events = await open()
    const { ctx, endpointId, clock } = events
    const seed = () =>
      seedDelivery(ctx.db, {
        endpointId,
        createdTime: new Date(clock.now().getTime() - 31 * day * 1000).toISOString(),
        completedTime: new Date(clock.now().getTime() - 2 * day * 1000).toISOString(),
      })
    // The ids are of the present; the clock says that it is long ago.
    clock.advance(31 * day)
    const retention = createRetention(ctx, { pollMilliseconds: 5 })
    await seed()
    retention.start()
    await until(async () => (await count(events, 'stoa_deliveries')) === 0)
    await until(async () => (await count(events, 'stoa_events')) === 0)
    await seed()
    clock.advance(3599)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(await count(events, 'stoa_deliveries')).toBe(1)
    clock.advance(1)
    await until(async () => (await count(events, 'stoa_deliveries')) === 0)
    await retention.stop()
  })
})

/** Many at once, made by copying one. */
async function seedMany(
  { ctx, clock }: OpenedEvents,
  endpointId: string,
  many: number,
): Promise<{ event_id: string }[]> {
  const createdTime = clock.now().toISOString()
  const { id, eventId } = await seedDelivery(ctx.db, { endpointId, createdTime, attempts: 1 })
  const hex = (n: number) => n.toString(16).padStart(6, '0')
  const copy = async (table: string, key: string, from: string, set: (n: number) => object) => {
    const row = (await ctx
      .db(table)
      .where({ [key]: from })
      .first()) as object
    const rows = Array.from({ length: many - 1 }, (_, n) => ({ ...row, ...set(n) }))
    for (let start = 0; start < rows.length; start += 100) await ctx.db(table).insert(rows.slice(start, start + 100))
  }
  const [eventOf, deliveryOf] = [eventId, id].map((of) => (n: number) => of.slice(0, -6) + hex(n)) as [
    (n: number) => string,
    (n: number) => string,
  ]
  await copy('stoa_events', 'id', eventId, (n) => ({ id: eventOf(n) }))
  await copy('stoa_deliveries', 'id', id, (n) => ({ id: deliveryOf(n), event_id: eventOf(n) }))
  await copy('stoa_delivery_attempts', 'delivery_id', id, (n) => ({ delivery_id: deliveryOf(n) }))
  return (await ctx.db('stoa_deliveries').select('event_id').orderBy('id')) as { event_id: string }[]
}

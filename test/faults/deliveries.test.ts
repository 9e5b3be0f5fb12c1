import { expect, it } from 'vitest'
import { deleteEndpoint, publishMany, updateEndpoint } from '../../core/src/events/index.ts'
import {
  arrivedIds,
  chargeEvent,
  createCaller,
  openEvents,
  openReceiver,
  until,
  type OpenedEvents,
} from '../events/support.ts'
import { eachDatabase, type TestDatabase } from '../support/databases.ts'

const aLittle = (milliseconds = 150) => new Promise((resolve) => setTimeout(resolve, milliseconds))
const hour = 3600

const publishSome = ({ ctx }: OpenedEvents, count: number) =>
  ctx.db.transaction((trx) =>
    publishMany(
      ctx,
      trx,
      Array.from({ length: count }, () => chargeEvent()),
    ),
  )

const change = ({ ctx }: OpenedEvents, id: string, patch: Parameters<typeof updateEndpoint>[4]) =>
  ctx.db.transaction((trx) => updateEndpoint(ctx, trx, createCaller(), id, patch))

const remove = ({ ctx }: OpenedEvents, id: string) =>
  ctx.db.transaction((trx) => deleteEndpoint(ctx, trx, createCaller(), id))

const stateOf = async ({ deliveries }: OpenedEvents) => (await deliveries())[0]!.state

/** A try under way whose receiver answers as it is told to, later ones at once with 204. */
async function openUnderWay(database: TestDatabase) {
  const opened = await openEvents(database, { retrySeconds: [60, 60] })
  const receiver = await openReceiver()
  const endpoint = await opened.addEndpoint({ url: receiver.url })
  let answer: (status: number) => void = () => undefined
  receiver.answer((response, index) => {
    if (index > 0) response.writeHead(204).end()
    else answer = (status) => response.writeHead(status).end()
  })
  opened.dispatch()
  const id = await opened.publish()
  await until(() => receiver.received.length === 1)
  return { opened, receiver, endpointId: endpoint.id, id, answer: (status: number) => answer(status) }
}

/** One that failed and waits for its second try. */
async function openScheduled(database: TestDatabase) {
  const world = await openUnderWay(database)
  world.answer(500)
  await until(async () => (await world.opened.attempts()).length === 1)
  return world
}

eachDatabase((database) => {
  it('loses nothing when the clock jumps an hour ahead during a try, and back again', async () => {
    const { opened, receiver, id, answer } = await openUnderWay(database)
    const allDelivered = async () => (await opened.deliveries()).every(({ state }) => state === 'delivered')
    // By this clock its lease has run out, so that it may be sent once more.
    opened.clock.advance(hour)
    answer(204)
    await until(allDelivered)
    const ahead = await opened.publish()
    await until(allDelivered)

    opened.clock.advance(-hour)
    const behind = await opened.publish()
    await until(allDelivered)
    const received = receiver.received.map(({ headers }) => headers['webhook-id'])
    expect([...new Set(received)]).toEqual([id, ahead, behind])
    expect(received.filter((each) => each !== id)).toEqual([ahead, behind])
    expect(received.length).toBeLessThanOrEqual(4)
  })

  it('tries again at the latest an hour late what failed while the clock was an hour ahead', async () => {
    const { opened, receiver, id, answer } = await openUnderWay(database)
    answer(204)
    await until(async () => (await stateOf(opened)) === 'delivered')
    receiver.answer((response, index) => response.writeHead(index === 1 ? 500 : 204).end())
    opened.clock.advance(hour)
    const failed = await opened.publish()
    await until(async () => (await opened.attempts()).length === 2)

    opened.clock.advance(-hour)
    const behind = await opened.publish()
    // Recorded, and not only received: a try that is under way when the clock jumps may be made once more.
    await until(async () => (await opened.attempts()).length === 3)
    opened.clock.advance(hour + 75)
    await until(async () => (await opened.deliveries()).every(({ state }) => state === 'delivered'))
    expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([id, failed, behind, failed])
  })

  it('fails alone with an event of which the host cannot make a body, until its schedule is over', async () => {
    const opened = await openEvents(database, { retrySeconds: [1] })
    const receiver = await openReceiver()
    await opened.addEndpoint({ url: receiver.url })
    const ids = await publishSome(opened, 30)
    const poison = ids[7]!
    opened.ctx.eventHooks.enrich['charge.created'] = (_db, event) =>
      event.id === poison ? Promise.reject(new Error('poison')) : Promise.resolve(event.payload)
    opened.dispatch()
    await until(async () => (await opened.attempts()).length === 30)
    opened.clock.advance(2)
    await until(async () => (await opened.deliveries()).every(({ state }) => state !== 'pending'))

    expect(arrivedIds(receiver)).toEqual(ids.filter((id) => id !== poison))
    const failed = (await opened.deliveries()).filter(({ state }) => state === 'failed')
    expect(failed.map(({ event_id }) => event_id)).toEqual([poison])
    expect((await opened.attempts()).flatMap(({ error_code }) => error_code ?? [])).toEqual([
      'preparation',
      'preparation',
    ])
  })

  it('does not hold against a receiver how many events the host could not make ready for it', async () => {
    const opened = await openEvents(database, { breaker: { failures: 3 } })
    const receiver = await openReceiver()
    const { id } = await opened.addEndpoint({ url: receiver.url })
    const poisoned = new Set(await publishSome(opened, 10))
    opened.ctx.eventHooks.enrich['charge.created'] = (_db, event) =>
      poisoned.has(event.id) ? Promise.reject(new Error('poison')) : Promise.resolve(event.payload)
    opened.dispatch()
    await until(async () => (await opened.attempts()).length === 10)

    expect(await opened.ctx.db('stoa_webhook_endpoints').where({ id }).first()).toMatchObject({ breaker: 'closed' })
    const good = await opened.publish()
    await until(() => receiver.received.length === 1)
    expect(arrivedIds(receiver)).toEqual([good])
  })

  it('keeps the result of a try whose endpoint is deleted meanwhile, and sends nothing more', async () => {
    const { opened, receiver, endpointId, answer } = await openUnderWay(database)
    await remove(opened, endpointId)
    answer(500)
    await until(async () => (await opened.attempts()).length === 1)
    opened.clock.advance(hour)
    await aLittle()
    expect(await stateOf(opened)).toBe('cancelled')
    expect(receiver.received).toHaveLength(1)
  })

  it('counts the answer to a try whose endpoint is disabled meanwhile', async () => {
    const { opened, receiver, endpointId, answer } = await openUnderWay(database)
    await change(opened, endpointId, { status: 'DISABLED' })
    await opened.publish()
    answer(204)
    await until(async () => (await stateOf(opened)) === 'delivered')
    await aLittle()
    expect((await opened.deliveries()).map(({ state }) => state)).toEqual(['delivered', 'pending'])
    expect(receiver.received).toHaveLength(1)
  })

  it('sends to the new address when the endpoint is edited during a try that fails', async () => {
    const { opened, receiver, endpointId, id, answer } = await openUnderWay(database)
    const moved = await openReceiver()
    await change(opened, endpointId, { url: moved.url })
    answer(500)
    await until(async () => (await opened.attempts()).length === 1)
    opened.clock.advance(75)
    await until(async () => (await stateOf(opened)) === 'delivered')
    expect([receiver.received.length, arrivedIds(moved)]).toEqual([1, [id]])
  })

  it('sends nothing that was scheduled for an endpoint that is deleted', async () => {
    const { opened, receiver, endpointId } = await openScheduled(database)
    await remove(opened, endpointId)
    expect(await stateOf(opened)).toBe('cancelled')
    opened.clock.advance(hour)
    await aLittle()
    expect(receiver.received).toHaveLength(1)
  })

  it('holds what was scheduled for an endpoint that is disabled, and sends it when that is active again', async () => {
    const { opened, receiver, endpointId, id } = await openScheduled(database)
    await change(opened, endpointId, { status: 'DISABLED' })
    opened.clock.advance(hour)
    await aLittle()
    expect(receiver.received).toHaveLength(1)
    await change(opened, endpointId, { status: 'ACTIVE' })
    await until(async () => (await stateOf(opened)) === 'delivered')
    expect(arrivedIds(receiver)).toEqual([id, id])
  })

  it('sends what was scheduled to the address that the endpoint has then', async () => {
    const { opened, receiver, endpointId, id } = await openScheduled(database)
    const moved = await openReceiver()
    await change(opened, endpointId, { url: moved.url })
    opened.clock.advance(75)
    await until(async () => (await stateOf(opened)) === 'delivered')
    expect([receiver.received.length, arrivedIds(moved)]).toEqual([1, [id]])
  })

  it.each([
    ['abort-message', 'failed', 'ACTIVE'],
    ['disable', 'pending', 'DISABLED'],
  ])('does what an answer asks for with webhook-delivery: %s', async (wish, state, status) => {
    const { opened, receiver, endpointId } = await openScheduled(database)
    receiver.answer((response) => response.writeHead(500, { 'webhook-delivery': wish }).end())
    opened.clock.advance(75)
    await until(async () => (await opened.attempts()).length === 2)
    opened.clock.advance(hour)
    await aLittle()
    expect(await stateOf(opened)).toBe(state)
    expect(await opened.ctx.db('stoa_webhook_endpoints').where({ id: endpointId }).first()).toMatchObject({ status })
    expect(receiver.received).toHaveLength(2)
  })

  it.each([[[]], [[0]], [[0, 0]]])('tries as often as the schedule %j says, and once more', async (retrySeconds) => {
    const opened = await openEvents(database, { retrySeconds })
    const receiver = await openReceiver()
    receiver.answer((response) => response.writeHead(500).end())
    await opened.addEndpoint({ url: receiver.url, events: ['charge.created'] })
    opened.dispatch()
    await opened.publish()
    await until(async () => (await stateOf(opened)) === 'failed')
    expect(receiver.received).toHaveLength(retrySeconds.length + 1)
  })

  it('lets two endpoints that are dead tell each other of what failed, but not of that in turn', async () => {
    const opened = await openEvents(database, { retrySeconds: [] })
    const receiver = await openReceiver()
    receiver.answer((response) => response.writeHead(500).end())
    for (let n = 0; n < 2; n++) await opened.addEndpoint({ url: receiver.url })
    opened.dispatch()
    await opened.publish()
    await until(async () => {
      const rows = await opened.deliveries()
      return rows.length === 4 && rows.every(({ state }) => state === 'failed')
    })
    await aLittle()
    const events = (await opened.ctx.db('stoa_events').select('type')) as { type: string }[]
    expect(events.map(({ type }) => type).sort()).toEqual([
      'charge.created',
      'delivery.exhausted',
      'delivery.exhausted',
    ])
    expect(await opened.deliveries()).toHaveLength(4)
  })
})

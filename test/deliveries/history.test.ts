import { afterAll, beforeAll, expect, it } from 'vitest'
import { openReceiver, until } from '../events/support.ts'
import { eachDatabase } from '../support/databases.ts'
import { openHostWithDatabase, seedDelivery, type HostWithDatabase } from './support.ts'

const path = '/developers/webhooks'

eachDatabase((kind) => {
  let opened: HostWithDatabase
  let token: string

  beforeAll(async () => {
    opened = await openHostWithDatabase(kind)
    token = opened.host.world.publisher.apiKey
  })
  afterAll(() => opened.host.stop())

  const get = async (rest: string) => (await opened.host.call('GET', `${path}${rest}`, { token })).body
  const endpointAt = async (url: string) =>
    (await opened.host.call('POST', `${path}/endpoints`, { token, body: { url, events: ['*'] } })).body
  const organizationId = () => opened.host.world.publisher.organizationId

  async function disableApplication() {
    const { call, world } = opened.host
    const { apiKey } = world.operator
    await call('POST', `/applications/${world.application.id}/disable`, { token: apiKey, body: { reason: 'a test' } })
    await call('POST', `/applications/${world.application.id}/enable`, { token: apiKey })
  }

  it('tells of every attempt what was sent, how long it took, where it went and what came back', async () => {
    const { id: endpointId } = await endpointAt('http://127.0.0.1:9/')
    const seeded = { endpointId, organizationId: organizationId(), lastStatus: 503, lastError: 'status', attempts: 2 }
    const { id, eventId } = await seedDelivery(opened.database.knex, { ...seeded, state: 'failed' })

    const delivery = await get(`/deliveries/${id}`)

    expect(delivery).toMatchObject({
      id,
      eventId,
      endpointId,
      type: 'charge.created',
      cause: 'event',
      status: 'failed',
      held: null,
      attemptCount: 2,
      nextAttemptTime: null,
      lastStatus: 503,
      lastError: 'status',
      payload: { type: 'charge.created' },
    })
    expect(delivery.attempts.map(({ number }: { number: number }) => number)).toEqual([1, 2])
    expect(delivery.attempts[1]).toEqual({
      number: 2,
      cause: 'event',
      method: 'POST',
      url: 'https://example.com/hook',
      requestHeaders: { 'content-type': 'application/json', authorization: '***' },
      startedTime: delivery.createdTime,
      durationMilliseconds: 20,
      connectMilliseconds: 3,
      firstByteMilliseconds: 7,
      remoteAddress: '192.0.2.1',
      outcome: 'failure',
      responseStatus: 503,
      responseHeaders: { 'x-mine': '1' },
      responseBody: 'a body',
      error: { code: 'status', message: 'It went wrong.' },
    })
    const [item] = await get(`/endpoints/${endpointId}/events`)
    const { id: deliveryId, eventId: itemId, endpointId: _, ...rest } = delivery
    expect(item).toEqual({ ...rest, id: itemId, deliveryId })
  })

  it('shows what came of the last try of what was really sent', async () => {
    const receiver = await openReceiver()
    const { id } = await endpointAt(receiver.url)
    receiver.answer((response, index) => response.writeHead(index === 0 ? 500 : 204).end())
    await disableApplication()
    const items = async () => (await get(`/endpoints/${id}/events?status=delivered`)) as Record<string, unknown>[]
    await until(async () => (await items()).length > 0 && receiver.received.length > 1)
    await until(async () => (await items()).some(({ attemptCount }) => attemptCount === 2))

    const item = (await items()).find(({ attemptCount }) => attemptCount === 2)!
    expect(item).toMatchObject({ lastStatus: 204, lastError: null })
    expect((item.attempts as object[])[0]).toMatchObject({
      responseStatus: 500,
      cause: 'event',
      error: { code: 'status' },
    })
  })

  it('says of a held delivery what it waits for', async () => {
    const { id: endpointId } = await endpointAt('http://127.0.0.1:9/')
    const update = { status: 'DISABLED', status_cause: 'failing', status_reason: 'Nothing was received for 5 days.' }
    await opened.database.knex('stoa_webhook_endpoints').where({ id: endpointId }).update(update)
    const { id } = await seedDelivery(opened.database.knex, {
      endpointId,
      organizationId: organizationId(),
      state: 'pending',
    })
    expect(await get(`/deliveries/${id}`)).toMatchObject({
      status: 'held',
      held: { cause: 'failing', reason: 'Nothing was received for 5 days.' },
      nextAttemptTime: null,
    })
  })
})

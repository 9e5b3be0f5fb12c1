import { eventCatalogue } from '@stoa/core'
import { expect, it, onTestFinished } from 'vitest'
import { eachDatabase, type TestDatabase } from '../support/databases.ts'
import { openHost } from '../support/host.ts'
import { orderTypes } from './embedder.ts'
import { publishTest } from '../../core/src/events/index.ts'
import { createCaller, openEvents, openReceiver, until } from './support.ts'

const path = '/developers/webhooks'

async function open(database: TestDatabase) {
  const host = await openHost(database, { eventTypes: orderTypes })
  onTestFinished(() => host.stop())
  const token = host.world.publisher.apiKey
  const post = (to: string, body: object, as = token) => host.call('POST', path + to, { token: as, body })
  const subscribe = async (endpoint: object = {}, as = token) => {
    const receiver = await openReceiver()
    const { status, body } = await post('/endpoints', { url: receiver.url, events: ['*'], ...endpoint }, as)
    expect(status).toBe(201)
    return { ...receiver, id: body.id as string }
  }
  return { ...host, token, post, subscribe }
}

const bodyOf = ({ received }: { received: { body: string }[] }) =>
  JSON.parse(received[0]!.body) as Record<string, never>

eachDatabase((database) => {
  it(
    'sends an endpoint the example of every type, whatever it asks for, as if it happened now',
    { timeout: 60_000 },
    async () => {
      const { post, subscribe, world } = await open(database)
      const receiver = await subscribe({ events: ['charge.refunded'] })
      const other = await subscribe()
      const types = [...Object.keys(eventCatalogue), 'order.created']
      const ids: string[] = []
      for (const type of types) {
        const { status, body } = await post(`/endpoints/${receiver.id}/test`, { type })
        expect([type, status, body.deliveries]).toEqual([type, 202, 1])
        ids.push(body.id as string)
      }
      await until(() => receiver.received.length === types.length)
      expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set(ids))
      const bodies = receiver.received.map(
        ({ body }) => JSON.parse(body) as { type?: string; eventType?: string; test: boolean },
      )
      expect(new Set(bodies.map(({ type, eventType }) => type ?? eventType))).toEqual(new Set(types))
      expect(bodies.every(({ test }) => test)).toBe(true)
      const text = receiver.received.map(({ body }) => body).join()
      expect(text).toContain(world.publisher.organizationId)
      expect(text).not.toContain('org_01a1ff')
      expect(other.received).toEqual([])
    },
  )

  it('makes ids and times that nobody has seen, and says in which environment', async () => {
    const { post, subscribe, world } = await open(database)
    const receiver = await subscribe({}, world.sandbox.publisher.apiKey)
    const send = () =>
      post(`/endpoints/${receiver.id}/test`, { type: 'charge.created' }, world.sandbox.publisher.apiKey)
    await send()
    await send()
    await until(() => receiver.received.length === 2)
    const [first, second] = receiver.received.map(
      ({ body }) => JSON.parse(body) as { timestamp: string; data: Record<string, string> },
    )
    expect(first!.data.chargeId).toMatch(/^chg_[0-9a-f]{32}$/)
    expect(first!.data.chargeId).not.toBe(second!.data.chargeId)
    expect(first!.data.environment).toBe('sandbox')
    expect(first!.timestamp > '2026-02').toBe(true)
    expect(first!.data.eventTime).toBe(first!.timestamp)
  })

  it('sends it to all active endpoints that ask for the type, and concerns one application if told to', async () => {
    const { post, subscribe, world, host } = await open(database)
    const applicationId = world.application.id
    const all = await subscribe()
    const charges = await subscribe({ events: ['charge.*'] })
    const ofApplication = await subscribe({ applicationId })
    await subscribe({ events: ['application.*'] })
    await subscribe({ status: 'DISABLED' })
    await subscribe({}, world.sandbox.publisher.apiKey)
    await subscribe({}, world.organization.apiKey)

    expect((await post('/test-events', { type: 'charge.created' })).body.deliveries).toBe(2)
    await until(() => all.received.length === 1 && charges.received.length === 1)
    expect((await post('/test-events', { type: 'charge.created', applicationId })).body.deliveries).toBe(3)
    await until(() => ofApplication.received.length === 1)
    expect(bodyOf(ofApplication)).toMatchObject({ test: true, data: { applicationId } })

    const { secret } = await host.services.createApiKey({
      organizationId: world.publisher.organizationId,
      createdBy: 'usr_demo_author',
      name: 'own',
      permissions: ['webhooks:update'],
      environment: 'production',
      expiresTime: null,
      applicationId,
    })
    expect((await post('/test-events', { type: 'charge.created' }, secret)).body.deliveries).toBe(1)
    expect((await post(`/endpoints/${all.id}/test`, { type: 'charge.created' }, secret)).status).toBe(404)
  })

  it('sends HighLevel’s example and Rebilly’s where an endpoint wants it so', async () => {
    const { post, subscribe, world } = await open(database)
    const applicationId = world.application.id
    const highLevel = await subscribe({ format: 'highlevel' })
    const rebilly = await subscribe({ format: 'rebilly', events: ['charge.created'] })
    expect((await post('/test-events', { type: 'application-instance-enabled', applicationId })).body.deliveries).toBe(
      1,
    )
    expect((await post('/test-events', { type: 'charge.created' })).body.deliveries).toBe(1)
    await until(() => highLevel.received.length + rebilly.received.length === 2)
    expect(bodyOf(highLevel)).toMatchObject({
      type: 'INSTALL',
      appId: applicationId,
      installType: 'Location',
      test: true,
    })
    expect(bodyOf(rebilly)).toMatchObject({ eventType: 'charge.created', test: true, units: '3', _links: [] })
    const refused = await post(`/endpoints/${highLevel.id}/test`, { type: 'charge.created' })
    expect([refused.status, refused.body.invalidFields[0].field]).toEqual([422, 'type'])
  })

  it('sends none in the name of the host to what an installed application made, unless that asks for it', async () => {
    const { ctx, addEndpoint, deliveries } = await openEvents(database)
    const at = (installationId: string) =>
      createCaller({ application: { applicationId: 'app_one', installationId, rateLimit: null } })
    const send = (caller: ReturnType<typeof createCaller>, test: object) =>
      ctx.db.transaction((trx) => publishTest(ctx, trx, caller, { type: 'charge.created', ...test }))
    const url = 'http://127.0.0.1:9/'
    const { id: own } = await addEndpoint({ url, applicationId: 'app_one' })
    const { id: installed } = await addEndpoint({ url, caller: at('ins_1') })
    const { id: other } = await addEndpoint({ url, caller: at('ins_2') })

    const sent = await send(createCaller(), { about: 'app_one' })
    expect(sent.deliveries).toBe(1)
    await expect(send(createCaller(), { endpointId: installed })).rejects.toMatchObject({ code: 'caller_not_allowed' })
    await expect(send(createCaller({ onlyApplicationId: 'app_one' }), { endpointId: other })).rejects.toMatchObject({
      code: 'caller_not_allowed',
    })
    await expect(send(at('ins_1'), { endpointId: other })).rejects.toMatchObject({ code: 'not_found' })
    await expect(send(at('ins_1'), { about: 'app_two' })).rejects.toMatchObject({ code: 'validation_failed' })
    expect((await deliveries()).map((each) => each.endpoint_id)).toEqual([own])
    expect((await send(at('ins_1'), { about: 'app_one' })).deliveries).toBe(1)
    expect((await send(at('ins_1'), { endpointId: installed })).deliveries).toBe(1)
    expect((await deliveries()).map((each) => each.endpoint_id)).toEqual([own, installed, installed])
  })

  it('carries no token, and enables nothing', async () => {
    const { post, subscribe, world, host } = await open(database)
    const applicationId = world.application.id
    const receiver = await subscribe()
    const told: unknown[] = []
    host.events.on('installation.status-changed', (change) => told.push(change))
    await post(`/endpoints/${receiver.id}/test`, { type: 'application-instance-enabled' })
    await post('/test-events', { type: 'application-instance-disabled', applicationId })
    await until(() => receiver.received.length === 2)
    expect(receiver.received.map(({ body }) => body).join()).not.toMatch(/stoa_it_/)
    expect(told).toEqual([])
  })

  it('refuses what cannot be tested, and a stranger’s things like things that do not exist', async () => {
    const { post, subscribe, world, token } = await open(database)
    const receiver = await subscribe()
    const disabled = await subscribe({ status: 'DISABLED' })
    const type = 'charge.created'
    const stranger = world.organization.apiKey
    const cases: [string, object, string, number, string][] = [
      [`/endpoints/${receiver.id}/test`, { type }, stranger, 404, 'not_found'],
      ['/endpoints/whe_none/test', { type }, token, 404, 'not_found'],
      [`/endpoints/${disabled.id}/test`, { type }, token, 409, 'wrong_state'],
      [`/endpoints/${receiver.id}/test`, { type: 'no.such' }, token, 422, 'validation_failed'],
      [`/endpoints/${receiver.id}/test`, {}, token, 422, 'validation_failed'],
      ['/test-events', { type: 'no.such' }, token, 422, 'validation_failed'],
      ['/test-events', { type, applicationId: 'app_none' }, token, 422, 'validation_failed'],
      ['/test-events', { type, applicationId: world.application.id }, stranger, 422, 'validation_failed'],
    ]
    for (const [to, body, as, status, code] of cases) {
      const answer = await post(to, body, as)
      expect([to, body, answer.status, answer.body.code]).toEqual([to, body, status, code])
    }
  })
})

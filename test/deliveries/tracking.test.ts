import * as rebilly from 'rebilly-js-sdk'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openReceiver, until } from '../events/support.ts'
import { eachDatabase } from '../support/databases.ts'
import { openHostWithDatabase, seedDelivery, type HostWithDatabase, type Seed } from './support.ts'

// Its type declarations name a default export that the module does not have.
// oxlint-disable-next-line typescript/no-explicit-any -- the tests read members that its types leave out
const { RebillyAPI } = rebilly as unknown as { RebillyAPI: (options: object) => any }

eachDatabase((kind) => {
  let opened: HostWithDatabase
  let token: string
  let endpointId: string
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
  let sdk: any

  beforeAll(async () => {
    opened = await openHostWithDatabase(kind)
    const { host } = opened
    token = host.world.publisher.apiKey
    endpointId = await endpoint('http://127.0.0.1:9/', 'DISABLED')
    sdk = RebillyAPI({
      apiKey: token,
      organizationId: host.world.publisher.organizationId,
      sandbox: true,
      urls: { live: host.url, sandbox: host.url },
    })
  })
  afterAll(() => opened.host.stop())

  async function endpoint(url: string, status = 'ACTIVE'): Promise<string> {
    const body = { url, events: ['*'], status }
    return (await opened.host.call('POST', '/developers/webhooks/endpoints', { token, body })).body.id as string
  }
  const seed = (given: Partial<Seed>) =>
    seedDelivery(opened.database.knex, {
      endpointId,
      organizationId: opened.host.world.publisher.organizationId,
      ...given,
    })
  const fields = (items: { fields: { id: string } }[]) => items.map((item) => item.fields.id)

  it('is read by Rebilly’s SDK: an item for each attempt, newest first', async () => {
    const { id } = await seed({
      attempts: 2,
      state: 'failed',
      lastStatus: 404,
      lastError: 'status',
      applicationId: 'app_x',
    })
    const silent = await seed({
      attempts: 1,
      state: 'failed',
      lastError: 'timeout',
      createdTime: '2026-01-01T00:00:00.000Z',
    })

    const all = await sdk.tracking.getAllWebhookTrackingLogs({ limit: 2 })
    expect(fields(all.items).sort()).toEqual([`${id}.1`, `${id}.2`])
    expect([all.total, all.limit]).toEqual([3, 2])

    const { fields: item } = await sdk.tracking.getWebhookTrackingLog({ id: `${id}.2` })
    expect(item).toEqual({
      id: `${id}.2`,
      status: 404,
      duration: 20,
      initiatedTime: item.initiatedTime,
      sentTime: item.initiatedTime,
      url: 'https://example.com/hook',
      method: 'POST',
      request: '{"type":"charge.created"}',
      response: 'a body',
      requestHeaders: { 'content-type': 'application/json', authorization: '***' },
      responseHeaders: { 'x-mine': '1' },
      entityId: 'app_x',
      organizationId: 'org_merchant',
      eventType: 'charge.created',
      source: 'webhooks',
      attempt: 2,
      createdTime: item.initiatedTime,
      updatedTime: item.updatedTime,
      _links: [{ rel: 'self', href: expect.stringContaining(`/tracking/webhooks/${id}.2`) }],
    })
    const { fields: unanswered } = await sdk.tracking.getWebhookTrackingLog({ id: `${silent.id}.1` })
    expect(unanswered).not.toHaveProperty('status')
  })

  it('takes Rebilly’s filters and orders', async () => {
    const { id } = await seed({ attempts: 3, type: 'charge.refunded', lastStatus: 201 })
    const list = async (query: object) => fields((await sdk.tracking.getAllWebhookTrackingLogs(query)).items)
    const mine = 'eventType:charge.refunded'
    expect(await list({ filter: mine, sort: '-attempt' })).toEqual([3, 2, 1].map((n) => `${id}.${n}`))
    expect(await list({ filter: `${mine};status:201` })).toEqual([`${id}.3`])
    expect(await list({ filter: `${mine};status:500..599`, sort: 'duration' })).toEqual([`${id}.1`, `${id}.2`])
    expect(await list({ filter: `${mine};sentTime:..2001-01-01` })).toEqual([])
    expect(await list({ filter: mine, sort: 'attempt', limit: 1, offset: 1 })).toEqual([`${id}.2`])
    const answer = await opened.host.call('GET', '/tracking/webhooks?filter=colour:red', { token })
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request'])
  })

  it('sends a webhook once more, by Rebilly’s SDK', async () => {
    const receiver = await openReceiver()
    const { id, eventId } = await seed({
      endpointId: await endpoint(receiver.url),
      attempts: 1,
      state: 'failed',
      lastError: 'dns',
    })
    const answer = await sdk.tracking.resendWebhook({ id: `${id}.1` })
    expect(answer.response.status).toBe(204)
    await until(() => receiver.received.length === 1)
    expect(receiver.received[0]!.headers['webhook-id']).toBe(eventId)
    await until(async () => {
      const { total } = await sdk.tracking.getAllWebhookTrackingLogs({ filter: `id:${id}.2` })
      return total === 1
    })
    const { fields: item } = await sdk.tracking.getWebhookTrackingLog({ id: `${id}.2` })
    expect(item).toMatchObject({ status: 204, attempt: 2, url: receiver.url })
  })

  it('knows no attempt that was not made, or that is somebody else’s', async () => {
    const { id } = await seed({ attempts: 1 })
    const { call, world } = opened.host
    for (const [odd, as] of [
      [`${id}.2`, token],
      [`${id}.0`, token],
      [`${id}.1.1`, token],
      [id, token],
      [`dlv_${'0'.repeat(32)}.1`, token],
      [`${id}.1`, world.organization.apiKey],
      [`${id}.1`, world.sandbox.publisher.apiKey],
    ] as const) {
      const read = await call('GET', `/tracking/webhooks/${odd}`, { token: as })
      const sent = await call('POST', `/tracking/webhooks/${odd}/resend`, { token: as })
      expect([odd, read.status, sent.status]).toEqual([odd, 404, 404])
    }
    const list = await call('GET', '/tracking/webhooks', { token: world.organization.apiKey })
    expect(list.body).toEqual([])
  })
})

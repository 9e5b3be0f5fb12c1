import { createPublicKey, verify } from 'node:crypto'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { expect, it } from 'vitest'
import { hasSubscribers, updateEndpoint, type NewEvent } from '../../core/src/events/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openHost } from '../support/host.ts'
import {
  application,
  createCaller,
  openEvents,
  openReceiver,
  publisher,
  until,
  type OpenedEvents,
  type Receiver,
} from './support.ts'

const anywhere = 'http://127.0.0.1:9/hook'
const path = '/developers/webhooks/endpoints'

/** An event of a type that HighLevel knows, and what the slice it happens in would make of it. */
const updated = (version: number): Partial<NewEvent> => ({
  type: 'installation.updated',
  payload: {
    type: 'installation.updated',
    timestamp: '2026-01-01T00:00:00.000Z',
    data: {
      applicationId: application,
      installationId: 'ins_1',
      organizationId: 'org_merchant',
      locationId: null,
      environment: 'production',
      version,
      previousVersion: 1,
      pending: [],
      permissions: [],
    },
  },
})

/** What the slice above makes of the event; the texts are hard to get over the wire unchanged. */
function fillForms({ ctx }: OpenedEvents): { asked: number } {
  const calls = { asked: 0 }
  ctx.eventHooks.highLevel['installation.updated'] = {
    applies: () => Promise.resolve(++calls.asked > 0),
    body: (_db, { payload }) => {
      const { version } = (payload as { data: { version: number } }).data
      const companyName = 'Über & Söhne 😀 \u2028 \ud800'
      return Promise.resolve({ type: 'UPDATE', appId: application, companyName, versionId: `v${version}` } as never)
    },
  }
  return calls
}

const uuidOf = (id: string) => id.replace(/^evt_(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
const bodies = ({ received }: Receiver) => received.map(({ body }) => JSON.parse(body) as Record<string, unknown>)

eachDatabase((database) => {
  it('sends HighLevel’s body with both signatures to one endpoint and our own to another', async () => {
    const opened = await openEvents(database)
    fillForms(opened)
    const [theirs, ours] = [await openReceiver(), await openReceiver()]
    const { secret } = await opened.addEndpoint({ url: theirs.url, format: 'highlevel' })
    await opened.addEndpoint({ url: ours.url })
    opened.dispatch()

    const id = await opened.publish(updated(2))
    await until(() => theirs.received.length === 1 && ours.received.length === 1)

    const { headers, body } = theirs.received[0] as { headers: Record<string, string>; body: string }
    expect(JSON.parse(body)).toMatchObject({ type: 'UPDATE', versionId: 'v2', webhookId: uuidOf(id) })
    expect(body).toBe(JSON.stringify(JSON.parse(body)))
    const { publicKey } = opened.ctx.signingKeys.ed25519
    const signature = Buffer.from(headers['x-ghl-signature']!, 'base64')
    expect(verify(null, Buffer.from(body), publicKey, signature)).toBe(true)
    expect(verify(null, Buffer.from(`${body} `), publicKey, signature)).toBe(false)
    expect(new StandardWebhook(secret).verify(body, headers)).toEqual(JSON.parse(body))
    expect(headers['webhook-id']).toBe(id)
    expect(headers).not.toHaveProperty('x-wh-signature')
    expect(ours.received[0]!.body).toBe(JSON.stringify(updated(2).payload))
    expect(ours.received[0]!.headers).not.toHaveProperty('x-ghl-signature')
  })

  it('tells the same on every try, with a timestamp of the try', async () => {
    const opened = await openEvents(database, { retrySeconds: [1000] })
    fillForms(opened)
    const receiver = await openReceiver()
    receiver.answer((response, index) => response.writeHead(index === 0 ? 500 : 200).end())
    await opened.addEndpoint({ url: receiver.url, format: 'highlevel' })
    opened.dispatch()
    await opened.publish(updated(2))
    await until(async () => (await opened.attempts()).length === 1)
    const firstTry = opened.clock.now().toISOString()

    delete opened.ctx.eventHooks.highLevel['installation.updated']
    opened.clock.advance(2000)
    await until(async () => (await opened.deliveries())[0]?.state === 'delivered')

    const [before, after] = bodies(receiver)
    expect(after).toEqual({ ...before, timestamp: opened.clock.now().toISOString() })
    expect(before).toMatchObject({ timestamp: firstTry })
  })

  it('makes no delivery of what HighLevel does not know, nor of what its slice does not tell', async () => {
    const opened = await openEvents(database)
    const endpoint = await opened.addEndpoint({ url: anywhere, format: 'highlevel' })
    await opened.publish()
    await opened.publish(updated(2))
    expect(await opened.deliveries()).toEqual([])

    const told = { applies: false }
    fillForms(opened)
    opened.ctx.eventHooks.highLevel['installation.updated']!.applies = () => Promise.resolve(told.applies)
    await opened.publish(updated(3))
    expect(await opened.deliveries()).toEqual([])
    told.applies = true
    const id = await opened.publish(updated(4))
    expect(await opened.deliveries()).toMatchObject([{ event_id: id, endpoint_id: endpoint.id }])
  })

  it('says that nobody would get what no endpoint of the format is told', async () => {
    const opened = await openEvents(database)
    const { ctx } = opened
    await opened.addEndpoint({ url: anywhere, format: 'highlevel' })
    const occurrence = {
      type: 'installation.updated',
      publisherId: publisher,
      applicationId: application,
      organizationId: 'org_merchant',
      locationId: null,
      environment: 'production',
    } as const
    expect(await hasSubscribers(ctx, ctx.db, occurrence)).toBe(false)
    const calls = fillForms(opened)
    expect(await hasSubscribers(ctx, ctx.db, occurrence)).toBe(true)
    expect(await hasSubscribers(ctx, ctx.db, { ...occurrence, type: 'charge.created' })).toBe(false)
    await opened.addEndpoint({ url: anywhere, events: ['charge.created'] })
    expect(await hasSubscribers(ctx, ctx.db, { ...occurrence, type: 'charge.created' })).toBe(true)
    expect(calls.asked).toBe(1)
  })

  it('asks for a body only where an endpoint wants it', async () => {
    const opened = await openEvents(database)
    const calls = fillForms(opened)
    await opened.addEndpoint({ url: anywhere })
    await opened.addEndpoint({ url: anywhere, format: 'highlevel', applicationId: 'app_two' })
    await opened.publish(updated(2))
    expect(calls.asked).toBe(0)
    expect(await opened.ctx.db('stoa_events')).toMatchObject([{ highlevel: null }])
  })

  it('sends what was waiting in the format it had when it happened', async () => {
    const opened = await openEvents(database)
    fillForms(opened)
    const receiver = await openReceiver()
    const { id } = await opened.addEndpoint({ url: receiver.url, status: 'DISABLED' })
    const change = (body: Parameters<typeof updateEndpoint>[4]) =>
      opened.ctx.db.transaction((trx) => updateEndpoint(opened.ctx, trx, createCaller(), id, body))
    await opened.publish(updated(2))
    await change({ format: 'highlevel' })
    await opened.publish(updated(3))
    await change({ format: 'standard', status: 'ACTIVE' })
    opened.dispatch()
    await until(() => receiver.received.length === 2)
    const types = bodies(receiver).map(({ type }) => type)
    expect(new Set(types)).toEqual(new Set(['UPDATE', 'installation.updated']))
  })

  it('is chosen for an endpoint over HTTP, and refused where nothing would ever be sent', async () => {
    const host = await openHost(database)
    const token = host.world.publisher.apiKey
    const create = (body: object) => host.call('POST', path, { token, body: { url: anywhere, ...body } })

    expect((await create({ events: ['*'] })).body.format).toBe('standard')
    const { status, body } = await create({ events: ['charge.created', 'installation.updated'], format: 'highlevel' })
    expect([status, body.format]).toEqual([201, 'highlevel'])
    expect((await host.call('GET', `${path}/${body.id}`, { token })).body.format).toBe('highlevel')

    const refused = await create({ events: ['charge.created'], format: 'highlevel' })
    expect([refused.status, refused.body.invalidFields[0].field]).toEqual([422, 'events'])
    const patch = (change: object) => host.call('PATCH', `${path}/${body.id}`, { token, body: change })
    expect((await patch({ events: ['charge.created'] })).body.invalidFields[0].field).toBe('events')
    const both = await patch({ events: ['charge.created'], format: 'standard' })
    expect([both.status, both.body.format]).toEqual([200, 'standard'])
    expect((await patch({ format: 'highlevel' })).status).toBe(422)
    expect((await patch({ format: 'lowlevel' })).status).toBe(422)
    await host.stop()
  })

  it('shows the public key to anybody, in both spellings', async () => {
    const host = await openHost(database)
    const answer = await host.call('GET', '/developers/webhooks/public-key')
    expect(answer.status).toBe(200)
    const { algorithm, publicKey, pem, header } = answer.body as Record<string, string>
    expect([algorithm, header]).toEqual(['Ed25519', 'X-GHL-Signature'])
    expect(publicKey).toMatch(/^MCowBQYDK2VwAyEA[A-Za-z0-9+/]{43}=$/)
    const key = createPublicKey({ key: Buffer.from(publicKey!, 'base64'), format: 'der', type: 'spki' })
    expect(key.equals(createPublicKey(pem!))).toBe(true)
    expect(key.asymmetricKeyType).toBe('ed25519')
    await host.stop()
  })
})

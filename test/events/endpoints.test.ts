import { Webhook as StandardWebhook } from 'standardwebhooks'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openHost, type OpenedHost } from '../support/host.ts'
import { findTargets, healthy, updateEndpoint, updateHealth } from '../../core/src/events/index.ts'
import {
  arrivedIds,
  createCaller,
  openEvents,
  openReceiver,
  until,
  type OpenedEvents,
  type Receiver,
} from './support.ts'

const path = '/developers/webhooks/endpoints'

eachDatabase((database) => {
  let host: OpenedHost
  let publisher: string
  let receiver: Receiver

  beforeAll(async () => {
    host = await openHost(database)
    publisher = host.world.publisher.apiKey
  })
  afterAll(() => host.stop())

  beforeEach(async () => {
    receiver = await openReceiver()
    const { body } = await host.call('GET', path, { token: publisher })
    for (const { id } of body as { id: string }[]) await host.call('DELETE', `${path}/${id}`, { token: publisher })
  })

  const create = (body: object, token = publisher) => host.call('POST', path, { token, body })
  const createHere = async (body: object = {}) => (await create({ url: receiver.url, events: ['*'], ...body })).body
  const history = (id: string, query = '', token = publisher) =>
    host.call('GET', `${path}/${id}/events${query}`, { token })

  /** The one thing that happens to an application at will: the operator takes it out of the store, and puts it back. */
  async function makeEvents(...verbs: ('disable' | 'enable')[]) {
    for (const verb of verbs) {
      const answer = await host.call('POST', `/applications/${host.world.application.id}/${verb}`, {
        token: host.world.operator.apiKey,
        ...(verb === 'disable' && { body: { reason: 'a test' } }),
      })
      expect(answer.status).toBe(200)
    }
  }

  it('shows the secret when the endpoint is created and never again', async () => {
    const answer = await create({ url: receiver.url, events: ['charge.created'], description: 'mine' })

    expect(answer.status).toBe(201)
    const { secret, ...shown } = answer.body
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(shown).toMatchObject({
      organizationId: host.world.publisher.organizationId,
      applicationId: null,
      url: receiver.url,
      events: ['charge.created'],
      description: 'mine',
      status: 'ACTIVE',
      statusReason: null,
      environment: 'production',
    })
    expect((await host.call('GET', `${path}/${shown.id}`, { token: publisher })).body).toEqual(shown)
    const list = await host.call('GET', path, { token: publisher })
    expect(list.body).toEqual([shown])
    expect(list.headers.get('pagination-total')).toBe('1')
  })

  it('refuses what does not fit, and names the field', async () => {
    const fieldsOf = async (body: object) => {
      const answer = await create(body)
      expect(answer.status).toBe(422)
      return [answer.body.code, ...answer.body.invalidFields.map(({ field }: { field: string }) => field)]
    }
    const good = { url: receiver.url, events: ['*'] }
    expect(await fieldsOf({ events: ['*'] })).toEqual(['validation_failed', 'url'])
    expect(await fieldsOf({ url: receiver.url })).toEqual(['validation_failed', 'events'])
    expect(await fieldsOf({ ...good, events: [] })).toEqual(['validation_failed', 'events'])
    expect(await fieldsOf({ ...good, events: ['charge.eaten'] })).toEqual(['validation_failed', 'events.0'])
    expect(await fieldsOf({ ...good, secret: 'whsec_mine' })).toEqual(['validation_failed', 'secret'])
    expect(await fieldsOf({ ...good, status: 'SLEEPY' })).toEqual(['validation_failed', 'status'])
    for (const url of ['nonsense', 'ftp://example.com/', 'http://user:word@example.com/', 'http://169.254.169.254/']) {
      expect(await fieldsOf({ ...good, url })).toEqual(['invalid_url', 'url'])
    }
    const headers = { 'Content-Type': 'application/json' }
    expect((await host.call('POST', path, { token: publisher, body: '{"url"', headers })).body.code).toBe(
      'malformed_json',
    )
  })

  it('refuses loopback unless the configuration allows it', async () => {
    const strict = await openHost(database, { webhooks: { allowPrivateNetworks: false } })
    const answer = await strict.call('POST', path, {
      token: strict.world.publisher.apiKey,
      body: { url: receiver.url, events: ['*'] },
    })
    expect([answer.status, answer.body.code]).toEqual([422, 'invalid_url'])
    await strict.stop()
  })

  it('answers another organization’s, and the other environment’s, endpoint like one that does not exist', async () => {
    const { id } = await createHere()
    const { application, organization, sandbox } = host.world
    const unknown = 'whe_00000000000000000000000000000000'
    for (const token of [organization.apiKey, sandbox.publisher.apiKey]) {
      for (const [method, suffix, body] of [
        ['GET', '', undefined],
        ['PATCH', '', { status: 'DISABLED' }],
        ['DELETE', '', undefined],
        ['GET', '/events', undefined],
      ] as const) {
        const theirs = await host.call(method, `${path}/${id}${suffix}`, { token, body })
        const none = await host.call(method, `${path}/${unknown}${suffix}`, { token, body })
        expect(theirs.status).toBe(404)
        const { traceId: _one, instance: _place, ...said } = theirs.body
        const { traceId: _two, instance: _spot, ...saidOfNone } = none.body
        expect(said).toEqual(saidOfNone)
      }
      expect((await host.call('GET', path, { token })).body).toEqual([])
    }
    const [foreign, missing] = await Promise.all(
      [application.id, 'app_none'].map((applicationId) =>
        create({ url: receiver.url, events: ['*'], applicationId }, organization.apiKey),
      ),
    )
    expect([foreign!.status, missing!.status]).toEqual([422, 422])
    expect(foreign!.body.invalidFields).toEqual(missing!.body.invalidFields)
    expect((await host.call('GET', `${path}/${id}`, { token: publisher })).status).toBe(200)
  })

  it('wants a credential with the permission', async () => {
    const { id } = await createHere()
    const reader = await host.call('POST', '/api-keys', {
      token: publisher,
      body: { name: 'reader', permissions: ['webhooks:index'] },
    })
    expect(reader.status).toBe(201)
    const token = reader.body.secretKey as string
    for (const [method, suffix, body] of [
      ['POST', '', { url: receiver.url, events: ['*'] }],
      ['PATCH', `/${id}`, { status: 'DISABLED' }],
      ['DELETE', `/${id}`, undefined],
    ] as const) {
      expect((await host.call(method, path + suffix, { token, body })).body.code).toBe('missing_permission')
      expect((await host.call(method, path + suffix, { body })).body.code).toBe('unauthenticated')
    }
    expect((await history(id, '', token)).status).toBe(200)
    expect((await host.call('GET', path)).status).toBe(401)
  })

  it('lets an application’s own API key see and make that application’s endpoints alone', async () => {
    const wide = await createHere()
    const made = await host.call('POST', `/developers/applications/${host.world.application.id}/api-keys`, {
      token: publisher,
      body: { name: 'own', permissions: ['webhooks:*'] },
    })
    expect(made.status).toBe(201)
    const token = made.body.secretKey as string

    const own = await create({ url: receiver.url, events: ['*'] }, token)

    expect([own.status, own.body.applicationId]).toEqual([201, host.world.application.id])
    expect((await host.call('GET', `${path}/${wide.id}`, { token })).status).toBe(404)
    expect((await host.call('GET', path, { token })).body).toHaveLength(1)
    expect((await host.call('GET', path, { token: publisher })).body).toHaveLength(2)
  })

  it('takes 25 active endpoints and no more, until one is disabled', async () => {
    const ids: string[] = []
    for (let n = 0; n < 25; n++) ids.push((await createHere({ events: ['charge.refunded'] })).id)
    const refused = await create({ url: receiver.url, events: ['*'] })
    expect([refused.status, refused.body.code]).toEqual([409, 'limit_reached'])

    await host.call('PATCH', `${path}/${ids[0]}`, { token: publisher, body: { status: 'DISABLED' } })
    expect((await create({ url: receiver.url, events: ['*'] })).status).toBe(201)
    const again = await host.call('PATCH', `${path}/${ids[0]}`, { token: publisher, body: { status: 'ACTIVE' } })
    expect([again.status, again.body.code]).toEqual([409, 'limit_reached'])
  })

  it('changes what it is asked to and ignores what only the host sets', async () => {
    const { secret: _secret, ...before } = await createHere({ description: 'old' })
    const body = {
      ...before,
      url: `${receiver.url}/new`,
      events: ['charge.created'],
      description: null,
      id: 'x',
      environment: 'y',
    }
    const answer = await host.call('PATCH', `${path}/${before.id}`, { token: publisher, body })
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({
      ...before,
      url: `${receiver.url}/new`,
      events: ['charge.created'],
      description: null,
      updatedTime: answer.body.updatedTime,
    })
    const bad = await host.call('PATCH', `${path}/${before.id}`, {
      token: publisher,
      body: { url: 'http://10.0.0.1/' },
    })
    expect([bad.status, bad.body.code, bad.body.invalidFields[0].field]).toEqual([422, 'invalid_url', 'url'])
  })

  it('shows what was sent, every attempt of it, and finds it by status and type', async () => {
    const { id, secret } = await createHere({ events: ['application.disabled', 'application.enabled'] })
    receiver.answer((response, index) =>
      response.writeHead(index === 0 ? 500 : 200).end(index === 0 ? 'x'.repeat(9000) : 'thanks'),
    )
    await makeEvents('disable')
    await until(async () => (await history(id)).body[0]?.status === 'delivered')
    await makeEvents('enable')
    await until(async () => (await history(id, '?status=delivered')).body.length === 2)

    const { body: items, headers } = await history(id)

    expect(headers.get('pagination-total')).toBe('2')
    expect(items.map(({ type }: { type: string }) => type)).toEqual(['application.enabled', 'application.disabled'])
    const [, first] = items
    expect(first).toMatchObject({
      id: receiver.received[0]!.headers['webhook-id'],
      applicationId: host.world.application.id,
      status: 'delivered',
      attemptCount: 2,
      nextAttemptTime: null,
      payload: { type: 'application.disabled', data: { applicationId: host.world.application.id } },
      attempts: [
        {
          number: 1,
          outcome: 'failure',
          responseStatus: 500,
          responseBody: 'x'.repeat(4096),
          url: receiver.url,
          error: { code: 'status' },
        },
        { number: 2, outcome: 'success', responseStatus: 200, responseBody: 'thanks', error: null },
      ],
    })
    const { headers: sent, body } = receiver.received[1] as { headers: Record<string, string>; body: string }
    expect(new StandardWebhook(secret).verify(body, sent)).toEqual(first.payload)
    expect(sent['webhook-id']).toBe(first.id)
    expect(JSON.stringify(items)).not.toContain(secret)

    expect((await history(id, '?type=application.enabled')).body).toHaveLength(1)
    expect((await history(id, '?status=failed')).body).toEqual([])
    expect((await history(id, '?limit=1&offset=1')).body).toEqual([first])
    expect((await history(id, `?before=${items[0].deliveryId}`)).body).toEqual([first])
    expect((await history(id, '?status=lost')).status).toBe(400)
  })

  it('holds what happens while the endpoint is disabled, and sends it when it is active again', async () => {
    const { id } = await createHere({ status: 'DISABLED' })
    await makeEvents('disable', 'enable')
    const held = await history(id, '?status=held')
    expect(held.body.map(({ status, attempts }: { status: string; attempts: [] }) => [status, attempts])).toEqual([
      ['held', []],
      ['held', []],
    ])
    expect((await history(id, '?status=pending')).body).toEqual([])

    const answer = await host.call('PATCH', `${path}/${id}`, { token: publisher, body: { status: 'ACTIVE' } })
    expect(answer.body.status).toBe('ACTIVE')
    await until(async () => (await history(id, '?status=delivered')).body.length === 2)
    expect(arrivedIds(receiver)).toEqual(held.body.map((each: { id: string }) => each.id).sort())
  })

  it('sends nothing to an endpoint that was deleted', async () => {
    const { id } = await createHere({ status: 'DISABLED' })
    const other = await createHere()
    await makeEvents('disable', 'enable')
    expect((await host.call('DELETE', `${path}/${id}`, { token: publisher })).status).toBe(204)
    for (const [method, suffix] of [
      ['GET', ''],
      ['DELETE', ''],
      ['GET', '/events'],
    ]) {
      expect((await host.call(method!, `${path}/${id}${suffix}`, { token: publisher })).status).toBe(404)
    }
    const before = receiver.received.length
    await makeEvents('disable', 'enable')
    await until(async () => (await history(other.id, '?status=delivered')).body.length === 4)
    expect(receiver.received.length).toBeLessThanOrEqual(before + 4)
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(4)
  })

  const options = {
    method: 'PUT',
    format: 'rebilly',
    signing: ['v1', 'v1a'],
    headers: [
      { name: 'X-Tenant', value: 'a secret of mine', status: 'active' },
      { name: 'x-other', value: 'b', status: 'inactive' },
    ],
    bodyTemplate: '{"id":"{{organizationId}}"}',
    fifo: true,
    rateLimit: 1000,
    concurrency: 256,
    timeoutMilliseconds: 30_000,
  }
  const shownOptions = {
    ...options,
    headers: [
      { name: 'X-Tenant', value: '********', status: 'active' },
      { name: 'x-other', value: '********', status: 'inactive' },
    ],
  }
  const change = (id: string, body: object, token = publisher) => host.call('PATCH', `${path}/${id}`, { token, body })

  it('keeps every option, shows no value of a header, and takes back what it has shown', async () => {
    const { secret: _secret, ...made } = await createHere(options)
    expect(made).toMatchObject({
      ...shownOptions,
      credentialId: null,
      installationId: null,
      statusCause: null,
      health: { breaker: 'closed', breakerUntil: null, failures: 0, failingSince: null },
    })
    expect((await host.call('GET', `${path}/${made.id}`, { token: publisher })).body).toEqual(made)
    // All of it sent back changes nothing; the masked values stay what they were.
    const again = await change(made.id, made)
    expect(again.body).toEqual({ ...made, updatedTime: again.body.updatedTime })
    expect(again.body.updatedTime > made.updatedTime).toBe(true)

    const none = { rateLimit: null, concurrency: null, timeoutMilliseconds: null, bodyTemplate: null, headers: [] }
    expect((await change(made.id, none)).body).toMatchObject(none)
    const plain = await createHere()
    expect(plain).toMatchObject({
      ...none,
      method: 'POST',
      format: 'standard',
      signing: ['v1'],
      publicKey: null,
      fifo: false,
    })
  })

  it('sends a header’s stored value after it was sent back masked, under a name of another case', async () => {
    const { id } = await createHere({
      headers: options.headers,
      events: ['application.disabled', 'application.enabled'],
    })
    const answer = await change(id, {
      headers: [
        { name: 'x-tenant', value: '********' },
        { name: 'X-New', value: 'new' },
      ],
    })
    expect(answer.status).toBe(200)
    await makeEvents('disable', 'enable')
    await until(() => receiver.received.length === 2)
    expect(receiver.received[0]!.headers).toMatchObject({ 'x-tenant': 'a secret of mine', 'x-new': 'new' })
    const missing = await change(id, { headers: [{ name: 'x-unknown', value: '********' }] })
    expect([missing.status, missing.body.invalidFields[0].field]).toEqual([422, 'headers.0.value'])
  })

  it.each([
    ['Host', 'a'],
    ['content-length', '1'],
    ['Content-Type', 'text/plain'],
    ['transfer-encoding', 'chunked'],
    ['Connection', 'close'],
    ['webhook-signature', 'v1,x'],
    ['Webhook-Anything', 'x'],
    ['svix-id', 'x'],
    ['X-GHL-Signature', 'x'],
    ['x-wh-signature', 'x'],
    ['traceparent', 'x'],
    ['x:y', 'x'],
    ['x y', 'x'],
    ['', 'x'],
    ['x\r\ny', 'x'],
    ['x-ä', 'x'],
    ['x-own', 'a\r\nwebhook-id: 1'],
    ['x-own', 'a\nb'],
    ['x-own', 'a\u0007b'],
    ['x-own', 'a\u007f'],
    ['x-own', ' a'],
    ['x-own', 'ä'],
    ['x-own', 'x'.repeat(1001)],
  ])('refuses the header %j: %j', async (name, value) => {
    const answer = await create({ url: receiver.url, events: ['*'], headers: [{ name, value }] })
    expect([answer.status, answer.body.code]).toEqual([422, 'validation_failed'])
    expect(answer.body.invalidFields[0].field).toMatch(/^headers\.0/)
  })

  it('refuses a header twice, more than twenty, and numbers beyond their range', async () => {
    const refused = async (body: object) =>
      (await create({ url: receiver.url, events: ['*'], ...body })).body.invalidFields[0].field
    const header = (name: string) => ({ name, value: 'x' })
    expect(await refused({ headers: [header('x-a'), header('X-A')] })).toBe('headers.1.name')
    expect(await refused({ headers: Array.from({ length: 21 }, (_, n) => header(`x-${n}`)) })).toBe('headers')
    for (const [member, ...values] of [
      ['rateLimit', 0, 1001, 1.5],
      ['concurrency', 0, 257],
      ['timeoutMilliseconds', 999, 30_001],
    ] as const) {
      for (const value of values) expect(await refused({ [member]: value })).toBe(member)
    }
    expect(await refused({ signing: [] })).toBe('signing')
    expect(await refused({ signing: ['v2'] })).toBe('signing.0')
    expect(await refused({ bodyTemplate: 'id={{id}}' })).toBe('bodyTemplate')
    expect(await refused({ credentialId: 'cred_unknown' })).toBe('credentialId')
  })
})

eachDatabase((database) => {
  const update = ({ ctx }: OpenedEvents, id: string, body: Parameters<typeof updateEndpoint>[4]) =>
    ctx.db.transaction((trx) => updateEndpoint(ctx, trx, createCaller(), id, body))

  it('has the deliveries that wait in order, or not, from the moment on at which the endpoint is', async () => {
    const opened = await openEvents(database)
    const [one, other] = [
      await opened.addEndpoint({ url: 'http://127.0.0.1:9/' }),
      await opened.addEndpoint({ url: 'http://127.0.0.1:9/' }),
    ]
    await opened.publish()
    const fifoOf = async (id: string) => {
      const rows = (await opened.ctx.db('stoa_deliveries').where({ endpoint_id: id }).orderBy('id')) as {
        fifo: unknown
      }[]
      return rows.map(({ fifo }) => Boolean(fifo))
    }
    await update(opened, one.id, { fifo: true })
    await opened.publish()
    expect([await fifoOf(one.id), await fifoOf(other.id)]).toEqual([
      [true, true],
      [false, false],
    ])
    const [first] = (await opened.ctx.db('stoa_deliveries').where({ endpoint_id: one.id }).orderBy('id')) as {
      id: string
    }[]
    await opened.ctx.db('stoa_deliveries').where({ id: first!.id }).update({ state: 'delivered' })
    await update(opened, one.id, { fifo: false })
    expect(await fifoOf(one.id)).toEqual([true, false])
  })

  it('gives an endpoint that is turned on again every chance that a new one has, and no other', async () => {
    const opened = await openEvents(database)
    const { id } = await opened.addEndpoint({ url: 'http://127.0.0.1:9/' })
    const since = opened.clock.now().toISOString()
    const ill = {
      breaker: 'open',
      breakerUntil: since,
      breakerTrips: 3,
      failures: 40,
      failedEvents: 4,
      failingSince: since,
    } as const
    const health = async () => (await findTargets(opened.ctx.db, [id])).get(id)!.health
    await updateHealth(opened.ctx.db, id, ill)
    await update(opened, id, { description: 'still ill' })
    expect(await health()).toEqual(ill)
    await update(opened, id, { status: 'DISABLED' })
    expect(await health()).toEqual(ill)
    const answer = await update(opened, id, { status: 'ACTIVE' })
    expect([await health(), answer.health, answer.statusCause]).toEqual([healthy, healthy, null])
  })

  it('loses no change of those that come at once', async () => {
    const opened = await openEvents(database)
    const { id } = await opened.addEndpoint({ url: 'http://127.0.0.1:9/' })
    await Promise.all([
      update(opened, id, { description: 'new' }),
      update(opened, id, { fifo: true }),
      update(opened, id, { rateLimit: 5 }),
      update(opened, id, { events: ['charge.created'] }),
    ])
    const [row] = (await opened.ctx.db('stoa_webhook_endpoints')) as Record<string, unknown>[]
    expect([row!.description, Boolean(row!.fifo), Number(row!.rate_limit), row!.events]).toEqual([
      'new',
      true,
      5,
      '["charge.created"]',
    ])
  })
})

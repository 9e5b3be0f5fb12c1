import { createPublicKey, verify } from 'node:crypto'
import { verifyWebhook } from '@stoa/sdk'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openHost, type OpenedHost } from '../support/host.ts'
import { createMovableClock, openReceiver, until, type Received, type Receiver } from './support.ts'

const path = '/developers/webhooks/endpoints'
const ownSecret = (byte: number, bytes = 32) => `whsec_${Buffer.alloc(bytes, byte).toString('base64')}`

/** Which of these secrets accept what arrived. Without a look at the time: the clock of the test is not that of the verifiers. */
function acceptedBy({ headers, body }: Received, secrets: string[]): string[] {
  return secrets.filter((secret) => {
    const given = String(headers['webhook-signature']).split(' ')
    const at = new Date(Number(headers['webhook-timestamp']) * 1000)
    const [standard, svix] = [new StandardWebhook(secret), new SvixWebhook(secret)].map((each) =>
      given.includes(each.sign(String(headers['webhook-id']), at, body)),
    )
    expect(standard).toBe(svix)
    return standard
  })
}

function keyAccepts({ headers, body }: Received, publicKey: string): boolean {
  const x = Buffer.from(publicKey.replace('whpk_', ''), 'base64').toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  const content = Buffer.from(`${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`)
  return String(headers['webhook-signature'])
    .split(' ')
    .filter((each) => each.startsWith('v1a,'))
    .some((each) => verify(null, content, key, Buffer.from(each.slice(4), 'base64')))
}

eachDatabase((database) => {
  const clock = createMovableClock()
  let host: OpenedHost
  let token: string
  let receiver: Receiver

  beforeAll(async () => {
    host = await openHost(database, { clock, rateLimit: { requests: 100_000 } })
    token = host.world.publisher.apiKey
  })
  afterAll(() => host.stop())
  beforeEach(async () => {
    receiver = await openReceiver()
    const { body } = await host.call('GET', path, { token })
    for (const { id } of body as { id: string }[]) await host.call('DELETE', `${path}/${id}`, { token })
  })

  const create = (body: object = {}) =>
    host.call('POST', path, {
      token,
      body: { url: receiver.url, events: ['application.disabled', 'application.enabled'], ...body },
    })
  const rotate = (id: string, body?: object) => host.call('POST', `${path}/${id}/secret`, { token, body })
  const list = async (id: string) =>
    (await host.call('GET', `${path}/${id}/secrets`, { token })).body as {
      id: string
      version: string
      expiresTime: string | null
    }[]

  let verb: 'disable' | 'enable' = 'enable'
  /** Makes something happen; returns what arrived of it. */
  async function deliver(): Promise<Received> {
    const before = receiver.received.length
    await makeEvent()
    await until(() => receiver.received.length > before)
    return receiver.received[before]!
  }
  async function makeEvent() {
    verb = verb === 'enable' ? 'disable' : 'enable'
    const answer = await host.call('POST', `/applications/${host.world.application.id}/${verb}`, {
      token: host.world.operator.apiKey,
      ...(verb === 'disable' && { body: { reason: 'a test' } }),
    })
    expect(answer.status).toBe(200)
  }

  it.each([24, 64])('takes an author’s own secret of %i bytes, with and without its prefix', async (bytes) => {
    const own = ownSecret(bytes, bytes)
    const bare = own.replace('whsec_', '')
    for (const secret of [own, bare]) {
      const { status, body } = await create({ secret })
      expect([status, body.secret]).toEqual([201, own])
      expect(acceptedBy(await deliver(), [own])).toEqual([own])
      await host.call('DELETE', `${path}/${body.id}`, { token })
    }
  })

  it.each([
    '',
    'whsec_',
    'whsec_not base64!',
    ownSecret(1, 23),
    ownSecret(1, 65),
    'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  ])('refuses %j as a secret, when an endpoint is made and when it is rotated', async (secret) => {
    const { body: endpoint } = await create()
    for (const answer of [await create({ secret }), await rotate(endpoint.id, { secret })]) {
      expect([answer.status, answer.body.invalidFields[0].field]).toEqual([422, 'secret'])
      expect(answer.body.detail).toContain('24 to 64 random bytes')
    }
  })

  it('signs with the old and the new secret until the very second at which the old one ends', async () => {
    const { body: endpoint } = await create()
    const answer = await rotate(endpoint.id, { overlapSeconds: 60 })
    expect(answer.status).toBe(201)
    const rotatedAt = clock.now().getTime()
    const [old, fresh] = [endpoint.secret as string, answer.body.secret as string]
    expect(answer.body).toMatchObject({
      version: 'v1',
      expiresTime: null,
      formerExpiresTime: new Date(rotatedAt + 60_000).toISOString(),
      lastFour: fresh.replace(/=+$/, '').slice(-4),
    })

    const both = await deliver()
    expect(acceptedBy(both, [fresh, old])).toEqual([fresh, old])
    expect(String(both.headers['webhook-signature']).split(' ')).toHaveLength(2)
    // The newest first.
    const first = {
      ...both,
      headers: { ...both.headers, 'webhook-signature': String(both.headers['webhook-signature']).split(' ')[0] },
    }
    expect(acceptedBy(first, [fresh, old])).toEqual([fresh])
    clock.advance(59.999)
    expect(acceptedBy(await deliver(), [fresh, old])).toEqual([fresh, old])
    expect(await list(endpoint.id)).toHaveLength(2)
    clock.advance(0.001)
    expect(acceptedBy(await deliver(), [fresh, old])).toEqual([fresh])
    expect(await list(endpoint.id)).toHaveLength(1)
  })

  it('takes the configured overlap when none is asked for, and ends all former ones at once with none', async () => {
    const { body: endpoint } = await create()
    const first = await rotate(endpoint.id)
    expect(first.body.formerExpiresTime).toBe(new Date(clock.now().getTime() + 86_400_000).toISOString())
    const own = ownSecret(9)
    const second = await rotate(endpoint.id, { overlapSeconds: 0, secret: own })
    expect(second.body.secret).toBe(own)
    expect(await list(endpoint.id)).toMatchObject([{ id: second.body.id, expiresTime: null }])
    expect(acceptedBy(await deliver(), [own, first.body.secret, endpoint.secret])).toEqual([own])
  })

  it('keeps ten former secrets and no more: the eleventh rotation ends the oldest', async () => {
    const { body: endpoint } = await create()
    const secrets = [endpoint.secret as string]
    for (let n = 0; n < 10; n++) secrets.unshift((await rotate(endpoint.id)).body.secret)
    expect(acceptedBy(await deliver(), secrets)).toEqual(secrets)
    secrets.unshift((await rotate(endpoint.id)).body.secret)
    expect(acceptedBy(await deliver(), secrets)).toEqual(secrets.slice(0, 11))
    expect(await list(endpoint.id)).toHaveLength(11)
  })

  it('loses none of the rotations that come at once', async () => {
    const { body: endpoint } = await create()
    const answers = await Promise.all(Array.from({ length: 8 }, () => rotate(endpoint.id)))
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(201))
    const secrets = await list(endpoint.id)
    expect(secrets).toHaveLength(9)
    expect(secrets.filter(({ expiresTime }) => expiresTime === null)).toHaveLength(1)
    const told = [endpoint.secret, ...answers.map(({ body }) => body.secret)] as string[]
    expect(acceptedBy(await deliver(), told).sort()).toEqual(told.sort())
  })

  it('signs a try under way with what was the secret then, and its repetition with both', async () => {
    const { body: endpoint } = await create()
    let release: () => void = () => {}
    receiver.answer((response, index) => {
      if (index > 0) return void response.writeHead(204).end()
      release = () => response.writeHead(500).end()
    })
    const first = await deliver()
    const { body: fresh } = await rotate(endpoint.id)
    release()
    await until(async () => {
      clock.advance(10)
      return receiver.received.length > 1
    })
    const [, second] = receiver.received as [Received, Received]
    expect(second.headers['webhook-id']).toBe(first.headers['webhook-id'])
    expect(acceptedBy(first, [fresh.secret, endpoint.secret])).toEqual([endpoint.secret])
    expect(acceptedBy(second, [fresh.secret, endpoint.secret])).toEqual([fresh.secret, endpoint.secret])
  })

  it('ends a former secret when it is asked to, and never the newest', async () => {
    const { body: endpoint } = await create()
    const { body: fresh } = await rotate(endpoint.id)
    const [newest, former] = await list(endpoint.id)
    const end = (id: string) => host.call('DELETE', `${path}/${endpoint.id}/secrets/${id}`, { token })
    const refused = await end(newest!.id)
    expect([refused.status, refused.body.code]).toEqual([409, 'wrong_state'])
    expect((await end('whs_unknown')).status).toBe(404)
    expect((await end(former!.id)).status).toBe(204)
    expect((await end(former!.id)).status).toBe(404)
    expect(acceptedBy(await deliver(), [fresh.secret, endpoint.secret])).toEqual([fresh.secret])
  })

  it('signs with Ed25519 on request, and shows the public key and never the private one', async () => {
    const { body: endpoint } = await create({ signing: ['v1', 'v1a'] })
    expect(endpoint.publicKey).toMatch(/^whpk_/)
    const both = await deliver()
    expect(keyAccepts(both, endpoint.publicKey)).toBe(true)
    expect(acceptedBy(both, [endpoint.secret])).toEqual([endpoint.secret])
    for (const secrets of [endpoint.publicKey, endpoint.secret] as string[]) {
      const { headers, body } = both
      expect(verifyWebhook({ headers, body, secrets, now: clock.now() }).id).toBe(headers['webhook-id'])
    }

    const alone = await host.call('PATCH', `${path}/${endpoint.id}`, { token, body: { signing: ['v1a'] } })
    expect(alone.body.signing).toEqual(['v1a'])
    const { body: rotation } = await rotate(endpoint.id, { version: 'v1a' })
    expect(rotation).toMatchObject({ version: 'v1a', secret: null, lastFour: null })
    const rotating = await deliver()
    expect(acceptedBy(rotating, [endpoint.secret])).toEqual([])
    expect([endpoint.publicKey, rotation.publicKey].map((key: string) => keyAccepts(rotating, key))).toEqual([
      true,
      true,
    ])
    clock.advance(86_400)
    const after = await deliver()
    expect([endpoint.publicKey, rotation.publicKey].map((key: string) => keyAccepts(after, key))).toEqual([false, true])
    const shown = [
      await host.call('GET', `${path}/${endpoint.id}`, { token }),
      await host.call('GET', `${path}/${endpoint.id}/secrets`, { token }),
      rotation,
    ]
    expect(JSON.stringify(shown)).toContain(rotation.publicKey)
    expect(JSON.stringify(shown)).not.toMatch(/whsk_|whsec_|sealed/)
    const mine = await rotate(endpoint.id, { version: 'v1a', secret: ownSecret(1) })
    expect([mine.status, mine.body.invalidFields[0].field]).toEqual([422, 'secret'])
  })

  it('makes a key for v1a when that is turned on later', async () => {
    const { body: endpoint } = await create()
    expect(endpoint.publicKey).toBeNull()
    const on = await host.call('PATCH', `${path}/${endpoint.id}`, { token, body: { signing: ['v1', 'v1a'] } })
    const sent = await deliver()
    expect(keyAccepts(sent, on.body.publicKey)).toBe(true)
    expect(acceptedBy(sent, [endpoint.secret])).toEqual([endpoint.secret])
  })

  it('tells of a rotation as an event', async () => {
    const { body: endpoint } = await create({ events: ['endpoint.secret-rotated'] })
    const { body: rotation } = await rotate(endpoint.id, { overlapSeconds: 60 })
    await until(() => receiver.received.length === 1)
    expect(JSON.parse(receiver.received[0]!.body)).toMatchObject({
      type: 'endpoint.secret-rotated',
      data: {
        endpointId: endpoint.id,
        secretId: rotation.id,
        version: 'v1',
        expiresTime: rotation.formerExpiresTime,
      },
    })
  })
})

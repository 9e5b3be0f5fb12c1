import { createHmac, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import {
  fileTokenStore,
  LockTimeoutError,
  memoryTokenStore,
  NotInstalledError,
  sqliteTokenStore,
  stoaApp,
  StoaApiError,
  TokenRequestError,
  type Session,
  type TokenStore,
  type WebhookEvent,
} from '@stoa/sdk'
import { generateKeyPair, exportJWK } from 'jose'
import { describe, expect, it, test } from 'vitest'
import { finished, patient, spawnNode } from '../support/run-stoa.ts'
import { addressOf, listen, makeFolder, openWorld, type World, type WorldOptions } from './world.ts'

const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'

async function installed(options?: WorldOptions): Promise<World> {
  const world = await openWorld(options)
  expect((await world.install()).status).toBe(200)
  world.host.counts = {}
  return world
}

async function installedByCompany(options?: WorldOptions): Promise<World> {
  const world = await openWorld(options)
  world.host.consent = { userType: 'Company', companyId: 'org_1' }
  expect((await world.install()).status).toBe(200)
  world.host.counts = {}
  return world
}

const sessionOf = async (store: TokenStore, locationId = 'loc_1'): Promise<Session | undefined> =>
  (await store.list({})).find(({ session }) => session.locationId === locationId)?.session

describe('a client', () => {
  it('uses a token as long as it is good', async () => {
    const { app, host, skip } = await installed()
    await app.for('loc_1').getMe()
    skip(3_290)
    await app.for('loc_1').getMe()
    expect(host.counts).toEqual({})
  })

  it('renews it five minutes before its end', async () => {
    const { app, host, skip, store } = await installed()
    const before = await sessionOf(store)
    skip(3_310)
    await app.for('loc_1').getMe()
    expect(host.counts).toEqual({ refresh_token: 1 })
    const after = await sessionOf(store)
    expect(after?.accessToken).not.toBe(before?.accessToken)
    expect(after?.refreshToken).not.toBe(before?.refreshToken)
    expect(after).toMatchObject({ companyId: 'org_1', locationId: 'loc_1', userId: 'usr_1' })
  })

  it('renews a short-lived one in the last tenth of its life', async () => {
    const { app, host, skip, store } = await openWorld()
    host.lifeSeconds = 60
    await store.set(`${host.clientId}:production:location:loc_1`, {
      userType: 'Location',
      accessToken: 'stoa_at_x',
      refreshToken: 'stoa_rt_x',
      obtainedTime: new Date().toISOString(),
      expiresTime: new Date(Date.now() + 60_000).toISOString(),
      scopes: [],
      environment: 'production',
    })
    skip(50)
    await expect(app.for('loc_1').getMe()).rejects.toThrow() // the host does not know these, but it was not asked first
    expect(host.paths['/users/me']).toBe(1)
    skip(5)
    await expect(app.for('loc_1').getMe()).rejects.toThrow(NotInstalledError)
    expect(host.paths['/users/me']).toBe(1)
  })

  it('keeps the refresh token when the answer has none', async () => {
    const { app, host, skip, store } = await installed()
    host.rotates = false
    const before = await sessionOf(store)
    for (const count of [1, 2]) {
      skip(3_500)
      await app.for('loc_1').getMe()
      expect(host.counts).toEqual({ refresh_token: count })
    }
    const after = await sessionOf(store)
    expect(after?.refreshToken).toBe(before?.refreshToken)
    expect(after?.accessToken).not.toBe(before?.accessToken)
  })

  it('renews a token that the host refuses, once, and sends the request again with its body', async () => {
    const bodies: unknown[] = []
    const { app, host } = await installed({
      app: {
        fetch: (input, init) => {
          if (addressOf(input).endsWith('/charges')) bodies.push(init?.body)
          return fetch(input, init)
        },
      },
    })
    host.endAccessTokens()
    const body = { appId: 'app_1', meterId: 'm', eventId: 'e', locationId: 'loc_1', companyId: 'org_1', units: 1 }
    const answer: unknown = await app.for('loc_1').charge({ body: { ...body, description: 'd' } })
    expect(answer).toMatchObject({ locationId: 'loc_1' })
    expect(host.counts).toEqual({ refresh_token: 1 })
    expect(bodies).toEqual([bodies[0], bodies[0]])
    expect(JSON.parse(bodies[1] as string)).toMatchObject(body)
  })

  it('gives a second refusal to the app, and does not go round in circles', async () => {
    const { app, host } = await installed()
    const refusing = await openWorld({
      store: memoryTokenStore(),
      app: {
        fetch: async (input, init) => {
          if (!addressOf(input).endsWith('/users/me')) return fetch(input, init)
          asked += 1
          return Response.json({ code: 'revoked_token', detail: 'no' }, { status: 401 })
        },
      },
    })
    let asked = 0
    expect(await app.for('loc_1').getMe()).toBeDefined()
    await refusing.install()
    const error = await refusing.app
      .for('loc_1')
      .getMe()
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(StoaApiError)
    expect(asked).toBe(2)
    expect(refusing.host.counts['refresh_token']).toBe(1)
    expect(host.counts).toEqual({})
  })

  it('says that the app is not installed when the host has forgotten it, and forgets it as well', async () => {
    const { app, host, store } = await installed()
    host.uninstall()
    const error = await app
      .for('loc_1')
      .getMe()
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(NotInstalledError)
    expect(error).toMatchObject({ code: 'not_installed', target: 'loc_1' })
    expect(await store.list({})).toEqual([])
    await expect(app.for('loc_1').getMe()).rejects.toThrow('install it again')
    expect(host.counts).toEqual({ refresh_token: 1 })
  })

  it('says so where it never was installed, without asking the host', async () => {
    const { app, host } = await installed()
    await expect(app.for('loc_9').getMe()).rejects.toThrow(NotInstalledError)
    await expect(app.forCompany('org_1').getMe()).rejects.toThrow(NotInstalledError)
    await expect(app.for('loc_1', { environment: 'sandbox' }).getMe()).rejects.toThrow(NotInstalledError)
    expect(host.counts).toEqual({})
  })

  it('waits for a location that is switched off to be switched on again', async () => {
    const { app, host, store } = await installed()
    host.isOff = true
    await expect(app.for('loc_1').getMe()).rejects.toMatchObject({ name: 'NotInstalledError', code: 'switched_off' })
    expect(await store.list({})).toHaveLength(1)
    host.isOff = false
    expect(await app.for('loc_1').getMe()).toMatchObject({ locationId: 'loc_1' })
  })

  it('works again after installing again', async () => {
    const { app, host, install } = await installed()
    host.uninstall()
    await expect(app.for('loc_1').getMe()).rejects.toThrow(NotInstalledError)
    await install()
    expect(await app.for('loc_1').getMe()).toMatchObject({ locationId: 'loc_1' })
  })

  test.each([503, 500, 429])('keeps the session when the host answers %s', async (status) => {
    const { app, host, skip, store } = await installed()
    const before = await sessionOf(store)
    skip(4_000)
    host.trouble = status
    await expect(app.for('loc_1').getMe()).rejects.toThrow(TokenRequestError)
    expect(await sessionOf(store)).toEqual(before)
    host.trouble = null
    expect(await app.for('loc_1').getMe()).toMatchObject({ locationId: 'loc_1' })
  })

  it('keeps the session when the host cannot be reached, or knows the app’s secret no longer', async () => {
    const { app, host, skip, store } = await installed()
    const before = await sessionOf(store)
    skip(4_000)
    host.clientSecret = 'changed'
    await expect(app.for('loc_1').getMe()).rejects.toMatchObject({ name: 'TokenRequestError', code: 'invalid_client' })
    await host.stop()
    await expect(app.for('loc_1').getMe()).rejects.toMatchObject({ name: 'TokenRequestError', code: 'unreachable' })
    expect(await sessionOf(store)).toEqual(before)
  })

  it('goes on with a token that ends soon while the host gives no other, and does not ask for each request', async () => {
    const { app, host, skip } = await installed()
    skip(3_400)
    host.trouble = 503
    for (const _ of [1, 2, 3]) expect(await app.for('loc_1').getMe()).toMatchObject({ locationId: 'loc_1' })
    expect(host.paths['/oauth/token']).toBe(2) // the code, and one that failed
  })

  it('acts for the app itself, with one token for all', async () => {
    const { app, another, host, skip } = await openWorld()
    await Promise.all([app, another(), app].map((one) => one.asApplication().getMe()))
    expect(host.counts).toEqual({ client_credentials: 1 })
    skip(3_500)
    expect(await app.asApplication().getMe()).toMatchObject({ userType: 'Application', environment: 'production' })
    expect(host.counts).toEqual({ client_credentials: 2 })
    expect(await app.asApplication({ environment: 'sandbox' }).getMe()).toMatchObject({ environment: 'sandbox' })
  })

  it('authenticates by a key', async () => {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true })
    const asked: URLSearchParams[] = []
    const { app } = await openWorld({
      app: {
        clientSecret: undefined,
        cookieSecret: 'a-secret-of-the-cookie',
        privateKey: { ...(await exportJWK(privateKey)), alg: 'ES256', kid: 'mine' },
        fetch: (input, init) => {
          if (addressOf(input).endsWith('/oauth/token')) asked.push(new URLSearchParams(init?.body as URLSearchParams))
          return fetch(input, init)
        },
      },
    })
    await expect(app.asApplication().getMe()).rejects.toMatchObject({ code: 'invalid_client' })
    expect(asked[0]?.get('client_assertion_type')).toBe('urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    const [header = ''] = asked[0]?.get('client_assertion')?.split('.') ?? []
    expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toMatchObject({ alg: 'ES256', kid: 'mine' })
  })
})

describe('an organization that installed', () => {
  it('acts for its locations by exchanging its token once for each', async () => {
    const { app, host, store } = await installedByCompany()
    for (const _ of [1, 2]) expect(await app.for('loc_1').getMe()).toMatchObject({ locationId: 'loc_1' })
    expect(await app.for('loc_2', { companyId: 'org_1' }).getMe()).toMatchObject({ locationId: 'loc_2' })
    expect(host.counts).toEqual({ [exchangeGrant]: 2 })
    expect(await sessionOf(store)).toMatchObject({ companyId: 'org_1', userType: 'Location', isExchanged: true })
  })

  it('is told when the app is not meant for a location', async () => {
    const { app, store } = await installedByCompany()
    await expect(app.for('loc_9', { companyId: 'org_1' }).getMe()).rejects.toThrow(NotInstalledError)
    expect(await store.list({})).toHaveLength(1)
  })

  it('has its own token renewed when the exchange refuses it', async () => {
    const { app, host } = await installedByCompany()
    host.endAccessTokens()
    expect(await app.for('loc_1').getMe()).toMatchObject({ locationId: 'loc_1' })
    expect(host.counts).toEqual({ [exchangeGrant]: 2, refresh_token: 1 })
  })

  it('gives a location a new token when that of the location died alone', async () => {
    const { app, host } = await installedByCompany()
    await app.for('loc_1').getMe()
    host.uninstall(({ locationId }) => locationId === 'loc_1')
    host.counts = {}
    expect(await app.for('loc_1').getMe()).toMatchObject({ locationId: 'loc_1' })
    expect(host.counts).toEqual({ refresh_token: 1, [exchangeGrant]: 1 })
  })

  it('renews a token of a location by its own refresh token', async () => {
    const { app, host, skip } = await installedByCompany()
    await app.for('loc_1').getMe()
    host.counts = {}
    skip(3_500)
    await app.for('loc_1').getMe()
    expect(host.counts).toEqual({ refresh_token: 1 })
  })

  it('takes its locations with it when it goes', async () => {
    const { app, host, store } = await installedByCompany()
    await app.for('loc_1').getMe()
    host.uninstall()
    host.locations.clear()
    await expect(app.for('loc_1').getMe()).rejects.toThrow(NotInstalledError)
    expect(await store.list({})).toEqual([])
  })
})

describe('many at once', () => {
  const stores: Record<string, () => Promise<() => Promise<TokenStore>>> = {
    memory: async () => {
      const store = memoryTokenStore()
      return async () => store
    },
    file: async () => {
      const path = join(await makeFolder(), 'tokens')
      return async () => fileTokenStore(path)
    },
    sqlite: async () => {
      const path = join(await makeFolder(), 'tokens.sqlite')
      return () => sqliteTokenStore(path)
    },
  }

  describe.each(Object.entries(stores))('over a store: %s', (_name, open) => {
    test.each<[string, (world: World) => void]>([
      ['that is due', ({ skip }) => skip(3_500)],
      ['that has ended', ({ skip }) => skip(4_000)],
      ['that is refused', ({ host }) => host.endAccessTokens()],
    ])('60 clients of two processes renew a token %s once', async (_case, spoil) => {
      const connect = await open()
      const world = await installed({ store: await connect() })
      const apps = [world.app, world.another(await connect())]
      spoil(world)
      const answers = await Promise.all(Array.from({ length: 60 }, (_, index) => apps[index % 2]!.for('loc_1').getMe()))
      expect(answers).toHaveLength(60)
      expect(world.host.counts).toEqual({ refresh_token: 1 })
    })

    test('60 clients exchange once, and renew the organization’s token once for it', async () => {
      const connect = await open()
      const world = await installedByCompany({ store: await connect() })
      const apps = [world.app, world.another(await connect())]
      world.skip(4_000)
      await Promise.all(Array.from({ length: 60 }, (_, index) => apps[index % 2]!.for('loc_1').getMe()))
      expect(world.host.counts).toEqual({ refresh_token: 1, [exchangeGrant]: 1 })
    })
  })

  test('clients of one process ask the store for its lock once', async () => {
    const store = memoryTokenStore()
    let asked = 0
    const counting: TokenStore = {
      ...store,
      withLock: (key, work) => {
        asked += 1
        return store.withLock(key, work)
      },
    }
    const { app, skip } = await installed({ store: counting })
    skip(4_000)
    await Promise.all(Array.from({ length: 60 }, () => app.for('loc_1').getMe()))
    expect(asked).toBe(1)
  })

  test('who does not get the lock goes on with a token that still lasts, and says so with one that ended', async () => {
    const store = memoryTokenStore({ waitMilliseconds: 50 })
    const { app, skip } = await installed({ store })
    const key = (await store.list({}))[0]!.key
    await store.withLock(key, async () => {
      skip(3_400)
      expect(await app.for('loc_1').getMe()).toMatchObject({ locationId: 'loc_1' })
      skip(300)
      await expect(app.for('loc_1').getMe()).rejects.toThrow(LockTimeoutError)
    })
    expect(await app.for('loc_1').getMe()).toMatchObject({ locationId: 'loc_1' })
  })

  test('who loses the lock while it asks the host takes what the next holder stored', async () => {
    const store = memoryTokenStore({ leaseMilliseconds: 60, waitMilliseconds: 5_000 })
    let wake = () => {}
    const asleep = new Promise<void>((resolve) => (wake = resolve))
    let asking = () => {}
    const asked = new Promise<void>((resolve) => (asking = resolve))
    const slow: typeof fetch = async (input, init) => {
      const response = await fetch(input, init)
      if (!addressOf(input).endsWith('/oauth/token')) return response
      asking()
      await asleep
      return response
    }
    const world = await installed({ store })
    const session = await sessionOf(store)
    const { url: hostUrl, clientId, clientSecret, redirectUri } = world.host
    const later = () => new Date(Date.now() + 4_000_000)
    const app = stoaApp({ hostUrl, clientId, clientSecret, redirectUri, store, fetch: slow, now: later })
    const hung = app.installationAt('loc_1')
    await asked
    const key = (await store.list({}))[0]!.key
    const expiresTime = new Date(Date.now() + 8_000_000).toISOString()
    await store.withLock(key, async (locked) => {
      await locked.set({ ...session!, userId: 'of the next holder', expiresTime })
      wake()
      expect(await hung).toMatchObject({ userId: 'of the next holder' })
    })
  })

  const child = new URL('child.ts', import.meta.url).pathname

  test.each(['file', 'sqlite'])(
    'two processes of the operating system over one %s store renew once',
    async (kind) => {
      const path = join(await makeFolder(), 'tokens')
      const store = kind === 'file' ? fileTokenStore(path) : await sqliteTokenStore(path)
      const { host } = await installed({ store })
      const { clientId, clientSecret, redirectUri, url: hostUrl } = host
      // Both begin at the same moment, with a token that ended.
      const start = Date.now() + 3_000
      const plan = { kind, path, start, options: { clientId, clientSecret, redirectUri, hostUrl } }
      const ran = await Promise.all([1, 2].map(() => finished(spawnNode([child, 'act', JSON.stringify(plan)], {}))))
      for (const { code, stdout, stderr } of ran)
        expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '20\n', stderr: '' })
      expect(host.counts).toEqual({ refresh_token: 1 })
    },
    patient,
  )

  test.each(['file', 'sqlite'])(
    'a process that is killed while it holds the lock of a %s store stops nobody',
    async (kind) => {
      const path = join(await makeFolder(), 'tokens')
      const holder = spawnNode([child, 'hold', JSON.stringify({ kind, path, leaseMilliseconds: 2_000 })], {})
      const ended = finished(holder)
      await new Promise<void>((resolve) => holder.stdout!.once('data', () => resolve()))
      const times = { waitMilliseconds: 30_000 }
      const store = kind === 'file' ? fileTokenStore(path, times) : await sqliteTokenStore(path, times)
      const waiting = store.withLock('a', async (locked) => (await locked.get())?.accessToken)
      holder.kill('SIGKILL')
      await ended
      expect(await waiting).toBe('of the holder')
    },
    patient,
  )
})

describe('webhooks', () => {
  const secret = `whsec_${randomBytes(24).toString('base64')}`

  /** Delivers an event as the host does. */
  async function openWebhooks(world: World) {
    const events: WebhookEvent[] = []
    const middleware = world.app.webhooks({ secret, onEvent: (event) => events.push(event), onError: () => {} })
    const url = await listen(middleware)
    const send = async (eventType: string, tenant: object, instance: object = {}, applicationId = 'app_1') => {
      const body = JSON.stringify({
        eventType,
        applicationId,
        organizationId: 'org_1',
        ...tenant,
        _embedded: { application: {}, applicationInstance: instance },
      })
      const id = randomBytes(8).toString('hex')
      const seconds = String(Math.floor(Date.now() / 1_000))
      const signature = createHmac('sha256', Buffer.from(secret.slice(6), 'base64')).update(`${id}.${seconds}.${body}`)
      const headers = {
        'webhook-id': id,
        'webhook-timestamp': seconds,
        'webhook-signature': `v1,${signature.digest('base64')}`,
      }
      return (await fetch(url, { method: 'POST', headers, body })).status
    }
    return {
      events,
      enabled: (token: string, tenant: object = { locationId: 'loc_1' }, of?: string) =>
        send('application-instance-enabled', tenant, { token }, of),
      disabled: (tenant: object = { locationId: 'loc_1' }, of?: string) =>
        send('application-instance-disabled', tenant, {}, of),
    }
  }

  it('forget a location that uninstalled, before the app hears of it', async () => {
    const world = await installed()
    const { disabled, events } = await openWebhooks(world)
    world.host.uninstall()
    expect(await disabled()).toBe(204)
    expect(await world.store.list({})).toEqual([])
    expect(events).toHaveLength(1)
  })

  it('keep the session of a location that only switched the app off', async () => {
    const world = await installed()
    const { disabled, enabled } = await openWebhooks(world)
    world.host.isOff = true
    expect(await disabled()).toBe(204)
    await expect(world.app.for('loc_1').getMe()).rejects.toMatchObject({ code: 'switched_off' })
    world.host.isOff = false
    expect(await enabled('stoa_it_x')).toBe(204)
    expect(await world.app.for('loc_1').getMe()).toMatchObject({ locationId: 'loc_1' })
  })

  it('keep the session when the notice is an old one and the app is installed again', async () => {
    const world = await installed()
    const { disabled } = await openWebhooks(world)
    world.host.uninstall()
    await world.install()
    expect(await disabled()).toBe(204)
    expect(await world.app.for('loc_1').getMe()).toMatchObject({ locationId: 'loc_1' })
  })

  it('are sent again when it could not be found out', async () => {
    const world = await installed()
    const { disabled, events } = await openWebhooks(world)
    world.host.uninstall()
    world.host.trouble = 503
    expect(await disabled()).toBe(500)
    expect(await world.store.list({})).toHaveLength(1)
    expect(events).toEqual([])
    world.host.trouble = null
    expect(await disabled()).toBe(204)
    expect(await world.store.list({})).toEqual([])
  })

  it('forget an organization with what was exchanged from it, but not what was installed by itself', async () => {
    const world = await installed()
    world.host.consent = { userType: 'Company', companyId: 'org_1' }
    await world.install()
    await world.app.for('loc_2').getMe()
    expect(await world.store.list({})).toHaveLength(3)
    const { disabled } = await openWebhooks(world)
    world.host.uninstall(({ userType }) => userType === 'Company')
    expect(await disabled({})).toBe(204)
    expect((await world.store.list({})).map(({ session }) => session.locationId)).toEqual(['loc_1'])
  })

  it('give a token to a location that was not installed by a code, for as long as that lasts', async () => {
    const world = await installed()
    const { accessToken = '' } = (await sessionOf(world.store)) ?? {}
    await world.store.delete((await world.store.list({}))[0]!.key)
    const { enabled } = await openWebhooks(world)
    expect(await enabled(accessToken)).toBe(204)
    expect(await world.app.for('loc_1').getMe()).toMatchObject({ locationId: 'loc_1' })
    world.skip(3_500) // due, but there is no way to another
    expect(await world.app.for('loc_1').getMe()).toMatchObject({ locationId: 'loc_1' })
    world.skip(200)
    await expect(world.app.for('loc_1').getMe()).rejects.toThrow(NotInstalledError)
    expect(world.host.counts).toEqual({})
  })

  it('tell to which organization a location belongs, so that its token can be exchanged', async () => {
    const world = await installedByCompany()
    world.host.locations.add('loc_3') // added later: not among those that were approved
    await expect(world.app.for('loc_3').getMe()).rejects.toThrow(NotInstalledError)
    const { enabled } = await openWebhooks(world)
    await enabled('stoa_it_x', { locationId: 'loc_3' })
    expect(await world.app.for('loc_3').getMe()).toMatchObject({ locationId: 'loc_3' })
  })

  it('do not put a token for an hour in the place of one that can be renewed', async () => {
    const world = await installed()
    const { enabled } = await openWebhooks(world)
    const before = await sessionOf(world.store)
    await enabled('stoa_it_x')
    expect(await sessionOf(world.store)).toEqual(before)
  })

  it('of another application of the publisher change nothing', async () => {
    const world = await installed()
    const { disabled, enabled, events } = await openWebhooks(world)
    world.host.uninstall()
    expect(await disabled({ locationId: 'loc_1' }, 'app_11')).toBe(204)
    expect(await sessionOf(world.store)).toBeDefined()
    expect(await enabled('stoa_it_x', { locationId: 'loc_5' }, 'app_')).toBe(204)
    expect(await sessionOf(world.store, 'loc_5')).toBeUndefined()
    expect(events).toHaveLength(2)
  })
})

import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase, onPostgres } from '../support/databases.ts'
import { call } from '../support/host.ts'
import type { Browser } from './browser.ts'
import { anotherHost, sharedDatabase } from './two-hosts.ts'
import { clientForm, openOAuthWorld, type App, type OAuthWorld } from './world.ts'

const funds = '/marketplace/billing/charges/has-funds'
const works = async (url: string, token: string) => (await call(url, 'GET', funds, { token })).status === 200

/** Whatever takes access away from an application that works in the merchant's first location. */
const ends: [string, (world: OAuthWorld, app: App, token: string) => Promise<unknown>][] = [
  ['revoking', (world, app, token) => world.post('/oauth/revoke', { token, ...clientForm(app) })],
  [
    'replacing the client secret at once',
    (world, app) =>
      world.publisher.rotateClientSecret({ params: { id: app.id }, body: { overlapSeconds: 0 } } as never),
  ],
  ['uninstalling', (world, app) => change(world, app, 'DELETE', '')],
  ['disabling', (world, app) => change(world, app, 'POST', '/disable')],
  [
    'switching the client off',
    (world, app) =>
      world.publisher.updateDeveloperApplication({ params: { id: app.id }, body: { status: 'DISABLED' } } as never),
  ],
  [
    'an operator who takes it out of the store',
    (world, app) => world.operator.disableApplication({ params: { id: app.id }, body: { reason: 'bad' } } as never),
  ],
  [
    'ending the client secret',
    async (world, app) => {
      const [secret] = (await world.publisher.listClientSecrets({ params: { id: app.id } })) as { id: string }[]
      await world.publisher.endClientSecret({ params: { id: app.id, secretId: secret!.id } })
    },
  ],
  [
    'withdrawing the grant',
    async (world, app) => {
      const path = `${instance(world, app)}/access/optional`
      const token = world.world.organization.apiKey
      const { status } = await world.call('PUT', path, { token, body: { optionalPermissions: [] } })
      expect(status).toBe(200)
    },
  ],
]

function instance(world: OAuthWorld, { id }: App): string {
  const { organization, locations } = world.world
  return `/organizations/${organization.id}/locations/${locations[0]!.id}/application-instances/${id}`
}

async function change(world: OAuthWorld, app: App, method: string, verb: string): Promise<void> {
  const body = method === 'DELETE' ? undefined : {}
  const { status } = await world.call(method, instance(world, app) + verb, {
    token: world.world.organization.apiKey,
    body,
  })
  expect(status).toBeLessThan(300)
}

/** Its charges are optional, so that a merchant can take them away. */
const asks = { permissions: ['oauth.readonly'], optionalPermissions: ['charges.readonly', 'charges.write'] }
const allowing = (browser: Browser) => ({
  browser,
  form: { optional: ['charges:read'] },
})

eachDatabase((database) => {
  let world: OAuthWorld
  let browser: Browser
  let app: App
  let other: App
  beforeAll(async () => {
    world = await openOAuthWorld(database)
    browser = await world.signedIn()
    app = await world.app()
    other = await world.app()
  })
  const authorized = async (client = app) => (await world.tokens(client, { browser })).body
  const revoke = (token: string, client = app, more: Record<string, string> = {}) =>
    world.post('/oauth/revoke', { token, ...clientForm(client), ...more })
  const introspect = async (token: string, client = app) =>
    (await world.post('/oauth/introspect', { token, ...clientForm(client) })).body
  const isAlive = (token: string) => works(world.url, token)

  describe('revoking', () => {
    it('an access token ends it alone', async () => {
      const tokens = await authorized()
      const second = (await world.refresh(app, tokens.refresh_token)).body
      expect((await revoke(tokens.access_token)).status).toBe(200)
      expect([await isAlive(tokens.access_token), await isAlive(second.access_token)]).toEqual([false, true])
      expect((await world.refresh(app, second.refresh_token)).status).toBe(200)
    })

    it.each(['the newest', 'a used'])('%s refresh token ends the whole authorization', async (which) => {
      const tokens = await authorized()
      const second = (await world.refresh(app, tokens.refresh_token)).body
      const { status, headers } = await revoke(which === 'a used' ? tokens.refresh_token : second.refresh_token)
      expect([status, headers.get('cache-control')]).toEqual([200, 'no-store'])
      expect([await isAlive(tokens.access_token), await isAlive(second.access_token)]).toEqual([false, false])
      expect((await world.refresh(app, second.refresh_token)).body.error).toBe('invalid_grant')
    })

    it('takes any hint for what it is', async () => {
      for (const token_type_hint of ['refresh_token', 'access_token', 'nonsense', '__proto__']) {
        const { access_token: token } = await authorized()
        expect((await revoke(token, app, { token_type_hint })).status).toBe(200)
        expect(await isAlive(token)).toBe(false)
      }
    })

    it.each(['nonsense', 'stoa_at_x', '__proto__', 'a'.repeat(8000)])('what is unknown (%s) is fine', async (token) => {
      expect((await revoke(token)).status).toBe(200)
    })

    it('another client’s token is answered alike, and does nothing', async () => {
      const tokens = await authorized()
      const [theirs, unknown] = [await revoke(tokens.access_token, other), await revoke('stoa_at_x', other)]
      expect([theirs.status, theirs.body]).toEqual([200, unknown.body])
      await revoke(tokens.refresh_token, other)
      expect(await isAlive(tokens.access_token)).toBe(true)
      expect((await world.refresh(app, tokens.refresh_token)).status).toBe(200)
    })

    it('other kinds of credential is not possible', async () => {
      const { apiKey } = world.world.organization
      expect((await revoke(apiKey)).status).toBe(200)
      expect((await world.call('GET', '/users/me', { token: apiKey })).status).not.toBe(401)
    })

    it('needs a client that proves itself, and a token', async () => {
      const { access_token: token } = await authorized()
      expect((await revoke(token, { ...app, clientSecret: 'wrong' })).status).toBe(401)
      expect(await isAlive(token)).toBe(true)
      const none = await world.post('/oauth/revoke', clientForm(app))
      expect([none.status, none.body.error]).toEqual([400, 'invalid_request'])
    })
  })

  it.each(['revoking', 'a used refresh token that comes again'])(
    '%s ends what was exchanged for locations, too',
    async (how) => {
      const one = await world.app()
      const company = (await world.tokens(one, { browser, form: { target: 'all', future: 'yes' } })).body
      const locationId = world.world.locations[0]!.id
      const form = { companyId: company.companyId as string, locationId }
      const given = await world.call('POST', '/oauth/locationToken', { token: company.access_token, body: form })
      const exchanged = await world.token({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: company.access_token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        location_id: locationId,
        ...clientForm(one),
      })
      for (const { body } of [given, exchanged]) expect(await isAlive(body.access_token)).toBe(true)
      if (how === 'revoking') await revoke(company.refresh_token, one)
      else {
        const second = (await world.refresh(one, company.refresh_token)).body
        await world.refresh(one, second.refresh_token)
        expect((await world.refresh(one, company.refresh_token)).body.error).toBe('invalid_grant')
      }
      for (const { body } of [given, exchanged]) {
        expect(await isAlive(body.access_token)).toBe(false)
        expect((await world.refresh(one, body.refresh_token)).body.error).toBe('invalid_grant')
      }
    },
  )

  it('withdrawing a grant leaves the organization’s token its way to the locations, with less there', async () => {
    const one = await world.app(asks)
    const form = { target: 'all', future: 'yes', optional: ['charges:read'] }
    const company = (await world.tokens(one, { browser, form })).body
    const { organization, locations } = world.world
    const path = `/organizations/${organization.id}/application-instances/${one.id}/access/optional`
    const { status } = await world.call('PUT', path, {
      token: organization.apiKey,
      body: { optionalPermissions: [] },
    })
    expect(status).toBe(200)
    const body = { companyId: organization.id, locationId: locations[0]!.id }
    const location = await world.call('POST', '/oauth/locationToken', { token: company.access_token, body })
    expect([location.status, location.body.scope]).toEqual([200, 'oauth.readonly'])
  })

  describe('introspecting', () => {
    it('a token of one’s own says what it is', async () => {
      const tokens = await authorized()
      const locationId = world.world.locations[0]!.id
      const common = { active: true, client_id: app.clientId, iss: world.url, aud: world.url, locationId }
      expect(await introspect(tokens.access_token)).toMatchObject({
        ...common,
        token_type: 'Bearer',
        scope: tokens.scope,
      })
      expect(await introspect(tokens.refresh_token)).toMatchObject({ ...common, scope: tokens.scope })
    })

    it('any other says nothing: another client’s, an unknown, a dead, a used one, another kind', async () => {
      const tokens = await authorized()
      expect(await introspect(tokens.access_token, other)).toEqual({ active: false })
      expect(await introspect(tokens.refresh_token, other)).toEqual({ active: false })
      await world.refresh(app, tokens.refresh_token)
      expect(await introspect(tokens.refresh_token)).toEqual({ active: false })
      await revoke(tokens.access_token)
      const { organization, user } = world.world
      const session = (await world.call('POST', '/sessions', { body: user })).body.token as string
      const others = [tokens.access_token, organization.apiKey, session, app.clientSecret, 'nonsense', 'stoa_rt_x']
      for (const token of others) expect(await introspect(token)).toEqual({ active: false })
    })

    it('is not for whoever cannot prove who they are', async () => {
      const open = await world.app({ clientType: 'public' })
      const tokens = await authorized(open)
      const own = await world.post('/oauth/introspect', { token: tokens.access_token, client_id: open.clientId })
      expect([own.status, own.body.error]).toEqual([400, 'unauthorized_client'])
      const wrong = await world.post('/oauth/introspect', { token: tokens.access_token, client_id: app.clientId })
      expect(wrong.status).toBe(401)
    })
  })

  it('a token of another host is none here', async () => {
    const elsewhere = await openOAuthWorld(database)
    const theirs = (await elsewhere.tokens(await elsewhere.app())).body
    expect(await works(elsewhere.url, theirs.access_token)).toBe(true)
    const answer = await world.call('GET', funds, { token: theirs.access_token })
    expect([answer.status, answer.body.code]).toEqual([401, 'invalid_token'])
    expect(await introspect(theirs.access_token)).toEqual({ active: false })
    expect((await world.refresh(app, theirs.refresh_token)).body.error).toBe('invalid_grant')
  })

  describe('access ends at once by', () => {
    it.each(ends)('%s', async (_, end) => {
      const one = await world.app(asks)
      const { access_token: token } = (await world.tokens(one, allowing(browser))).body
      expect(await isAlive(token)).toBe(true)
      await end(world, one, token)
      expect(await isAlive(token)).toBe(false)
    })
  })
})

onPostgres((database) => {
  it('what one host ended is over on another within a second, however access ended', async () => {
    const shared = await sharedDatabase(database)
    const world = await openOAuthWorld(shared.database)
    const second = await anotherHost({ database: shared.url, baseUrl: world.url })
    const browser = await world.signedIn()
    for (const [name, end] of ends) {
      const one = await world.app(asks)
      const { access_token: token } = (await world.tokens(one, allowing(browser))).body
      expect([name, await works(second.url, token)]).toEqual([name, true])
      await end(world, one, token)
      expect([name, await works(world.url, token)]).toEqual([name, false])
      // The cache lives half a second (tokens.cacheMilliseconds); the rest is for a busy machine.
      await expect.poll(() => works(second.url, token), { timeout: 2000, interval: 50, message: name }).toBe(false)
    }
  })
})

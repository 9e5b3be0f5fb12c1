import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  memoryTokenStore,
  NotInstalledError,
  stoaApp,
  type Installation,
  type StoaAppOptions,
  type TokenStore,
  type WebhookEvent,
} from '@stoa/sdk'
import { exportJWK, generateKeyPair } from 'jose'
import { beforeAll, describe, expect, it, test } from 'vitest'
import type { Browser } from '../oauth/browser.ts'
import { openOAuthWorld, type OAuthWorld } from '../oauth/world.ts'
import { eachDatabase } from '../support/databases.ts'
import { installByBrowser } from './install-by-browser.ts'
import { addressOf, listen } from './world.ts'

type Members = Record<string, unknown>

const storedAt = async (store: TokenStore, locationId: string) =>
  (await store.list({})).find(({ session }) => session.locationId === locationId)!

// The other tests of the SDK have a host made for them, which can misbehave. Here is what it stands in for.
eachDatabase((database) => {
  let world: OAuthWorld
  let browser: Browser
  let north: string
  let south: string
  let companyId: string
  beforeAll(async () => {
    world = await openOAuthWorld(database)
    browser = await world.signedIn()
    const { organization, locations } = world.world
    companyId = organization.id
    north = locations[0]!.id
    south = locations[1]!.id
  }, 60_000)

  const inNorth = () => ({ target: 'locations', location: north })

  /** An app on a server of its own, registered and approved, which hears of its installations. */
  async function openApp(members: Members = {}, options: Partial<StoaAppOptions> = {}) {
    const installed: Installation[] = []
    const events: WebhookEvent[] = []
    const grants: (string | null)[] = []
    let ahead = 0
    const now = () => new Date(Date.now() + ahead * 1_000)
    let routes: Record<string, (req: IncomingMessage, res: ServerResponse) => void> = {}
    const appUrl = await listen((req, res) => routes[req.url!.split('?')[0]!]!(req, res))
    const redirectUri = `${appUrl}/callback`
    const { id, clientId, clientSecret } = await world.app({ redirectUris: [redirectUri], ...members })
    const { secret } = await world.publisher.createWebhookEndpoint({
      body: {
        url: `${appUrl}/webhooks`,
        applicationId: id,
        events: ['*'],
      },
    })
    const store = memoryTokenStore()
    const stoa = stoaApp({
      hostUrl: world.url,
      clientId,
      ...(clientSecret && { clientSecret }),
      redirectUri,
      store,
      now,
      fetch: (input, init) => {
        if (addressOf(input).endsWith('/oauth/token')) grants.push((init!.body as URLSearchParams).get('grant_type'))
        return fetch(input, init)
      },
      ...options,
    })
    routes = {
      '/install': stoa.install(),
      '/callback': stoa.callback({ onInstalled: (installation) => installed.push(installation) }),
      '/webhooks': stoa.webhooks({ secret, onEvent: (event) => events.push(event) }),
    }
    return {
      ...{ id, stoa, store, installed, events, grants },
      // Of the app alone: tokens that the host would still take are due to it.
      skip: (seconds: number) => void (ahead += seconds),
      install: (form: Record<string, string | string[]> = inNorth(), query = '') =>
        installByBrowser(`${appUrl}/install${query}`, { user: world.world.user, form, browser }),
      heard: (type: WebhookEvent['type'], locationId?: string) =>
        expect
          .poll(() => events.some((event) => event.type === type && event.payload.locationId === locationId), {
            timeout: 20_000,
          })
          .toBe(true),
    }
  }

  describe('a location that installed the app', () => {
    it('is acted for, and its token renewed once for many requests', async () => {
      const { stoa, store, installed, install, grants, skip } = await openApp()
      const page = await install()
      expect([page.status, page.text]).toEqual([200, expect.stringContaining('The app is installed')])
      expect(installed).toEqual([
        {
          userType: 'Location',
          companyId,
          locationId: north,
          userId: 'usr_demo_merchant',
          environment: 'production',
          scopes: ['charges.write', 'charges.readonly', 'oauth.readonly', 'oauth.write'],
        },
      ])
      expect(await stoa.for(north).hasFunds()).toMatchObject({ hasFunds: true })
      const before = await storedAt(store, north)
      skip(3_500)
      await Promise.all(Array.from({ length: 20 }, () => stoa.for(north).hasFunds()))
      const after = await storedAt(store, north)
      expect(after.session.refreshToken).not.toBe(before.session.refreshToken)
      expect(grants).toEqual(['authorization_code', 'refresh_token'])
    })

    it('is acted for on, after the host ended a token before its time', async () => {
      const { stoa, store, install, grants } = await openApp()
      await install()
      const stored = await storedAt(store, north)
      await store.set(stored.key, { ...stored.session, accessToken: stored.session.accessToken.replace(/.$/, '!') })
      expect(await stoa.for(north).hasFunds()).toMatchObject({ hasFunds: true })
      expect(grants).toEqual(['authorization_code', 'refresh_token'])
    })

    it('is acted for with what its merchant granted later, as soon as that is told', async () => {
      const { id, stoa, install, events } = await openApp({ permissions: ['charges.readonly'] })
      await install()
      const read = () => stoa.for(north).getApplicationInstanceConfiguration({ params: { applicationId: id } })
      await expect(read()).rejects.toMatchObject({ code: 'missing_permission' })
      const permissions = ['charges.readonly', 'GetApplicationInstanceConfiguration']
      await world.publisher.submitApplication({ params: { id }, body: { permissions } })
      await world.operator.approveApplication({ params: { id }, body: {} })
      const told = (type: string) => expect.poll(() => events.some((event) => event.type === type), { timeout: 20_000 })
      await told('installation.access-pending').toBe(true)
      await expect(read()).rejects.toMatchObject({ code: 'access_pending' })
      const merchant = world.merchantAt(north)
      await merchant.approveApplicationInstanceAccess({ params: { applicationId: id }, body: { version: 2 } })
      await told('installation.access-approved').toBe(true)
      expect(await read()).toMatchObject({ settings: {} })
    })

    it('is remembered while it switches the app off, and forgotten when it uninstalls', async () => {
      const { id: applicationId, stoa, store, install, heard } = await openApp()
      const merchant = world.merchantAt(north)
      await install()
      await heard('application-instance-enabled', north)
      await merchant.disableApplicationInstance({ params: { applicationId } })
      await heard('application-instance-disabled', north)
      await expect(stoa.for(north).hasFunds()).rejects.toMatchObject({
        name: 'NotInstalledError',
        code: 'switched_off',
      })
      await merchant.enableApplicationInstance({ params: { applicationId } })
      expect(await stoa.for(north).hasFunds()).toMatchObject({ hasFunds: true })

      await merchant.deleteApplicationInstance({ params: { applicationId } })
      await expect.poll(() => store.list({}), { timeout: 20_000 }).toEqual([])
      await expect(stoa.for(north).hasFunds()).rejects.toMatchObject({ code: 'not_installed' })
    })

    it('is forgotten too by an app that never heard of the uninstall, and can come back', async () => {
      const { id: applicationId, stoa, store, install } = await openApp()
      await install()
      const [stored] = await store.list({})
      await world.merchantAt(north).deleteApplicationInstance({ params: { applicationId } })
      await expect.poll(() => store.list({}), { timeout: 20_000 }).toEqual([])
      await store.set(stored!.key, stored!.session) // as if the notice were lost
      await expect(stoa.for(north).hasFunds()).rejects.toThrow(NotInstalledError)
      expect(await store.list({})).toEqual([])
      await install()
      expect(await stoa.for(north).hasFunds()).toMatchObject({ hasFunds: true })
    })

    it('leaves the app without tokens when it cancels', async () => {
      const { installed, store, install } = await openApp()
      const page = await install({ decision: 'cancel' })
      expect([page.status, page.text]).toEqual([403, expect.stringContaining('cancelled')])
      expect([installed, await store.list({})]).toEqual([[], []])
    })
  })

  test('what is installed in the sandbox stays there', async () => {
    const { stoa, installed, install } = await openApp({}, { environments: ['production', 'sandbox'] })
    expect((await install(inNorth(), '?environment=sandbox')).status).toBe(200)
    expect(installed[0]).toMatchObject({ environment: 'sandbox', locationId: north })
    expect(await stoa.for(north, { environment: 'sandbox' }).hasFunds()).toMatchObject({ hasFunds: true })
    await expect(stoa.for(north).hasFunds()).rejects.toThrow(NotInstalledError)
  })

  describe('an organization that installed the app', () => {
    it('gives tokens of its locations, of those added later too, and takes them with it', async () => {
      const { id: applicationId, stoa, store, installed, install, heard, grants, skip } = await openApp()
      expect((await install({ target: 'all', future: 'yes' })).status).toBe(200)
      expect(installed).toHaveLength(1)
      expect(installed[0]).toMatchObject({ userType: 'Company', companyId })
      expect([...installed[0]!.approvedLocations!].sort()).toEqual(expect.arrayContaining([north, south].sort()))
      for (const location of [north, south]) await heard('application-instance-enabled', location)
      expect(
        await stoa.forCompany(companyId).getInstalledLocation({ query: { companyId, appId: applicationId } }),
      ).toMatchObject({
        installToFutureLocations: true,
      })

      // A token that came with the event is used to its end; then the organization's is exchanged.
      skip(3_500)
      await Promise.all(Array.from({ length: 10 }, () => stoa.for(south).hasFunds()))
      expect(grants.filter((grant) => grant?.endsWith(':token-exchange'))).toHaveLength(1)
      const later = await storedAt(store, south)
      expect(later.session).toMatchObject({ companyId, isExchanged: true, refreshToken: expect.any(String) })

      const { id: added } = await world.merchant.createLocation({ body: { name: 'Added later' } })
      await heard('application-instance-enabled', added)
      expect(await stoa.for(added).hasFunds()).toMatchObject({ hasFunds: false })
      // In an app that heard nothing of it, by the name of the organization alone.
      await store.delete((await storedAt(store, added)).key)
      expect(await stoa.for(added, { companyId }).hasFunds()).toMatchObject({ hasFunds: false })

      await expect(stoa.for('loc_unknown', { companyId }).hasFunds()).rejects.toThrow(NotInstalledError)
      await world.merchant.deleteApplicationInstance({ params: { applicationId } })
      await heard('application-instance-disabled')
      await expect.poll(() => store.list({}), { timeout: 20_000 }).toEqual([])
      for (const location of [north, added])
        await expect(stoa.for(location).hasFunds()).rejects.toThrow(NotInstalledError)
    })
  })

  test('the app acts for itself', async () => {
    const { id, stoa, grants } = await openApp()
    expect(await stoa.asApplication().getApplication({ params: { id } })).toMatchObject({ id })
    expect(await stoa.asApplication().listWebhookEndpoints()).toHaveLength(1)
    expect(await stoa.asApplication({ environment: 'sandbox' }).listWebhookEndpoints()).toEqual([])
    expect(grants).toEqual(['client_credentials', 'client_credentials'])
  })

  test('an app that proves itself by a key does all of it without a secret', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const keys = [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'mine' }]
    const { id, stoa, install, grants, skip } = await openApp(
      { jwks: { keys } },
      {
        clientSecret: undefined,
        cookieSecret: 'a-secret-of-the-cookie',
        privateKey: { ...(await exportJWK(privateKey)), alg: 'ES256', kid: 'mine' },
      },
    )
    expect((await install({ target: 'locations', location: [north, south] })).status).toBe(200)
    skip(3_500)
    expect(await stoa.for(south).hasFunds()).toMatchObject({ hasFunds: true })
    expect(await stoa.asApplication().getApplication({ params: { id } })).toMatchObject({ id })
    expect(grants).toEqual([
      'authorization_code',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:token-exchange',
      'client_credentials',
    ])
  })

  test.each(['client_secret_basic', 'client_secret_post'] as const)('its secret is taken by %s', async (how) => {
    const { id, stoa } = await openApp({}, { clientAuthentication: how })
    expect(await stoa.asApplication().getApplication({ params: { id } })).toMatchObject({ id })
  })

  test('a public app has PKCE alone', async () => {
    const { stoa, install, skip } = await openApp({ clientType: 'public' }, { cookieSecret: 'a-secret-of-the-cookie' })
    expect((await install()).status).toBe(200)
    skip(3_500)
    expect(await stoa.for(north).hasFunds()).toMatchObject({ hasFunds: true })
  })

  test('a page of the app that the host embeds knows who looks at it', async () => {
    const { id, stoa, install, skip } = await openApp()
    await install()
    const session = (await world.call('POST', '/sessions', { body: world.world.user })).body.token as string
    const path = `/organizations/${companyId}/locations/${north}/application-instances/${id}/context-token`
    const { token } = (await world.call('POST', path, { token: session })).body as { token: string }
    expect(await stoa.verifyContext(token)).toEqual({
      userId: 'usr_demo_merchant',
      organizationId: companyId,
      locationId: north,
      role: 'owner',
      environment: 'production',
    })
    const other = await openApp()
    await expect(other.stoa.verifyContext(token)).rejects.toMatchObject({ code: 'invalid_context' })
    skip(66)
    await expect(stoa.verifyContext(token)).rejects.toMatchObject({ code: 'invalid_context' })
  })
})

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { verifyWebhook } from '@stoa/sdk'
import * as oauth from 'oauth4webapi'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openOAuthWorld, type App, type OAuthWorld } from '../oauth/world.ts'
import { eachDatabase } from '../support/databases.ts'
import { launchChromium } from './launch-chromium.ts'

/** An application on a port of its own: it sends people to the host, fetches its tokens, and hears of its installations. */
async function startApplication() {
  const seen = {
    tokens: [] as Record<string, unknown>[],
    errors: [] as string[],
    events: [] as { type: string; locationId: string }[],
  }
  const settings = { app: undefined as App | undefined, issuer: '', secret: '' }
  const pending = new Map<string, string>()
  let redirectUri = ''

  async function authorizeUrl(): Promise<string> {
    const verifier = oauth.generateRandomCodeVerifier()
    const state = oauth.generateRandomState()
    pending.set(state, verifier)
    const query = new URLSearchParams({
      client_id: settings.app!.clientId,
      redirect_uri: redirectUri,
      response_type: 'code',
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    })
    return `${settings.issuer}/oauth/authorize?${query.toString()}`
  }

  async function handleCallback(url: URL): Promise<void> {
    const options = { [oauth.allowInsecureRequests]: true }
    const issuer = new URL(settings.issuer)
    const as = await oauth.processDiscoveryResponse(
      issuer,
      await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...options }),
    )
    const client = { client_id: settings.app!.clientId }
    const state = url.searchParams.get('state') ?? ''
    const parameters = oauth.validateAuthResponse(as, client, url, state)
    const authentication = oauth.ClientSecretPost(settings.app!.clientSecret)
    const response = await oauth.authorizationCodeGrantRequest(
      as,
      client,
      authentication,
      parameters,
      redirectUri,
      pending.get(state)!,
      options,
    )
    seen.tokens.push({ ...(await oauth.processAuthorizationCodeResponse(as, client, response)) })
  }

  const server: Server = createServer((req, res) => {
    void (async () => {
      const url = new URL(req.url ?? '/', redirectUri)
      if (url.pathname === '/install') return res.writeHead(302, { Location: await authorizeUrl() }).end()
      if (url.pathname === '/webhooks') {
        const chunks: Buffer[] = []
        for await (const chunk of req) chunks.push(chunk as Buffer)
        const body = Buffer.concat(chunks)
        const { payload } = verifyWebhook({ headers: req.headers, body, secrets: settings.secret })
        const { eventType, locationId } = payload as { eventType: string; locationId: string }
        seen.events.push({ type: eventType, locationId })
        return res.writeHead(204).end()
      }
      if (url.pathname !== '/callback') return res.writeHead(404).end()
      const error = url.searchParams.get('error')
      if (error !== null) seen.errors.push(error)
      else await handleCallback(url)
      return res
        .writeHead(200, { 'Content-Type': 'text/html' })
        .end(error === null ? '<h1>Welcome</h1>' : '<h1>Pity</h1>')
    })().catch((failure: unknown) => {
      seen.errors.push(String(failure))
      res.writeHead(500).end(String(failure))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  redirectUri = `${url}/callback`
  return { url, redirectUri, seen, settings, close: () => server.close() }
}

eachDatabase((database) => {
  let world: OAuthWorld
  let browser: Browser
  let application: Awaited<ReturnType<typeof startApplication>>
  beforeAll(async () => {
    world = await openOAuthWorld(database)
    application = await startApplication()
    const app = await world.app({ name: 'Brow <b>ser</b>', redirectUris: [application.redirectUri] })
    const endpoint = await world.publisher.createWebhookEndpoint({
      body: { url: `${application.url}/webhooks`, applicationId: app.id, events: ['*'] },
    })
    Object.assign(application.settings, { app, issuer: world.url, secret: endpoint.secret })
    browser = await launchChromium()
  }, 120_000)
  afterAll(async () => {
    await browser?.close()
    application?.close()
  })

  describe('a merchant in a real browser', () => {
    it('signs in, chooses two locations and allows; the application gets its tokens and its events', async () => {
      // Without JavaScript, because the pages promise to need none.
      const context = await browser.newContext({ javaScriptEnabled: false })
      const page = await context.newPage()
      await page.goto(`${application.url}/install`)
      expect(await page.title()).toBe('Sign in – Stoa')
      await page.getByLabel('E-mail address').fill(world.world.user.email)
      await page.getByLabel('Password').fill('not the password')
      await page.getByRole('button', { name: 'Sign in' }).click()
      expect(await page.getByRole('alert').textContent()).toContain('do not match')
      await page.getByLabel('Password').fill(world.world.user.password)
      await page.getByRole('button', { name: 'Sign in' }).click()

      expect(await page.getByRole('heading', { level: 1 }).textContent()).toContain('Brow <b>ser</b> wants to work for')
      expect(await page.getByText('Take money from your wallet').count()).toBe(1)
      await page.getByLabel('In these locations').check()
      await page.getByLabel('Demo location North').check()
      await page.getByLabel('Demo location South').check()
      await page.getByRole('button', { name: 'Allow' }).click()
      expect(await page.getByRole('heading').textContent()).toBe('Welcome')

      const [north, south] = world.world.locations.map(({ id }) => id)
      expect(application.seen.errors).toEqual([])
      expect(application.seen.tokens[0]).toMatchObject({
        userType: 'Company',
        isBulkInstallation: true,
        approvedLocations: [north, south],
      })
      const enabled = () =>
        application.seen.events
          .filter(({ type, locationId }) => type === 'application-instance-enabled' && locationId)
          .map(({ locationId }) => locationId)
      await expect.poll(() => new Set(enabled()), { timeout: 20_000 }).toEqual(new Set([north, south]))
      const answer = await world.call('POST', '/oauth/locationToken', {
        token: String(application.seen.tokens[0]!.access_token),
        body: { companyId: world.world.organization.id, locationId: north },
      })
      expect(answer.status).toBe(200)
      await context.close()
    })

    it('comes back to the application when they cancel', async () => {
      const context = await browser.newContext()
      const page = await context.newPage()
      await page.goto(`${application.url}/install`)
      await page.getByLabel('E-mail address').fill(world.world.user.email)
      await page.getByLabel('Password').fill(world.world.user.password)
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByRole('button', { name: 'Cancel' }).click()
      expect(await page.getByRole('heading').textContent()).toBe('Pity')
      expect(application.seen.errors).toEqual(['access_denied'])
      await context.close()
    })

    it('cannot be shown the pages in a frame', async () => {
      const page = await browser.newPage()
      const refused: string[] = []
      page.on('console', (message) => refused.push(message.text()))
      await page.goto(`${application.url}/callback?error=none`)
      await page.setContent(`<iframe src="${application.url}/install"></iframe>`)
      await expect.poll(() => refused.join('\n'), { timeout: 10_000 }).toMatch(/frame-ancestors|X-Frame-Options/i)
      await page.close()
    })
  })
})

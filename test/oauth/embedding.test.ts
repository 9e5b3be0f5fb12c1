import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createHost, StoaError, type Host } from '@stoa/core'
import { createClient } from '@stoa/sdk'
import { seedDemoWorld, type DemoWorld } from '@stoa/core/testing'
import express from 'express'
import * as openid from 'openid-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { hiddenFields, openBrowser } from './browser.ts'
import { callback } from './world.ts'

eachDatabase((database) => {
  let host: Host
  let world: DemoWorld
  let server: Server
  let origin: string
  let client: { clientId: string; clientSecret: string }

  beforeAll(async () => {
    const { url } = await database.create()
    const app = express()
    // Parsers in front of the host, as embedders have them.
    app.use(express.json(), express.urlencoded({ extended: true }))
    server = createServer(app)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const baseUrl = `${origin}/marketplace`
    const pages = { accentColor: '#aa0033', logoUrl: 'https://cdn.example/logo.svg' }
    host = await createHost({
      database: url,
      secret: 'a secret that only tests know, 32+',
      mode: 'test',
      name: 'Ac&me',
      baseUrl,
      pages,
    })
    app.use('/marketplace', host.router)
    app.use(host.wellKnown)
    app.get('/mine', (req, res) => {
      host.services
        .authenticate({ headers: req.headers, method: req.method, url: `${origin}/mine` })
        .then((caller) => res.json({ kind: caller.kind, application: caller.application, tenant: caller.locationId }))
        .catch((error: unknown) => res.status(error instanceof StoaError ? error.status : 500).json({}))
    })
    world = await seedDemoWorld(host, { baseUrl })
    const publisher = createClient({ baseUrl, token: world.publisher.apiKey })
    const operator = createClient({ baseUrl, token: world.operator.apiKey })
    const redirectUri = callback
    const made = await publisher.createDeveloperApplication({ body: { name: 'Below a path', redirectUri } })
    client = { clientId: made.clientId, clientSecret: made.clientSecret ?? '' }
    const { application } = world
    const { logoId } = await publisher.getApplication({ params: { id: application.id } })
    const listing = { permissions: ['charges.readonly'], logoId, authorName: 'A', tagline: 't', description: 'd' }
    await publisher.patchApplication({ params: { id: made.id }, body: listing as never })
    await publisher.submitApplication({ params: { id: made.id }, body: {} })
    await operator.approveApplication({ params: { id: made.id }, body: {} })
  }, 120_000)
  afterAll(async () => {
    await new Promise((resolve) => {
      server.close(resolve)
      server.closeAllConnections()
    })
    await host.stop()
  })

  describe('a host below a path', () => {
    it('is found by a standard client, lets it in, and its tokens are known on the embedder’s own routes', async () => {
      const config = await openid.discovery(
        new URL(`${origin}/marketplace`),
        client.clientId,
        client.clientSecret,
        undefined,
        // eslint-disable-next-line @typescript-eslint/no-deprecated -- marked so that nobody uses it against a real server
        { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] },
      )
      const verifier = openid.randomPKCECodeVerifier()
      const url = openid.buildAuthorizationUrl(config, {
        redirect_uri: callback,
        scope: 'charges.readonly',
        state: 'here & now',
        code_challenge: await openid.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      })
      const browser = openBrowser(origin)
      let page = await browser.open(url.href)
      expect(page.text).toContain('<title>Sign in – Ac&amp;me</title>')
      expect(page.headers.get('content-security-policy')).toContain("img-src 'self' https://cdn.example;")
      expect((await browser.get(`${origin}/marketplace/oauth/pages.css`)).text).toContain('#aa0033')
      page = await browser.post(`${origin}/marketplace/oauth/sign-in`, {
        ...hiddenFields(page, '/oauth/sign-in'),
        ...world.user,
      })
      page = await browser.open(page.location ?? '')
      page = await browser.post(`${origin}/marketplace/oauth/consent`, {
        ...hiddenFields(page, '/oauth/consent'),
        decision: 'allow',
        target: 'locations',
        location: world.locations[0]!.id,
      })
      const tokens = await openid.authorizationCodeGrant(config, new URL(page.location ?? ''), {
        pkceCodeVerifier: verifier,
        expectedState: 'here & now',
      })
      const mine = (token: string) =>
        fetch(`${origin}/mine`, { headers: { authorization: `Bearer ${token}` } }).then(async (answer) => ({
          status: answer.status,
          body: (await answer.json()) as object,
        }))
      expect(await mine(tokens.access_token)).toMatchObject({
        status: 200,
        body: { kind: 'application', tenant: world.locations[0]!.id },
      })
      await openid.tokenRevocation(config, tokens.access_token)
      expect((await mine(tokens.access_token)).status).toBe(401)
    })

    it('says at a 401 where its metadata are, and serves them there and at the root', async () => {
      const refused = await fetch(`${origin}/marketplace/locations`)
      const [, address] = /resource_metadata="([^"]+)"/.exec(refused.headers.get('www-authenticate') ?? '') ?? []
      for (const url of [address!, `${origin}/.well-known/oauth-protected-resource/marketplace`]) {
        const metadata = (await (await fetch(url)).json()) as { resource: string; authorization_servers: string[] }
        expect(metadata.resource).toBe(`${origin}/marketplace`)
        expect(metadata.authorization_servers).toEqual([`${origin}/marketplace`])
      }
    })
  })
})

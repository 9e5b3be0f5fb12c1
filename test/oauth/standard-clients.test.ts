import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import type { Browser } from './browser.ts'
import { callback, openOAuthWorld, type App, type OAuthWorld } from './world.ts'

// oxlint-disable-next-line typescript/no-deprecated -- the hosts of tests are reached over http, on this machine
const insecure = { [oauth.allowInsecureRequests]: true }
const nativeCallback = 'http://127.0.0.1:53117/callback'
const insecureDiscovery = (): openid.DiscoveryRequestOptions => ({
  algorithm: 'oauth2',
  // oxlint-disable-next-line typescript/no-deprecated -- as above
  execute: [openid.allowInsecureRequests],
})
/** The status of a resource, and what it says of the token. */
async function resource(token: string, url: URL, options: oauth.ProtectedResourceRequestOptions = insecure) {
  try {
    const { status } = await oauth.protectedResourceRequest(token, 'GET', url, undefined, undefined, options)
    return { status, parameters: {} }
  } catch (error) {
    if (!(error instanceof oauth.WWWAuthenticateChallengeError)) throw error
    return { status: error.status, parameters: error.cause[0]!.parameters }
  }
}
const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'

interface Kind {
  method: string
  isProven: boolean
  redirectUri: string
  /** What the application is registered with, and how its client authenticates. */
  make(): Promise<{ members: object; authentication: (app: App) => oauth.ClientAuth }>
}

const withKey = (alg: string) => async () => {
  const { publicKey, privateKey } = await oauth.generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await crypto.subtle.exportKey('jwk', publicKey)), kid: 'first' }
  const members = { jwks: { keys: [jwk] } }
  return { members, authentication: () => oauth.PrivateKeyJwt({ key: privateKey, kid: 'first' }) }
}
const withSecret = (authentication: (secret: string) => oauth.ClientAuth) => () =>
  Promise.resolve({ members: {}, authentication: (app: App) => authentication(app.clientSecret) })
const without = (members: object) => () => Promise.resolve({ members, authentication: () => oauth.None() })

const confidential = { isProven: true, redirectUri: callback }
const kinds: Kind[] = [
  { method: 'client_secret_basic', ...confidential, make: withSecret(oauth.ClientSecretBasic) },
  { method: 'client_secret_post', ...confidential, make: withSecret(oauth.ClientSecretPost) },
  { method: 'private_key_jwt with ES256', ...confidential, make: withKey('ES256') },
  { method: 'private_key_jwt with RS256', ...confidential, make: withKey('RS256') },
  { method: 'none, public', isProven: false, redirectUri: callback, make: without({ clientType: 'public' }) },
  {
    method: 'none, native',
    isProven: false,
    redirectUri: nativeCallback,
    make: without({ clientType: 'native', redirectUris: ['http://127.0.0.1/callback'] }),
  },
]

eachDatabase((database) => {
  let world: OAuthWorld
  let browser: Browser
  let api: URL
  beforeAll(async () => {
    world = await openOAuthWorld(database)
    browser = await world.signedIn()
    api = new URL('/marketplace/billing/charges/has-funds', world.url)
  })

  /** The person opens the address that the client made, and allows all locations. Answers where the browser was sent. */
  async function allow(address: URL, form: Record<string, string> = { target: 'all' }): Promise<URL> {
    const page = await browser.open(address.href)
    if (!page.text.includes('decision')) throw new Error(`No consent page: ${page.location} ${page.text.slice(-300)}`)
    const { location, text } = await world.decide(browser, page, form)
    if (location === null) throw new Error(text)
    return new URL(location)
  }

  describe('oauth4webapi', () => {
    let server: oauth.AuthorizationServer
    beforeAll(async () => {
      const found = await oauth.discoveryRequest(new URL(world.url), { algorithm: 'oauth2', ...insecure })
      server = await oauth.processDiscoveryResponse(new URL(world.url), found)
    })

    it('finds the way from a 401 alone', async () => {
      const { status, parameters } = await resource('nothing', api)
      expect([status, parameters]).toEqual([
        401,
        { error: 'invalid_token', resource_metadata: `${world.url}/.well-known/oauth-protected-resource` },
      ])
      const identifier = new URL(world.url)
      const found = await oauth.resourceDiscoveryRequest(identifier, insecure)
      expect(found.url).toBe(parameters.resource_metadata)
      const { authorization_servers: [issuer] = [] } = await oauth.processResourceDiscoveryResponse(identifier, found)
      const described = await oauth.discoveryRequest(new URL(issuer!), { algorithm: 'oauth2', ...insecure })
      expect(await oauth.processDiscoveryResponse(new URL(issuer!), described)).toEqual(server)
    })

    it.each(kinds)('completes every flow as a client of $method', async ({ isProven, redirectUri, make }) => {
      const { members, authentication } = await make()
      const app = await world.app(members as Record<string, unknown>)
      const client = { client_id: app.clientId }
      const proven = authentication(app)
      const verifier = oauth.generateRandomCodeVerifier()
      const state = oauth.generateRandomState()
      const asked = {
        response_type: 'code',
        redirect_uri: redirectUri,
        state,
        scope: 'charges.readonly oauth.write',
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      }
      const pushed = await oauth.processPushedAuthorizationResponse(
        server,
        client,
        await oauth.pushedAuthorizationRequest(server, client, proven, asked, insecure),
      )
      const address = new URL(server.authorization_endpoint!)
      address.search = new URLSearchParams({ ...client, request_uri: pushed.request_uri }).toString()
      const returned = await allow(address)
      expect(returned.href.startsWith(`${redirectUri}?`)).toBe(true)
      const checked = oauth.validateAuthResponse(server, client, returned, state)
      const company = await oauth.processAuthorizationCodeResponse(
        server,
        client,
        await oauth.authorizationCodeGrantRequest(server, client, proven, checked, redirectUri, verifier, insecure),
      )
      expect(company).toMatchObject({ token_type: 'bearer', scope: asked.scope, userType: 'Company' })

      const refreshed = await oauth.processRefreshTokenResponse(
        server,
        client,
        await oauth.refreshTokenGrantRequest(server, client, proven, company.refresh_token!, insecure),
      )
      expect(refreshed.refresh_token).not.toBe(company.refresh_token)

      const locationId = world.world.locations[1]!.id
      const form = {
        subject_token: refreshed.access_token,
        subject_token_type: accessTokenType,
        location_id: locationId,
      }
      const location = await oauth.processGenericTokenEndpointResponse(
        server,
        client,
        await oauth.genericTokenEndpointRequest(server, client, proven, exchange, form, insecure),
      )
      expect(location).toMatchObject({ issued_token_type: accessTokenType, userType: 'Location', locationId })
      const use = () => resource(location.access_token, api)
      expect((await use()).status).toBe(200)

      if (isProven) {
        const facts = await oauth.processIntrospectionResponse(
          server,
          client,
          await oauth.introspectionRequest(server, client, proven, location.access_token, insecure),
        )
        expect(facts).toMatchObject({ active: true, client_id: app.clientId, iss: world.url, locationId })
        const own = await oauth.processClientCredentialsResponse(
          server,
          client,
          await oauth.clientCredentialsGrantRequest(server, client, proven, {}, insecure),
        )
        expect(own).toMatchObject({ token_type: 'bearer', userType: 'Application' })
        expect(own).not.toHaveProperty('refresh_token')
      }

      const revocation = oauth.revocationRequest(server, client, proven, location.access_token, insecure)
      await oauth.processRevocationResponse(await revocation)
      expect((await use()).status).toBe(401)
    })

    it('binds everything to its key by DPoP', async () => {
      const app = await world.app({ requiresDpop: true })
      const client = { client_id: app.clientId }
      const proven = oauth.ClientSecretBasic(app.clientSecret)
      const keys = await oauth.generateKeyPair('ES256')
      const options = { DPoP: oauth.DPoP({}, keys), ...insecure }
      const verifier = oauth.generateRandomCodeVerifier()
      const asked = {
        response_type: 'code',
        redirect_uri: callback,
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      }
      const pushed = await oauth.processPushedAuthorizationResponse(
        server,
        client,
        await oauth.pushedAuthorizationRequest(server, client, proven, asked, options),
      )
      const address = new URL(server.authorization_endpoint!)
      address.search = new URLSearchParams({ ...client, request_uri: pushed.request_uri }).toString()
      const checked = oauth.validateAuthResponse(server, client, await allow(address, {}))
      const tokens = await oauth.processAuthorizationCodeResponse(
        server,
        client,
        await oauth.authorizationCodeGrantRequest(server, client, proven, checked, callback, verifier, options),
      )
      expect(tokens.token_type).toBe('dpop')
      const refreshed = await oauth.processRefreshTokenResponse(
        server,
        client,
        await oauth.refreshTokenGrantRequest(server, client, proven, tokens.refresh_token!, options),
      )
      expect(refreshed.token_type).toBe('dpop')
      const use = (given: oauth.ProtectedResourceRequestOptions) => resource(refreshed.access_token, api, given)
      expect((await use(options)).status).toBe(200)
      expect((await use(insecure)).status).toBe(401)
      const own = await oauth.processClientCredentialsResponse(
        server,
        client,
        await oauth.clientCredentialsGrantRequest(server, client, proven, {}, options),
      )
      expect(own.token_type).toBe('dpop')
      // RFC 7009 knows no proof: whoever has a token may end it.
      await oauth.processRevocationResponse(
        await oauth.revocationRequest(server, client, proven, refreshed.access_token, insecure),
      )
      expect((await use(options)).status).toBe(401)
    })

    it('refuses an answer that another server might have made', async () => {
      const app = await world.app()
      const back = await world.authorize(app, {
        browser,
        parameters: { code_challenge: await oauth.calculatePKCECodeChallenge('x'), code_challenge_method: 'S256' },
      })
      const other = { ...server, issuer: 'https://other.example' }
      const client = { client_id: app.clientId }
      expect(() => oauth.validateAuthResponse(other, client, back)).toThrow(/iss/)
      back.delete('iss')
      expect(() => oauth.validateAuthResponse(server, client, back)).toThrow(/iss/)
    })

    it('hears of a refusal with the issuer in it', async () => {
      const app = await world.app()
      const address = new URL(world.authorizeUrl(app, { state: 'kept' }))
      const { location } = await browser.get(address.href)
      expect(() => oauth.validateAuthResponse(server, { client_id: app.clientId }, new URL(location!), 'kept')).toThrow(
        oauth.AuthorizationResponseError,
      )
    })
  })

  describe('openid-client', () => {
    it.each(kinds)('completes every flow as a client of $method', async ({ isProven, redirectUri, make }) => {
      const { members, authentication } = await make()
      const app = await world.app(members as Record<string, unknown>)
      const options = insecureDiscovery()
      const proven = authentication(app)
      // oxlint-disable-next-line typescript/no-misused-promises -- it takes promises, as its type does not say
      const config = await openid.discovery(new URL(world.url), app.clientId, undefined, proven, options)
      const verifier = openid.randomPKCECodeVerifier()
      const asked = {
        redirect_uri: redirectUri,
        scope: 'charges.readonly oauth.write',
        code_challenge: await openid.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        state: 'a state',
      }
      const checks = { pkceCodeVerifier: verifier, expectedState: 'a state' }
      const plain = await allow(openid.buildAuthorizationUrl(config, asked))
      const company = await openid.authorizationCodeGrant(config, plain, checks)
      expect(company['userType']).toBe('Company')
      const pushed = await allow(await openid.buildAuthorizationUrlWithPAR(config, asked))
      expect((await openid.authorizationCodeGrant(config, pushed, checks)).access_token).toMatch(/^stoa_at_/)

      const refreshed = await openid.refreshTokenGrant(config, company.refresh_token!)
      const location = await openid.genericGrantRequest(config, exchange, {
        subject_token: refreshed.access_token,
        subject_token_type: accessTokenType,
        location_id: world.world.locations[0]!.id,
      })
      const use = () => openid.fetchProtectedResource(config, location.access_token, api, 'GET')
      expect((await use()).status).toBe(200)
      if (isProven) {
        expect(await openid.tokenIntrospection(config, location.access_token)).toMatchObject({ active: true })
        expect((await openid.clientCredentialsGrant(config)).access_token).toMatch(/^stoa_at_/)
      }
      await openid.tokenRevocation(config, refreshed.refresh_token!)
      await expect(openid.refreshTokenGrant(config, refreshed.refresh_token!)).rejects.toMatchObject({
        error: 'invalid_grant',
      })
      await openid.tokenRevocation(config, location.access_token)
      await expect(use()).rejects.toThrow()
    })

    it('binds a public client to its key by DPoP, through the code as well', async () => {
      const app = await world.app({ clientType: 'public' })
      const options = insecureDiscovery()
      const config = await openid.discovery(new URL(world.url), app.clientId, undefined, openid.None(), options)
      const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair())
      const stolen = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair())
      const verifier = openid.randomPKCECodeVerifier()
      const asked = {
        redirect_uri: callback,
        code_challenge: await openid.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        dpop_jkt: await DPoP.calculateThumbprint(),
      }
      const returned = await allow(openid.buildAuthorizationUrl(config, asked), {})
      const checks = { pkceCodeVerifier: verifier }
      const redeem = (handle: typeof DPoP) =>
        openid.authorizationCodeGrant(config, returned, checks, undefined, { DPoP: handle })
      await expect(redeem(stolen)).rejects.toMatchObject({ error: 'invalid_dpop_proof' })
      const tokens = await redeem(DPoP)
      await expect(openid.refreshTokenGrant(config, tokens.refresh_token!, {}, { DPoP: stolen })).rejects.toMatchObject(
        { error: 'invalid_dpop_proof' },
      )
      const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token!, {}, { DPoP })
      const found = await openid.fetchProtectedResource(config, refreshed.access_token, api, 'GET', null, undefined, {
        DPoP,
      })
      expect(found.status).toBe(200)
    })
  })
})

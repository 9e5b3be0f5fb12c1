import { createLocalJWKSet, decodeProtectedHeader, jwtVerify, SignJWT, type JSONWebKeySet } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { call } from '../support/host.ts'
import { movableClock } from './clock.ts'
import { jwt } from './keys.ts'
import { anotherHost, hostSecret, sharedDatabase } from './two-hosts.ts'
import { clientForm, openOAuthWorld, type App, type OAuthWorld } from './world.ts'

eachDatabase((database) => {
  const time = movableClock()
  let world: OAuthWorld
  let app: App
  let session: string
  let databaseUrl: string
  let place: { organizationId: string; locationId: string }
  beforeAll(async () => {
    const shared = await sharedDatabase(database)
    databaseUrl = shared.url
    world = await openOAuthWorld(shared.database, { clock: time.clock })
    const { organization, locations, user } = world.world
    place = { organizationId: organization.id, locationId: locations[0]!.id }
    app = await world.app()
    await world.tokens(app)
    session = (await world.call('POST', '/sessions', { body: user })).body.token as string
  })

  const path = (id = app.id, at = place) =>
    `/organizations/${at.organizationId}/locations/${at.locationId}/application-instances/${id}/context-token`
  const create = (token = session, at = path()) => world.call('POST', at, { token })
  const keysOf = async (url: string) => createLocalJWKSet((await call(url, 'GET', '/oauth/jwks')).body as JSONWebKeySet)
  const expected = () => ({
    issuer: world.url,
    audience: app.clientId,
    typ: 'context+jwt',
    algorithms: ['ES256'],
    currentDate: time.clock.now(),
  })

  describe('a context token', () => {
    it('is verified by the host’s public keys alone, and says who looks at what', async () => {
      const { status, body } = await create()
      expect(status).toBe(200)
      const { payload, protectedHeader } = await jwtVerify(body.token, await keysOf(world.url), expected())
      const { organizationId: companyId, locationId } = place
      expect(payload).toMatchObject({ companyId, locationId, role: 'owner', environment: 'production' })
      expect(payload.sub).toBe('usr_demo_merchant')
      expect(payload.exp! - payload.iat!).toBe(60)
      expect(body.expiresTime).toBe(new Date(payload.exp! * 1000).toISOString())
      expect(protectedHeader.kid).toEqual(expect.any(String))
      const { body: again } = await create()
      expect(again.token).not.toBe(body.token)
    })

    it('is for its application, and for a minute', async () => {
      const { body } = await create()
      const keys = await keysOf(world.url)
      const verify = (changes: object) => jwtVerify(body.token, keys, { ...expected(), ...changes })
      const other = await world.app()
      await expect(verify({ audience: other.clientId })).rejects.toMatchObject({ claim: 'aud' })
      await expect(verify({ issuer: 'https://other.example' })).rejects.toMatchObject({ claim: 'iss' })
      await expect(verify({ typ: 'session+jwt' })).rejects.toMatchObject({ claim: 'typ' })
      const later = new Date(time.clock.now().getTime() + 61_000)
      await expect(verify({ currentDate: later })).rejects.toMatchObject({ code: 'ERR_JWT_EXPIRED' })
      const [header, claims, signature] = (body.token as string).split('.') as [string, string, string]
      const forged = Buffer.from(claims, 'base64url').toString().replace('"owner"', '"operator"')
      const changed = `${header}.${Buffer.from(forged).toString('base64url')}.${signature}`
      await expect(jwtVerify(changed, keys, expected())).rejects.toMatchObject({
        code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
      })
    })

    it('opens nothing here: neither as a session, nor as a token, an assertion or a ticket', async () => {
      const { token } = (await create()).body as { token: string }
      const credentials: Record<string, string>[] = [{ Authorization: `Bearer ${token}` }, { 'X-API-Key': token }]
      for (const headers of credentials) {
        const answer = await world.call('GET', '/users/me', { headers })
        expect([answer.status, answer.body.code]).toEqual([401, 'invalid_token'])
      }
      const cookie = { Cookie: `stoa_browser=x; stoa_session=${token}` }
      expect((await world.call('GET', `/oauth/consent?ticket=${token}`, { headers: cookie })).status).toBe(400)
      const introspection = await world.post('/oauth/introspect', { token, ...clientForm(app) })
      expect(introspection.body).toEqual({ active: false })
      const exchange = await world.token({
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        location_id: place.locationId,
        ...clientForm(app),
      })
      expect([exchange.status, exchange.body.error]).toEqual([400, 'invalid_request'])
    })

    it('cannot be made without the host’s key', async () => {
      const { token } = (await create()).body as { token: string }
      const { kid } = decodeProtectedHeader(token)
      const claims = { sub: 'usr_demo_merchant', aud: app.clientId, iss: world.url, exp: time.seconds() + 60 }
      const keys = await keysOf(world.url)
      await expect(jwtVerify(jwt({ typ: 'context+jwt', kid }, claims, null), keys)).rejects.toThrow()
      const shared = new SignJWT(claims).setProtectedHeader({ alg: 'HS256', typ: 'context+jwt', kid: kid! })
      await expect(jwtVerify(await shared.sign(Buffer.from(hostSecret)), keys)).rejects.toThrow()
    })

    it('is for people who are signed in, about what is installed and on', async () => {
      const { apiKey } = world.world.organization
      expect((await create(apiKey)).body.code).toBe('caller_not_allowed')
      expect((await world.call('POST', path())).status).toBe(401)
      const other = await world.app()
      expect((await create(session, path(other.id))).status).toBe(404)
      expect((await create(session, path('app_unknown'))).status).toBe(404)
      await world.tokens(other)
      const instance = path(other.id).replace('/context-token', '')
      await world.call('POST', `${instance}/disable`, { token: apiKey, body: {} })
      expect((await create(session, path(other.id))).body.code).toBe('not_installed')
    })

    it('is not for somebody of another organization', async () => {
      const { services } = world.host
      const password = 'correct horse battery'
      const stranger = await services.createUser({ email: 'stranger@stoa.test', name: 'Stranger', password })
      await services.createOrganization(stranger.id, { name: 'Elsewhere' })
      const { token } = (await world.call('POST', '/sessions', { body: { email: 'stranger@stoa.test', password } }))
        .body
      expect((await create(token)).status).toBe(404)
    })

    it('of before the host’s secret was replaced verifies by the keys of after', async () => {
      const { token } = (await create()).body as { token: string }
      const next = { secret: 'another secret that tests know, 32+', previousSecrets: [hostSecret] }
      const second = await anotherHost({ database: databaseUrl, baseUrl: world.url, clock: time.clock, ...next })
      const keys = await keysOf(second.url)
      expect((await jwtVerify(token, keys, expected())).payload.sub).toBe('usr_demo_merchant')
      const fresh = (await call(second.url, 'POST', path(), { token: session })).body as { token: string }
      expect(decodeProtectedHeader(fresh.token).kid).not.toBe(decodeProtectedHeader(token).kid)
      expect((await jwtVerify(fresh.token, keys, expected())).payload.sub).toBe('usr_demo_merchant')
      await expect(jwtVerify(fresh.token, await keysOf(world.url), expected())).rejects.toThrow()
    })

    it('gives nothing of the private keys away', async () => {
      const { keys } = (await world.call('GET', '/oauth/jwks')).body as JSONWebKeySet
      for (const key of keys) expect(Object.keys(key)).not.toContain('d')
    })
  })
})

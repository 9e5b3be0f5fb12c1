import { generateKeyPairSync } from 'node:crypto'
import { createHost } from '@stoa/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { isSeenFirst } from '../../core/src/access/index.ts'
import { openDatabase } from '../../core/src/database/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { assertionForm, dpopProof, newKey, type Key } from './keys.ts'
import { hostSecret, sharedDatabase } from './two-hosts.ts'
import { callback, clientForm, openOAuthWorld, pkce, type OAuthWorld } from './world.ts'

eachDatabase((database) => {
  let world: OAuthWorld
  beforeAll(async () => {
    world = await openOAuthWorld(database)
  })

  describe('who is anonymous', () => {
    it('can ask the token endpoint and the pages so often and no more, and metadata too', async () => {
      const narrow = await openOAuthWorld(database, { rateLimit: { anonymousRequests: 3 } })
      const ask = () => narrow.token({ grant_type: 'client_credentials', client_id: 'nobody', client_secret: 'x' })
      for (const _ of [1, 2, 3]) expect((await ask()).status).toBe(401)
      const { status, body, headers } = await ask()
      expect([status, body.error, headers.get('retry-after')]).toEqual([
        429,
        'temporarily_unavailable',
        expect.any(String),
      ])
      const page = await narrow.call('GET', '/oauth/authorize')
      expect([page.status, page.headers.get('content-type')]).toEqual([429, 'text/html; charset=utf-8'])
      // Who has a credential is counted by it.
      const locations = await narrow.call('GET', '/locations', { token: narrow.world.organization.apiKey })
      expect(locations.status).toBe(200)
    })
  })

  describe('a DPoP key', () => {
    const rsa = (modulusLength: number, publicExponent = 0x10001): Key => {
      const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength, publicExponent })
      const jwk = publicKey.export({ format: 'jwk' }) as Record<string, string>
      return { alg: 'RS256', privateKey, jwk: { ...jwk, kid: 'x' }, thumbprint: '' }
    }

    it.each([
      ['of 1024 bits', rsa(1024)],
      ['of 4608 bits', rsa(4608)],
      ['with another exponent', rsa(2048, 3)],
    ])('%s is refused before anything is verified with it', async (_, key) => {
      const app = await world.app()
      const proof = dpopProof(key, { method: 'POST', url: `${world.url}/oauth/token` })
      const form = { grant_type: 'client_credentials', ...clientForm(app) }
      const { status, body } = await world.token(form, { DPoP: proof })
      expect([status, body.error]).toEqual([400, 'invalid_dpop_proof'])
      expect(body.error_description).toContain('2048 to 4096 bits')
    })
  })

  describe('a key that is no longer registered', () => {
    it('takes along the tokens that were got with it, and none of another key', async () => {
      const [kept, removed] = [newKey('ES256', 'kept'), newKey('ES256', 'removed')]
      const app = await world.app({ jwks: { keys: [kept.jwk, removed.jwk] } })
      const tokenBy = async (key: Key) => {
        const form = assertionForm(key, { clientId: app.clientId, audience: world.url })
        return (await world.token({ grant_type: 'client_credentials', ...form })).body.access_token as string
      }
      const [good, bad] = [await tokenBy(kept), await tokenBy(removed)]
      const use = async (token: string) => (await world.call('GET', '/developers/webhooks/endpoints', { token })).status
      expect([await use(good), await use(bad)]).toEqual([200, 200])
      await world.publisher.updateDeveloperApplication({ params: { id: app.id }, body: { jwks: { keys: [kept.jwk] } } })
      expect([await use(good), await use(bad)]).toEqual([200, 401])
    })
  })

  describe('an application that always binds its tokens', () => {
    it('is given none that is not bound, neither with events nor on asking', async () => {
      const app = await world.app({ requiresDpop: true })
      const [location] = world.world.locations
      await world.merchantAt(location!.id).putApplicationInstance({ params: { applicationId: app.id } })
      const instance = await world.publisher.getApplicationInstanceByOrganization({
        params: { id: app.id, organizationId: location!.id },
      })
      expect(instance).not.toHaveProperty('token')
    })
  })

  describe('a code without PKCE', () => {
    const without = (app: { clientId: string; clientSecret: string }, code: string | null) =>
      world.token({
        grant_type: 'authorization_code',
        code: code ?? '',
        client_id: app.clientId,
        client_secret: app.clientSecret,
      })

    it('needs its redirect_uri, unless the application has one alone', async () => {
      const one = await world.app({ requiresPkce: false })
      expect((await without(one, (await world.authorize(one)).get('code'))).status).toBe(200)
      const two = await world.app({ requiresPkce: false, redirectUris: [callback, `${callback}/2`] })
      expect((await without(two, (await world.authorize(two)).get('code'))).body.error).toBe('invalid_grant')
    })
  })

  describe('state', () => {
    it('of more than 2000 characters is refused, and not sent back', async () => {
      const app = await world.app()
      const { challenge } = pkce()
      const usual = { code_challenge: challenge, code_challenge_method: 'S256' }
      const ask = (state: string) =>
        world.call('GET', new URL(world.authorizeUrl(app, { ...usual, state })).href.slice(world.url.length))
      expect((await ask('x'.repeat(2000))).headers.get('location')).toContain('/oauth/consent?')
      const { searchParams } = new URL((await ask('x'.repeat(2001))).headers.get('location') ?? '')
      expect([searchParams.get('error'), searchParams.get('state')]).toEqual(['invalid_request', null])
    })
  })

  describe('what has ended', () => {
    it('is removed however much it is', async () => {
      const shared = await sharedDatabase(database)
      await openOAuthWorld(shared.database)
      const { knex: db, close } = await openDatabase(shared.url)
      const expiresTime = new Date(Date.now() - 1000).toISOString()
      await db.transaction(async (trx) => {
        for (let n = 0; n < 2100; n++) await isSeenFirst(trx, { purpose: 'test', id: String(n), expiresTime })
      })
      const silent = { debug() {}, info() {}, warn() {}, error() {} }
      const host = await createHost({ secret: hostSecret, mode: 'test', database: shared.url, logger: silent })
      host.start()
      await host.stop()
      expect(await db('stoa_seen_ids').where('expires_time', '<', new Date().toISOString())).toEqual([])
      await close()
    })
  })
})

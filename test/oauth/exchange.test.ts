import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import type { Browser } from './browser.ts'
import { movableClock } from './clock.ts'
import { callback, clientForm, openOAuthWorld, pkce, type App, type OAuthWorld } from './world.ts'

const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'
const grant_type = 'urn:ietf:params:oauth:grant-type:token-exchange'

eachDatabase((database) => {
  const time = movableClock()
  let world: OAuthWorld
  let browser: Browser
  let app: App
  let location_id: string
  beforeAll(async () => {
    world = await openOAuthWorld(database, { clock: time.clock })
    browser = await world.signedIn()
    app = await world.app()
    location_id = world.world.locations[0]!.id
  })

  const all = { target: 'all' }
  const company = async (client = app) => (await world.tokens(client, { browser, form: all })).body
  const exchange = (subject_token: string, client = app, more: Record<string, string | undefined> = {}) =>
    world.token({
      grant_type,
      subject_token,
      subject_token_type: accessTokenType,
      location_id,
      ...clientForm(client),
      ...more,
    })
  const byHighLevel = (token: string, locationId = location_id) => {
    const body = { companyId: world.world.organization.id, locationId }
    return world.call('POST', '/oauth/locationToken', { token, body })
  }
  const works = async (token: string) =>
    (await world.call('GET', '/marketplace/billing/charges/has-funds', { token })).status === 200

  describe('an exchange', () => {
    it('is for the client whose token it is', async () => {
      const { access_token: token } = await company()
      const stolen = await exchange(token, await world.app())
      expect([stolen.status, stolen.body.error]).toEqual([400, 'invalid_request'])
      const wrong = await exchange(token, { ...app, clientSecret: 'wrong' })
      expect(wrong.status).toBe(401)
      expect((await exchange(token)).status).toBe(200)
    })

    it('is of a living access token of an organization, and nothing else', async () => {
      const tokens = await company()
      const location = (await exchange(tokens.access_token)).body
      const own = (await world.token({ grant_type: 'client_credentials', ...clientForm(app) })).body
      const { organization } = world.world
      const wrong = [
        location.access_token,
        tokens.refresh_token,
        own.access_token,
        organization.apiKey,
        '',
        'x',
        '\u00e9',
      ]
      for (const subject of wrong) {
        const { status, body } = await exchange(subject)
        expect([status, body.error]).toEqual([400, 'invalid_request'])
      }
      for (const more of [
        { subject_token_type: undefined },
        { subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' },
        { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
        { actor_token: tokens.access_token },
        { location_id: undefined },
      ]) {
        const { status, body } = await exchange(tokens.access_token, app, more)
        expect([status, body.error]).toEqual([400, 'invalid_request'])
      }
      await world.post('/oauth/revoke', { token: tokens.access_token, ...clientForm(app) })
      expect((await exchange(tokens.access_token)).body.error).toBe('invalid_request')
    })

    it('is for a location of the organization in which the application is', async () => {
      const one = await world.app()
      const form = { target: 'locations', location: world.world.locations.map(({ id }) => id) }
      const { access_token: token } = (await world.tokens(one, { browser, form })).body
      const { id: empty } = await world.merchant.createLocation({ body: { name: `Without ${one.id}` } })
      const owner = await world.host.services.createUser({ email: `${one.id}@stoa.test`, name: 'Owner' })
      const { id: elsewhere } = await world.host.services.createOrganization(owner.id, { name: 'Elsewhere' })
      const { id: foreign } = await world.host.services.createLocation(elsewhere, { name: 'Foreign' })
      for (const target of [foreign, 'loc_unknown']) {
        const { status, body } = await exchange(token, one, { location_id: target })
        expect([status, body.error]).toEqual([400, 'invalid_target'])
        expect((await byHighLevel(token, target)).status).toBe(404)
      }
      const without = await exchange(token, one, { location_id: empty })
      expect([without.status, without.body.error]).toEqual([400, 'invalid_target'])
      expect((await byHighLevel(token, empty)).body.code).toBe('not_installed')
      expect((await exchange(token, one)).status).toBe(200)
    })
  })

  describe('the token of an organization', () => {
    it('says which of the chosen locations have the application still', async () => {
      const one = await world.app()
      const location = world.world.locations.map(({ id }) => id).sort()
      const { body } = await world.tokens(one, { browser, form: { target: 'locations', location } })
      expect(body.approvedLocations).toEqual(location)
      const gone = `/organizations/${world.world.organization.id}/locations/${location[0]}/application-instances/${one.id}`
      const { status } = await world.call('DELETE', gone, { token: world.world.organization.apiKey })
      expect(status).toBe(204)
      const refreshed = await world.refresh(one, body.refresh_token)
      expect(refreshed.body.approvedLocations).toEqual(location.slice(1))
    })
  })

  describe('what an exchange gives', () => {
    it('is no wider than the token it was given for', async () => {
      const whole = await company()
      const scope = 'charges.readonly oauth.write'
      const narrow = (await world.refresh(app, whole.refresh_token, { scope })).body
      expect(narrow.scope).toBe(scope)
      for (const answer of [await exchange(narrow.access_token), await byHighLevel(narrow.access_token)]) {
        expect([answer.status, answer.body.scope]).toEqual([200, scope])
        const refreshed = await world.refresh(app, answer.body.refresh_token)
        expect(refreshed.body.scope).toBe(scope)
      }
    })

    it('may be narrower still, and not wider, when the client says so', async () => {
      const { access_token: token } = await company()
      const narrow = await exchange(token, app, { scope: 'charges.readonly' })
      expect([narrow.status, narrow.body.scope]).toEqual([200, 'charges.readonly'])
      const wide = await exchange(token, app, { scope: 'charges.readonly customers:delete' })
      expect([wide.status, wide.body.error]).toEqual([400, 'invalid_scope'])
    })

    it.each(['a replayed code', 'a reused refresh token', 'a revoked refresh token'])(
      'ends with the authorization it came of: %s',
      async (how) => {
        const { verifier, challenge } = pkce()
        const parameters = { code_challenge: challenge, code_challenge_method: 'S256' }
        const back = await world.authorize(app, { browser, parameters, form: all })
        const form = { grant_type: 'authorization_code', code: back.get('code')!, code_verifier: verifier }
        const redeem = () => world.token({ ...form, redirect_uri: callback, ...clientForm(app) })
        const tokens = (await redeem()).body
        const other = await company()
        const location = (await exchange(tokens.access_token)).body
        const next = (await world.refresh(app, location.refresh_token)).body
        expect(await works(next.access_token)).toBe(true)
        if (how === 'a replayed code') await redeem()
        else if (how === 'a revoked refresh token') {
          await world.post('/oauth/revoke', { token: tokens.refresh_token, ...clientForm(app) })
        } else {
          await world.refresh(app, tokens.refresh_token)
          time.advance(31)
          await world.refresh(app, tokens.refresh_token)
        }
        expect([await works(location.access_token), await works(next.access_token)]).toEqual([false, false])
        expect((await world.refresh(app, next.refresh_token)).body.error).toBe('invalid_grant')
        // The other authorization of the same installation is nobody's loot.
        expect(await works((await exchange(other.access_token)).body.access_token)).toBe(true)
      },
    )

    it('ends alone when it is revoked itself', async () => {
      const tokens = await company()
      const [one, two] = [(await exchange(tokens.access_token)).body, (await exchange(tokens.access_token)).body]
      await world.post('/oauth/revoke', { token: one.refresh_token, ...clientForm(app) })
      expect([await works(one.access_token), await works(two.access_token)]).toEqual([false, true])
      expect((await exchange(tokens.access_token)).status).toBe(200)
    })
  })
})

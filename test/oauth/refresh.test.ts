import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import type { Browser } from './browser.ts'
import { movableClock } from './clock.ts'
import { openOAuthWorld, type App, type OAuthWorld } from './world.ts'

eachDatabase((database) => {
  const time = movableClock()
  let world: OAuthWorld
  let browser: Browser
  let app: App
  beforeAll(async () => {
    world = await openOAuthWorld(database, { clock: time.clock })
    browser = await world.signedIn()
    app = await world.app()
  })

  const authorized = async (client = app) => (await world.tokens(client, { browser })).body
  const funds = (token: string) => world.call('GET', '/marketplace/billing/charges/has-funds', { token })
  const works = async (token: string) => (await funds(token)).status === 200
  const refused = async (answer: ReturnType<OAuthWorld['refresh']>) => {
    const { status, body } = await answer
    return [status, body.error]
  }
  const invalid = [400, 'invalid_grant']

  describe('a refresh', () => {
    it('gives a new access token and a new refresh token, of the same authorization', async () => {
      const first = await authorized()
      const { status, body, headers } = await world.refresh(app, first.refresh_token)
      expect([status, headers.get('cache-control')]).toEqual([200, 'no-store'])
      expect(body.refresh_token).not.toBe(first.refresh_token)
      expect(body).toMatchObject({
        refreshTokenId: first.refreshTokenId,
        scope: first.scope,
        locationId: first.locationId,
      })
      expect([await works(first.access_token), await works(body.access_token)]).toEqual([true, true])
    })

    it('gives the same successor to all who ask at once, and each an access token that works', async () => {
      const first = await authorized()
      const answers = await Promise.all(Array.from({ length: 8 }, () => world.refresh(app, first.refresh_token)))
      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200))
      expect(new Set(answers.map(({ body }) => body.refresh_token as string)).size).toBe(1)
      for (const { body } of answers) expect(await works(body.access_token)).toBe(true)
    })

    it('gives the same successor again to a client that lost the answer', async () => {
      const first = await authorized()
      const lost = (await world.refresh(app, first.refresh_token)).body
      time.advance(29)
      const again = (await world.refresh(app, first.refresh_token)).body
      expect(again.refresh_token).toBe(lost.refresh_token)
      expect(await works(again.access_token)).toBe(true)
      expect((await world.refresh(app, again.refresh_token)).status).toBe(200)
    })

    it('may narrow the scope of the access token, and does not narrow the authorization', async () => {
      const first = await authorized()
      const narrow = await world.refresh(app, first.refresh_token, { scope: 'charges.readonly' })
      expect(narrow.body.scope).toBe('charges.readonly')
      expect(await works(narrow.body.access_token)).toBe(true)
      const lists = await world.call('GET', `/oauth/installedLocations`, { token: narrow.body.access_token })
      expect(lists.status).toBe(403)
      const whole = await world.refresh(app, narrow.body.refresh_token)
      expect(whole.body.scope).toBe(first.scope)
    })

    it('may not widen it, and is not used up by trying', async () => {
      const part = await world.tokens(app, { browser, parameters: { scope: 'charges.readonly' } })
      expect(part.body.scope).toBe('charges.readonly')
      for (const scope of ['charges.readonly charges.write', 'customers:delete', 'nonsense', '*']) {
        const answer = await refused(world.refresh(app, part.body.refresh_token, { scope }))
        expect([scope, ...answer]).toEqual([scope, 400, 'invalid_scope'])
      }
      expect((await world.refresh(app, part.body.refresh_token)).body.scope).toBe('charges.readonly')
    })
  })

  describe('a refresh token that was used', () => {
    it('ends the whole authorization when it comes after the window', async () => {
      const first = await authorized()
      const second = (await world.refresh(app, first.refresh_token)).body
      time.advance(31)
      expect(await refused(world.refresh(app, first.refresh_token))).toEqual(invalid)
      expect([await works(first.access_token), await works(second.access_token)]).toEqual([false, false])
      expect(await refused(world.refresh(app, second.refresh_token))).toEqual(invalid)
    })

    it('ends it inside the window, too, once its successor was used', async () => {
      const first = await authorized()
      const second = (await world.refresh(app, first.refresh_token)).body
      const third = (await world.refresh(app, second.refresh_token)).body
      expect(await refused(world.refresh(app, first.refresh_token))).toEqual(invalid)
      expect(await works(third.access_token)).toBe(false)
      expect(await refused(world.refresh(app, third.refresh_token))).toEqual(invalid)
    })

    it('ends no other authorization of the same installation', async () => {
      const [one, two] = [await authorized(), await authorized()]
      const next = (await world.refresh(app, one.refresh_token)).body
      await world.refresh(app, next.refresh_token)
      await world.refresh(app, one.refresh_token)
      expect(await works(two.access_token)).toBe(true)
      expect((await world.refresh(app, two.refresh_token)).status).toBe(200)
    })
  })

  describe('a refresh token', () => {
    it('is its own client’s, and is not spoilt by another', async () => {
      const other = await world.app()
      const first = await authorized()
      expect(await refused(world.refresh(other, first.refresh_token))).toEqual(invalid)
      const next = (await world.refresh(app, first.refresh_token)).body
      time.advance(31)
      expect(await refused(world.refresh(other, first.refresh_token))).toEqual(invalid)
      expect(await works(next.access_token)).toBe(true)
    })

    it('needs its client to prove itself', async () => {
      const first = await authorized()
      const wrong = await world.refresh({ ...app, clientSecret: 'wrong' }, first.refresh_token)
      const none = await world.refresh({ ...app, clientSecret: '' }, first.refresh_token)
      expect([wrong.status, none.status]).toEqual([401, 401])
    })

    it('is over when it was not used for its time, and new with each use', async () => {
      const day = 24 * 3600
      const first = await authorized()
      time.advance(89 * day)
      const second = (await world.refresh(app, first.refresh_token)).body
      time.advance(89 * day)
      const third = (await world.refresh(app, second.refresh_token)).body
      expect(await works(third.access_token)).toBe(true)
      time.advance(90 * day + 1)
      expect(await refused(world.refresh(app, third.refresh_token))).toEqual(invalid)
      browser = await world.signedIn()
    })

    it.each(['nonsense', 'stoa_rt_x', '\0', '__proto__'])('is not %j', async (text) => {
      const [status, error] = await refused(world.refresh(app, text))
      expect([status, ['invalid_grant', 'invalid_request'].includes(error)]).toEqual([400, true])
    })

    it('is no credential of the API, and an access token is no refresh token', async () => {
      const first = await authorized()
      expect((await funds(first.refresh_token)).status).toBe(401)
      expect(await refused(world.refresh(app, first.access_token))).toEqual(invalid)
    })

    it('of a public client rotates as well', async () => {
      const open = await world.app({ clientType: 'public' })
      const first = await authorized(open)
      const second = (await world.refresh(open, first.refresh_token)).body
      expect(second.refresh_token).not.toBe(first.refresh_token)
      time.advance(31)
      expect(await refused(world.refresh(open, first.refresh_token))).toEqual(invalid)
      expect(await refused(world.refresh(open, second.refresh_token))).toEqual(invalid)
    })
  })

  describe('a refresh token of an installation', () => {
    const change = (client: App, method: string, verb = '') => {
      const { organization, locations } = world.world
      const at = `/organizations/${organization.id}/locations/${locations[0]!.id}`
      const path = `${at}/application-instances/${client.id}${verb}`
      return world.call(method, path, { token: organization.apiKey, body: method === 'DELETE' ? undefined : {} })
    }

    it('that is switched off is told so, and works again afterwards', async () => {
      const one = await world.app()
      const first = await authorized(one)
      await change(one, 'POST', '/disable')
      expect(await works(first.access_token)).toBe(false)
      const { status, body } = await world.refresh(one, first.refresh_token)
      expect([status, body.error]).toEqual(invalid)
      expect(body.error_description).toContain('Location is not active')
      await change(one, 'POST', '/enable')
      expect(await works(first.access_token)).toBe(false)
      const again = await world.refresh(one, first.refresh_token)
      expect([again.status, await works(again.body.access_token)]).toEqual([200, true])
    })

    it('that was uninstalled is dead, also when it is installed anew', async () => {
      const one = await world.app()
      const first = await authorized(one)
      await change(one, 'DELETE')
      expect(await refused(world.refresh(one, first.refresh_token))).toEqual(invalid)
      await change(one, 'PUT')
      expect(await refused(world.refresh(one, first.refresh_token))).toEqual(invalid)
    })

    it('whose application was switched off waits for it', async () => {
      const one = await world.app()
      const first = await authorized(one)
      const set = (status: string) =>
        world.publisher.updateDeveloperApplication({ params: { id: one.id }, body: { status } } as never)
      await set('DISABLED')
      expect(await works(first.access_token)).toBe(false)
      expect(await refused(world.refresh(one, first.refresh_token))).toEqual([401, 'invalid_client'])
      await set('ACTIVE')
      expect((await world.refresh(one, first.refresh_token)).status).toBe(200)
    })
  })
})

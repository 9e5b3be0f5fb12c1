import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import type { Browser } from './browser.ts'
import { movableClock } from './clock.ts'
import { dpopProof, newKey } from './keys.ts'
import { callback, clientForm, openOAuthWorld, pkce, type App, type OAuthWorld } from './world.ts'

interface Redeemable {
  code: string
  code_verifier: string | undefined
  redirect_uri: string | undefined
}

eachDatabase((database) => {
  const time = movableClock()
  let world: OAuthWorld
  let browser: Browser
  let app: App
  let other: App
  beforeAll(async () => {
    world = await openOAuthWorld(database, { clock: time.clock })
    browser = await world.signedIn()
    app = await world.app()
    other = await world.app()
  })

  async function authorized(client = app, more: Record<string, string> = {}): Promise<Redeemable> {
    const { verifier, challenge } = pkce()
    const parameters = { code_challenge: challenge, code_challenge_method: 'S256', ...more }
    const back = await world.authorize(client, { browser, parameters })
    return { code: back.get('code')!, code_verifier: verifier, redirect_uri: callback }
  }
  const redeem = (given: Redeemable, client = app, more: Record<string, string | undefined> = {}) =>
    world.token({ grant_type: 'authorization_code', ...given, ...clientForm(client), ...more })
  const works = async (token: string) =>
    (await world.call('GET', '/marketplace/billing/charges/has-funds', { token })).status === 200

  const thieves: [string, (given: Redeemable) => ReturnType<typeof redeem>][] = [
    ['another client', (given) => redeem(given, other)],
    ['its client with another redirect_uri', (given) => redeem(given, app, { redirect_uri: `${callback}/` })],
    ['its client with another verifier', (given) => redeem(given, app, { code_verifier: pkce().verifier })],
    ['its client without a verifier', (given) => redeem(given, app, { code_verifier: undefined })],
    [
      'its client with the challenge as the verifier',
      (given) => redeem(given, app, { code_verifier: given.code_verifier!.slice(0, 43).toLowerCase() }),
    ],
    ['its client with a verifier that is too short', (given) => redeem(given, app, { code_verifier: 'x' })],
  ]
  describe('a code', () => {
    it.each(thieves)('is refused to %s, and is not spoilt by that', async (_, steal) => {
      const given = await authorized()
      const stolen = await steal(given)
      expect([stolen.status, stolen.body.error]).toEqual([400, 'invalid_grant'])
      expect((await redeem(given)).status).toBe(200)
    })

    it('may be redeemed without the redirect_uri, as OAuth 2.1 has it', async () => {
      expect((await redeem({ ...(await authorized()), redirect_uri: undefined })).status).toBe(200)
    })

    it('without a challenge is refused with a verifier, because somebody may have taken the challenge out', async () => {
      const lax = await world.app({ requiresPkce: false })
      const back = await world.authorize(lax, { browser })
      const given = { code: back.get('code')!, code_verifier: undefined, redirect_uri: callback }
      const downgraded = await redeem(given, lax, { code_verifier: pkce().verifier })
      expect([downgraded.status, downgraded.body.error]).toEqual([400, 'invalid_grant'])
      expect((await redeem(given, lax)).status).toBe(200)
    })

    it('is over after a minute', async () => {
      const given = await authorized()
      time.advance(61)
      const late = await redeem(given)
      expect([late.status, late.body.error]).toEqual([400, 'invalid_grant'])
    })

    it.each(['', 'nonsense', 'stoa_ac_x', '__proto__', '%00'])('is not %j', async (code) => {
      const answer = await redeem({ code, code_verifier: pkce().verifier, redirect_uri: callback })
      expect([answer.status, answer.body.error]).toEqual([400, 'invalid_grant'])
    })

    it('is no credential of the API', async () => {
      const { code } = await authorized()
      expect((await world.call('GET', '/marketplace/billing/charges', { token: code })).body.code).toBe('invalid_token')
    })

    it('that is bound to a DPoP key is refused to another, and to nobody’s', async () => {
      const [mine, theirs] = [newKey(), newKey()]
      const given = await authorized(app, { dpop_jkt: mine.thumbprint })
      const url = `${world.url}/oauth/token`
      const by = (key: ReturnType<typeof newKey> | null) =>
        world.token(
          { grant_type: 'authorization_code', ...given, ...clientForm(app) },
          key === null ? {} : { DPoP: dpopProof(key, { method: 'POST', url, seconds: time.seconds() }) },
        )
      for (const wrong of [theirs, null]) {
        const answer = await by(wrong)
        expect([answer.status, answer.body.error]).toEqual([400, 'invalid_dpop_proof'])
      }
      const right = await by(mine)
      expect([right.status, right.body.token_type]).toEqual([200, 'DPoP'])
    })
  })

  describe('a code that is redeemed twice', () => {
    it('gives tokens once, however many try at once, and they end', async () => {
      const given = await authorized()
      const answers = await Promise.all(Array.from({ length: 8 }, () => redeem(given)))
      const [winner, ...more] = answers.filter(({ status }) => status === 200)
      expect(more).toEqual([])
      const losers = answers.filter(({ status }) => status !== 200)
      expect(losers.map(({ body }) => body.error as string)).toEqual(Array.from({ length: 7 }, () => 'invalid_grant'))
      expect(await works(winner!.body.access_token)).toBe(false)
    })

    it('takes back what it gave: the access token, the refresh token, and what came of that', async () => {
      const given = await authorized()
      const first = (await redeem(given)).body
      const refreshed = (await world.refresh(app, first.refresh_token)).body
      expect([await works(first.access_token), await works(refreshed.access_token)]).toEqual([true, true])
      const again = await redeem(given)
      expect([again.status, again.body.error]).toEqual([400, 'invalid_grant'])
      expect([await works(first.access_token), await works(refreshed.access_token)]).toEqual([false, false])
      for (const token of [first.refresh_token, refreshed.refresh_token]) {
        expect((await world.refresh(app, token)).body.error).toBe('invalid_grant')
      }
    })

    it('takes nothing back for a thief, who lacks the verifier or is another client', async () => {
      const given = await authorized()
      const first = (await redeem(given)).body
      for (const [, steal] of thieves) await steal(given)
      expect(await works(first.access_token)).toBe(true)
    })

    it('takes back nothing of another authorization', async () => {
      const [one, two] = [await authorized(), await authorized()]
      await redeem(one)
      const second = (await redeem(two)).body
      await redeem(one)
      expect(await works(second.access_token)).toBe(true)
    })
  })

  describe('a code of an installation', () => {
    const change = (client: App, method: string, verb = '') => {
      const { organization, locations } = world.world
      const at = `/organizations/${organization.id}/locations/${locations[0]!.id}`
      const path = `${at}/application-instances/${client.id}${verb}`
      return world.call(method, path, { token: organization.apiKey, body: method === 'DELETE' ? undefined : {} })
    }

    it('that is gone gives nothing, also when it is installed anew', async () => {
      const one = await world.app()
      const given = await authorized(one)
      expect((await change(one, 'DELETE')).status).toBe(204)
      expect((await redeem(given, one)).body.error).toBe('invalid_grant')
      expect((await change(one, 'PUT')).status).toBe(201)
      const answer = await redeem(given, one)
      expect([answer.status, answer.body.error]).toEqual([400, 'invalid_grant'])
    })

    it('that is switched off gives nothing, and is not spoilt', async () => {
      const one = await world.app()
      const given = await authorized(one)
      expect((await change(one, 'POST', '/disable')).status).toBe(200)
      const off = await redeem(given, one)
      expect([off.body.error, off.body.error_description]).toEqual([
        'invalid_grant',
        expect.stringContaining('is not active'),
      ])
      await change(one, 'POST', '/enable')
      expect((await redeem(given, one)).status).toBe(200)
    })

    it('whose application is switched off gives nothing', async () => {
      const one = await world.app()
      const given = await authorized(one)
      const set = (status: string) =>
        world.publisher.updateDeveloperApplication({ params: { id: one.id }, body: { status } } as never)
      await set('DISABLED')
      expect((await redeem(given, one)).body.error).toBe('invalid_client')
      await set('ACTIVE')
      expect((await redeem(given, one)).status).toBe(200)
    })
  })
})

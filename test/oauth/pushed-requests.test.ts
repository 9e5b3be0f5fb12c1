import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openBrowser, type Page } from './browser.ts'
import { movableClock } from './clock.ts'
import { callback, clientForm, openOAuthWorld, pkce, type App, type OAuthWorld } from './world.ts'

const usual = { code_challenge: pkce().challenge, code_challenge_method: 'S256' }

eachDatabase((database) => {
  const time = movableClock()
  let world: OAuthWorld
  let app: App
  beforeAll(async () => {
    world = await openOAuthWorld(database, { clock: time.clock })
    app = await world.app()
  })
  const open = (url: string): Promise<Page> => openBrowser(world.url).get(url)
  /** A page for the person, and nothing that leads anywhere. */
  function expectPage({ status, location }: Page) {
    expect([status, location]).toEqual([400, null])
  }
  const asksThePerson = ({ status, location }: Page) =>
    status === 303 && location!.startsWith(`${world.url}/oauth/consent?`)

  describe('a pushed request', () => {
    const push = async (client: App, parameters: Record<string, string | undefined> = {}) =>
      world.post('/oauth/par', {
        response_type: 'code',
        redirect_uri: callback,
        ...usual,
        ...parameters,
        ...clientForm(client),
      })
    const bring = (client: App, request_uri: string, more = {}) => {
      const nothing = { redirect_uri: undefined, response_type: undefined }
      return open(world.authorizeUrl(client, { ...nothing, request_uri, ...more }))
    }

    it('works once', async () => {
      const { status, body, headers } = await push(app)
      expect([status, body.expires_in, headers.get('cache-control')]).toEqual([201, 90, 'no-store'])
      expect(asksThePerson(await bring(app, body.request_uri))).toBe(true)
      expectPage(await bring(app, body.request_uri))
    })

    it('is not used up by who only looks whether its address is there', async () => {
      const { body } = await push(app)
      const nothing = { redirect_uri: undefined, response_type: undefined, request_uri: body.request_uri as string }
      const head = await fetch(world.authorizeUrl(app, nothing), { method: 'HEAD', redirect: 'manual' })
      expect(head.status).toBe(200)
      expect(asksThePerson(await bring(app, body.request_uri))).toBe(true)
    })

    it('works once when it is brought eight times at once', async () => {
      const { body } = await push(app)
      const pages = await Promise.all(Array.from({ length: 8 }, () => bring(app, body.request_uri)))
      expect(pages.filter(asksThePerson)).toHaveLength(1)
    })

    it('is its own client’s, and is not spoilt by another', async () => {
      const { body } = await push(app)
      const other = await world.app()
      expectPage(await bring(other, body.request_uri))
      expect(asksThePerson(await bring(app, body.request_uri))).toBe(true)
    })

    it('is over after a minute and a half', async () => {
      const { body } = await push(app)
      time.advance(91)
      expectPage(await bring(app, body.request_uri))
    })

    it('counts alone: what stands beside it in the address does not', async () => {
      const { body } = await push(app, { state: 'pushed' })
      const more = { redirect_uri: 'https://evil.example', state: 'beside', prompt: 'none', scope: 'nonsense' }
      expect(asksThePerson(await bring(app, body.request_uri, more))).toBe(true)
    })

    it.each(['nonsense', 'https://evil.example/request', 'urn:ietf:params:oauth:request_uri:stoa_pr_x', '\0'])(
      'is not %j',
      async (requestUri) => {
        expectPage(await bring(app, requestUri))
      },
    )

    it('is checked when it is pushed', async () => {
      const refusals = [
        [{ redirect_uri: 'https://evil.example' }, 400, 'invalid_request'],
        [{ request_uri: 'urn:x' }, 400, 'invalid_request'],
        [{ request: 'eyJ' }, 400, 'invalid_request'],
        [{ scope: 'everything' }, 400, 'invalid_scope'],
        [{ response_type: 'token' }, 400, 'unsupported_response_type'],
        [{ code_challenge_method: 'plain' }, 400, 'invalid_request'],
        [{ state: 'x\0' }, 400, 'invalid_request'],
      ] as const
      for (const [parameters, status, error] of refusals) {
        const answer = await push(app, parameters)
        expect([parameters, answer.status, answer.body.error]).toEqual([parameters, status, error])
      }
      const stranger = await push({ ...app, clientSecret: 'wrong' })
      expect([stranger.status, stranger.body.error]).toEqual([401, 'invalid_client'])
    })

    it('holds what is known, each once, and nothing to fill the database with', async () => {
      const twice = ['state', 'prompt', 'resource', 'response_mode', 'location_id']
      for (const name of twice) {
        const given = { response_type: 'code', redirect_uri: callback, ...usual, ...clientForm(app) }
        const pairs = [...Object.entries(given), [name, 'x'], [name, 'x']] as [string, string][]
        const body = new URLSearchParams(pairs).toString()
        const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
        const answer = await world.call('POST', '/oauth/par', { body, headers })
        expect([name, answer.status, answer.body.error]).toEqual([name, 400, 'invalid_request'])
      }
      for (const name of twice) expect((await push(app, { [name]: 'x'.repeat(8193) })).status).toBe(400)
      const { body } = await push(app, { unknown: 'x'.repeat(500_000), state: 'kept' })
      const { location } = await bring(app, body.request_uri)
      expect(location!.length).toBeLessThan(2000)
    })
  })
})

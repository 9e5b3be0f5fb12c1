import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import type { Answer } from '../support/host.ts'
import type { Browser } from './browser.ts'
import { callback, clientForm, openOAuthWorld, pkce, type App, type OAuthWorld } from './world.ts'

const form = { 'Content-Type': 'application/x-www-form-urlencoded' }
const basic = (id: string, secret: string) => ({
  Authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
})
/** Every character of it percent-encoded: RFC 6749 encodes both parts of Basic as forms. */
const encoded = (text: string) => text.replaceAll(/[^]/g, (each) => `%${each.charCodeAt(0).toString(16)}`)

eachDatabase((database) => {
  let world: OAuthWorld
  let browser: Browser
  let app: App
  beforeAll(async () => {
    world = await openOAuthWorld(database)
    browser = await world.signedIn()
    app = await world.app()
  })

  const send = (body: string | Uint8Array | undefined, headers: Record<string, string> = form) =>
    world.call('POST', '/oauth/token', { body, headers })
  const own = (more: Record<string, string | undefined> = {}, headers?: Record<string, string>) =>
    world.token({ grant_type: 'client_credentials', ...more }, headers)
  /** RFC 6749 section 5.2. */
  function expectRefusal({ status, headers, body }: Answer, error: string, expected = 400) {
    expect([status, body?.error]).toEqual([expected, error])
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body.error_description).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
    expect(body).not.toHaveProperty('access_token')
  }
  async function freshCode(client = app) {
    const { verifier, challenge } = pkce()
    const parameters = { code_challenge: challenge, code_challenge_method: 'S256' }
    const back = await world.authorize(client, { browser, parameters })
    return { code: back.get('code')!, code_verifier: verifier, redirect_uri: callback }
  }

  describe('a form', () => {
    it.each(['grant_type', 'client_id', 'client_secret', 'scope', 'resource'])(
      'with %s twice is refused',
      async (name) => {
        const given = {
          grant_type: 'client_credentials',
          scope: 'webhooks:index',
          resource: world.url,
          ...clientForm(app),
        }
        const pairs = [...Object.entries(given), [name, given[name as keyof typeof given]!]] as [string, string][]
        expectRefusal(await send(new URLSearchParams(pairs).toString()), 'invalid_request')
        expect((await send(new URLSearchParams(given as never).toString())).status).toBe(200)
      },
    )

    it.each(['__proto__', 'constructor', 'toString', 'password', 'implicit', 'Client_Credentials', 'x'.repeat(8192)])(
      'for the grant %s is refused',
      async (grant_type) => {
        const person = { username: world.world.user.email, password: world.world.user.password }
        expectRefusal(await world.token({ grant_type, ...person, ...clientForm(app) }), 'unsupported_grant_type')
      },
    )

    it('without a grant is refused', async () => {
      expectRefusal(await world.token(clientForm(app)), 'invalid_request')
      expectRefusal(await own({ ...clientForm(app), grant_type: '' }), 'invalid_request')
    })

    it('has members called __proto__ and constructor without harm', async () => {
      const more = '__proto__=1&constructor=2&__proto__[polluted]=yes&toString=3'
      const given = new URLSearchParams({ grant_type: 'client_credentials', ...clientForm(app) }).toString()
      expect((await send(`${given}&${more}`)).status).toBe(200)
      expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    })

    it('of empty and undefined values counts as without them', async () => {
      const answer = await own({
        ...clientForm(app),
        scope: 'undefined',
        resource: '',
        user_type: 'undefined',
        code: 'undefined',
      })
      expect(answer.status).toBe(200)
      const given = { grant_type: 'authorization_code', user_type: 'undefined', ...(await freshCode()) }
      expect((await world.token({ ...given, ...clientForm(app) })).status).toBe(200)
    })

    it('for this host as the resource is taken, for another one refused', async () => {
      for (const resource of [world.url, `${world.url}/`])
        expect((await own({ ...clientForm(app), resource })).status).toBe(200)
      for (const resource of ['https://other.example', `${world.url}.evil.example`, 'nonsense']) {
        expectRefusal(await own({ ...clientForm(app), resource }), 'invalid_target')
      }
    })
  })

  describe('a body', () => {
    it('of JSON is taken', async () => {
      const body = { grant_type: 'client_credentials', ...clientForm(app) }
      const answer = await world.call('POST', '/oauth/token', { body })
      expect([answer.status, answer.body.userType]).toEqual([200, 'Application'])
    })

    it('of a JSON text that holds a form is taken', async () => {
      const text = new URLSearchParams({ grant_type: 'client_credentials', ...clientForm(app) }).toString()
      const answer = await send(JSON.stringify(text), { 'Content-Type': 'application/json' })
      expect(answer.status).toBe(200)
    })

    it.each([
      ['[]', 'invalid_request', 400],
      ['7', 'invalid_request', 400],
      ['null', 'invalid_request', 400],
      ['{"grant_type":', 'invalid_request', 400],
      ['{"grant_type":{"$gt":""}}', 'invalid_request', 400],
      ['{"grant_type":["client_credentials","password"]}', 'invalid_request', 400],
      ['{"__proto__":{"grant_type":"client_credentials"}}', 'invalid_request', 400],
      [`${'['.repeat(5000)}${']'.repeat(5000)}`, 'invalid_request', 400],
    ] as const)('of %s is refused', async (body, error, status) => {
      expectRefusal(await send(body, { 'Content-Type': 'application/json' }), error, status)
    })

    it('of another type, in another encoding, too large, or none at all, is refused', async () => {
      expectRefusal(await send('<x/>', { 'Content-Type': 'text/xml' }), 'invalid_request', 415)
      expectRefusal(await send(Buffer.from('client_id=\xff', 'latin1')), 'invalid_request', 415)
      expectRefusal(await send(`grant_type=client_credentials&x=${'y'.repeat(2_000_000)}`), 'invalid_request', 413)
      expectRefusal(await send(undefined, {}), 'invalid_client', 401)
      expectRefusal(await send('client_id=a%00b&grant_type=client_credentials'), 'invalid_request')
    })
  })

  describe('a client', () => {
    it('authenticates in one way, not in two', async () => {
      const { clientId, clientSecret } = app
      expectRefusal(await own(clientForm(app), basic(clientId, clientSecret)), 'invalid_request')
      const assertion = { client_assertion: 'a.b.c', client_assertion_type: 'x' }
      expectRefusal(await own({ ...clientForm(app), ...assertion }), 'invalid_request')
      expectRefusal(await own(assertion, basic(clientId, clientSecret)), 'invalid_request')
      expect((await own({ client_id: clientId }, basic(clientId, clientSecret))).status).toBe(200)
      expectRefusal(await own({ client_id: 'another' }, basic(clientId, clientSecret)), 'invalid_request')
    })

    it('by Basic encodes both parts as forms', async () => {
      const { clientId, clientSecret } = app
      expect((await own({}, basic(encoded(clientId), encoded(clientSecret)))).status).toBe(200)
      expect((await own({}, basic(clientId, clientSecret.replaceAll('_', '%5F')))).status).toBe(200)
    })

    it.each([
      ['a wrong secret', () => basic(app.clientId, 'wrong')],
      ['no colon', () => ({ Authorization: `Basic ${Buffer.from('nothing').toString('base64')}` })],
      ['what is no base64', () => ({ Authorization: 'Basic ***' })],
      ['percent signs that encode nothing', () => basic('%zz', '%')],
      ['an encoding that is no UTF-8', () => basic('%ff%fe', 'x')],
      ['a null byte', () => basic('a\0b', 'x')],
      ['an encoded null byte', () => basic('a%00b', 'x')],
      ['an unknown client', () => basic('nobody', app.clientSecret)],
      ['a client without a secret', () => basic(app.clientId, '')],
    ])('by Basic with %s is asked for Basic', async (_, headers) => {
      const answer = await own({}, headers())
      expectRefusal(answer, 'invalid_client', 401)
      expect(answer.headers.get('www-authenticate')).toMatch(/^Basic realm="/)
    })

    it('that failed otherwise is not asked for Basic, and does not learn whether it exists', async () => {
      const wrong = await own({ client_id: app.clientId, client_secret: 'wrong' })
      const unknown = await own({ client_id: 'nobody', client_secret: 'wrong' })
      const none = await own({ client_id: app.clientId })
      for (const answer of [wrong, unknown, none]) {
        expectRefusal(answer, 'invalid_client', 401)
        expect(answer.headers.get('www-authenticate')).toBeNull()
      }
      expect({ ...wrong.body, traceId: '' }).toEqual({ ...unknown.body, traceId: '' })
    })

    it('is not taken for whoever an Authorization header of another kind names', async () => {
      const key = { Authorization: `Bearer ${world.world.operator.apiKey}` }
      expect((await own(clientForm(app), key)).status).toBe(200)
      expectRefusal(await own({}, key), 'invalid_client', 401)
      expectRefusal(await own({ client_id: app.clientId }, key), 'invalid_client', 401)
    })

    it('that is public has no secret, and gets no tokens of its own', async () => {
      const open = await world.app({ clientType: 'public' })
      expectRefusal(await own({ client_id: open.clientId }), 'unauthorized_client')
      expectRefusal(await own({ client_id: open.clientId, client_secret: app.clientSecret }), 'invalid_client', 401)
      expectRefusal(await own({}, basic(open.clientId, '')), 'invalid_client', 401)
    })

    it('has two secrets while one replaces the other, and what ends takes its tokens along', async () => {
      const one = await world.app()
      const before = (await own(clientForm(one))).body.access_token as string
      const params = { id: one.id }
      const rotated = await world.publisher.rotateClientSecret({ params, body: { overlapSeconds: 3600 } } as never)
      const next = { ...one, clientSecret: (rotated as { clientSecret: string }).clientSecret }
      const after = (await own(clientForm(next))).body.access_token as string
      expect((await own(clientForm(one))).status).toBe(200)
      const read = (token: string) => world.call('GET', `/developers/applications/${one.id}`, { token })
      expect([(await read(before)).status, (await read(after)).status]).toEqual([200, 200])
      const secrets = (await world.publisher.listClientSecrets({ params })) as { id: string; lastFour: string }[]
      const old = secrets.find(({ lastFour }) => one.clientSecret.endsWith(lastFour))!
      await world.publisher.endClientSecret({ params: { ...params, secretId: old.id } })
      expectRefusal(await own(clientForm(one)), 'invalid_client', 401)
      expect((await read(before)).body.code).toBe('revoked_token')
      expect((await read(after)).status).toBe(200)
    })
  })

  describe('client credentials', () => {
    it('give no more than an application may do for itself', async () => {
      const { body } = await own(clientForm(app))
      expect(body).not.toHaveProperty('refresh_token')
      expect(body.scope.split(' ')).toContain('webhooks:create')
      for (const scope of ['charges.write', '*', 'applications:update', 'webhooks:index nonsense', '"']) {
        expectRefusal(await own({ ...clientForm(app), scope }), 'invalid_scope')
      }
      const narrow = await own({ ...clientForm(app), scope: 'webhooks:index' })
      expect([narrow.status, narrow.body.scope]).toEqual([200, 'webhooks:index'])
      const token = narrow.body.access_token as string
      expect((await world.call('GET', '/developers/webhooks/endpoints', { token })).status).toBe(200)
      const show = await world.call('GET', `/developers/applications/${app.id}`, { token })
      expect([show.status, show.body.code]).toEqual([403, 'missing_permission'])
    })

    it('show nothing of another application', async () => {
      const other = await world.app()
      const token = (await own(clientForm(app))).body.access_token as string
      const read = (id: string) => world.call('GET', `/developers/applications/${id}`, { token })
      expect([(await read(app.id)).status, (await read(other.id)).status]).toEqual([200, 404])
    })

    it('are of one environment', async () => {
      const { status, body } = await own({ ...clientForm(app), environment: 'sandbox' })
      expect(status).toBe(200)
      const read = (environment: string) =>
        world.call('GET', `/developers/applications/${app.id}`, {
          token: body.access_token,
          headers: { 'X-Environment': environment },
        })
      expect([(await read('sandbox')).status, (await read('production')).status]).toEqual([200, 403])
      expectRefusal(await own({ ...clientForm(app), environment: 'staging' }), 'invalid_request')
    })
  })

  describe('camel case', () => {
    const camel = (code: Awaited<ReturnType<typeof freshCode>>) => ({
      grantType: 'authorization_code',
      clientId: app.clientId,
      clientSecret: app.clientSecret,
      code: code.code,
      codeVerifier: code.code_verifier,
      redirectUri: code.redirect_uri,
    })

    it('is answered in camel case', async () => {
      const { status, body } = await world.token(camel(await freshCode()))
      expect(status).toBe(200)
      expect(body).toMatchObject({
        accessToken: expect.any(String),
        refreshToken: expect.any(String),
        tokenType: 'Bearer',
      })
      expect(Object.keys(body).filter((name) => name.includes('_'))).toEqual([])
    })

    it('is checked as snake case is: nothing comes twice, in one spelling or in both', async () => {
      const given = new URLSearchParams(camel(await freshCode())).toString()
      for (const twice of [
        'clientId=x',
        'code=x',
        'grantType=x',
        'client_id=x',
        'code_verifier=x',
        'grant_type=password',
      ]) {
        expectRefusal(await send(`${given}&${twice}`), 'invalid_request')
      }
      expectRefusal(await send(`${given}&scope=${'x'.repeat(8193)}`), 'invalid_request')
      expect((await send(given)).status).toBe(200)
    })
  })
})

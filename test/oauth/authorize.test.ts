import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openBrowser, type Page } from './browser.ts'
import { callback, openOAuthWorld, pkce, type App, type OAuthWorld } from './world.ts'

const { challenge } = pkce()
const usual = { code_challenge: challenge, code_challenge_method: 'S256' }
const native = 'http://127.0.0.1/cb'

/** Addresses that look like the registered one, https://app.example/callback, to somebody. */
const lookalikes: [string, string][] = [
  ['another port', 'https://app.example:8443/callback'],
  ['the usual port, written out', 'https://app.example:443/callback'],
  ['a slash', 'https://app.example/callback/'],
  ['a query', 'https://app.example/callback?next=https://evil.example'],
  ['an empty query', 'https://app.example/callback?'],
  ['a user', 'https://user:password@app.example/callback'],
  ['the host as a user', 'https://app.example@evil.example/callback'],
  ['a backslash', 'https://evil.example\\@app.example/callback'],
  ['dot segments', 'https://app.example/x/../callback'],
  ['a single dot', 'https://app.example/./callback'],
  ['encoded dots', 'https://app.example/x/%2e%2e/callback'],
  ['an encoded letter', 'https://app.example/%63allback'],
  ['a doubly encoded slash', 'https://app.example%252fcallback'],
  ['letters of another case in the path', 'https://app.example/Callback'],
  ['letters of another case in the host', 'https://APP.example/callback'],
  ['letters of another case in the scheme', 'HTTPS://app.example/callback'],
  ['a fragment', 'https://app.example/callback#x'],
  ['an empty fragment', 'https://app.example/callback#'],
  ['a script', 'javascript:alert(1)//https://app.example/callback'],
  ['data', 'data:text/html,<script>alert(1)</script>'],
  ['no TLS', 'http://app.example/callback'],
  ['no scheme', '//app.example/callback'],
  ['a path alone', '/callback'],
  ['a longer host', 'https://app.example.evil.example/callback'],
  ['a host that ends alike', 'https://evilapp.example/callback'],
  ['a trailing dot', 'https://app.example./callback'],
  ['a letter that looks the same', 'https://аpp.example/callback'],
  ['space around it', ' https://app.example/callback'],
  ['a line break', 'https://app.example/callback\r\nSet-Cookie: a=b'],
  ['a null byte', 'https://app.example/callback\0'],
  ['more behind it', 'https://app.example/callback/../../evil'],
  ['two in one', 'https://app.example/callback https://evil.example'],
]

eachDatabase((database) => {
  let world: OAuthWorld
  let app: App
  beforeAll(async () => {
    world = await openOAuthWorld(database)
    app = await world.app()
  })

  const open = (url: string): Promise<Page> => openBrowser(world.url).get(url)
  const ask = (client: App, parameters: Record<string, string | undefined> = {}) =>
    open(world.authorizeUrl(client, { ...usual, ...parameters }))
  /** A page for the person, and nothing that leads anywhere. */
  function expectPage({ status, location, headers, text }: Page) {
    expect([status, location]).toEqual([400, null])
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(headers.get('refresh')).toBeNull()
    expect(text).not.toMatch(/http-equiv|<script|<a /)
  }
  /** What the client is told. */
  function told({ status, location }: Page): Record<string, string> {
    expect(status).toBe(303)
    expect(location!.startsWith(`${callback}?`), location!).toBe(true)
    return Object.fromEntries(new URL(location!).searchParams)
  }
  const asksThePerson = ({ status, location }: Page) =>
    status === 303 && location!.startsWith(`${world.url}/oauth/consent?`)

  describe('a redirect URI', () => {
    it.each(lookalikes)('with %s is nowhere to send anybody', async (_, redirect_uri) => {
      expectPage(await ask(app, { redirect_uri }))
    })

    it('is any of those registered, and has to be said when there are several', async () => {
      const redirectUris = [callback, 'https://app.example/other?x=1', 'https://app.example']
      const several = await world.app({ redirectUris })
      for (const redirect_uri of redirectUris) {
        expect(asksThePerson(await ask(several, { redirect_uri })), redirect_uri).toBe(true)
      }
      expectPage(await ask(several, { redirect_uri: undefined }))
      expectPage(await ask(several, { redirect_uri: 'https://app.example/' }))
      expect(asksThePerson(await ask(app, { redirect_uri: undefined }))).toBe(true)
    })

    it('keeps the query that it was registered with', async () => {
      const redirectUri = 'https://app.example/other?x=1'
      const one = await world.app({ redirectUris: [redirectUri] })
      const { location } = await ask(one, { redirect_uri: redirectUri, prompt: 'none' })
      expect(location).toMatch(/^https:\/\/app\.example\/other\?x=1&error=interaction_required&/)
    })

    it('that comes twice is none', async () => {
      const twice = `${world.authorizeUrl(app, usual)}&redirect_uri=https%3A%2F%2Fevil.example`
      expectPage(await open(twice))
    })

    it('of a native application has a free port on its loopback address, and nothing else free', async () => {
      const one = await world.app({ clientType: 'native', redirectUris: [native, 'com.example.app:/cb'] })
      for (const free of ['', ':1', ':53117', ':65535']) {
        const redirect_uri = `http://127.0.0.1${free}/cb`
        expect(asksThePerson(await ask(one, { redirect_uri })), redirect_uri).toBe(true)
      }
      expect(asksThePerson(await ask(one, { redirect_uri: 'com.example.app:/cb' }))).toBe(true)
      for (const other of [
        'http://127.0.0.1:53117/cb/',
        'http://127.0.0.1:53117/cb?x=1',
        'http://127.0.0.1:53117/CB',
        'http://127.0.0.1:53117@evil.example/cb',
        'http://127.0.0.1:53117.evil.example/cb',
        'http://127.0.0.1.evil.example/cb',
        'http://127.0.0.1:/cb',
        'http://127.0.0.1:99999/cb',
        'http://127.0.0.1:-1/cb',
        'http://127.0.0.2/cb',
        'http://localhost:53117/cb',
        'http://[::1]:53117/cb',
        'https://127.0.0.1:53117/cb',
        'com.example.app:/cb/2',
        'com.example.app://cb',
        'com.evil.app:/cb',
      ]) {
        expectPage(await ask(one, { redirect_uri: other }))
      }
    })

    it.each(['confidential', 'public'])('of a %s application has its port', async (clientType) => {
      const one = await world.app({ clientType, redirectUris: [native] })
      expect(asksThePerson(await ask(one, { redirect_uri: native }))).toBe(true)
      expectPage(await ask(one, { redirect_uri: 'http://127.0.0.1:53117/cb' }))
    })
  })

  describe('a client', () => {
    it.each(['', 'nobody', '__proto__', "' or 1=1 --", '\0', '😀', 'x'.repeat(5000)])(
      'that is not known (%j) is told to the person alone',
      async (clientId) => {
        expectPage(await ask({ ...app, clientId }))
      },
    )

    it('that does not say who it is, or says two names, is told to the person alone', async () => {
      expectPage(await open(`${world.url}/oauth/authorize`))
      expectPage(await open(`${world.authorizeUrl(app, usual)}&client_id=${app.clientId}`))
    })

    it('that nobody has reviewed, or an operator disabled, leads no browser away by a mistake', async () => {
      const body = { name: 'Unreviewed', description: 'Does things.', redirectUris: [callback], permissions: [] }
      const draft = (await world.publisher.createDeveloperApplication({ body } as never)) as unknown as App
      const disabled = await world.app()
      await world.operator.disableApplication({ params: { id: disabled.id }, body: { reason: 'phishing' } } as never)
      for (const one of [draft, disabled]) {
        for (const mistake of [{ prompt: 'none' }, { scope: 'nonsense' }, { response_type: 'token' }]) {
          expectPage(await ask(one, mistake))
        }
      }
      expect(asksThePerson(await ask(draft))).toBe(true)
      expectPage(await ask(disabled))
    })

    it('that is switched off learns that it is', async () => {
      const one = await world.app()
      await world.publisher.updateDeveloperApplication({
        params: { id: one.id },
        body: { status: 'DISABLED' },
      } as never)
      expect(told(await ask(one))).toMatchObject({ error: 'unauthorized_client' })
    })
  })

  const refusals: [string, Record<string, string | undefined>, string][] = [
    ['without PKCE', { code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
    ['with plain PKCE', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['with a challenge and no method, which would be plain', { code_challenge_method: undefined }, 'invalid_request'],
    ['with a method and no challenge', { code_challenge: undefined }, 'invalid_request'],
    ['with a challenge that is no SHA-256', { code_challenge: 'short' }, 'invalid_request'],
    ['with an empty challenge', { code_challenge: '' }, 'invalid_request'],
    ['for an implicit token', { response_type: 'token' }, 'unsupported_response_type'],
    ['for a hybrid answer', { response_type: 'code id_token' }, 'unsupported_response_type'],
    ['for nothing', { response_type: undefined }, 'unsupported_response_type'],
    ['for __proto__', { response_type: '__proto__' }, 'unsupported_response_type'],
    ['to answer in the fragment', { response_mode: 'fragment' }, 'invalid_request'],
    ['to answer by a form', { response_mode: 'form_post' }, 'invalid_request'],
    ['that asks nobody', { prompt: 'none' }, 'interaction_required'],
    ['for another environment', { environment: 'staging' }, 'invalid_request'],
    ['for somebody else’s resource', { resource: 'https://other.example' }, 'invalid_target'],
    ['for an unknown scope', { scope: 'charges.readonly everything' }, 'invalid_scope'],
    ['for more than the application asks for', { scope: 'charges.readonly customers:delete' }, 'invalid_scope'],
    ['for a scope of quotation marks', { scope: '"' }, 'invalid_scope'],
    ['with a request object', { request: 'eyJhbGciOiJub25lIn0.e30.' }, 'request_not_supported'],
    ['with a thumbprint that is none', { dpop_jkt: 'x' }, 'invalid_request'],
  ]
  describe('a request', () => {
    it.each(refusals)('%s is refused to the client', async (_, parameters, error) => {
      const answer = told(await ask(app, { state: 'kept', ...parameters }))
      expect(answer).toMatchObject({ error, state: 'kept', iss: world.url })
      expect(answer['error_description']).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
      expect(answer).not.toHaveProperty('code')
    })

    it.each(['state', 'scope', 'response_type', 'code_challenge', 'code_challenge_method', 'resource', 'prompt'])(
      'with %s twice is refused',
      async (name) => {
        const given = { scope: 'charges.readonly', state: 'one', resource: world.url, prompt: 'consent' }
        const url = world.authorizeUrl(app, { ...usual, ...given })
        const value = new URL(url).searchParams.get(name)!
        const answer = told(await open(`${url}&${name}=${encodeURIComponent(value)}`))
        expect(answer['error']).toBe('invalid_request')
        expect(answer['state']).toBe(name === 'state' ? undefined : 'one')
      },
    )

    it('may name this host as the resource, with or without the slash that parsers add', async () => {
      for (const resource of [world.url, `${world.url}/`]) {
        expect(asksThePerson(await ask(app, { resource })), resource).toBe(true)
      }
    })

    it('of a confidential client may do without PKCE where its application says so, and of no other', async () => {
      const without = { code_challenge: undefined, code_challenge_method: undefined }
      const lax = await world.app({ requiresPkce: false })
      expect(asksThePerson(await ask(lax, without))).toBe(true)
      expect(told(await ask(lax, { code_challenge_method: 'plain' }))['error']).toBe('invalid_request')
      for (const clientType of ['public', 'native']) {
        const body = { name: `Lax ${clientType}`, redirectUris: [callback], clientType, requiresPkce: false }
        const made = world.publisher.createDeveloperApplication({ body: body as never })
        await expect(made).rejects.toMatchObject({ status: 422 })
      }
    })

    it.each(['/oauth/chooselocation', '/v2/oauth/chooselocation'])('is taken at %s as well', async (path) => {
      const url = new URL(world.authorizeUrl(app, usual))
      url.pathname = path
      expect(asksThePerson(await open(url.href))).toBe(true)
      url.searchParams.set('redirect_uri', 'https://evil.example')
      expectPage(await open(url.href))
    })
  })

  describe('the state', () => {
    const states = [
      'a b+c%20&=?#/',
      '"<script>\'\\',
      'é😀',
      '\r\nSet-Cookie: x=1',
      'iss=https://evil.example&code=1',
      ' ',
    ]
    it.each(states)('%j comes back as it was, after success, refusal and error', async (state) => {
      const browser = await world.signedIn()
      const allowed = await world.authorize(app, { browser, parameters: { ...usual, state } })
      expect(Object.fromEntries(allowed)).toEqual({ code: expect.any(String), state, iss: world.url })
      const denied = await world.authorize(app, {
        browser,
        parameters: { ...usual, state },
        form: { decision: 'cancel' },
      })
      expect(Object.fromEntries(denied)).toMatchObject({ error: 'access_denied', state, iss: world.url })
      expect(told(await ask(app, { state, prompt: 'none' }))).toMatchObject({ state, iss: world.url })
    })

    it('is not made up', async () => {
      expect(told(await ask(app, { prompt: 'none' }))).not.toHaveProperty('state')
    })
  })

  it('null bytes anywhere in a request are no fault of the host', async () => {
    const browser = await world.signedIn()
    for (const name of ['location_id', 'state', 'scope', 'environment', 'resource', 'code_challenge', 'unknown']) {
      const page = await browser.open(world.authorizeUrl(app, { ...usual, [name]: 'x\0' }))
      expect([200, 303, 400].includes(page.status), `${name}: ${page.status}`).toBe(true)
    }
  })
})

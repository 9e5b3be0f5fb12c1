import express from 'express'
import { stoaApp, memoryTokenStore, type InstallError, type StoaAppOptions } from '@stoa/sdk'
import { describe, expect, it, test } from 'vitest'
import { addressOf, listen, openBrowser, openWorld } from './world.ts'

describe('installing', () => {
  it('ends with the tokens in the store, and the app told who installed it', async () => {
    const { app, store, host, install, installed } = await openWorld()
    const page = await install()
    expect(page).toMatchObject({ status: 200 })
    expect(page.text).toContain('Installed')
    expect(installed).toEqual([
      {
        userType: 'Location',
        companyId: 'org_1',
        locationId: 'loc_1',
        userId: 'usr_1',
        environment: 'production',
        scopes: ['charges.readonly', 'charges.write'],
      },
    ])
    expect(await store.list({ companyId: 'org_1' })).toHaveLength(1)
    expect(await app.installationAt('loc_1')).toEqual(installed[0])
    await expect(app.installationAt('loc_2')).rejects.toThrow('not installed')
    expect(await app.for('loc_1').getMe()).toMatchObject({ locationId: 'loc_1' })
    expect(host.counts).toEqual({ authorization_code: 1 })
  })

  it('asks for what the app wants, with S256 and without anything secret in the address', async () => {
    const { appUrl, host } = await openWorld({
      app: { scopes: ['charges.write', 'charges.readonly'], environments: ['production', 'sandbox'] },
    })
    const { visited } = await openBrowser().visit(`${appUrl}/install?locationId=loc_2&environment=sandbox&scope=*`)
    const asked = Object.fromEntries(new URL(visited[1]!).searchParams)
    expect(asked).toMatchObject({
      client_id: host.clientId,
      redirect_uri: host.redirectUri,
      response_type: 'code',
      scope: 'charges.write charges.readonly',
      code_challenge_method: 'S256',
      location_id: 'loc_2',
      environment: 'sandbox',
    })
    expect(Object.keys(asked)).not.toContain('client_secret')
    expect(asked['state']).toMatch(/^[\w-]{43}$/)
  })

  it('keeps what is in the sandbox apart', async () => {
    const { app, appUrl, installed } = await openWorld({ app: { environments: ['production', 'sandbox'] } })
    expect((await openBrowser().visit(`${appUrl}/install?environment=sandbox`)).status).toBe(200)
    expect(installed[0]).toMatchObject({ environment: 'sandbox' })
    expect(await app.for('loc_1', { environment: 'sandbox' }).getMe()).toMatchObject({ locationId: 'loc_1' })
    await expect(app.for('loc_1').getMe()).rejects.toThrow('not installed')
  })

  it.each(['sandbox', 'elsewhere', ''])(
    'in an environment that the app did not allow is refused: "%s"',
    async (name) => {
      const { appUrl, installed } = await openWorld()
      const page = await openBrowser().visit(`${appUrl}/install?environment=${name}`)
      expect(page.status).toBe(400)
      expect(page.text).toContain('cannot be installed in that environment')
      expect(page.visited).toHaveLength(1)
      expect(page.headers.getSetCookie()).toEqual([])
      expect(installed).toEqual([])
    },
  )

  it('is in the first of the environments unless the visitor chooses another, or the app does', async () => {
    const environments = ['sandbox', 'production'] as const
    const asked = async (install: object, query = '') => {
      const { appUrl } = await openWorld({ app: { environments }, install })
      const { headers } = await fetch(`${appUrl}/install${query}`, { redirect: 'manual' })
      return new URL(headers.get('location')!).searchParams.get('environment')
    }
    expect(await asked({})).toBe('sandbox')
    expect(await asked({}, '?environment=production')).toBe('production')
    expect(await asked({ environment: 'production' }, '?environment=sandbox')).toBe('production')
  })

  it('in another environment than was asked for, by a changed address of the consent page, keeps nothing', async () => {
    const { host, install, installed, store } = await openWorld()
    host.consent = { userType: 'Location', companyId: 'org_1', locationId: 'loc_1', environment: 'sandbox' }
    const page = await install()
    expect([page.status, page.text]).toEqual([400, expect.stringContaining('another environment')])
    expect(installed).toEqual([])
    expect(await store.list({})).toEqual([])
  })

  it('does not begin with environments that cannot be', async () => {
    const { app } = await openWorld()
    expect(() => app.install({ environment: 'sandbox' })).toThrow('not among the environments')
    for (const environments of [[], ['staging']]) {
      await expect(openWorld({ app: { environments: environments as never } })).rejects.toThrow('environments')
    }
  })

  it('keeps what is under way in one sealed cookie that scripts do not see', async () => {
    const { appUrl } = await openWorld()
    const response = await fetch(`${appUrl}/install`, { redirect: 'manual' })
    const [cookie = ''] = response.headers.getSetCookie()
    const state = new URL(response.headers.get('location')!).searchParams.get('state')!
    expect(response.status).toBe(302)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(cookie).toMatch(/^stoa-install-[0-9a-f]{8}=v1\.[\w-]+; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/)
    expect(Buffer.from(cookie.split('v1.')[1]!.split(';')[0]!, 'base64url').toString('latin1')).not.toContain(state)
  })

  it('binds the cookie to the site when that is on https', async () => {
    const { appUrl } = await openWorld({ app: { redirectUri: 'https://app.example/callback' } })
    const [cookie = ''] = (await fetch(`${appUrl}/install`, { redirect: 'manual' })).headers.getSetCookie()
    expect(cookie).toMatch(/^__Host-stoa-install-.*; Secure$/)
  })

  it('can go on in two tabs at once', async () => {
    const { appUrl, host, installed } = await openWorld()
    const browser = openBrowser()
    const first = await browser.visit(`${appUrl}/install`, host.redirectUri)
    const second = await browser.visit(`${appUrl}/install`, host.redirectUri)
    expect((await browser.visit(first.url)).status).toBe(200)
    expect((await browser.visit(second.url)).status).toBe(200)
    expect(installed).toHaveLength(2)
    expect(browser.cookies.size).toBe(0)
  })

  it('goes where the app says afterwards, unless the app answers itself', async () => {
    const there = await openWorld({ callback: { afterInstall: '/welcome' } })
    const page = await there.install()
    expect(page.url).toBe(`${there.appUrl}/welcome`)
    const itself = await openWorld({
      callback: { afterInstall: '/welcome', onInstalled: (_installation, _req, res) => res.end('my own page') },
    })
    expect((await itself.install()).text).toBe('my own page')
  })

  it('installs into an organization', async () => {
    const { app, host, install, installed } = await openWorld()
    host.consent = { userType: 'Company', companyId: 'org_1' }
    expect((await install()).status).toBe(200)
    expect(installed[0]).toMatchObject({
      userType: 'Company',
      companyId: 'org_1',
      approvedLocations: ['loc_1', 'loc_2'],
    })
    expect(await app.forCompany('org_1').getMe()).toMatchObject({ userType: 'Company' })
  })

  it('sends the secret in the body when asked to', async () => {
    const { install } = await openWorld({ app: { clientAuthentication: 'client_secret_post' } })
    expect((await install()).status).toBe(200)
  })

  it('works mounted in Express, and hands what the app throws to its error handler', async () => {
    const { host } = await openWorld()
    const server = express()
    const url = await listen((req, res) => server(req, res))
    host.redirectUri = `${url}/market/callback`
    const { hostUrl, clientId, clientSecret, redirectUri } = { hostUrl: host.url, ...host }
    const app = stoaApp({ hostUrl, clientId, clientSecret, redirectUri, store: memoryTokenStore() })
    const router = express.Router()
    router.get('/install', app.install())
    router.get(
      '/callback',
      app.callback({
        onInstalled(installation, req: express.Request, res: express.Response) {
          // Express's own types come through from here.
          if (req.params['none']) return res.redirect('/')
          throw new Error(`of ${installation.locationId}`)
        },
      }),
    )
    server.use('/market', router)
    server.use((error: Error, _req: express.Request, res: express.Response, _next: express.NextFunction) => {
      res.status(418).send(error.message)
    })
    expect(await openBrowser().visit(`${url}/market/install`)).toMatchObject({ status: 418, text: 'of loc_1' })
    // It was installed all the same.
    expect(await app.for('loc_1').getMe()).toMatchObject({ locationId: 'loc_1' })
  })

  it('finds a host that is mounted under a path of somebody else’s server', async () => {
    const { host } = await openWorld()
    const url = await listen((_req, res) => res.writeHead(404).end())
    const hostUrl = `${url}/marketplace`
    const metadata = { issuer: hostUrl, authorization_endpoint: `${hostUrl}/oauth/authorize`, token_endpoint: 'x' }
    const asked: string[] = []
    const app = stoaApp({
      ...{ hostUrl, clientId: host.clientId, clientSecret: host.clientSecret, redirectUri: host.redirectUri },
      store: memoryTokenStore(),
      fetch: async (input, init) => {
        asked.push(addressOf(input).replace(url, ''))
        return asked.length === 1 ? fetch(input, init) : Response.json(metadata)
      },
    })
    const install = app.install()
    const answer = await fetch(await listen((req, res) => install(req, res)), { redirect: 'manual' })
    expect(answer.headers.get('location')).toMatch(`${hostUrl}/oauth/authorize?`)
    expect(asked).toEqual([
      '/.well-known/oauth-authorization-server/marketplace',
      '/marketplace/.well-known/oauth-authorization-server',
    ])
  })
})

describe('a callback that is not to be believed installs nothing', () => {
  /** Goes as far as the host's answer, which the test then changes or takes elsewhere. */
  async function start() {
    const errors: InstallError[] = []
    const world = await openWorld({ callback: { onError: (error) => errors.push(error) } })
    const browser = openBrowser()
    const { url } = await browser.visit(`${world.appUrl}/install`, world.host.redirectUri)
    const nothing = async () => {
      expect(world.installed).toEqual([])
      expect(await world.store.list({})).toEqual([])
    }
    return { ...world, browser, errors, answer: new URL(url), nothing }
  }

  test('in a browser that did not start it', async () => {
    const { answer, errors, nothing, host } = await start()
    expect((await openBrowser().visit(answer.href)).status).toBe(400)
    expect(errors[0]?.code).toBe('wrong_state')
    expect(host.counts).toEqual({}) // the code was not even tried
    await nothing()
  })

  test('in a browser that started another one', async () => {
    const { answer, errors, nothing, host, appUrl } = await start()
    const victim = openBrowser()
    await victim.visit(`${appUrl}/install`, host.redirectUri)
    expect((await victim.visit(answer.href)).status).toBe(400)
    expect(errors[0]?.code).toBe('wrong_state')
    await nothing()
  })

  test.each([
    ['another state', (answer: URL) => answer.searchParams.set('state', 'x'.repeat(43))],
    ['no state', (answer: URL) => answer.searchParams.delete('state')],
  ])('with %s', async (_name, change) => {
    const { answer, browser, errors, nothing } = await start()
    change(answer)
    expect((await browser.visit(answer.href)).status).toBe(400)
    expect(errors[0]?.code).toBe('wrong_state')
    await nothing()
  })

  test.each([
    ['another issuer', (answer: URL) => answer.searchParams.set('iss', 'https://evil.example')],
    ['no issuer, of a host that always says it', (answer: URL) => answer.searchParams.delete('iss')],
    ['the state twice', (answer: URL) => answer.searchParams.append('state', answer.searchParams.get('state')!)],
    ['no code', (answer: URL) => answer.searchParams.delete('code')],
  ])('with %s', async (_name, change) => {
    const { answer, browser, errors, nothing, host } = await start()
    change(answer)
    expect((await browser.visit(answer.href)).status).toBe(400)
    expect(errors[0]?.code).toBe('wrong_answer')
    expect(host.counts).toEqual({})
    await nothing()
  })

  test('with a cookie that was changed', async () => {
    const { answer, browser, errors, nothing } = await start()
    const [name, value] = [...browser.cookies][0]!
    browser.cookies.set(name, value.slice(0, 60) + (value[60] === 'A' ? 'B' : 'A') + value.slice(61))
    expect((await browser.visit(answer.href)).status).toBe(400)
    expect(errors[0]?.code).toBe('wrong_state')
    await nothing()
  })

  test('at another app of the same secret, with the cookie of this one', async () => {
    const { answer, browser, host } = await start()
    const errors: InstallError[] = []
    const other = await openWorld({
      app: { clientId: 'app_2-x', clientSecret: host.clientSecret },
      callback: { onError: (error) => errors.push(error) },
    })
    const [pending = ''] = browser.cookies.values()
    await browser.visit(`${other.appUrl}/install`, other.host.url)
    for (const name of browser.cookies.keys()) browser.cookies.set(name, pending)
    answer.port = new URL(other.appUrl).port
    expect((await browser.visit(answer.href)).status).toBe(400)
    expect(errors[0]?.code).toBe('wrong_state')
  })

  test('after ten minutes', async () => {
    const { answer, browser, errors, nothing, skip } = await start()
    skip(601)
    expect((await browser.visit(answer.href)).status).toBe(400)
    expect(errors[0]?.code).toBe('wrong_state')
    await nothing()
  })

  test('a second time: the cookie is gone, and who kept it finds the code used', async () => {
    const { answer, browser, errors, store, installed } = await start()
    const kept = new Map(browser.cookies)
    expect((await browser.visit(answer.href)).status).toBe(200)
    const [stored] = await store.list({})
    expect((await browser.visit(answer.href)).status).toBe(400)
    expect(errors[0]?.code).toBe('wrong_state')
    for (const [name, value] of kept) browser.cookies.set(name, value)
    expect((await browser.visit(answer.href)).status).toBe(400)
    expect(errors[1]).toMatchObject({ code: 'no_token', reason: 'invalid_grant' })
    expect(installed).toHaveLength(1)
    expect(await store.list({})).toEqual([stored])
  })

  test('when the customer cancels', async () => {
    const { host, install, store } = await openWorld()
    host.consent = 'access_denied'
    const page = await install()
    expect(page.status).toBe(403)
    expect(page.text).toContain('cancelled')
    expect(await store.list({})).toEqual([])
  })

  test('when the host is in trouble', async () => {
    const { host, install, store } = await openWorld()
    host.trouble = 503
    expect((await install()).status).toBe(502)
    expect(await store.list({})).toEqual([])
  })

  test('when the secret of the app is wrong, which the page does not show', async () => {
    const { install } = await openWorld({ app: { clientSecret: 'a-secret-that-is-not-the-one' } })
    const page = await install()
    expect(page.status).toBe(400)
    expect(page.text).toContain('invalid_client')
    expect(page.text).not.toContain('a-secret')
  })

  test('with an error that is not one: the page does not run it', async () => {
    const { host, install } = await openWorld()
    host.consent = '<script>alert(1)</script>'
    const page = await install()
    expect(page.status).toBe(403)
    expect(page.text).not.toContain('<script>')
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
  })
})

describe('options that cannot work are refused at start', () => {
  const good: StoaAppOptions = {
    hostUrl: 'http://localhost:4000',
    clientId: 'app_1-x',
    clientSecret: 'a-long-enough-secret',
    redirectUri: 'http://localhost:3000/callback',
    store: memoryTokenStore(),
  }

  test.each<[string, Partial<StoaAppOptions>, string]>([
    ['a host on plain http elsewhere', { hostUrl: 'http://market.example' }, 'plain http'],
    ['a host whose name only begins like this machine’s', { hostUrl: 'http://localhost.evil.example' }, 'plain http'],
    ['an address that is none', { hostUrl: 'localhost:4000' }, 'hostUrl'],
    ['a redirect URI that is none', { redirectUri: '/callback' }, 'redirectUri'],
    ['no client id', { clientId: '' }, 'clientId'],
    ['a secret and a key', { privateKey: { kty: 'EC' } }, 'not both'],
    ['a public client without a cookie secret', { clientSecret: undefined }, 'cookieSecret'],
    ['a short cookie secret', { cookieSecret: 'short' }, 'too short'],
  ])('%s', (_name, change, message) => {
    expect(() => stoaApp({ ...good, ...change })).toThrow(message)
  })

  test.each<[string, Partial<StoaAppOptions>]>([
    ['this machine', {}],
    ['this machine by number', { hostUrl: 'http://127.0.0.1:4000' }],
    ['this machine by IPv6', { hostUrl: 'http://[::1]:4000' }],
    ['https', { hostUrl: 'https://market.example/path/' }],
    ['plain http on one’s own risk', { hostUrl: 'http://market.internal', allowInsecureRequests: true }],
  ])('but not %s', (_name, change) => {
    expect(() => stoaApp({ ...good, ...change })).not.toThrow()
  })
})

import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { hiddenFields, openBrowser, type Browser, type Page } from './browser.ts'
import { movableClock } from './clock.ts'
import { people } from './people.ts'
import { callback, openOAuthWorld, pkce, type App, type OAuthWorld } from './world.ts'

const usual = { code_challenge: pkce().challenge, code_challenge_method: 'S256' }
const hostile = '"><img src=x onerror=alert(1)><script>alert(1)</script>\'&amp;'

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
  const url = (path: string) => `${world.url}/oauth/${path}`
  const openPage = (by: Browser, client = app, parameters: Record<string, string> = {}) =>
    by.open(world.authorizeUrl(client, { ...usual, ...parameters }))
  const signIn = (by: Browser, page: Page, form: { email: string; password: string }) =>
    by.post(url('sign-in'), { ...hiddenFields(page, '/oauth/sign-in'), ...form })

  /** Every page there is, each as somebody comes to it. */
  async function everyPage(client = app, parameters: Record<string, string> = {}): Promise<Record<string, Page>> {
    const fresh = openBrowser(world.url)
    const asked = await openPage(fresh, client, parameters)
    const wrong = await signIn(fresh, asked, { email: hostile, password: 'wrong' })
    const consent = await openPage(browser, client, parameters)
    const nothing = { target: 'locations', location: [] as string[] }
    return {
      'sign in': asked,
      'signing in failed': wrong,
      consent,
      'no location chosen': await world.decide(browser, consent, nothing),
      'an error': await fresh.get(world.authorizeUrl(client, { redirect_uri: hostile })),
      'a page that expired': await fresh.get(url(`consent?ticket=${encodeURIComponent(hostile)}`)),
      'a search': await browser.get(`${consent.url.replace(/&q=.*/, '')}&q=${encodeURIComponent(hostile)}`),
    }
  }

  describe('every page', () => {
    it('is framed by nobody, kept by nobody, and says where its forms may lead', async () => {
      for (const [name, { headers }] of Object.entries(await everyPage())) {
        const policy = headers.get('content-security-policy') ?? ''
        for (const directive of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"]) {
          expect(policy.split('; '), name).toContain(directive)
        }
        // The answer to a decision leaves for the application, which may lead on from there to wherever it lives.
        const leaves = ['consent', 'no location chosen', 'a search'].includes(name)
        expect(policy.includes("form-action 'self'"), name).toBe(!leaves)
        expect(policy, name).not.toMatch(/unsafe|\*|script-src/)
        expect(headers.get('x-frame-options'), name).toBe('DENY')
        expect(headers.get('cache-control'), name).toBe('no-store')
        expect(headers.get('referrer-policy'), name).toBe('no-referrer')
        expect(headers.get('x-content-type-options'), name).toBe('nosniff')
        expect(headers.get('content-type'), name).toBe('text/html; charset=utf-8')
        expect(headers.get('access-control-allow-origin'), name).toBeNull()
      }
    })

    it('has no script, and shows text that somebody gave as text', async () => {
      const members = { name: `Evil ${hostile}`.slice(0, 100), description: hostile }
      const evil = await world.app(members)
      const pages = await everyPage(evil, { state: hostile, location_id: hostile, environment: 'sandbox' })
      for (const [name, { text }] of Object.entries(pages)) {
        expect(text, name).not.toMatch(/<script|<img src=x|onerror=alert\(1\)>|javascript:/i)
        expect(text, name).not.toMatch(/\son\w+="/i)
      }
      expect(pages['consent']!.text).toContain('Evil &quot;&gt;&lt;img src=x')
      expect(pages['signing in failed']!.text).toContain('value="&quot;&gt;&lt;img src=x')
    })

    it('leads nowhere else by any parameter', async () => {
      const evil = 'https://evil.example/'
      const names = ['return_to', 'redirect', 'redirect_url', 'next', 'continue', 'url', 'target_link_uri', 'iss']
      const more = Object.fromEntries(names.map((name) => [name, evil]))
      const fresh = openBrowser(world.url)
      const entered = await fresh.get(world.authorizeUrl(app, { ...usual, ...more }))
      expect(entered.location!.startsWith(`${world.url}/oauth/consent?ticket=`)).toBe(true)
      const query = new URLSearchParams(more).toString()
      const page = await fresh.get(`${entered.location}&${query}`)
      expect(page.text).not.toContain('evil.example')
      const form = { ...hiddenFields(page, '/oauth/sign-in'), ...world.world.user, ...more }
      const signedIn = await fresh.post(`${url('sign-in')}?${query}`, form)
      expect([signedIn.status, signedIn.location!.startsWith(`${world.url}/oauth/consent?`)]).toEqual([303, true])
      const consent = await fresh.get(signedIn.location!)
      const out = await fresh.post(url('sign-out'), { ...hiddenFields(consent, '/oauth/sign-out'), ...more })
      expect([out.status, out.location!.startsWith(`${world.url}/oauth/consent?`)]).toEqual([303, true])
    })
  })

  describe('signing in', () => {
    it('answers a wrong password and an unknown address alike', async () => {
      const { email } = await people(world).person()
      const once = async (form: { email: string; password: string }) => {
        const fresh = openBrowser(world.url)
        const asked = await openPage(fresh)
        const before = process.cpuUsage()
        const page = await signIn(fresh, asked, form)
        const { user, system } = process.cpuUsage(before)
        const text = page.text.replaceAll(/value="[^"]*"/g, '')
        return { shown: [page.status, page.location, text, [...page.headers.keys()]], work: user + system }
      }
      // The least of three: this process does other things, too.
      const answer = async (form: { email: string; password: string }) => {
        const [first, ...more] = [await once(form), await once(form), await once(form)]
        return { ...first!, work: Math.min(first!.work, ...more.map(({ work }) => work)) }
      }
      const known = await answer({ email, password: 'wrong' })
      const unknown = await answer({ email: 'nobody@stoa.test', password: 'wrong' })
      expect(unknown.shown).toEqual(known.shown)
      expect(known.shown[0]).toBe(422)
      // Deriving a key is nearly all of the work; without it there would be a tenth of this left.
      expect(unknown.work).toBeGreaterThan(known.work / 4)
    })

    it('is over for a while after too many tries, with a page that says so, and lets others in', async () => {
      const { email, password } = await people(world).person()
      const fresh = openBrowser(world.url)
      const page = await openPage(fresh)
      for (let tries = 0; tries < 10; tries++)
        expect((await signIn(fresh, page, { email, password: 'x' })).status).toBe(422)
      const limited = await signIn(fresh, page, { email, password })
      expect([limited.status, limited.location]).toEqual([429, null])
      expect(limited.text).toContain('Too many tries')
      expect(fresh.cookies.has('stoa_session')).toBe(false)
      expect((await signIn(fresh, page, world.world.user)).status).toBe(303)
      time.advance(61)
      expect((await signIn(fresh, page, { email, password })).status).toBe(303)
    })

    it('needs the page of this very browser', async () => {
      const [mine, theirs] = [openBrowser(world.url), openBrowser(world.url)]
      const [page, foreign] = [await openPage(mine), await openPage(theirs)]
      const own = hiddenFields(page, '/oauth/sign-in')
      const other = hiddenFields(foreign, '/oauth/sign-in')
      const attempts: Record<string, string>[] = [
        { ticket: own['ticket']! },
        { ticket: own['ticket']!, csrf: '' },
        { ticket: own['ticket']!, csrf: other['csrf']! },
        { ...other },
        { csrf: own['csrf']! },
      ]
      for (const form of attempts) {
        const { status, location } = await mine.post(url('sign-in'), { ...form, ...world.world.user })
        expect([status, location]).toEqual([400, null])
        expect(mine.cookies.has('stoa_session')).toBe(false)
      }
      expect((await openBrowser(world.url).post(url('sign-in'), { ...own, ...world.world.user })).status).toBe(400)
      expect((await mine.post(url('sign-in'), { ...own, ...world.world.user })).status).toBe(303)
    })

    it('keeps the session from scripts and from other sites', async () => {
      const fresh = openBrowser(world.url)
      const { headers } = await signIn(fresh, await openPage(fresh), world.world.user)
      const [cookie] = headers.getSetCookie()
      expect(cookie).toMatch(/^stoa_session=[\w.-]+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/)
      expect(headers.get('location')).not.toContain('eyJ0eXAiOiJzZXNzaW9u')
    })
  })

  describe('signing out', () => {
    it('ends the session for good, and asks who is there', async () => {
      const fresh = await world.signedIn()
      const page = await openPage(fresh)
      const session = fresh.cookies.get('stoa_session')!
      const { status, location } = await fresh.post(url('sign-out'), hiddenFields(page, '/oauth/sign-out'))
      expect([status, fresh.cookies.has('stoa_session')]).toEqual([303, false])
      expect((await fresh.get(location!)).text).toContain('name="password"')
      fresh.cookies.set('stoa_session', session)
      expect((await fresh.get(location!)).text).toContain('name="password"')
    })

    it('is not done by another site', async () => {
      const fresh = await world.signedIn()
      const page = await openPage(fresh)
      const { ticket } = hiddenFields(page, '/oauth/sign-out')
      const attempts: Record<string, string>[] = [{ ticket: ticket! }, { ticket: ticket!, csrf: 'x' }]
      for (const form of attempts) {
        expect((await fresh.post(url('sign-out'), form)).status).toBe(400)
      }
      expect((await fresh.get(page.url)).text).toContain('decision')
    })
  })

  it('a session of the API shown as a bearer token or a key signs nobody in', async () => {
    const { organization, user } = world.world
    const { token } = (await world.call('POST', '/sessions', { body: user })).body as { token: string }
    const fresh = openBrowser(world.url)
    const page = await openPage(fresh)
    const cookie = [...fresh.cookies].map((pair) => pair.join('=')).join('; ')
    const credentials: Record<string, string>[] = [
      { Authorization: `Bearer ${token}` },
      { Authorization: `Bearer ${organization.apiKey}` },
      { 'X-API-Key': organization.apiKey },
    ]
    for (const headers of credentials) {
      const answer = await fetch(page.url, { headers: { Cookie: cookie, ...headers } })
      expect(await answer.text()).toContain('name="password"')
    }
    // Nor does a key, put where the session belongs.
    fresh.cookies.set('stoa_session', organization.apiKey)
    expect((await fresh.get(page.url)).text).toContain('name="password"')
    expect(callback).toMatch(/^https:/)
  })
})

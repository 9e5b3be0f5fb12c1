import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { createExampleIdentity } from '../access/example-identity.ts'
import { hiddenFields, openBrowser, type Browser, type Page } from './browser.ts'
import { movableClock } from './clock.ts'
import { jwt } from './keys.ts'
import { people } from './people.ts'
import { callback, openOAuthWorld, pkce, type App, type OAuthWorld } from './world.ts'

const usual = { code_challenge: pkce().challenge, code_challenge_method: 'S256' }

eachDatabase((database) => {
  const time = movableClock()
  let world: OAuthWorld
  let browser: Browser
  let location: string
  beforeAll(async () => {
    world = await openOAuthWorld(database, { clock: time.clock })
    browser = await world.signedIn()
    location = world.world.locations[0]!.id
  })
  const open = (client: App, by = browser, parameters: Record<string, string> = {}) =>
    by.open(world.authorizeUrl(client, { ...usual, ...parameters }))
  const send = (by: Browser, form: Record<string, string | string[]>) =>
    by.post(`${world.url}/oauth/consent`, { decision: 'allow', target: 'locations', location, ...form })
  const fieldsOf = (page: Page) => hiddenFields(page, '/oauth/consent')
  async function installed({ id }: App): Promise<number> {
    const { body } = await world.call('GET', `/applications/${id}/instances`, {
      token: world.world.publisher.apiKey,
    })
    return (body as unknown[]).length
  }
  /** Another version of the application comes into force. */
  async function release({ id }: App, members: object): Promise<void> {
    const { version } = await world.publisher.createVersion({ params: { id }, body: members })
    await world.publisher.submitVersion({ params: { id, version } })
    await world.operator.approveApplication({ params: { id }, body: {} })
  }
  const without = (fields: Record<string, string>, name: string) =>
    Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name))
  async function expectRefused(client: App, answer: Page, status = 400) {
    expect([answer.status, answer.location]).toEqual([status, null])
    expect(answer.headers.get('content-type')).toContain('text/html')
    expect(await installed(client)).toBe(0)
  }

  describe('a decision', () => {
    it('is answered with 303, so that nothing that was sent goes on to the application', async () => {
      const app = await world.app()
      const allowed = await send(browser, fieldsOf(await open(app)))
      expect([allowed.status, allowed.headers.get('referrer-policy')]).toEqual([303, 'no-referrer'])
      expect(allowed.location).toMatch(/^https:\/\/app\.example\/callback\?code=stoa_ac_\w+&iss=http/)
      expect(await installed(app)).toBe(1)
    })

    it('to cancel installs nothing and says so', async () => {
      const app = await world.app()
      const answer = await send(browser, { ...fieldsOf(await open(app, browser, { state: 's' })), decision: 'cancel' })
      const back = Object.fromEntries(new URL(answer.location!).searchParams)
      expect([answer.status, back]).toEqual([
        303,
        { error: 'access_denied', error_description: expect.any(String), state: 's', iss: world.url },
      ])
      expect(await installed(app)).toBe(0)
    })

    it('needs the token of the very page: of this browser, person, organization, version and request', async () => {
      const app = await world.app()
      const other = await world.app()
      const fields = fieldsOf(await open(app))
      const another = await world.signedIn()
      const theirs = fieldsOf(await open(app, another))
      const colleague = await people(world).member(world.world.organization.id, 'admin')
      const shared = await world.signedIn(colleague)
      // The same browser, in which somebody else has signed in since.
      const changed = openBrowser(world.url)
      for (const [name, value] of browser.cookies) changed.cookies.set(name, value)
      changed.cookies.set('stoa_session', shared.cookies.get('stoa_session')!)
      const attempts: [string, Browser, Record<string, string>][] = [
        ['no token', browser, without(fields, 'csrf')],
        ['an empty token', browser, { ...fields, csrf: '' }],
        ['a token of another page', browser, { ...fields, csrf: fieldsOf(await open(other))['csrf']! }],
        ['a token of another browser', browser, { ...fields, csrf: theirs['csrf']! }],
        ['another browser’s whole form', browser, theirs],
        ['this form in another browser', another, fields],
        ['this form in no browser', openBrowser(world.url), fields],
        ['another person', changed, fields],
        ['another organization', browser, { ...fields, organization: world.world.publisher.organizationId }],
        ['no organization', browser, without(fields, 'organization')],
        ['another version', browser, { ...fields, version: '2' }],
        ['no version', browser, without(fields, 'version')],
        ['a version that is none', browser, { ...fields, version: '1e0x' }],
      ]
      for (const [name, by, form] of attempts) {
        const answer = await send(by, form)
        expect([name, answer.status, answer.location]).toEqual([name, 400, null])
      }
      const decided = await send(browser, { ...fields, decision: 'whatever' })
      expect(decided.status).toBe(400)
      expect(await installed(app)).toBe(0)
      expect((await send(browser, fields)).status).toBe(303)
    })

    it('by somebody who signed out meanwhile leads to the sign-in', async () => {
      const app = await world.app()
      const fresh = await world.signedIn()
      const page = await open(app, fresh)
      fresh.cookies.delete('stoa_session')
      const answer = await send(fresh, fieldsOf(page))
      expect([answer.status, answer.location!.startsWith(`${world.url}/oauth/consent?ticket=`)]).toEqual([303, true])
      expect((await fresh.get(answer.location!)).text).toContain('name="password"')
      expect(await installed(app)).toBe(0)
    })

    it('about what has changed since is asked again, and nothing is installed', async () => {
      const app = await world.app()
      const page = await open(app)
      expect(page.text).not.toContain('delete customers')
      await release(app, { permissions: ['charges.readonly', 'customers:delete'] })
      const answer = await send(browser, fieldsOf(page))
      await expectRefused(app, answer, 409)
      expect(answer.text).toContain('has changed since')
      expect(answer.text.toLowerCase()).toContain('delete customers')
      expect((await send(browser, fieldsOf(answer))).status).toBe(303)
    })

    it('for an application that lost the redirect URI meanwhile sends nobody there', async () => {
      const app = await world.app({ redirectUris: [callback, 'https://app.example/other'] })
      const page = await open(app)
      await release(app, { redirectUris: ['https://app.example/other'] })
      await expectRefused(app, await send(browser, fieldsOf(page)))
    })
  })

  describe('what is chosen', () => {
    it('has to be something', async () => {
      const app = await world.app()
      const answer = await send(browser, { ...fieldsOf(await open(app)), location: [] })
      await expectRefused(app, answer, 422)
      expect(answer.text).toContain('Choose at least one location.')
    })

    it.each(['alone', 'among others'])('is not a location of somebody else, %s', async (how) => {
      const app = await world.app()
      const { locationId } = await people(world).owner()
      const chosen = how === 'alone' ? [locationId] : [location, locationId]
      const answer = await send(browser, { ...fieldsOf(await open(app)), location: chosen })
      await expectRefused(app, answer, 404)
      const unknown = ['loc_unknown', ...(how === 'alone' ? [] : [location])]
      const none = await send(browser, { ...fieldsOf(await open(app)), location: unknown })
      const shape = ({ text }: Page) => text.replace(/Reference [\w-]+/, '')
      expect([none.status, shape(none)]).toEqual([404, shape(answer)])
    })

    it('is not suggested from another organization', async () => {
      const app = await world.app()
      const { locationId } = await people(world).owner('Somebody else')
      const page = await open(app, browser, { location_id: locationId })
      expect(page.text).not.toContain(locationId)
      expect(page.text).not.toContain('Somebody else')
      expect((await open(app, browser, { location_id: location })).text).toMatch(new RegExp(`"${location}"\\s+checked`))
    })

    it('holds no permission that the application does not ask for', async () => {
      const app = await world.app({ optionalPermissions: ['customers:show'], permissions: ['charges.readonly'] })
      for (const optional of ['customers:delete', 'members:update', '*', '__proto__']) {
        const answer = await send(browser, { ...fieldsOf(await open(app)), optional })
        await expectRefused(app, answer, 422)
      }
    })
  })

  describe('a person', () => {
    it('who may not install is told so, and installs nothing', async () => {
      const app = await world.app()
      const member = await people(world).member(world.world.organization.id, 'member')
      const theirs = await world.signedIn(member)
      const page = await open(app, theirs, { state: 'kept' })
      expect(page.text).toContain('cannot be installed by you')
      const [, back] = /<a class="button"\s+href="([^"]+)"/.exec(page.text) ?? []
      const told = new URL(back!.replaceAll('&amp;', '&')).searchParams
      expect([told.get('error'), told.get('state'), told.get('iss')]).toEqual(['access_denied', 'kept', world.url])
      const fields = { ...fieldsOf(await open(app)), ticket: new URL(page.url).searchParams.get('ticket')! }
      await expectRefused(app, await send(theirs, fields))
    })

    it('who may no longer install when the form comes installs nothing', async () => {
      const app = await world.app()
      const organizationId = world.world.organization.id
      const admin = await people(world).member(organizationId, 'admin')
      const theirs = await world.signedIn(admin)
      const page = await open(app, theirs)
      await world.host.services.saveMembership({ organizationId, userId: admin.id, role: 'member' })
      const answer = await send(theirs, fieldsOf(page))
      expect([answer.location, await installed(app)]).toEqual([null, 0])
      await world.host.services.removeMembership({ organizationId, userId: admin.id })
      const gone = await send(theirs, fieldsOf(page))
      expect([gone.status, gone.location, await installed(app)]).toEqual([404, null, 0])
    })

    it('of several organizations chooses one, and none that is not theirs', async () => {
      const app = await world.app()
      const stranger = await people(world).owner('Strangers')
      const owner = await people(world).owner('First of two')
      const { id: second } = await world.host.services.createOrganization(owner.id, { name: 'Second of two' })
      const theirs = await world.signedIn(owner)
      const choice = await open(app, theirs)
      expect(choice.text).toContain('First of two')
      const chosen = await theirs.get(`${choice.url}&organization=${second}`)
      expect(chosen.text).toContain('to work for Second of two')
      for (const organization of [
        stranger.organizationId,
        world.world.organization.id,
        'org_unknown',
        '-',
        '__proto__',
      ]) {
        const page = await theirs.get(`${choice.url}&organization=${organization}`)
        expect(page.text).not.toMatch(/Strangers|Demo merchant/)
        expect(page.text).not.toContain('name="decision"')
      }
      await expectRefused(app, await send(theirs, fieldsOf(chosen)), 404)
    })
  })

  describe('a ticket', () => {
    it('is this host’s, this browser’s, unchanged, and half an hour old at most', async () => {
      const app = await world.app()
      const page = await open(app)
      const ticket = new URL(page.url).searchParams.get('ticket')!
      const [header, claims, signature] = ticket.split('.') as [string, string, string]
      const read = JSON.parse(Buffer.from(claims, 'base64url').toString()) as {
        errand: { request: Record<string, unknown> }
      }
      read.errand.request['redirectUri'] = 'https://evil.example'
      const forged = Buffer.from(JSON.stringify(read)).toString('base64url')
      const elsewhere = await openOAuthWorld(database, {
        secret: 'a secret of quite another host, 32+',
        baseUrl: world.url,
      })
      const entered = await openBrowser(elsewhere.url).get(
        elsewhere.authorizeUrl(await elsewhere.app(), usual).replace(world.url, elsewhere.url),
      )
      const session = browser.cookies.get('stoa_session')!
      const wrong = [
        '',
        'nonsense',
        `${header}.${forged}.${signature}`,
        `${header}.${forged}.`,
        jwt({ typ: 'consent+jwt' }, read, null),
        jwt({ typ: 'consent+jwt' }, read, 'a secret that only tests know, 32+'),
        jwt({ typ: 'JWT' }, 'not JSON', 'x'),
        new URL(entered.location!).searchParams.get('ticket') ?? 'none',
        session,
      ]
      for (const [index, each] of wrong.entries()) {
        const answer = await browser.get(`${world.url}/oauth/consent?ticket=${encodeURIComponent(each)}`)
        expect([index, answer.status, answer.location]).toEqual([index, 400, null])
        expect((await send(browser, { ...fieldsOf(page), ticket: each })).status).toBe(400)
      }
      const other = openBrowser(world.url)
      await other.get(world.authorizeUrl(app, usual))
      expect((await other.get(page.url)).status).toBe(400)
      expect((await browser.get(page.url)).status).toBe(200)
      time.advance(31 * 60)
      expect((await browser.get(page.url)).status).toBe(400)
      await expectRefused(app, await send(browser, fieldsOf(page)))
    })
  })
})

eachDatabase((database) => {
  it('with the identity port people sign in at the embedder’s, and nowhere here', async () => {
    const embedder = createExampleIdentity()
    const signInUrl = 'https://platform.example/login?from=stoa'
    const world = await openOAuthWorld(database, { identity: embedder.port, pages: { signInUrl } })
    const app = await world.app()
    const browser = openBrowser(world.url)
    const asked = await browser.open(world.authorizeUrl(app, usual))
    const away = new URL(asked.location!)
    expect([asked.status, away.href.startsWith(`${signInUrl}&return_to=`)]).toEqual([303, true])
    const back = away.searchParams.get('return_to')!
    expect(back.startsWith(`${world.url}/oauth/consent?ticket=`)).toBe(true)

    const memberships = [{ organizationId: world.world.organization.id, role: 'owner' as const }]
    embedder.save('mo', { userId: 'usr_demo_merchant', email: 'merchant@stoa.example', name: 'Mo', memberships })
    browser.cookies.set('session', 'mo')
    const page = await browser.get(back)
    expect(page.text).not.toContain('/oauth/sign-out')
    const { ticket } = hiddenFields(page, '/oauth/consent')
    const local = await browser.post(`${world.url}/oauth/sign-in`, { ticket: ticket!, csrf: 'x', ...world.world.user })
    expect([local.status, browser.cookies.has('stoa_session')]).toEqual([400, false])
    embedder.signOut('mo')
    expect((await browser.get(back)).location).toBe(asked.location)
    embedder.save('mo', { userId: 'usr_demo_merchant', email: 'merchant@stoa.example', name: 'Mo', memberships })
    const { status, location } = await world.decide(browser, page)
    expect([status, location!.startsWith(`${callback}?code=stoa_ac_`)]).toEqual([303, true])
  })
})

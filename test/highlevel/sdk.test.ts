import { HighLevel } from '@gohighlevel/api-client'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { callback, openHighLevelWorld, scopes, type App, type HighLevelWorld, type Wire } from './world.ts'

/* HighLevel's own SDK, as it comes from npm, with nothing set but where the host is. */

eachDatabase((database) => {
  let world: HighLevelWorld
  beforeAll(async () => {
    world = await openHighLevelWorld(database)
  })

  describe('installing', () => {
    it('gets a token of the location that was chosen, with the address it returns to or without', async () => {
      const client = await world.app()
      const ghl = world.sdk(client)
      for (const naming of [false, true]) {
        const token = await world.install(client, ghl, { naming })
        expect(token).toMatchObject({
          token_type: 'Bearer',
          userType: 'Location',
          locationId: world.locationIds[0],
          companyId: world.companyId,
          isBulkInstallation: false,
          scope: scopes.join(' '),
        })
        expect(token.refresh_token).toEqual(expect.any(String))
      }
    })

    it('is led to the page by the path of the second version too, and gets the state back that was added', async () => {
      const client = await world.app()
      const first = world.sdk(client).oauth.getAuthorizationUrl(client.clientId, callback, scopes.join(' '))
      expect(first).toContain('/oauth/chooselocation?')
      const browser = await world.signedIn()
      for (const path of ['/oauth/chooselocation', '/v2/oauth/chooselocation']) {
        const url = `${first.replace('/oauth/chooselocation', path)}&state=mine&version_id=1&loginWindowOpenMode=self`
        const back = await world.decide(browser, await browser.open(url))
        expect(new URL(back.location!).searchParams.get('state')).toBe('mine')
      }
    })

    it('sends the exchange as JSON text when its caller sets headers, and gets the token all the same', async () => {
      const client = await world.app()
      const ghl = world.sdk(client)
      const back = await world.authorize(client, { browser: await world.signedIn() })
      const form = world.codeForm(client, back.get('code')!)
      const sent: Wire[] = []
      ghl.addRequestInterceptor({
        onFulfilled(config) {
          sent.push([config.headers['Content-Type'], typeof config.data])
          return config
        },
      })
      const headers = { 'X-Mine': '1', Authorization: 'Bearer something of long ago' }
      const token = (await ghl.oauth.getAccessToken(form, { headers })) as Wire
      expect(sent).toEqual([['application/json', 'string']])
      expect(token.userType).toBe('Location')
    })

    it('refreshes, with another refresh token every time', async () => {
      const client = await world.app()
      const ghl = world.sdk(client)
      const first = await world.install(client, ghl)
      const { clientId, clientSecret } = client
      const refresh = (token: string) =>
        ghl.oauth.refreshToken(token, clientId, clientSecret, 'refresh_token', 'Location')
      const second = await refresh(first.refresh_token)
      const third = await refresh(second.refresh_token)
      expect(third).toMatchObject({ userType: 'Location', locationId: first.locationId, scope: first.scope })
      expect(new Set([first, second, third].map((each) => each.refresh_token)).size).toBe(3)
      expect(new Set([first, second, third].map((each) => each.refreshTokenId)).size).toBe(1)
    })

    it('finds the host healthy', async () => {
      expect(await world.sdk(await world.app()).healthCheck()).toBe(true)
    })

    it('is found by the other way of saying where it is, too', async () => {
      const { BASE_URL } = HighLevel as unknown as { BASE_URL: string }
      onTestFinished(() => void Object.assign(HighLevel, { BASE_URL }))
      Object.assign(HighLevel, { BASE_URL: world.url })
      const { token } = await world.atLocation()
      const ghl = new HighLevel({ privateIntegrationToken: token.access_token, logLevel: 'none' as never })
      expect(await ghl.marketplace.hasFunds()).toMatchObject({ hasFunds: true })
    })
  })

  describe('an installation on all locations and future ones', () => {
    it('gives a company token, and by it those of its locations', async () => {
      const { ghl, token, companyId } = await world.atCompany()
      expect(token).toMatchObject({
        userType: 'Company',
        companyId,
        isBulkInstallation: true,
        approveAllLocations: true,
        installToFutureLocations: true,
      })
      expect(token).not.toHaveProperty('locationId')
      for (const locationId of world.locationIds) {
        const location: Wire = await ghl.oauth.getLocationAccessToken({ companyId, locationId })
        expect(location).toMatchObject({ userType: 'Location', companyId, locationId, token_type: 'Bearer' })
        expect(location.refresh_token).toEqual(expect.any(String))
        await ghl.getSessionStorage().setSession(locationId, location)
        expect((await ghl.marketplace.hasFunds({ headers: { locationId } })).hasFunds).toBe(true)
      }
    })

    it('takes the form of a location token as JSON text too', async () => {
      const { ghl, companyId } = await world.atCompany()
      const form = { companyId, locationId: world.locationIds[1]! }
      const location: Wire = await ghl.oauth.getLocationAccessToken(form, { headers: { companyId } })
      expect(location).toMatchObject({ userType: 'Location', locationId: form.locationId })
    })

    it('lists the locations by pages, by name, and by whether it is installed', async () => {
      const extra = await world.merchant.createLocation({ body: { name: 'Away from it all' } })
      const client = await world.app()
      const ghl = world.sdk(client)
      const token = await world.install(client, ghl, { form: { target: 'locations', location: world.locationIds } })
      const { companyId } = world
      await ghl.getSessionStorage().setSession(companyId, token)
      const list = (params: Record<string, unknown> = {}): Promise<Wire> =>
        ghl.oauth.getInstalledLocation({ companyId, appId: client.id, ...params })

      const all = await list({ limit: '100' })
      const total = all.count as number
      expect(total).toBeGreaterThanOrEqual(3)
      const ids = (page: Wire) => page.locations.map((each: { _id: string }) => each._id)
      expect(ids(all)).toContain(extra.id)
      const pages: Wire[] = []
      for (let skip = 0; skip < total; skip += 2) pages.push(await list({ skip: String(skip), limit: '2' }))
      expect(pages.flatMap(ids)).toEqual(ids(all))
      expect(pages.every(({ count }) => count === total)).toBe(true)

      expect(ids(await list({ query: 'AWAY' }))).toEqual([extra.id])
      const installed = await list({ isInstalled: true })
      expect(ids(installed).sort()).toEqual([...world.locationIds].sort())
      expect(installed.locations[0]).toMatchObject({
        name: expect.any(String),
        address: '1 Agora Street',
        isInstalled: true,
        versionId: `${client.id}.1`,
        installedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      })
      expect(ids(await list({ isInstalled: false }))).toContain(extra.id)
      expect(ids(await list({ locationId: extra.id, isInstalled: true }))).toEqual([])
      expect(installed.installToFutureLocations).toBe(false)
    })
  })

  describe('the wallet', () => {
    it('charges, lists, shows and gives back', async () => {
      const { client, ghl, locationId, at } = await world.atLocation()
      const fixed = await world.fixedMeter(client)
      const dynamic = await world.dynamicMeter(client)
      const made = await ghl.marketplace.charge(world.chargeOf(client, fixed, locationId))
      expect(made).toMatchObject({ success: true, chargeId: expect.any(String) })
      await ghl.marketplace.charge(world.chargeOf(client, dynamic, locationId, { price: 0.5, userId: 'u1' }))

      const { chargeId } = made
      const charge = await ghl.marketplace.getSpecificCharge({ chargeId }, at)
      expect(charge).toMatchObject({
        chargeId,
        refunded: false,
        currency: 'USD',
        appId: client.id,
        meterId: fixed,
        entityType: 'location',
        entityId: locationId,
        amountCharged: 0.1,
        pricePerUnit: 0.05,
        units: 2,
        transactionType: 'charge',
        meta: { description: 'Two greetings' },
      })
      const list = await ghl.marketplace.getCharges({ skip: 0, limit: 1 } as never, at)
      expect(list).toMatchObject({ count: 2, pagination: { total: 2, skip: 0, limit: 1 } })
      expect(list.charges).toHaveLength(1)
      const ofDynamic = await ghl.marketplace.getCharges({ meterId: dynamic, userId: 'u1' }, at)
      expect(ofDynamic.charges).toMatchObject([{ meterId: dynamic, amountCharged: 1, meta: { userId: 'u1' } }])
      expect((await ghl.marketplace.getCharges({ startDate: '2024-01-01', endDate: '2024-02-01' }, at)).count).toBe(0)

      expect(await ghl.marketplace.hasFunds(at)).toMatchObject({ hasFunds: true })
      // A DELETE without a body that says it is JSON.
      expect(await ghl.marketplace.deleteCharge({ chargeId }, at)).toEqual({ success: true })
      expect(await ghl.marketplace.getSpecificCharge({ chargeId }, at)).toMatchObject({ refunded: true })
    })

    it('books an event once, however often it is sent', async () => {
      const { client, ghl, locationId, at } = await world.atLocation()
      const body = world.chargeOf(client, await world.fixedMeter(client), locationId)
      const [first, again] = [await ghl.marketplace.charge(body), await ghl.marketplace.charge(body)]
      expect(again.chargeId).toBe(first.chargeId)
      expect((await ghl.marketplace.getCharges({ eventId: body.eventId }, at)).count).toBe(1)
    })
  })

  describe('a plan', () => {
    const plan = async ({ id }: App, members: object = {}): Promise<string> => {
      const times = { paymentType: 'recurring', paymentTime: 'month' } as const
      const usual = { name: 'Pro', features: ['More greetings'], ...times }
      const prices = { amount: '20', locationAmount: '2.5', trialDays: 0, ...members }
      return (await world.publisher.createPlan({ params: { id }, body: { ...usual, ...prices } })).id
    }

    it('is chosen on the page, and named by the token and the rebilling configuration', async () => {
      const client = await world.app()
      const planId = await plan(client)
      const meterId = await world.fixedMeter(client)
      const ghl = world.sdk(client)
      const browser = await world.signedIn()
      const page = await browser.open(ghl.oauth.getAuthorizationUrl(client.clientId, callback, scopes.join(' ')))
      expect(page.text).toContain(
        'Pro: 20 USD a month for the organization as a whole, 2.5 USD a month for each location',
      )
      expect(page.text).toContain('More greetings')
      const none = await world.decide(browser, page)
      expect([none.status, none.location]).toEqual([422, null])
      expect(none.text).toContain('The application is installed with one of its plans')

      const token = await world.install(client, ghl, { form: { planId } })
      const { locationId } = token
      expect(token.planId).toBe(planId)
      await ghl.getSessionStorage().setSession(locationId, token)
      const at = { headers: { locationId } }
      const config: Wire = await ghl.marketplace.getRebillingConfigForApp({ appId: client.id, locationId }, at)
      expect(config.plans).toEqual({
        subscription: [
          {
            planId,
            name: 'Pro',
            features: ['More greetings'],
            paymentType: 'recurring',
            paymentTime: 'month',
            baseAmount: 2.5,
            resellingAmount: 2.5,
          },
        ],
        usage: [
          {
            meterId,
            meterName: 'Greetings',
            productType: 'custom',
            productName: 'Greetings',
            usageUnit: 'greeting',
            priceType: 'fixed',
            fixedPricePerUnit: 0.05,
            minPricePerUnit: '0.05',
            maxPricePerUnit: '0.05',
            executionLimitPerCycle: 0,
          },
        ],
      })
      const elsewhere = { appId: client.id, locationId: world.locationIds[1]! }
      await expect(ghl.marketplace.getRebillingConfigForApp(elsewhere, at)).rejects.toMatchObject({ statusCode: 403 })
    })

    it('of an organization goes on to its locations, and filters them', async () => {
      const client = await world.app()
      const [planId, other] = [await plan(client, { trialDays: 7 }), await plan(client)]
      const ghl = world.sdk(client)
      const token = await world.install(client, ghl, { form: { target: 'all', planId } })
      const { companyId } = world
      await ghl.getSessionStorage().setSession(companyId, token)
      expect(token.planId).toBe(planId)
      const count = async (filter: object) =>
        ((await ghl.oauth.getInstalledLocation({ companyId, appId: client.id, ...filter } as never)) as Wire).count
      const installed = await count({ isInstalled: true })
      expect(installed).toBeGreaterThanOrEqual(2)
      expect(await count({ planId })).toBe(installed)
      expect(await count({ onTrial: true })).toBe(installed)
      expect(await count({ planId: other })).toBe(0)
      const locationId = world.locationIds[0]!
      const location: Wire = await ghl.oauth.getLocationAccessToken({ companyId, locationId })
      expect(location.planId).toBe(planId)
    })
  })

  describe('the installation', () => {
    it('says who installed it, with less about the company from a location', async () => {
      const location = await world.atLocation()
      const params = { appId: location.client.id }
      const here: Wire = await location.ghl.marketplace.getInstallerDetails(params, {
        ...location.at,
        preferredTokenType: 'location',
      })
      expect(here.installationDetails).toMatchObject({
        companyId: world.companyId,
        locationId: location.locationId,
        companyName: 'Demo merchant',
        companyEmail: null,
        userId: location.token.userId,
      })
      const company = await world.atCompany()
      const there: Wire = await company.ghl.marketplace.getInstallerDetails(
        { appId: company.client.id },
        { ...company.at, preferredTokenType: 'company' },
      )
      expect(there.installationDetails.companyEmail).toBe('merchant@stoa.example')
      expect(there.installationDetails).not.toHaveProperty('locationId')
    })

    it('ends at a location, and its tokens with it', async () => {
      const { client, ghl, locationId, at, token } = await world.atLocation()
      const params = { appId: client.id }
      expect(await ghl.marketplace.uninstallApplication(params, { locationId })).toEqual({ success: true })
      await expect(ghl.marketplace.hasFunds(at)).rejects.toMatchObject({ statusCode: 401 })
      const { clientId, clientSecret } = client
      const refreshed = ghl.oauth.refreshToken(token.refresh_token, clientId, clientSecret, 'refresh_token', 'Location')
      await expect(refreshed).rejects.toMatchObject({ statusCode: 400, response: { error: 'invalid_grant' } })
    })

    it('ends for a company, and in all of its locations', async () => {
      const { client, ghl, companyId } = await world.atCompany()
      const locationId = world.locationIds[0]!
      const location: Wire = await ghl.oauth.getLocationAccessToken({ companyId, locationId })
      await ghl.getSessionStorage().setSession(locationId, { ...location, refresh_token: undefined })
      const uninstall = ghl.marketplace.uninstallApplication(
        { appId: client.id },
        { companyId },
        { preferredTokenType: 'company' },
      )
      expect(await uninstall).toEqual({ success: true })
      await expect(ghl.marketplace.hasFunds({ headers: { locationId } })).rejects.toMatchObject({ statusCode: 401 })
    })
  })
})

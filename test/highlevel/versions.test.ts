import { beforeAll, describe, expect, it } from 'vitest'
import type { CallOptions } from '../support/host.ts'
import { eachDatabase } from '../support/databases.ts'
import { callback, openHighLevelWorld, type HighLevelWorld, type Wire } from './world.ts'

/* What HighLevel's contract chooses by the `Version` header, and what by the path. */

const versions = ['2021-04-15', '2021-07-28', '2023-02-21', 'v3']

eachDatabase((database) => {
  let world: HighLevelWorld
  beforeAll(async () => {
    world = await openHighLevelWorld(database)
  })

  describe('the Version header', () => {
    /** Every operation of HighLevel's, asked by tokens that it takes, in an order in which each succeeds. */
    async function everyOperation() {
      const company = await world.atCompany()
      const { client, companyId } = company
      const location = world.locationIds[0]!
      const form = { companyId, locationId: location }
      const answer: Wire = await company.ghl.oauth.getLocationAccessToken(form)
      const charge = world.chargeOf(client, await world.fixedMeter(client), location)
      const own = { token: answer.access_token as string }
      const whole = { token: company.token.access_token as string }
      const query = `companyId=${companyId}&appId=${client.id}`
      const billing = '/marketplace/billing/charges'
      const app = `/marketplace/app/${client.id}/installations`
      const made = await world.call('POST', billing, { ...own, body: charge })
      const one = `${billing}/${made.body.chargeId}`
      return (headers: Record<string, string>): [string, string, CallOptions][] => [
        ['POST', billing, { ...own, headers, body: charge }],
        ['GET', billing, { ...own, headers }],
        ['GET', `${billing}/has-funds`, { ...own, headers }],
        ['GET', one, { ...own, headers }],
        ['DELETE', one, { ...own, headers }],
        ['GET', app, { ...own, headers }],
        ['POST', '/oauth/locationToken', { ...whole, headers, body: form }],
        ['POST', '/oauth/location-token', { ...whole, headers, body: form }],
        ['GET', `/oauth/installedLocations?${query}`, { ...whole, headers }],
        ['GET', `/oauth/installed-locations?${query}`, { ...whole, headers }],
        ['DELETE', app, { ...own, headers }],
      ]
    }

    it('may be any that HighLevel has, or absent, at every operation', async () => {
      for (const headers of [...versions.map((Version) => ({ Version })), {}]) {
        for (const [method, path, options] of (await everyOperation())(headers)) {
          const { status } = await world.call(method, path, options)
          expect([method, path, headers, status]).toEqual([method, path, headers, 200])
        }
      }
    })

    it('is refused when it is another', async () => {
      for (const [method, path, options] of (await everyOperation())({ Version: '2099-01-01' })) {
        const { status, body } = await world.call(method, path, options)
        expect([method, path, status]).toEqual([method, path, 400])
        expect(body.message).toMatch(/^version header is invalid/)
      }
    })

    it('does not concern other operations', async () => {
      const headers = { Version: '2099-01-01' }
      expect((await world.call('GET', '/applications', { token: world.world.publisher.apiKey, headers })).status).toBe(
        200,
      )
    })

    it('is v3 in an SDK that was told so, which still writes as before', async () => {
      const { client, ghl, companyId } = await world.atCompany({}, { apiVersion: 'v3' })
      const seen = new Set<unknown>()
      ghl.addRequestInterceptor({
        onFulfilled(config) {
          seen.add(config.headers.Version)
          return config
        },
      })
      const locationId = world.locationIds[0]!
      const location: Wire = await ghl.oauth.getLocationAccessToken({ companyId, locationId })
      expect(location).toMatchObject({ userType: 'Location', locationId })
      await ghl.getSessionStorage().setSession(locationId, location)
      const at = { headers: { locationId } }
      const meter = await world.fixedMeter(client)
      const { chargeId } = await ghl.marketplace.charge(world.chargeOf(client, meter, locationId))
      expect(await ghl.marketplace.getSpecificCharge({ chargeId }, at)).toMatchObject({ amountCharged: 0.1 })
      expect((await ghl.oauth.getInstalledLocation({ companyId, appId: client.id })).count).toBeGreaterThanOrEqual(2)
      expect([...seen]).toEqual(['v3'])
    })
  })

  describe('version 3', () => {
    it('exchanges a code and refreshes in camel case, by form and by JSON', async () => {
      const client = await world.app()
      const { clientId, clientSecret } = client
      const camel = {
        accessToken: expect.any(String),
        tokenType: 'Bearer',
        expiresIn: 3600,
        refreshToken: expect.any(String),
        userType: 'Location',
        companyId: world.companyId,
        locationId: world.locationIds[0],
      }
      const common = { clientId, clientSecret, userType: 'Location' }
      for (const json of [false, true]) {
        const ask = (form: Record<string, string>): Promise<Wire> =>
          json ? world.call('POST', '/oauth/token', { body: form }) : world.token(form)
        const code = (await world.authorize(client, { browser: await world.signedIn() })).get('code')!
        const grant = { ...common, grantType: 'authorization_code', code, redirectUri: callback }
        const { status, body } = await ask(grant)
        expect([status, body]).toEqual([200, expect.objectContaining(camel)])
        expect(Object.keys(body).filter((name) => name.includes('_'))).toEqual([])
        const again = await ask({ ...common, grantType: 'refresh_token', refreshToken: body.refreshToken })
        expect(again.body).toMatchObject(camel)
        expect(again.body.refreshToken).not.toBe(body.refreshToken)
      }
    })

    it('gives location tokens in camel case, by form and by JSON', async () => {
      const { token, companyId } = await world.atCompany()
      const body = { companyId, locationId: world.locationIds[1]! }
      const answers = [
        await world.call('POST', '/oauth/location-token', { token: token.access_token, body }),
        await world.post('/oauth/location-token', body, { Authorization: `Bearer ${token.access_token}` }),
      ]
      for (const answer of answers) {
        expect(answer.status).toBe(200)
        expect(answer.body).toMatchObject({
          tokenType: 'Bearer',
          userType: 'Location',
          ...body,
          refreshToken: expect.any(String),
        })
        const funds = await world.call('GET', '/marketplace/billing/charges/has-funds', {
          token: answer.body.accessToken,
        })
        expect(funds.status).toBe(200)
      }
    })

    it('lists locations by page tokens, forth and back', async () => {
      for (const name of ['Three', 'Four', 'Five']) await world.merchant.createLocation({ body: { name } })
      const { client, token, companyId } = await world.atCompany()
      const list = async (query: Record<string, string> = {}): Promise<Wire> => {
        const parameters = new URLSearchParams({ companyId, appId: client.id, ...query })
        const path = `/oauth/installed-locations?${parameters.toString()}`
        const { status, body } = await world.call('GET', path, { token: token.access_token })
        expect([status, body]).toEqual([200, expect.anything()])
        return body
      }
      const ids = (page: Wire): string[] => page.items.map((each: { _id: string }) => each._id)
      const all = await list({ pageSize: '100' })
      const total = all.pagination.totalRecords as number
      expect(total).toBeGreaterThanOrEqual(5)
      expect(all).toMatchObject({
        pagination: { hasNextPage: false, hasPrevPage: false, currentPageSize: total, estimatedTotalRecords: total },
        metadata: { filterApplied: false, sortApplied: false },
        installToFutureLocations: true,
      })
      expect(all.pagination).not.toHaveProperty('nextPageToken')

      const forth: Wire[] = [await list({ pageSize: '2' })]
      while (forth.at(-1).pagination.hasNextPage) {
        forth.push(await list({ pageSize: '2', pageToken: forth.at(-1).pagination.nextPageToken }))
      }
      expect(forth.flatMap(ids)).toEqual(ids(all))
      expect(forth.at(-1).pagination).toMatchObject({ hasPrevPage: true, currentPageSize: total % 2 === 0 ? 2 : 1 })
      const back: Wire[] = [forth.at(-1)]
      while (back[0].pagination.hasPrevPage) {
        back.unshift(await list({ pageSize: '2', pageToken: back[0].pagination.prevPageToken }))
      }
      expect(back.flatMap(ids)).toEqual(ids(all))

      const filtered = await list({ query: 'four' })
      expect(filtered).toMatchObject({ items: [{ name: 'Four' }], metadata: { filterApplied: true } })
    })

    it('says 400 and 404 in its own form, and the rest as before', async () => {
      const { client, token, companyId } = await world.atCompany()
      const own = { token: token.access_token as string }
      const query = `companyId=${companyId}&appId=${client.id}`
      const shape = { code: expect.any(String), message: expect.any(String), resolution: expect.any(String) }
      const refused: [string, string, CallOptions, number, object][] = [
        ['POST', '/oauth/location-token', { body: { companyId } }, 400, { details: [{ field: 'locationId' }] }],
        ['POST', '/oauth/location-token', { body: { companyId, locationId: 'loc_none' } }, 404, { details: [] }],
        ['GET', `/oauth/installed-locations?${query}&pageSize=0`, {}, 400, { details: [{ field: 'pageSize' }] }],
        ['GET', `/oauth/installed-locations?${query}&pageSize=101`, {}, 400, { details: [{ field: 'pageSize' }] }],
        ['GET', `/oauth/installed-locations?${query}&pageToken=x`, {}, 400, { details: [{ field: 'pageToken' }] }],
        ['GET', `/oauth/installed-locations?appId=${client.id}`, {}, 400, { details: [{ field: 'companyId' }] }],
      ]
      for (const [method, path, options, status, details] of refused) {
        const answer = await world.call(method, path, { ...own, ...options })
        expect([path, answer.status]).toEqual([path, status])
        expect(answer.body.error).toMatchObject({ ...shape, ...details })
      }
      const foreign = await world.call('GET', `/oauth/installed-locations?companyId=org_other&appId=${client.id}`, own)
      expect(foreign).toMatchObject({ status: 403, body: { statusCode: 403, error: 'Forbidden' } })
      const nobody = await world.call('GET', `/oauth/installed-locations?${query}`)
      expect(nobody).toMatchObject({ status: 401, body: { statusCode: 401, error: 'Unauthorized' } })
    })
  })
})

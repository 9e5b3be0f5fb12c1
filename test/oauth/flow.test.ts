import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openOAuthWorld, type App, type OAuthWorld } from './world.ts'

eachDatabase((database) => {
  let world: OAuthWorld
  let app: App
  beforeAll(async () => {
    world = await openOAuthWorld(database)
    app = await world.app()
  })

  describe('a location is chosen', () => {
    it('gives a token of that location, in the fields of HighLevel', async () => {
      const { status, body, headers } = await world.tokens(app)
      expect(status).toBe(200)
      expect(headers.get('cache-control')).toBe('no-store')
      expect(body).toMatchObject({
        token_type: 'Bearer',
        expires_in: 3600,
        userType: 'Location',
        companyId: world.world.organization.id,
        locationId: world.world.locations[0]!.id,
        appId: app.id,
        versionId: `${app.id}.1`,
        isBulkInstallation: false,
        scope: 'charges.write charges.readonly oauth.readonly oauth.write',
      })
      const funds = await world.call('GET', '/marketplace/billing/charges/has-funds', { token: body.access_token })
      expect([funds.status, funds.body.hasFunds]).toEqual([200, true])
    })
  })

  describe('all locations and future ones are chosen', () => {
    it('gives a token of the organization, which gets those of its locations', async () => {
      const { body } = await world.tokens(app, { form: { target: 'all', future: 'yes' } })
      expect(body).toMatchObject({
        userType: 'Company',
        isBulkInstallation: true,
        approveAllLocations: true,
        installToFutureLocations: true,
      })
      expect(body).not.toHaveProperty('locationId')
      const token = body.access_token
      const charges = await world.call('GET', '/marketplace/billing/charges', { token })
      expect([charges.status, charges.body.code]).toEqual([403, 'missing_permission'])

      const { id: locationId } = await world.merchant.createLocation({ body: { name: 'Later' } })
      const form = { companyId: body.companyId, locationId }
      const location = await world.call('POST', '/oauth/locationToken', { token, body: form })
      expect(location.body).toMatchObject({ userType: 'Location', locationId, refresh_token: expect.any(String) })
      const funds = await world.call('GET', '/marketplace/billing/charges/has-funds', {
        token: location.body.access_token,
      })
      expect(funds.status).toBe(200)
    })

    it('a client that gets a location’s tokens again and again does not lose the one that a person gave it', async () => {
      const one = await world.app()
      const own = (await world.tokens(one)).body
      const company = (await world.tokens(one, { form: { target: 'all', future: 'yes' } })).body
      const form = { companyId: company.companyId as string, locationId: own.locationId as string }
      let last = company
      for (let i = 0; i < 102; i++) {
        const { status, body } = await world.call('POST', '/oauth/locationToken', {
          token: company.access_token,
          body: form,
        })
        expect(status).toBe(200)
        last = body
      }
      expect((await world.refresh(one, own.refresh_token)).status).toBe(200)
      expect((await world.refresh(one, last.refresh_token)).status).toBe(200)
    })
  })
})

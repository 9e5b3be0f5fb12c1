import type { HighLevel } from '@gohighlevel/api-client'
import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openHighLevelWorld, refusalOf, type HighLevelWorld, type Wire } from './world.ts'

/* The SDK's session storage: it refreshes by itself, and goes back to the company's token when that fails. */

/** Every request that the SDK sends from now on, as `POST /oauth/token`. */
function watch(ghl: HighLevel): string[] {
  const sent: string[] = []
  ghl.addRequestInterceptor({
    onFulfilled(config) {
      sent.push(`${config.method?.toUpperCase()} ${config.url}`)
      return config
    },
  })
  return sent
}
const funds = 'GET /marketplace/billing/charges/has-funds'

eachDatabase((database) => {
  describe('tokens that die before their time', () => {
    let world: HighLevelWorld
    beforeAll(async () => {
      world = await openHighLevelWorld(database)
    })

    it('refreshes after a 401 and asks again', async () => {
      const { client, ghl, token, locationId, at } = await world.atLocation()
      await world.revoke(client, token.access_token)
      const sent = watch(ghl)
      expect(await ghl.marketplace.hasFunds(at)).toMatchObject({ hasFunds: true })
      expect(sent).toEqual([funds, 'POST /oauth/token', funds])
      const session = await ghl.getSessionStorage().getSession(locationId)
      expect(session!.access_token).not.toBe(token.access_token)
      expect(session!.refresh_token).not.toBe(token.refresh_token)
      expect(session).toMatchObject({ userType: 'Location', locationId, companyId: world.companyId })
    })

    it('refreshes once for many requests at a time, and all of them succeed', async () => {
      const { client, ghl, token, at } = await world.atLocation()
      await world.revoke(client, token.access_token)
      const sent = watch(ghl)
      const answers = await Promise.all(Array.from({ length: 8 }, () => ghl.marketplace.hasFunds(at)))
      expect(answers.every(({ hasFunds }) => hasFunds)).toBe(true)
      expect(sent.filter((each) => each === 'POST /oauth/token')).toHaveLength(1)
    })

    it('refreshes in two processes at a time, which share nothing but the stored token', async () => {
      const { client, ghl, token, locationId, at } = await world.atLocation()
      const other = world.sdk(client)
      await other.getSessionStorage().setSession(locationId, token)
      await world.revoke(client, token.access_token)
      const both = await Promise.all([ghl, other].map((each) => each.marketplace.hasFunds(at)))
      expect(both.every(({ hasFunds }) => hasFunds)).toBe(true)
    })

    it('gets a location’s tokens anew by those of the company when its refresh token has ended', async () => {
      const { client, ghl, companyId } = await world.atCompany()
      const locationId = world.locationIds[1]!
      const location: Wire = await ghl.oauth.getLocationAccessToken({ companyId, locationId })
      await ghl.getSessionStorage().setSession(locationId, location)
      // Takes the access token along.
      await world.revoke(client, location.refresh_token)
      const sent = watch(ghl)
      expect(await ghl.marketplace.hasFunds({ headers: { locationId } })).toMatchObject({ hasFunds: true })
      expect(sent).toEqual([funds, 'POST /oauth/token', 'POST /oauth/locationToken', funds])
      const session = await ghl.getSessionStorage().getSession(locationId)
      expect(session!.access_token).not.toBe(location.access_token)
    })

    it('says 401 when there is no way left', async () => {
      const { client, ghl, token, at } = await world.atLocation()
      await world.revoke(client, token.refresh_token)
      const sent = watch(ghl)
      const refusal = await refusalOf(ghl.marketplace.hasFunds(at))
      expect([refusal.statusCode, refusal.code]).toEqual([401, 'AUTHENTICATION'])
      expect(sent).toEqual([funds, 'POST /oauth/token'])
    })

    it('works with tokens that its caller keeps', async () => {
      const { client, token } = await world.atLocation()
      const ghl = world.sdk(client, { locationAccessToken: token.access_token })
      expect(await ghl.marketplace.hasFunds()).toMatchObject({ hasFunds: true })
      const company = await world.atCompany()
      const agency = world.sdk(company.client, { agencyAccessToken: company.token.access_token })
      const { companyId } = world
      const list = await agency.oauth.getInstalledLocation({ companyId, appId: company.client.id })
      expect(list.count).toBeGreaterThanOrEqual(2)
    })
  })

  describe('tokens that live shorter than the SDK looks ahead', () => {
    let world: HighLevelWorld
    beforeAll(async () => {
      // The SDK refreshes 30 seconds before the end.
      world = await openHighLevelWorld(database, { tokens: { accessSeconds: 20 } })
    })

    it('refreshes before the request, time after time', async () => {
      const { ghl, token, locationId, at } = await world.atLocation()
      const sent = watch(ghl)
      const seen = new Set<unknown>([token.access_token])
      for (let round = 0; round < 3; round++) {
        expect(await ghl.marketplace.hasFunds(at)).toMatchObject({ hasFunds: true })
        seen.add((await ghl.getSessionStorage().getSession(locationId))!.access_token)
      }
      expect(sent).toEqual([1, 2, 3].flatMap(() => ['POST /oauth/token', funds]))
      expect(seen.size).toBe(4)
    })

    it('refreshes the company’s token before it asks for a location’s', async () => {
      const { client, ghl, companyId } = await world.atCompany()
      const locationId = world.locationIds[0]!
      const location: Wire = await ghl.oauth.getLocationAccessToken({ companyId, locationId })
      await ghl.getSessionStorage().setSession(locationId, location)
      await world.revoke(client, location.refresh_token)
      const sent = watch(ghl)
      expect(await ghl.marketplace.hasFunds({ headers: { locationId } })).toMatchObject({ hasFunds: true })
      expect(sent.filter((each) => each === 'POST /oauth/locationToken')).toHaveLength(1)
      expect(sent.at(-1)).toBe(funds)
    })
  })
})

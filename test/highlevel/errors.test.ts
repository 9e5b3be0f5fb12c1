import {
  GHLAuthenticationError,
  GHLError,
  GHLForbiddenError,
  GHLNotFoundError,
  GHLRateLimitError,
  GHLValidationError,
} from '@gohighlevel/api-client'
import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openHighLevelWorld, refusalOf, scopes, type HighLevelWorld, type Wire } from './world.ts'

/* What the SDK makes of our refusals: a class to branch on, and a message that a person can read. */

eachDatabase((database) => {
  let world: HighLevelWorld
  let installed: Awaited<ReturnType<HighLevelWorld['atLocation']>>
  let meterId: string
  beforeAll(async () => {
    world = await openHighLevelWorld(database)
    installed = await world.atLocation()
    meterId = await world.fixedMeter(installed.client)
  })

  const expectRefusal = (
    error: Wire,
    kind: new (...parameters: never[]) => GHLError,
    [status, code, message]: [number, string, RegExp],
  ) => {
    expect(error).toBeInstanceOf(kind)
    expect(error.constructor).toBe(kind)
    expect(error.statusCode).toBe(status)
    expect(error.message).toMatch(message)
    expect(error.response).toMatchObject({ statusCode: status, message: error.message, code })
    expect(error.response.traceId).toEqual(expect.any(String))
  }
  // With the location in a header, since the SDK looks for its session by the first id that it finds.
  const charge = (members: Record<string, unknown> = {}) => {
    const { client, ghl, locationId, at } = installed
    return refusalOf(ghl.marketplace.charge(world.chargeOf(client, meterId, locationId, members), at))
  }

  it('400 is a validation error', async () => {
    expectRefusal(await charge({ userId: ' ' }), GHLValidationError, [
      400,
      'invalid_request',
      /^userId should not be empty$/,
    ])
    const missing = await charge({ description: undefined })
    expectRefusal(missing, GHLValidationError, [400, 'invalid_request', /description/])
    expect(missing.response).toMatchObject({ error: 'Bad Request', invalidFields: [{ field: 'description' }] })
  })

  it('422 is a validation error, and says it in HighLevel’s words where those are known', async () => {
    const price = await charge({ price: 1 })
    expectRefusal(price, GHLValidationError, [
      422,
      'price_not_allowed',
      /^Custom price is not allowed for fixed price meters$/,
    ])
    expect(price.response.error).toBe('Unprocessable Entity')
    expectRefusal(await charge({ units: -1 }), GHLValidationError, [422, 'invalid_units', /units must be a positive/])
    const unknown = await charge({ meterId: 'met_unknown' })
    expectRefusal(unknown, GHLValidationError, [422, 'meter_not_found', /no meter/])
  })

  it('401 is an authentication error, at the API and at the token endpoint', async () => {
    const { client } = installed
    const stranger = world.sdk(client, { locationAccessToken: 'nonsense' })
    const refusal = await refusalOf(stranger.marketplace.hasFunds())
    expectRefusal(refusal, GHLAuthenticationError, [401, 'invalid_token', /./])
    expect(refusal.response.error).toBe('Unauthorized')

    const { clientId } = client
    const exchange = (clientSecret: string) =>
      refusalOf(world.sdk(client).oauth.getAccessToken(world.codeForm({ id: '', clientId, clientSecret }, 'ac_none')))
    expectRefusal(await exchange('wrong'), GHLAuthenticationError, [401, 'invalid_client', /client/])
    // The client is looked at first, so that a wrong code is told from a wrong client.
    expectRefusal(await exchange(client.clientSecret), GHLValidationError, [400, 'invalid_grant', /code not found/])
  })

  describe('403 is a forbidden error', () => {
    it('for a scope that the token lacks', async () => {
      const { ghl, at, client } = await world.atLocation({ permissions: ['charges.readonly'] })
      const body = world.chargeOf(client, meterId, world.locationIds[0]!)
      const refusal = await refusalOf(ghl.marketplace.charge(body, at))
      expectRefusal(refusal, GHLForbiddenError, [403, 'missing_permission', /lacks the permission charges:write/])
      expect(refusal.response).toMatchObject({ requiredPermission: 'charges:write', error: 'Forbidden' })
    })

    it('for a company’s token on an operation of locations, and the other way round', async () => {
      const company = await world.atCompany()
      const { access_token: locationAccessToken } = company.token
      const wrong = world.sdk(company.client, { locationAccessToken })
      const refusal = await refusalOf(wrong.marketplace.hasFunds())
      expectRefusal(refusal, GHLForbiddenError, [403, 'missing_permission', /the token of a location/])
      expect(refusal.response.requiredPermission).toBe('charges:read')

      const { client, token, locationId } = installed
      const agency = world.sdk(client, { agencyAccessToken: token.access_token })
      const { companyId } = world
      const exchange = await refusalOf(agency.oauth.getLocationAccessToken({ companyId, locationId }))
      expectRefusal(exchange, GHLForbiddenError, [403, 'caller_not_allowed', /user type mismatch/])
      const list = await refusalOf(agency.oauth.getInstalledLocation({ companyId, appId: client.id }))
      expectRefusal(list, GHLForbiddenError, [403, 'caller_not_allowed', /user type mismatch/])
    })

    it('for another company, location or application than the token’s', async () => {
      expectRefusal(await charge({ companyId: 'org_other' }), GHLForbiddenError, [403, 'tenant_mismatch', /companyId/])
      expectRefusal(await charge({ locationId: world.locationIds[1] }), GHLForbiddenError, [
        403,
        'tenant_mismatch',
        /locationId/,
      ])
      const { ghl, companyId } = await world.atCompany()
      const list = await refusalOf(ghl.oauth.getInstalledLocation({ companyId, appId: installed.client.id }))
      expectRefusal(list, GHLForbiddenError, [403, 'tenant_mismatch', /./])
    })

    it('for a scope of a later version that the merchant has not approved, with where that is done', async () => {
      const { client, ghl, at } = await world.atLocation({ permissions: ['charges.write'] })
      const permissions = ['charges.write', 'charges.readonly']
      const { id } = client
      const draft = await world.publisher.createVersion({ params: { id }, body: { permissions } })
      await world.publisher.submitVersion({ params: { id, version: draft.version } })
      await world.operator.approveApplication({ params: { id } })
      await expect
        .poll(async () => (await refusalOf(ghl.marketplace.hasFunds(at))).response.code, { timeout: 20_000 })
        .toBe('access_pending')
      const refusal = await refusalOf(ghl.marketplace.hasFunds(at))
      expectRefusal(refusal, GHLForbiddenError, [403, 'access_pending', /not approved charges:read yet/])
      expect(refusal.response.approvalUrl).toMatch(/\/oauth\/access\//)
    })
  })

  it('404 is a not-found error', async () => {
    const { ghl, at } = installed
    for (const chargeId of ['chg_none', 'charge_123', '%2e%2e']) {
      const refusal = await refusalOf(ghl.marketplace.getSpecificCharge({ chargeId }, at))
      expectRefusal(refusal, GHLNotFoundError, [404, 'charge_not_found', /^Charge not found$/])
    }
    const back = await refusalOf(ghl.marketplace.deleteCharge({ chargeId: 'chg_none' }, at))
    expectRefusal(back, GHLNotFoundError, [404, 'charge_not_found', /^Charge not found$/])
    const { companyId, ghl: agency } = await world.atCompany()
    const exchange = await refusalOf(agency.oauth.getLocationAccessToken({ companyId, locationId: 'loc_none' }))
    expectRefusal(exchange, GHLNotFoundError, [404, 'not_found', /Nothing with this identifier/])
    // A path of HighLevel's that the host does not have.
    const migrate = await refusalOf(ghl.marketplace.migrateConnection({} as never, at))
    expectRefusal(migrate, GHLNotFoundError, [404, 'not_found', /path does not exist/])
  })

  it('402 is a plain error, for a wallet that cannot pay', async () => {
    const { id: locationId } = await world.merchant.createLocation({ body: { name: 'Poor' } })
    const client = await world.app()
    const ghl = world.sdk(client)
    const token = await world.install(client, ghl, { form: { location: locationId } })
    await ghl.getSessionStorage().setSession(locationId, token)
    const body = world.chargeOf(client, await world.fixedMeter(client), locationId)
    const refusal = await refusalOf(ghl.marketplace.charge(body))
    expectRefusal(refusal, GHLError, [402, 'insufficient_funds', /needs 0.1 USD, the wallet has 0 available/])
    expect(refusal.code).toBe('UNKNOWN')
    expect(await ghl.marketplace.hasFunds({ headers: { locationId } })).toMatchObject({ hasFunds: false })
  })

  describe('429 is a rate-limit error', () => {
    // The limit is part of a token, so it is set before there is one.
    const limited = async (config = {}) => {
      const client = await world.app()
      await world.publisher.updateDeveloperApplication({ params: { id: client.id }, body: { rateLimit: 1 } })
      const ghl = world.sdk(client, config)
      const token = await world.install(client, ghl)
      await ghl.getSessionStorage().setSession(token.locationId, token)
      return (requests: number) =>
        Promise.allSettled(
          Array.from({ length: requests }, () =>
            ghl.marketplace.hasFunds({ headers: { locationId: token.locationId } }),
          ),
        )
    }

    it('with the window that the limit counts in', async () => {
      const ask = await limited()
      const refused = (await ask(8)).find(({ status }) => status === 'rejected')
      const refusal = (refused as PromiseRejectedResult).reason as Wire
      expectRefusal(refusal, GHLRateLimitError, [429, 'rate_limited', /Too many requests/])
      expect(refusal.rateLimit).toMatchObject({ scope: 'burst', max: 1, intervalMs: 1000, remaining: 0 })
    })

    it('waits for that window when it is told to try again, and succeeds', async () => {
      const ask = await limited({ rateLimitRetry: { maxRetries: 8, baseDelayMs: 60_000, maxDelayMs: 60_000 } })
      expect((await ask(3)).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
    })
  })

  it('refuses scopes that the application does not ask for by sending the browser back', async () => {
    const client = await world.app({ permissions: ['charges.readonly'] })
    const ghl = world.sdk(client)
    const browser = await world.signedIn()
    const url = ghl.oauth.getAuthorizationUrl(client.clientId, 'https://app.example/callback', scopes.join(' '))
    const page = await browser.open(url)
    expect(new URL(page.location!).searchParams.get('error')).toBe('invalid_scope')
  })
})

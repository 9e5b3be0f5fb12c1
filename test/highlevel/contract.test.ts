import { beforeAll, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openHighLevelWorld, type HighLevelWorld, type Wire } from './world.ts'

/* What HighLevel's contract says of its answers: which members are there, and of which type. */

/** `name: type`; with a question mark after the name it may be absent, with one after the type it may be null. */
type Shape = Record<string, string>

const token: Shape = {
  access_token: 'string',
  token_type: 'string',
  expires_in: 'number',
  refresh_token: 'string',
  scope: 'string',
  userType: 'string',
  companyId: 'string',
  userId: 'string',
  refreshTokenId: 'string',
  traceId: 'string',
  'locationId?': 'string',
  'planId?': 'string',
  'approvedLocations?': 'array',
  'isBulkInstallation?': 'boolean',
  'installToFutureLocations?': 'boolean',
  'approveAllLocations?': 'boolean',
}
const locationToken: Shape = { ...token, locationId: 'string', appId: 'string', versionId: 'string' }
const installedLocation: Shape = {
  _id: 'string',
  name: 'string',
  address: 'string',
  isInstalled: 'boolean',
  'versionId?': 'string',
  'installedAt?': 'string',
}
const charge: Shape = {
  refunded: 'boolean',
  currency: 'string',
  appId: 'string',
  meterId: 'string',
  chargeId: 'string',
  entityType: 'string',
  entityId: 'string',
  amountCharged: 'number',
  pricePerUnit: 'number',
  transactionType: 'string',
  units: 'number',
  meta: 'object',
  createdAt: 'string',
  updatedAt: 'string',
}
const installer: Shape = {
  companyId: 'string',
  companyName: 'string',
  relationshipNumber: 'string',
  userId: 'string',
  isWhitelabelCompany: 'boolean',
  companyEmail: 'string?',
  companyOwnerFullName: 'string?',
  companyPlan: 'string?',
  companyHighLevelPlan: 'string?',
  'locationId?': 'string',
  'marketplaceAppPlanId?': 'string',
  'whitelabelDetails?': 'object',
}
const refusal: Shape = { statusCode: 'number', message: 'string', traceId: 'string' }

const typeOf = (value: unknown) => (Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value)

function expectShape(what: string, answer: Wire, shape: Shape): void {
  for (const [key, type] of Object.entries(shape)) {
    const name = key.replace('?', '')
    if (key.endsWith('?') && !(name in answer)) continue
    const allowed = type.endsWith('?') ? [type.slice(0, -1), 'null'] : [type]
    expect(allowed, `${what}: ${name}`).toContain(typeOf(answer[name]))
  }
}

eachDatabase((database) => {
  let world: HighLevelWorld
  beforeAll(async () => {
    world = await openHighLevelWorld(database)
  })

  it('has the members of the contract in every answer, in their types', async () => {
    const { client, ghl, companyId, at, token: company } = await world.atCompany()
    expectShape('a company’s token', company, token)
    const locationId = world.locationIds[0]!
    const location: Wire = await ghl.oauth.getLocationAccessToken({ companyId, locationId })
    expectShape('a location’s token', location, locationToken)
    expectShape('a location’s first token', (await world.atLocation()).token, locationToken)
    await ghl.getSessionStorage().setSession(locationId, location)

    const installed: Wire = await ghl.oauth.getInstalledLocation({ companyId, appId: client.id })
    expectShape('locations', installed, { locations: 'array', count: 'number', installToFutureLocations: 'boolean' })
    for (const each of installed.locations) expectShape('a location', each, installedLocation)

    const here = { headers: { locationId } }
    const made = await ghl.marketplace.charge(world.chargeOf(client, await world.fixedMeter(client), locationId))
    expectShape('a charge made', made, { success: 'boolean', chargeId: 'string' })
    const listed = await ghl.marketplace.getCharges({}, here)
    expectShape('charges', listed, { charges: 'array', count: 'number', pagination: 'object' })
    expectShape('a page', listed.pagination, { total: 'number', skip: 'number', limit: 'number' })
    expectShape('a charge in a list', listed.charges[0], charge)
    expectShape('a charge', await ghl.marketplace.getSpecificCharge({ chargeId: made.chargeId }, here), charge)
    expectShape('funds', await ghl.marketplace.hasFunds(here), { hasFunds: 'boolean' })

    const params = { appId: client.id }
    for (const options of [
      { ...here, preferredTokenType: 'location' as const },
      { ...at, preferredTokenType: 'company' as const },
    ]) {
      const { installationDetails }: Wire = await ghl.marketplace.getInstallerDetails(params, options)
      expectShape('an installer', installationDetails, installer)
      expect(installationDetails.relationshipNumber).toMatch(/^0-\d{3}-\d{3}$/)
    }
  })

  it('has statusCode, message and traceId in every refusal, and the reason phrase from 401 on', async () => {
    const { token: own, client } = await world.atLocation()
    const billing = '/marketplace/billing/charges'
    const body = world.chargeOf(client, 'met_none', world.locationIds[0]!)
    const calls: [number, string, string, string | undefined, unknown][] = [
      [400, 'POST', billing, own.access_token, {}],
      [401, 'GET', billing, undefined, undefined],
      [401, 'GET', `/marketplace/app/${client.id}/installations`, 'nonsense', undefined],
      [403, 'POST', '/oauth/locationToken', own.access_token, { companyId: 'a', locationId: 'b' }],
      [404, 'GET', `${billing}/none`, own.access_token, undefined],
      [422, 'POST', billing, own.access_token, body],
    ]
    for (const [status, method, path, token, sent] of calls) {
      const answer = await world.call(method, path, { ...(token && { token }), body: sent })
      expect([path, answer.status]).toEqual([path, status])
      expectShape(path, answer.body, status >= 401 ? { ...refusal, error: 'string' } : refusal)
      expect(answer.body.statusCode).toBe(status)
    }
    const { clientId: client_id, clientSecret: client_secret } = client
    for (const [status, form] of [
      [400, { client_id, client_secret, grant_type: 'authorization_code', code: 'none' }],
      [401, { client_id, client_secret: 'wrong', grant_type: 'authorization_code', code: 'none' }],
    ] as const) {
      const answer = await world.token(form)
      expect(answer.status).toBe(status)
      expectShape('/oauth/token', answer.body, { ...refusal, error: 'string', error_description: 'string' })
    }
  })
})

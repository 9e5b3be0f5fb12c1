import type { Operation } from '@stoa/core'
import { demoLogo } from '@stoa/core/testing'
import { createClient } from '@stoa/sdk'
import { beforeAll, describe, expect, test } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openHost, type Answer, type OpenedHost } from '../support/host.ts'

/**
 * Walks every operation there is, so that one that is added tomorrow is walked too: its refusals, and that another tenant's ids
 * are answered exactly like ids that do not exist.
 */

/** Operations that show other tenants' things on purpose. */
const openToAll: Record<string, string> = {
  DownloadFile: 'logos are shown on storefronts, to browsers without a credential',
}

/** Bodies that are right, so that what is refused is the id and not the body. */
const bodies: Record<string, object> = {
  updateOrganization: { name: 'x' },
  updateLocation: { name: 'x' },
  updateMember: { role: 'member' },
  createApplicationApiKey: { name: 'x', permissions: ['applications:show'] },
  refundCharge: { refundId: 'x' },
  failTopUp: { reason: 'x' },
  createMeter: { name: 'x', unit: 'x', priceType: 'fixed', price: '1' },
  updateMeter: { name: 'x' },
  setCap: { period: 'day', amount: 1 },
  askForCap: { period: 'day', amount: 2, reason: 'x' },
  approveCapRequest: { amount: 2 },
  createPlan: { name: 'x', paymentType: 'recurring', paymentTime: 'month', freePlan: true },
  updatePlan: { name: 'x' },
  changePlan: { planId: 'pln_1' },
  putRebilling: { enabled: false },
  setPlatformFee: { feeBps: 1 },
  payoutPaid: { reference: 'x' },
  payoutFailed: { reason: 'x' },
  updateWebhookEndpoint: { description: 'x' },
  PutWebhook: { url: 'https://example.com/hook' },
  createWebhookReplay: { kind: 'failed', since: new Date(Date.now() - 60_000).toISOString() },
  testWebhookEndpoint: { type: 'charge.created' },
  answerWebhookStream: { deliveryId: 'dlv_1', attempt: 1, leaseToken: 'x', status: 200, durationMilliseconds: 1 },
  PatchApplication: { tagline: 'x' },
  createVersion: { notes: 'x' },
  updateVersion: { notes: 'x' },
  yankVersion: { reason: 'x' },
  updateDeveloperApplication: { description: 'x' },
  PutApplicationInstanceConfiguration: { settings: {} },
  ApproveApplicationInstanceAccess: { version: 1 },
  RefuseApplicationInstanceAccess: { version: 1 },
  PutApplicationInstanceOptionalPermissions: { optionalPermissions: [] },
  suspendWallet: { reason: 'x' },
  resumeWallet: { reason: 'x' },
  setWalletOverdraft: { overdraft: '1', reason: 'x' },
  addComplimentaryCredits: { complimentaryCreditsAmount: 1 },
}

/** Whose tenant is named beside the credential: another's is a mismatch with it, known or not. */
const namedInBody = new Set(['uninstall-application', 'get-rebilling-config-for-app'])

interface Tenants {
  /** A credential of somebody with every right of their own organization, and nothing of the demo world's. */
  stranger: string
  strangersOrganization: string
  /** The same person, signed in. */
  strangersSession: string
  /** A credential that can do nothing. */
  powerless: string
  powerlessOrganization: string
  /** An installation token of the stranger's own. */
  strangersApplication: string
  /** By path: an id of the demo world for each parameter. */
  idsOf: (path: string) => Record<string, string>
}

const parameters = (path: string) => [...path.matchAll(/:(\w+)/g)].map(([, name]) => name!)
const fill = (path: string, ids: Record<string, string>) =>
  path.replaceAll(/:(\w+)/g, (_, name: string) => encodeURIComponent(ids[name]!))

eachDatabase((database) => {
  let opened: OpenedHost
  let tenants: Tenants
  let operations: Operation[]

  beforeAll(async () => {
    let ahead = 0
    opened = await openHost(database, { clock: { now: () => new Date(Date.now() + ahead) } })
    tenants = await makeTenants(opened, (milliseconds) => (ahead += milliseconds))
    operations = opened.host.operations
    bodies.captureHold = {
      appId: opened.world.application.id,
      locationId: 'loc_1',
      companyId: opened.world.organization.id,
      eventId: 'x',
      description: 'x',
      units: 1,
    }
    bodies['uninstall-application'] = { reason: 'x', companyId: opened.world.organization.id }
  }, 120_000)

  // Where the path itself names the organization, one's own has to be named to get as far as the refusal in question.
  const pathAs = ({ path, scopeParameter }: Operation, organizationId: string) =>
    fill(path, { ...tenants.idsOf(path), ...(scopeParameter && { [scopeParameter]: organizationId }) })
  const guarded = () => operations.filter(({ permission }) => permission !== null)
  const send = ({ method, bodyKind }: Operation, path: string, token?: string): Promise<Answer> => {
    const body = method === 'GET' || bodyKind === undefined ? undefined : {}
    return opened.call(method, path, { ...(token && { token }), ...(method !== 'GET' && { body: body ?? {} }) })
  }

  test('ids of operations are unique, and so are their methods and paths', () => {
    const ids = operations.map(({ id }) => id)
    const places = operations.map(({ method, path }) => `${method} ${path.replaceAll(/:\w+/g, ':')}`)
    expect(new Set(ids).size).toBe(ids.length)
    expect(new Set(places).size).toBe(places.length)
  })

  test('every operation that is not public refuses a request without a credential', async () => {
    for (const operation of guarded()) {
      const answer = await send(operation, fill(operation.path, tenants.idsOf(operation.path)))
      expect([operation.id, answer.status, answer.body.code]).toEqual([operation.id, 401, 'unauthenticated'])
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer resource_metadata=".*oauth-protected-resource"$/)
    }
  })

  test.each([
    ['malformed', 'stoa_ak_tooshort'],
    ['with a wrong checksum', 'stoa_ak_5IWEsOkc4a3G0ThZ1SxZvyMGAn6HQ542DT9E'],
    ['of another host', 'ghp_16C7e42F292c6912E7710c838347Ae178B4a'],
    ['that is a JWT without a signature', 'eyJhbGciOiJub25lIiwidHlwIjoic2Vzc2lvbitqd3QifQ.eyJzaWQiOiJzZXNfMSJ9.'],
  ])('every operation refuses a token %s', async (_, token) => {
    for (const operation of guarded()) {
      const answer = await send(operation, fill(operation.path, tenants.idsOf(operation.path)), token)
      expect([operation.id, answer.status, answer.body.code]).toEqual([operation.id, 401, 'invalid_token'])
    }
  })

  test('every operation refuses a credential without its permission, before it looks at anything', async () => {
    for (const operation of guarded()) {
      const answer = await send(operation, pathAs(operation, tenants.powerlessOrganization), tenants.powerless)
      const takesKeys = (operation.callers ?? ['user', 'api-key']).includes('api-key')
      expect([operation.id, answer.status, answer.body.code]).toEqual([
        operation.id,
        403,
        takesKeys ? 'missing_permission' : 'caller_not_allowed',
      ])
    }
  })

  test('every operation refuses a kind of credential it does not take', async () => {
    for (const operation of guarded()) {
      if ((operation.callers ?? ['user', 'api-key']).includes('application')) continue
      const answer = await send(
        operation,
        pathAs(operation, tenants.strangersOrganization),
        tenants.strangersApplication,
      )
      expect([operation.id, answer.status, answer.body.code]).toEqual([operation.id, 403, 'caller_not_allowed'])
    }
  })

  test('every operation answers another tenant’s ids exactly like ids that do not exist', async () => {
    const walked: string[] = []
    for (const operation of guarded()) {
      if (parameters(operation.path).length === 0 || openToAll[operation.id]) continue
      const theirs = tenants.idsOf(operation.path)
      const unknown = Object.fromEntries(
        Object.entries(theirs).map(([name, id]) => [name, `${id.slice(0, 4)}${'0'.repeat(32)}`]),
      )
      const statuses: number[] = []
      for (const token of [tenants.stranger, tenants.strangersSession, tenants.strangersApplication]) {
        const ask = (ids: Record<string, string>) =>
          opened.call(operation.method, fill(operation.path, ids), {
            token,
            ...(operation.method !== 'GET' && { body: bodies[operation.id] ?? {} }),
          })
        const [real, none] = [await ask(theirs), await ask(unknown)]
        expect([operation.id, real.status, shape(real, theirs)]).toEqual([
          operation.id,
          none.status,
          shape(none, unknown),
        ])
        expect(real.status, `${operation.id} let a stranger in`).toBeGreaterThanOrEqual(400)
        statuses.push(real.status)
      }
      // Somebody got as far as the id; what only the platform's operators may do, no tenant does.
      const ofOperators = operation.permission!.roles.every((role) => role === 'operator')
      if (!ofOperators && !namedInBody.has(operation.id))
        expect(statuses, `${operation.id} was refused for another reason`).toContain(404)
      walked.push(operation.id)
    }
    expect(walked.length).toBeGreaterThan(25)
  })

  test('a tenant in the path that is not the caller’s is answered like one that does not exist', async () => {
    const { organization, locations } = opened.world
    for (const operation of guarded().filter(({ scope }) => scope)) {
      const path = fill(operation.path, tenants.idsOf(operation.path))
      const real = await send(operation, `/organizations/${organization.id}${path}`, tenants.stranger)
      const none = await send(operation, `/organizations/org_${'0'.repeat(32)}${path}`, tenants.stranger)
      expect([operation.id, real.status, real.body.code]).toEqual([operation.id, 404, 'not_found'])
      expect(real.body.detail).toBe(none.body.detail)
      if (operation.scope !== 'target') continue
      const own = await opened.call('GET', '/users/me', { token: tenants.stranger })
      const crossed = `/organizations/${own.body.organizationId}/locations/${locations[0]!.id}${path}`
      expect([operation.id, (await send(operation, crossed, tenants.stranger)).status]).toEqual([operation.id, 404])
    }
  })

  test('every operation with a body refuses malformed JSON, other types and nonsense members without a fault', async () => {
    for (const operation of guarded().filter(({ body }) => body)) {
      const path = pathAs(operation, tenants.strangersOrganization)
      const token = operation.callers?.[0] === 'application' ? tenants.strangersApplication : tenants.stranger
      const headers = { 'Content-Type': 'application/json' }
      const malformed = await opened.call(operation.method, path, { token, headers, body: '{"a":' })
      expect([operation.id, [400, 403].includes(malformed.status)]).toEqual([operation.id, true])
      for (const body of [
        '"text"',
        '[1,2,3]',
        '7',
        'null',
        '{"__proto__":{"x":1},"nonsense":true}',
        '{"name":{"$gt":""}}',
      ]) {
        const answer = await opened.call(operation.method, path, { token, headers, body })
        expect(answer.status, `${operation.id} on ${body}`).toBeGreaterThanOrEqual(400)
        expect(answer.status, `${operation.id} on ${body}`).toBeLessThan(500)
      }
    }
  })

  describe('odd ids', () => {
    test.each([
      ['too long', 'x'.repeat(51)],
      ['a quote', "a'b"],
      ['SQL', "1' or '1'='1"],
      ['a slash', 'a/b'],
      ['dots', '..'],
      ['a null byte', '\u0000'],
      ['an emoji', '😀'],
      ['a line break', 'a\r\nSet-Cookie: x=1'],
    ])('%s: every operation answers 404 or refuses, and never faults', async (_, odd) => {
      for (const operation of guarded()) {
        const names = parameters(operation.path)
        if (names.length === 0) continue
        const path = fill(operation.path, Object.fromEntries(names.map((name) => [name, odd])))
        const answer = await send(operation, path, tenants.stranger)
        // fetch resolves them by itself: where that leads to another operation, it is that one that answered, with whatever is right.
        if (odd === '..' && leadsElsewhere(operations, operation, path)) continue
        expect([400, 403, 404, 405].includes(answer.status), `${operation.id} answered ${answer.status}`).toBe(true)
      }
    })
  })
})

/** Whether a path, as fetch tidies it up, is one of another operation of the same method. */
function leadsElsewhere(operations: Operation[], operation: Operation, path: string): boolean {
  const { pathname } = new URL(path, 'http://stoa.test')
  return operations.some(
    (other) =>
      other !== operation &&
      other.method === operation.method &&
      new RegExp(`^${other.path.replaceAll(/:\w+/g, '[^/]+')}/?$`).test(pathname),
  )
}

/** What an answer says, without the ids that were asked for and the trace. */
function shape({ body }: Answer, ids: Record<string, string>): unknown {
  let text = JSON.stringify(body ?? null)
  for (const id of Object.values(ids)) text = text.replaceAll(id, '<id>')
  return { ...(JSON.parse(text) as object), traceId: null }
}

async function makeTenants(opened: OpenedHost, advance: (milliseconds: number) => void): Promise<Tenants> {
  const { host, world, publisher, merchant, merchantAt, url, operator } = opened
  const { services } = host
  const location = world.locations[0]!.id
  const key = async (email: string, permissions: string[]) => {
    const user = await services.createUser({ email, name: email })
    const { id: organizationId } = await services.createOrganization(user.id, { name: email })
    const { secret } = await services.createApiKey({
      organizationId,
      createdBy: user.id,
      name: 'walk',
      permissions,
      environment: 'production',
      expiresTime: null,
      applicationId: null,
    })
    return { secret, organizationId }
  }
  const stranger = await key('stranger@example.com', ['*', 'api-keys:*', 'application-keys:*', 'members:*'])
  const password = 'a password of the stranger'
  await services.setPassword((await services.findUserByEmail('stranger@example.com'))!.id, password)
  const session = await opened.call('POST', '/sessions', { body: { email: 'stranger@example.com', password } })
  const powerless = await key('powerless@example.com', ['coupons:redeem'])

  // The stranger's own application at the stranger's own location, so that there is a token of theirs.
  const asStranger = createClient({ baseUrl: url, token: stranger.secret })
  const logo = await asStranger.postFile({ body: demoLogo() })
  const own = await asStranger.postApplication({ body: listing('Strange app', logo.id) })
  await operator.approveApplication({ params: { id: own.id! } })
  const { id: ownLocation } = await asStranger.createLocation({ body: { name: 'Own' } })
  const at = createClient({
    baseUrl: url,
    token: stranger.secret,
    organizationId: stranger.organizationId,
    locationId: ownLocation,
  })
  await at.putApplicationInstance({ params: { applicationId: own.id! } })
  const { token } = await asStranger.getApplicationInstanceByOrganization({
    params: { id: own.id!, organizationId: ownLocation },
  })

  // One of everything in the demo world. The application is one that is not in the store: a stranger may see those that are.
  const demoFile = await publisher.postFile({ body: demoLogo() })
  const registered = await publisher.postApplication({ body: listing('Hidden app', demoFile.id) })
  const hidden = await publisher.getDeveloperApplication({ params: { id: registered.id } })
  await publisher.rotateClientSecret({ params: { id: hidden.id } })
  const [hiddenSecret] = await publisher.listClientSecrets({ params: { id: hidden.id } })
  const applicationKey = await publisher.createApplicationApiKey({
    params: { id: hidden.id },
    body: { name: 'k', permissions: ['*'] },
  })
  const endpoint = await publisher.createWebhookEndpoint({ body: { url: 'https://example.com/hook', events: ['*'] } })
  await publisher.rotateWebhookSecret({ params: { id: endpoint.id } })
  const [, endpointSecret] = await publisher.listWebhookSecrets({ params: { id: endpoint.id } })
  await publisher.postServiceCredential({ body: { host: 'example.com', auth: { type: 'none' } } })
  const [credential] = await publisher.getServiceCredentialCollection()
  const stream = await publisher.createWebhookStream({ body: { events: ['*'] } })
  const meter = await publisher.createMeter({
    params: { id: hidden.id },
    body: { name: 'm', unit: 'u', priceType: 'fixed', price: '1' },
  })
  const plan = await publisher.createPlan({
    params: { id: hidden.id },
    body: { name: 'p', paymentType: 'recurring', paymentTime: 'month', freePlan: true },
  })
  const merchantKey = await merchant.createApiKey({ body: { name: 'k', permissions: ['locations:show'] } })
  const { user } = await merchant.getMe()
  await merchantAt(location).putApplicationInstance({ params: { applicationId: world.application.id } })
  const installed = await publisher.getApplicationInstanceByOrganization({
    params: { id: world.application.id, organizationId: location },
  })
  const asInstalled = createClient({ baseUrl: url, token: installed.token! })
  const cap = await merchantAt(location).setCap({
    params: { applicationId: world.application.id },
    body: { period: 'day', amount: 1000 },
  })
  const capRequest = await asInstalled.askForCap({
    params: { appId: world.application.id },
    body: { period: 'day', amount: 2000, reason: 'walk' },
  })
  const charge = await asInstalled.charge({
    body: {
      appId: world.application.id,
      meterId: world.application.meters.fixed,
      eventId: 'walk-1',
      locationId: location,
      companyId: world.organization.id,
      description: 'walk',
      units: 1,
    },
  })

  const hold = await createClient({ baseUrl: url, token: installed.token! }).createHold({
    body: {
      appId: world.application.id,
      meterId: world.application.meters.fixed,
      eventId: 'walk-1',
      locationId: location,
      companyId: world.organization.id,
      description: 'walk',
      units: 1,
    },
  })

  // The installation was told to the endpoint, which answers nothing here: an attempt all the same.
  const replay = await publisher.createWebhookReplay({
    params: { id: endpoint.id },
    body: { kind: 'missing', since: installed.createdTime! },
  })
  const attempt = await firstAttempt(opened)
  // What is less than a minute old is not paid out yet.
  advance(120_000)
  let run = await operator.createPayoutRun({ body: { environment: 'production' } })
  while (run.status === 'running') run = await operator.getPayoutRun({ params: { id: run.id } })
  const [payout] = await operator.listAllPayouts({ query: { organizationId: world.publisher.organizationId } })
  const delivery = attempt.replace(/\.\d+$/, '')

  const topUp = await operator.topUp({ body: { locationId: location, amount: 1, reference: 'walk' } })
  const grant = await operator.createGrant({
    body: { locationId: location, amount: 1, kind: 'promotional', reference: 'walk' },
  })

  const byPrefix: [string, Record<string, string>][] = [
    ['/wallet/top-ups', { id: topUp.id }],
    ['/platform/top-ups', { id: topUp.id }],
    ['/platform/wallets', { id: topUp.walletId }],
    ['/platform/grants', { id: grant.id }],
    ['/saas-api', { companyId: world.organization.id, locationId: location }],
    ['/organizations', { id: world.organization.id }],
    ['/locations', { id: location }],
    ['/members', { id: user!.id }],
    ['/api-keys', { id: merchantKey.id }],
    ['/webhooks', { id: endpoint.id }],
    ['/service-credentials/webhook', { id: credential!.id }],
    ['/developers/webhooks/deliveries', { id: delivery }],
    ['/developers/webhooks/replays', { id: replay.id }],
    ['/developers/webhooks', { id: endpoint.id, secretId: endpointSecret!.id }],
    ['/tracking/webhooks', { id: attempt }],
    ['/developers/webhooks/streams', { id: stream.id }],
    ['/developers/webhooks', { id: endpoint.id }],
    // The version last: it is a digit, which must not be looked for inside the other ids.
    [
      '/developers/applications',
      {
        id: hidden.id,
        keyId: applicationKey.id,
        meterId: meter.id,
        planId: plan.id,
        secretId: hiddenSecret!.id,
        version: '1',
      },
    ],
    ['/applications', { id: hidden.id, organizationId: location }],
    ['/files', { id: demoFile.id }],
    [
      '/application-instances/:applicationId/cap',
      { applicationId: world.application.id, capId: cap.id, requestId: capRequest.id },
    ],
    ['/application-instances', { applicationId: hidden.id }],
    ['/marketplace/app', { appId: world.application.id, locationId: location }],
    ['/marketplace/billing', { chargeId: charge.chargeId, holdId: hold.holdId }],
    [
      '/rebilling',
      { locationId: location, applicationId: world.application.id, itemId: world.application.meters.fixed },
    ],
    ['/platform/applications', { id: hidden.id }],
    ['/platform/payout-runs', { id: run.id }],
    ['/platform/payouts', { id: payout!.id }],
    ['/payouts', { id: payout!.id }],
  ]
  return {
    stranger: stranger.secret,
    strangersOrganization: stranger.organizationId,
    strangersSession: session.body.token as string,
    powerless: powerless.secret,
    powerlessOrganization: powerless.organizationId,
    strangersApplication: token!,
    idsOf(path) {
      const names = parameters(path)
      if (names.length === 0) return {}
      const ids = byPrefix.find(([prefix]) => path.startsWith(prefix))?.[1]
      // A new kind of path needs a line above: the walk must not pass it by.
      for (const name of names) if (!ids?.[name]) throw new Error(`walk.test.ts knows no ${name} for ${path}`)
      return ids!
    },
  }
}

/** An attempt to deliver something to the demo publisher, once there is one. */
async function firstAttempt({ call, world }: OpenedHost): Promise<string> {
  for (;;) {
    const { body } = await call('GET', '/tracking/webhooks', { token: world.publisher.apiKey })
    if (body.length > 0) return body[0].id as string
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function listing(name: string, logoId: string) {
  return {
    name,
    logoId,
    authorName: 'A',
    tagline: 't',
    description: 'd',
    permissions: [
      'charges:*',
      'instance-configuration:*',
      'instances:uninstall',
      'installer-details:show',
      'locations:show',
      'merchant-webhooks:*',
      'organizations:show',
      'service-credentials:store',
    ],
  }
}

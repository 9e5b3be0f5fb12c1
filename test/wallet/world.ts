import { setTimeout } from 'node:timers/promises'
import { createHost, type Environment, type HostConfig } from '@stoa/core'
import { demoLogo, listenOn } from '@stoa/core/testing'
import { openDatabase } from '../../core/src/database/index.ts'
import { checkLedger } from '../../core/src/wallet/index.ts'
import type { OpenedDatabase, TestDatabase } from '../support/databases.ts'
import { call, type Answer, type CallOptions } from '../support/host.ts'
import { hostConfig } from './host-config.ts'

/**
 * A host over HTTP with a clock that tests move, a publisher with an application that has a fixed meter of 0.5 and a dynamic
 * one from 0.01 to 5, and a merchant with a location where it is installed. No demo world, so that every figure is the test's own.
 */
export async function openWorld(
  database: TestDatabase,
  options: Partial<HostConfig> = {},
  { isStarted = true }: { isStarted?: boolean } = {},
) {
  const opened = await database.create()
  let time = Date.parse('2026-03-01T12:00:00.000Z')
  const clock = { now: () => new Date(time) }
  const host = await createHost({ ...hostConfig, database: opened.url, clock, ...options })
  // Without it nothing happens by itself: a test runs the workers it wants.
  if (isStarted) host.start()
  const server = await listenOn(host)
  const connection = await openDatabase(opened.url)
  const db = connection.knex
  let isServing = true
  async function stopHost(): Promise<void> {
    if (!isServing) return
    isServing = false
    await server.close()
    await host.stop()
  }
  let isOpen = true
  async function close(): Promise<void> {
    if (!isOpen) return
    isOpen = false
    await stopHost()
    await connection.close()
    await opened.drop()
  }

  const request = (method: string, path: string, callOptions?: CallOptions): Promise<Answer> =>
    call(server.url, method, path, callOptions)

  let people = 0
  async function tenant(name: string, role: 'owner' | 'operator' | 'author' | 'member' = 'owner') {
    const user = await host.services.createUser({ email: `person${++people}@stoa.test`, name })
    const organization = await host.services.createOrganization(user.id, { name })
    const organizationId = organization.id
    if (role !== 'owner') await host.services.saveMembership({ organizationId, userId: user.id, role })
    const key = async (environment: Environment, permissions = ['*']) =>
      (
        await host.services.createApiKey({
          organizationId,
          createdBy: user.id,
          name: 'Test',
          permissions,
          environment,
          expiresTime: null,
          applicationId: null,
        })
      ).secret
    return { organizationId, token: await key('production'), sandbox: await key('sandbox'), key }
  }
  type Tenant = Awaited<ReturnType<typeof tenant>>

  const operator = await tenant('Platform', 'operator')
  const publisher = await tenant('Publisher')
  const merchant = await tenant('Merchant')

  const location = async (of: Tenant = merchant) =>
    (await host.services.createLocation(of.organizationId, { name: 'Here' })).id

  const logo = await made(
    request('POST', '/files', {
      token: publisher.token,
      body: demoLogo() as unknown as string,
      headers: { 'Content-Type': 'image/png' },
    }),
  )
  let applications = 0
  async function application(permissions = ['charges.write', 'charges.readonly']): Promise<string> {
    const { id } = await made(
      request('POST', '/applications', {
        token: publisher.token,
        body: {
          name: `App ${++applications}`,
          logoId: logo.id,
          authorName: 'Ada',
          tagline: 'A tagline',
          description: 'A description',
          permissions,
        },
      }),
    )
    const approved = await request('POST', `/applications/${id}/approve`, { token: operator.token, body: {} })
    if (approved.status !== 200) throw new Error(JSON.stringify(approved.body))
    return id
  }

  async function meter(applicationId: string, body: object): Promise<string> {
    const path = `/developers/applications/${applicationId}/meters`
    return (await made(request('POST', path, { token: publisher.token, body }))).id
  }

  const place = (locationId: string | null, of: Tenant = merchant) =>
    `/organizations/${of.organizationId}${locationId === null ? '' : `/locations/${locationId}`}`

  /** Installs it and returns the token that the publisher gets for it. */
  async function install(
    applicationId: string,
    locationId: string | null,
    environment: Environment = 'production',
    of: Tenant = merchant,
  ): Promise<string> {
    const [own, publishers] =
      environment === 'production' ? [of.token, publisher.token] : [of.sandbox, publisher.sandbox]
    await made(request('PUT', `${place(locationId, of)}/application-instances/${applicationId}`, { token: own }))
    const path = `/applications/${applicationId}/instances/${locationId ?? of.organizationId}`
    const answer = await request('GET', path, { token: publishers })
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
    return answer.body.token
  }

  let topUps = 0
  const fund = (locationId: string, amount: number | string, environment: Environment = 'production') =>
    made(
      request('POST', '/platform/top-ups', {
        token: operator.token,
        body: { locationId, amount, environment, reference: `funds-${++topUps}` },
      }),
    )

  const appId = await application()
  const fixed = await meter(appId, { name: 'Messages', unit: 'message', priceType: 'fixed', price: 0.5 })
  const dynamic = await meter(appId, {
    name: 'Minutes',
    unit: 'minute',
    priceType: 'dynamic',
    minPrice: 0.01,
    maxPrice: 5,
  })
  const locationId = await location()
  const token = await install(appId, locationId)

  let events = 0
  const chargesPath = '/marketplace/billing/charges'
  /** A body that is right: one unit of the fixed meter with a new eventId. */
  const chargeBody = (change: object = {}) => ({
    appId,
    meterId: fixed,
    eventId: `event-${++events}`,
    locationId,
    companyId: merchant.organizationId,
    description: 'A message',
    units: 1,
    ...change,
  })
  const charge = (change: object = {}, by: string = token) =>
    request('POST', chargesPath, { token: by, body: chargeBody(change) })

  /** Runs payouts, and answers as the run is when it has finished; what is refused as it is. Of a host that is started. */
  async function payOut(body: object = {}, by: string = operator.token): Promise<Answer> {
    const started = await request('POST', '/platform/payout-runs', {
      token: by,
      body: { environment: 'production', ...body },
    })
    return started.status === 202 ? finishedRun(started.body.id) : started
  }

  async function finishedRun(id: string): Promise<Answer> {
    for (;;) {
      const answer = await request('GET', `/platform/payout-runs/${id}`, { token: operator.token })
      if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
      if (answer.body.status === 'finished') return answer
      await setTimeout(5)
    }
  }

  return {
    host,
    close,
    payOut,
    finishedRun,
    /** Leaves the database, for tests that bring a host of their own. */
    stopHost,
    opened: opened as OpenedDatabase,
    url: server.url,
    db,
    request,
    operator,
    publisher,
    merchant,
    tenant,
    location,
    application,
    meter,
    place,
    install,
    fund,
    appId,
    fixed,
    dynamic,
    locationId,
    token,
    chargesPath,
    chargeBody,
    charge,
    batch: (charges: object[], options: object = {}, by: string = token) =>
      request('POST', `${chargesPath}/batch`, { token: by, body: { charges, ...options } }),
    refund: (chargeId: string, body: object, by: string = token) =>
      request('POST', `${chargesPath}/${chargeId}/refunds`, { token: by, body }),
    /** A hold of one unit of the fixed meter, with a new eventId. */
    hold: (change: object = {}, by: string = token) =>
      request('POST', '/marketplace/billing/holds', { token: by, body: chargeBody(change) }),
    capture: (holdId: string, change: object = {}, by: string = token) => {
      const { meterId: _meter, ...body } = chargeBody(change)
      return request('POST', `/marketplace/billing/holds/${holdId}/capture`, { token: by, body })
    },
    release: (holdId: string, by: string = token) =>
      request('DELETE', `/marketplace/billing/holds/${holdId}`, { token: by }),
    get: (path: string, by: string = token) => request('GET', path, { token: by }),
    void: (chargeId: string, by: string = token) => request('DELETE', `${chargesPath}/${chargeId}`, { token: by }),
    balance: async (of: string = locationId): Promise<string> =>
      (await request('GET', `${place(of)}/wallet`, { token: merchant.token })).body.exact.balance,
    /** What is off in the books, and between them and the events of the last month, which retention has left. */
    checkLedger: () =>
      checkLedger(db, connection.dialect, { eventsSince: new Date(time - 30 * 86_400_000).toISOString() }),
    dialect: connection.dialect,
    count: async (table: string) => Number((await db(table).count({ count: '*' }))[0]!.count),
    clock,
    now: () => new Date(time).toISOString(),
    inSeconds: (seconds: number) => new Date(time + seconds * 1000).toISOString(),
    advance(seconds: number) {
      time += seconds * 1000
    },
  }
}

export type World = Awaited<ReturnType<typeof openWorld>>

async function made(answer: Promise<Answer>): Promise<Answer['body']> {
  const { status, body } = await answer
  if (status !== 201) throw new Error(`${status}: ${JSON.stringify(body)}`)
  return body
}

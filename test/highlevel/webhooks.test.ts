import type { HighLevel, WebhookRequest } from '@gohighlevel/api-client'
import express from 'express'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../events/support.ts'
import { eachDatabase } from '../support/databases.ts'
import { openHighLevelWorld, type App, type HighLevelWorld, type Wire } from './world.ts'

/* The SDK's webhook middleware behind the host: it verifies, and keeps the sessions of locations by itself. */

interface Arrived {
  body: Wire
  isSignatureValid?: boolean | undefined
  installTokenError?: unknown
}

eachDatabase((database) => {
  const closers: (() => void)[] = []
  afterAll(() => closers.forEach((close) => close()))
  let world: HighLevelWorld
  let publicKey: string
  beforeAll(async () => {
    world = await openHighLevelWorld(database)
    publicKey = (await world.call('GET', '/developers/webhooks/public-key')).body.publicKey
  })

  /** The author's server: the middleware at an endpoint of HighLevel's format. What arrives waits until it is opened. */
  async function serve(client: App, ghl: HighLevel) {
    const arrived: Arrived[] = []
    let open = () => {}
    const isOpen = new Promise<void>((resolve) => (open = resolve))
    const app = express()
    const wait: express.RequestHandler = (_req, _res, next) => void isOpen.then(() => next())
    app.post('/hook', wait, express.json(), ghl.webhooks.subscribe() as express.RequestHandler, (req, res) => {
      const { body, isSignatureValid, installTokenError } = req as WebhookRequest
      arrived.push({ body: body as Wire, isSignatureValid, installTokenError })
      res.sendStatus(200)
    })
    const server = app.listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    closers.push(() => {
      server.closeAllConnections()
      server.close()
    })
    const { port } = server.address() as AddressInfo
    const made = await world.call('POST', '/developers/webhooks/endpoints', {
      token: world.world.publisher.apiKey,
      body: { url: `http://127.0.0.1:${port}/hook`, events: ['*'], applicationId: client.id, format: 'highlevel' },
    })
    expect(made.status).toBe(201)
    const of = (type: string) => arrived.filter(({ body }) => body.type === type)
    return { arrived, of, open }
  }

  async function openApp() {
    const client = await world.app()
    const ghl = world.sdk(client, { webhookPublicKey: publicKey })
    const storage = ghl.getSessionStorage()
    const session = (id: string) => storage.getSession(id) as Promise<Wire>
    return { client, ghl, storage, session, ...(await serve(client, ghl)) }
  }
  const locationsOf = (all: Arrived[]): string[] =>
    all.flatMap(({ body }) => (body.locationId ?? []) as string | string[]).sort()
  const funds = (ghl: HighLevel, locationId: string) => ghl.marketplace.hasFunds({ headers: { locationId } })

  it('has a session for every location that was chosen, and for those that come later', async () => {
    const { client, ghl, storage, session, arrived, of, open } = await openApp()
    const { companyId, locationIds } = world
    const form = { target: 'locations', location: locationIds, future: 'yes' }
    const token = await world.install(client, ghl, { form })
    expect(token).toMatchObject({ userType: 'Company', approvedLocations: [...locationIds].sort() })
    await storage.setSession(companyId, token)
    open()
    await until(() => of('INSTALL').length >= 3)
    const ofLocations = of('INSTALL').filter(({ body }) => body.installType === 'Location')
    expect(locationsOf(ofLocations)).toEqual([...locationIds].sort())
    expect(of('INSTALL').filter(({ body }) => body.installType === 'Company')).toHaveLength(1)
    for (const locationId of locationIds) {
      expect(await session(locationId)).toMatchObject({ userType: 'Location', companyId, locationId })
      expect(await funds(ghl, locationId)).toMatchObject({ hasFunds: true })
    }

    const { id: later } = await world.merchant.createLocation({ body: { name: 'Later' } })
    await until(async () => (await session(later)) !== null)
    expect(await funds(ghl, later)).toMatchObject({ hasFunds: false })
    expect(arrived.every(({ isSignatureValid }) => isSignatureValid)).toBe(true)
    expect(arrived.filter(({ installTokenError }) => installTokenError !== undefined)).toEqual([])
  })

  it('loses the session of a location that is uninstalled, and all of them with the company', async () => {
    const { client, ghl, storage, session, of, open } = await openApp()
    const { companyId, locationIds } = world
    const [first, second] = locationIds as [string, string]
    const token = await world.install(client, ghl, { form: { target: 'locations', location: locationIds } })
    await storage.setSession(companyId, token)
    open()
    await until(async () => (await session(first)) !== null && (await session(second)) !== null)

    await ghl.marketplace.uninstallApplication({ appId: client.id }, { locationId: first })
    await until(async () => (await session(first)) === null)
    expect(of('UNINSTALL')).toMatchObject([{ isSignatureValid: true, body: { appId: client.id, locationId: first } }])
    expect(await funds(ghl, second)).toMatchObject({ hasFunds: true })

    await ghl.marketplace.uninstallApplication({ appId: client.id }, { companyId }, { preferredTokenType: 'company' })
    await until(() => of('UNINSTALL').length >= 3)
    expect([await session(second), await session(companyId)]).toEqual([null, null])
    expect(of('UNINSTALL').every(({ isSignatureValid }) => isSignatureValid)).toBe(true)
  })

  it('is told of a version that was released, for the company and each location', async () => {
    const { client, ghl, storage, of, open } = await openApp()
    const { companyId, locationIds } = world
    const token = await world.install(client, ghl, { form: { target: 'locations', location: locationIds } })
    await storage.setSession(companyId, token)
    open()
    await until(() => of('INSTALL').length >= 3)
    const { id } = client
    const redirectUris = ['https://app.example/callback', 'https://app.example/second']
    const draft = await world.publisher.createVersion({ params: { id }, body: { redirectUris } })
    await world.publisher.submitVersion({ params: { id, version: draft.version } })
    await world.operator.approveApplication({ params: { id } })
    await until(() => of('UPDATE').length >= 3)
    const versionIds = { versionId: `${id}.2`, previousVersionId: `${id}.1` }
    const updates = of('UPDATE')
    expect(updates).toHaveLength(3)
    for (const { isSignatureValid, body } of updates) {
      expect(isSignatureValid).toBe(true)
      expect(body).toMatchObject({ appId: id, companyId, ...versionIds })
    }
    expect(locationsOf(updates)).toEqual([...locationIds].sort())
    const answer: Wire = await ghl.oauth.getLocationAccessToken({ companyId, locationId: locationIds[0]! })
    expect(answer.versionId).toBe(versionIds.versionId)
    const list = await ghl.oauth.getInstalledLocation({ companyId, appId: id, versionId: versionIds.versionId })
    expect(list.count).toBe(2)
  })

  it('says on the request when the company’s token is no good any more', async () => {
    const { client, ghl, storage, of, open } = await openApp()
    const { companyId, locationIds } = world
    const token = await world.install(client, ghl, { form: { target: 'locations', location: locationIds } })
    await storage.setSession(companyId, token)
    await world.revoke(client, token.refresh_token)
    open()
    await until(() => of('INSTALL').length >= 3)
    const failed = of('INSTALL').filter(({ installTokenError }) => installTokenError !== undefined)
    expect(locationsOf(failed)).toEqual([...locationIds].sort())
    expect((failed[0]!.installTokenError as Wire).statusCode).toBe(401)
  })
})

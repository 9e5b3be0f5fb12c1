import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })

  const install = (id: string, token = world.merchant.token) =>
    world.request('PUT', `/application-instances/${id}`, { token })
  const list = (id: string, query = '', token = world.publisher.token) =>
    world.request('GET', `/applications/${id}/instances${query}`, { token })
  const one = (id: string, tenantId: string, token = world.publisher.token) =>
    world.request('GET', `/applications/${id}/instances/${tenantId}`, { token })

  describe('the list of instances', () => {
    it('is a bare array in pages, without tokens, of the caller’s environment', async () => {
      const id = await world.application()
      const merchants = [await world.tenant('One'), await world.tenant('Two'), await world.tenant('Three')]
      for (const { token } of merchants) await install(id, token)
      await install(id, merchants[0]!.sandbox)

      const all = await list(id)
      const tenants = all.body.map((each: { organizationId: string }) => each.organizationId)
      expect(tenants).toEqual(merchants.map(({ organizationId }) => organizationId))
      expect(all.headers.get('pagination-total')).toBe('3')
      expect(all.body.every((each: object) => !('token' in each))).toBe(true)
      const page = await list(id, '?limit=1&offset=1')
      expect(page.body).toHaveLength(1)
      expect(page.headers.get('pagination-offset')).toBe('1')
      expect((await list(id, '?limit=0')).headers.get('pagination-limit')).toBe('1')
      expect((await list(id, '', world.publisher.sandbox)).body).toHaveLength(1)
    })

    it('is for the publisher alone', async () => {
      const id = await world.application()
      await install(id)
      const foreign = await list(id, '', world.merchant.token)
      const unknown = await list('app_unknown', '', world.merchant.token)
      expect([foreign.status, foreign.body.message]).toEqual([404, unknown.body.message])
      const narrow = await world.key(world.publisher, { permissions: ['applications:show'] })
      expect((await list(id, '', narrow)).body.code).toBe('missing_permission')
      expect((await world.request('GET', `/applications/${id}/instances`)).status).toBe(401)
    })
  })

  describe('one instance', () => {
    it('carries a token of one hour that can do what was granted, and no more', async () => {
      const id = await world.application()
      await install(id)
      const { organizationId } = world.merchant
      const answer = await one(id, organizationId)
      expect(answer.body).toMatchObject({
        organizationId,
        applicationId: id,
        status: 'enabled',
        token: expect.stringMatching(/^stoa_it_/),
        _links: [{ rel: 'self', href: `http://stoa.test/applications/${id}/instances/${organizationId}` }],
      })
      const { token } = answer.body
      const configuration = `/application-instances/${id}/configuration`
      expect((await world.request('GET', configuration, { token })).status).toBe(200)
      const refused = await world.request('DELETE', `/application-instances/${id}`, { token })
      expect(refused.body.code).toBe('missing_permission')
      world.advance(3599)
      expect((await world.request('GET', configuration, { token })).status).toBe(200)
      world.advance(2)
      expect((await world.request('GET', configuration, { token })).body.code).toBe('expired_token')
      expect((await one(id, organizationId)).body.token).not.toBe(token)
    })

    it('is answered alike for strangers, unknown tenants and those who never installed', async () => {
      const id = await world.application()
      await install(id)
      const answers = [
        await one(id, 'org_unknown'),
        await one(id, world.publisher.organizationId),
        await one(id, world.merchant.organizationId, world.merchant.token),
        await one(id, world.merchant.organizationId, world.publisher.sandbox),
        await one('app_unknown', world.merchant.organizationId),
      ]
      expect(new Set(answers.map(({ status, body }) => `${status} ${body.message}`)).size).toBe(1)
      expect(answers[0]!.status).toBe(404)
    })

    it('is never that of a location when the id is an organization’s too', async () => {
      const id = await world.application()
      const [twin, merchant] = [await world.tenant('Twin'), await world.tenant('Has a location')]
      const { organizationId } = merchant
      const [row] = await world.db('stoa_locations').where({ id: await world.location(organizationId) })
      await world.db('stoa_locations').insert({ ...row, id: twin.organizationId })
      const at = `/organizations/${organizationId}/locations/${twin.organizationId}/application-instances/${id}`
      expect((await world.request('PUT', at, { token: merchant.token })).status).toBe(201)
      expect((await one(id, twin.organizationId)).status).toBe(404)
      await install(id, twin.token)
      expect((await one(id, twin.organizationId)).body).toMatchObject({ organizationId: twin.organizationId })
      expect((await one(id, twin.organizationId)).body).not.toHaveProperty('locationId')

      const body = { locationId: twin.organizationId, companyId: organizationId, reason: 'x' }
      const path = `/marketplace/app/${id}/installations`
      const gone = await world.request('DELETE', path, { token: world.publisher.token, body })
      expect([gone.status, (await world.request('GET', at, { token: merchant.token })).status]).toEqual([200, 404])
      expect((await one(id, twin.organizationId)).body.status).toBe('enabled')
    })

    it('refuses a credential that may only list', async () => {
      const id = await world.application()
      await install(id)
      const token = await world.key(world.publisher, { permissions: ['GetApplicationInstanceCollection'] })
      expect((await list(id, '', token)).status).toBe(200)
      expect((await one(id, world.merchant.organizationId, token)).body.code).toBe('missing_permission')
    })

    it('keeps a token within the grant when the application asks for more later', async () => {
      const id = await world.application({ permissions: ['GetCustomer'] })
      await install(id)
      const body = { permissions: ['GetCustomer', 'DeleteApplicationInstance'] }
      await world.request('POST', `/applications/${id}/submit`, { token: world.publisher.token, body })
      await world.review(id, 'approve')
      const { token } = (await one(id, world.merchant.organizationId)).body
      const refused = await world.request('DELETE', `/application-instances/${id}`, { token })
      expect(refused.body.code).toBe('missing_permission')
    })
  })

  describe('the events', () => {
    it('have Rebilly’s payloads, with the token only in what is sent', async () => {
      const id = await world.application()
      await install(id)
      await world.request('DELETE', `/application-instances/${id}`, { token: world.merchant.token })
      const { organizationId } = world.merchant
      const [enabled, disabled] = await world.events(id)
      const application = { rel: 'application', href: `http://stoa.test/applications/${id}` }
      expect(enabled).toMatchObject({
        publisherId: world.publisher.organizationId,
        organizationId,
        environment: 'production',
      })
      expect(enabled!.payload).toEqual({
        organizationId,
        environment: 'production',
        applicationId: id,
        eventType: 'application-instance-enabled',
        _embedded: {
          application: expect.objectContaining({ id, status: 'available', name: expect.any(String) }),
          applicationInstance: expect.objectContaining({ organizationId, status: 'enabled', isConfigured: true }),
        },
        _links: [
          application,
          { rel: 'applicationInstance', href: `http://stoa.test/applications/${id}/instances/${organizationId}` },
        ],
      })
      expect(JSON.stringify(enabled)).not.toContain('"token"')
      expect(disabled!.payload).toEqual({
        organizationId,
        environment: 'production',
        applicationId: id,
        eventType: 'application-instance-disabled',
        _embedded: { application: expect.objectContaining({ id }) },
        _links: [application],
      })
    })

    it('carry a fresh token at every try, and none once the installation is off', async () => {
      const id = await world.application()
      // Somebody listens, so that there is a cleanup: its token is for the owner to ask for, not for a late enabled event.
      await world.subscribe(id)
      await install(id)
      const [event] = await world.events(id)
      type Sent = { _embedded: { applicationInstance: { token?: string } } }
      const tokenOf = async () => ((await world.enriched(event!)) as Sent)._embedded.applicationInstance.token
      const [first, second] = [await tokenOf(), await tokenOf()]
      expect(first).toMatch(/^stoa_it_/)
      expect(second).not.toBe(first)
      const configuration = `/application-instances/${id}/configuration`
      expect((await world.request('GET', configuration, { token: first! })).status).toBe(200)
      await world.request('POST', `/application-instances/${id}/disable`, { token: world.merchant.token })
      expect(await tokenOf()).toBeUndefined()
      await world.delivered((await world.events(id)).at(-1)!)
      expect(await tokenOf()).toBeUndefined()
    })

    it('name the location they are about', async () => {
      const id = await world.application()
      const { organizationId, token } = world.merchant
      const location = await world.location(organizationId)
      await world.request('PUT', `/organizations/${organizationId}/locations/${location}/application-instances/${id}`, {
        token,
      })
      const [event] = await world.events(id)
      expect(event).toMatchObject({ locationId: location })
      expect(event!.payload).toMatchObject({ organizationId, locationId: location })
    })

    it('have the texts that the contract requires even for a draft tried in the sandbox', async () => {
      const id = await world.application({ state: 'draft' })
      await install(id, world.publisher.sandbox)
      const [event] = await world.events(id)
      expect(event!.payload).toMatchObject({ environment: 'sandbox', _embedded: { application: { tagline: '' } } })
    })
  })
})

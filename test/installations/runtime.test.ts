import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

const permissions = ['oauth.write', 'marketplace-installer-details.readonly']

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })

  const path = (id: string) => `/marketplace/app/${id}/installations`
  const uninstall = (id: string, token: string, body?: unknown) => world.request('DELETE', path(id), { token, body })

  /** An application on a merchant's organization and on two of its locations. */
  async function spread() {
    const id = await world.application({ permissions })
    const merchant = await world.tenant('Spread')
    const { organizationId, token } = merchant
    const locations = [await world.location(organizationId), await world.location(organizationId)]
    const at = (location?: string) =>
      `/organizations/${organizationId}${location ? `/locations/${location}` : ''}/application-instances/${id}`
    for (const target of [undefined, ...locations]) await world.request('PUT', at(target), { token })
    const statuses = async () => {
      const answers = [undefined, ...locations].map(
        async (each) => (await world.request('GET', at(each), { token })).status,
      )
      return Promise.all(answers)
    }
    const appToken = async (tenantId: string): Promise<string> => {
      const answer = await world.request('GET', `/applications/${id}/instances/${tenantId}`, {
        token: world.publisher.token,
      })
      return answer.body.token
    }
    const history = async (location?: string) => (await world.request('GET', `${at(location)}/history`, { token })).body
    return { id, merchant, locations: locations as [string, string], statuses, appToken, history }
  }

  describe('an application’s token', () => {
    it('uninstalls its own installation alone, with or without a body', async () => {
      const { id, merchant, locations, statuses, appToken } = await spread()
      const ofLocation = await uninstall(id, await appToken(locations[0]), {
        locationId: locations[0],
        companyId: merchant.organizationId,
      })
      expect([ofLocation.status, ofLocation.body]).toEqual([200, { success: true }])
      expect(await statuses()).toEqual([200, 404, 200])
      const token = await appToken(merchant.organizationId)
      expect((await uninstall(id, token)).body).toEqual({ success: true })
      expect(await statuses()).toEqual([404, 404, 200])
      expect((await uninstall(id, token)).body.code).toBe('revoked_token')
    })

    it('is accepted with a Version header and an empty JSON body', async () => {
      const { id, merchant, appToken } = await spread()
      const token = await appToken(merchant.organizationId)
      const headers = { Version: '2021-07-28', 'Content-Type': 'application/json' }
      expect((await world.request('DELETE', path(id), { token, headers })).status).toBe(200)
    })

    it('is refused for another tenant and another application', async () => {
      const { id, merchant, locations, statuses, appToken } = await spread()
      const token = await appToken(locations[0])
      for (const body of [
        { locationId: locations[1] },
        { locationId: 'loc_unknown' },
        { companyId: world.publisher.organizationId },
        { companyId: merchant.organizationId, locationId: locations[1] },
      ]) {
        const refused = await uninstall(id, token, body)
        expect([refused.status, refused.body.code, refused.body.error]).toEqual([403, 'tenant_mismatch', 'Forbidden'])
      }
      const whole = await uninstall(id, await appToken(merchant.organizationId), { locationId: locations[0] })
      expect(whole.body.code).toBe('tenant_mismatch')
      expect((await uninstall(await world.application(), token)).status).toBe(404)
      expect(await statuses()).toEqual([200, 200, 200])
    })

    it('needs the grant', async () => {
      const id = await world.application({ permissions: ['GetCustomer'] })
      await world.request('PUT', `/application-instances/${id}`, { token: world.merchant.token })
      const owner = `/applications/${id}/instances/${world.merchant.organizationId}`
      const { token } = (await world.request('GET', owner, { token: world.publisher.token })).body
      expect((await uninstall(id, token)).body.code).toBe('missing_permission')
      expect((await world.request('GET', path(id), { token })).body.code).toBe('missing_permission')
    })
  })

  describe('the merchant', () => {
    it('uninstalls one location, or the organization with all of its locations', async () => {
      const { id, merchant, locations, statuses } = await spread()
      expect((await uninstall(id, merchant.token, { locationId: locations[1] })).status).toBe(200)
      expect(await statuses()).toEqual([200, 200, 404])
      expect((await uninstall(id, merchant.token, { companyId: merchant.organizationId, reason: 'bye' })).status).toBe(
        200,
      )
      expect(await statuses()).toEqual([404, 404, 404])
      expect((await uninstall(id, merchant.token, { companyId: merchant.organizationId })).status).toBe(404)
    })

    it('uninstalls from all of its locations, however many, without reading them all at once', async () => {
      const { id, merchant } = await spread()
      const at = { application_id: id, organization_id: merchant.organizationId }
      const [row] = await world.db('stoa_installations').where({ ...at, location_key: '' })
      for (let n = 0; n < 99; n++) {
        const location_id = await world.location(merchant.organizationId)
        const place = { location_id, location_key: location_id }
        await world.db('stoa_installations').insert({ ...row, ...place, id: `ins_copy${String(n).padStart(3, '0')}` })
        await world.db('stoa_installation_steps').insert({
          ...{ installation_id: `ins_copy${String(n).padStart(3, '0')}`, revision: 0, actor_kind: 'host' },
          ...{ to_status: 'enabled', time: row.created_time },
        })
      }
      const unbounded: string[] = []
      const watch = ({ sql }: { sql: string }) => {
        if (/^select .*"?`?stoa_installations\b.*uninstalled_time/.test(sql) && !sql.includes('limit'))
          unbounded.push(sql)
      }
      world.db.on('query', watch)
      const gone = await uninstall(id, merchant.token, { companyId: merchant.organizationId })
      world.db.off('query', watch)
      expect(gone.status).toBe(200)
      const rows = await world.db('stoa_installations').where(at)
      expect([rows.length, rows.filter((each) => each.uninstalled_time === null).length]).toEqual([102, 0])
      expect(unbounded).toEqual([])
    })

    it('has to say where, and cannot name others', async () => {
      const { id, merchant } = await spread()
      const nowhere = await uninstall(id, merchant.token)
      expect(nowhere.body).toMatchObject({ statusCode: 400, code: 'invalid_request', error: 'Bad Request' })
      expect(nowhere.body.invalidFields[0].field).toBe('companyId')
      const foreign = await world.location(world.merchant.organizationId)
      for (const body of [
        { companyId: world.merchant.organizationId },
        { companyId: 'org_unknown' },
        { locationId: foreign },
        { locationId: 'loc_unknown' },
      ]) {
        const refused = await uninstall(id, merchant.token, body)
        expect([refused.status, refused.body.code]).toEqual([403, 'tenant_mismatch'])
      }
    })

    it('acts in the credential’s environment alone', async () => {
      const { id, merchant, statuses } = await spread()
      expect((await uninstall(id, merchant.sandbox, { companyId: merchant.organizationId })).status).toBe(404)
      expect(await statuses()).toEqual([200, 200, 200])
    })

    it('gets 404 for an unknown application and 422 for unknown members', async () => {
      const { token, organizationId } = world.merchant
      expect((await uninstall('app_unknown', token, { companyId: organizationId })).status).toBe(404)
      const wrong = await uninstall(await world.application(), token, { company: organizationId })
      expect(wrong.body).toMatchObject({ statusCode: 422, error: 'Unprocessable Entity' })
      expect((await world.request('DELETE', path('app_unknown'))).status).toBe(401)
    })
  })

  describe('the developer', () => {
    it('has to say why and where', async () => {
      const { id, merchant } = await spread()
      const { token } = world.publisher
      for (const reason of [undefined, '', '   ']) {
        const refused = await uninstall(id, token, { companyId: merchant.organizationId, reason })
        expect(refused.body).toMatchObject({ statusCode: 400, code: 'invalid_request' })
        expect(refused.body.invalidFields[0].field).toBe('reason')
      }
      const nowhere = await uninstall(id, token, { reason: 'fraud' })
      expect([nowhere.status, nowhere.body.invalidFields[0].field]).toEqual([400, 'companyId'])
    })

    it('uninstalls from any company; the merchant reads the reason and whose it was', async () => {
      const { id, merchant, locations, statuses, history } = await spread()
      const { token, organizationId } = world.publisher
      expect((await uninstall(id, token, { locationId: locations[0], reason: 'abuse' })).status).toBe(200)
      expect(await statuses()).toEqual([200, 404, 200])
      const body = { companyId: merchant.organizationId, reason: 'we are closing' }
      expect((await uninstall(id, token, body)).status).toBe(200)
      expect(await statuses()).toEqual([404, 404, 404])
      expect((await history(locations[0]))[1]).toMatchObject({
        actor: { type: 'publisher', id: organizationId },
        reason: 'abuse',
      })
    })

    it('gets one answer for unknown tenants and those without the application', async () => {
      const { id, merchant, locations } = await spread()
      const { token } = world.publisher
      const other = await world.tenant('Other')
      for (const body of [
        { companyId: 'org_unknown' },
        { companyId: other.organizationId },
        { locationId: 'loc_unknown' },
        { companyId: other.organizationId, locationId: locations[0] },
        { locationId: await world.location(merchant.organizationId) },
      ]) {
        expect((await uninstall(id, token, { ...body, reason: 'x' })).status).toBe(404)
      }
    })

    it('is an ordinary merchant in its own organization', async () => {
      const id = await world.application()
      const { token, organizationId } = world.publisher
      await world.request('PUT', `/application-instances/${id}`, { token })
      expect((await uninstall(id, token, { companyId: organizationId })).status).toBe(200)
    })

    it('is not somebody else’s developer', async () => {
      const { id, merchant } = await spread()
      const other = await world.tenant('Rival')
      const refused = await uninstall(id, other.token, { companyId: merchant.organizationId, reason: 'x' })
      expect(refused.body.code).toBe('tenant_mismatch')
    })
  })

  describe('installer details', () => {
    it('name company, contact and installer for an organization', async () => {
      const { id, merchant, appToken } = await spread()
      const answer = await world.request('GET', path(id), { token: await appToken(merchant.organizationId) })
      expect(answer.status).toBe(200)
      expect(answer.body).toEqual({
        installationDetails: {
          companyId: merchant.organizationId,
          companyName: 'Spread',
          relationshipNumber: expect.stringMatching(/^0-\d{3}-\d{3}$/),
          companyEmail: expect.stringMatching(/^office\d+@stoa\.test$/),
          companyOwnerFullName: 'Spread Owner',
          userId: merchant.userId,
          isWhitelabelCompany: false,
          companyPlan: null,
          companyHighLevelPlan: null,
        },
      })
    })

    it('leave persons out for a location', async () => {
      const { id, merchant, locations, appToken } = await spread()
      const { body } = await world.request('GET', path(id), { token: await appToken(locations[0]) })
      expect(body.installationDetails).toMatchObject({
        companyId: merchant.organizationId,
        locationId: locations[0],
        companyEmail: null,
        companyOwnerFullName: null,
      })
    })

    it('are for the application’s own token, and for its application', async () => {
      const { id, merchant, appToken } = await spread()
      expect((await world.request('GET', path(id), { token: merchant.token })).body.code).toBe('caller_not_allowed')
      expect((await world.request('GET', path(id))).status).toBe(401)
      const token = await appToken(merchant.organizationId)
      expect((await world.request('GET', path(await world.application()), { token })).status).toBe(404)
    })
  })
})

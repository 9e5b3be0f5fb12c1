import { beforeAll, describe, expect, it } from 'vitest'
import { pendingAccessOf } from '../../core/src/installations/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type Asks, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })

  const at = (id: string, rest = '') => `/application-instances/${id}${rest}`
  const put = (id: string, body?: object, token = world.merchant.token) => world.request('PUT', at(id), { token, body })
  const get = (id: string, token = world.merchant.token) => world.request('GET', at(id), { token })
  const access = async (id: string) =>
    (await world.request('GET', at(id, '/access'), { token: world.merchant.token })).body
  const decide = (id: string, verb: 'approve' | 'refuse', body: object, token = world.merchant.token) =>
    world.request('POST', at(id, `/access/${verb}`), { token, body })
  const choose = (id: string, optionalPermissions: string[], token = world.merchant.token) =>
    world.request('PUT', at(id, '/access/optional'), { token, body: { optionalPermissions } })
  const history = async (id: string) =>
    (await world.request('GET', at(id, '/history'), { token: world.merchant.token })).body
  const names = (list: { name: string }[]) => list.map(({ name }) => name)
  const tokenOf = async (id: string): Promise<string> => {
    const path = `/applications/${id}/instances/${world.merchant.organizationId}`
    return (await world.request('GET', path, { token: world.publisher.token })).body.token
  }
  const readsSettings = async (id: string, token: string) =>
    (await world.request('GET', at(id, '/configuration'), { token })).status
  const installationOf = async (id: string): Promise<string> =>
    ((await world.db('stoa_installations').where({ application_id: id }).first()) as { id: string }).id

  const asking = (asks: Asks) => world.asking(asks)
  describe('installing', () => {
    it('grants what is required, and none of what is optional unless it is chosen', async () => {
      const id = await asking({ permissions: ['GetCustomer'], optionalPermissions: ['GetInvoice', 'GetOrder'] })
      const plain = await put(id)
      expect(plain.body).toMatchObject({ version: 1, permissions: ['customers:show'] })
      expect(plain.body).not.toHaveProperty('pendingAccess')

      const other = await asking({ permissions: ['GetCustomer'], optionalPermissions: ['GetInvoice', 'GetOrder'] })
      const chosen = await put(other, { optionalPermissions: ['GetOrder'] })
      expect([chosen.status, chosen.body.permissions]).toEqual([201, ['customers:show', 'orders:show']])
      const owned = await world.request('GET', `/applications/${other}/instances`, { token: world.publisher.token })
      expect(owned.body[0]).toMatchObject({ version: 1, permissions: ['customers:show', 'orders:show'] })
    })

    it('refuses to grant what is unknown or not asked for', async () => {
      const id = await asking({ permissions: ['GetCustomer'], optionalPermissions: ['GetInvoice'] })
      const refusal = async (name: string) => {
        const { status, body } = await put(id, { optionalPermissions: [name] })
        return [status, body.code, body.invalidFields[0].field]
      }
      expect(await refusal('GetNonsense')).toEqual([422, 'unknown_permission', 'optionalPermissions.0'])
      expect(await refusal('orders:show')).toEqual([422, 'validation_failed', 'optionalPermissions.0'])
      expect(await refusal('*')).toEqual([422, 'validation_failed', 'optionalPermissions.0'])
      expect(await refusal('instances:install')).toEqual([422, 'validation_failed', 'optionalPermissions.0'])
      expect((await get(id)).status).toBe(404)
    })

    it('refuses an optional permission that the installer lacks, and installs without it', async () => {
      const id = await asking({ permissions: ['GetCustomer'], optionalPermissions: ['PutCoupon'] })
      const token = await world.key(world.merchant, {
        permissions: ['instances:install', 'instances:show', 'customers:show'],
      })
      const refused = await put(id, { optionalPermissions: ['PutCoupon'] }, token)
      expect(refused.body).toMatchObject({ code: 'rights_exceeded', missingPermissions: ['coupons:update'] })
      expect((await put(id, {}, token)).body.permissions).toEqual(['customers:show'])
    })

    it('takes the same choice again, and refuses another one, of what is installed', async () => {
      const id = await asking({ permissions: ['GetCustomer'], optionalPermissions: ['GetInvoice', 'GetOrder'] })
      await put(id, { optionalPermissions: ['GetOrder'] })
      expect((await put(id, { optionalPermissions: ['orders:show'] })).status).toBe(200)
      expect((await put(id)).body.permissions).toEqual(['customers:show', 'orders:show'])
      expect((await put(id, { optionalPermissions: [] })).body.code).toBe('wrong_state')
      expect((await put(id, { optionalPermissions: ['GetInvoice'] })).body.code).toBe('wrong_state')
    })

    it('ignores version, permissions and pendingAccess that a client sends back', async () => {
      const id = await asking({ permissions: ['GetCustomer'] })
      const { body } = await put(id)
      const back = await put(id, { ...body, version: 9, permissions: ['coupons:update'], pendingAccess: true })
      expect(back.body).toMatchObject({ version: 1, permissions: ['customers:show'] })
    })

    it.each([
      ['organization', 'whole organizations'],
      ['location', 'on locations'],
    ] as const)('refuses the other target of an application for one %s, and says where it goes', async (on, words) => {
      const id = await asking({ installsOn: on })
      const { organizationId, token } = world.merchant
      const location = await world.location(organizationId)
      const onLocation = `/organizations/${organizationId}/locations/${location}/application-instances/${id}`
      const [right, wrong] = on === 'organization' ? [at(id), onLocation] : [onLocation, at(id)]
      const refused = await world.request('PUT', wrong, { token })
      expect(refused.body).toMatchObject({
        statusCode: 422,
        code: 'application_unavailable',
        installsOn: on,
        message: expect.stringContaining(words),
      })
      expect((await world.request('GET', wrong, { token })).status).toBe(404)
      expect((await world.request('PUT', right, { token })).status).toBe(201)
    })
  })

  describe('a version that asks for more', () => {
    it('leaves the installation as it is, and shows the difference in sentences', async () => {
      const id = await asking({ permissions: ['GetCustomer'] })
      await put(id)
      await world.release(id, { permissions: ['GetCustomer', 'PutCoupon'], optionalPermissions: ['GetOrder'] })
      await world.work()

      expect((await get(id)).body).toMatchObject({ version: 1, permissions: ['customers:show'], pendingAccess: true })
      expect(await access(id)).toEqual({
        version: 2,
        installedVersion: 1,
        status: 'pending',
        granted: [{ name: 'customers:show', sentence: 'read single customers', risk: 'low' }],
        pending: [{ name: 'coupons:update', sentence: 'change coupons', risk: 'high' }],
        optional: [{ name: 'orders:show', sentence: 'read single orders', risk: 'low', granted: false }],
        approvalUrl: `http://stoa.test/oauth/access/${await installationOf(id)}`,
      })
      expect(await pendingAccessOf(world.ctx, world.db, await installationOf(id))).toEqual({
        missing: ['coupons:update'],
        version: 2,
        approvalUrl: `http://stoa.test/oauth/access/${await installationOf(id)}`,
      })
      expect(await world.told(id)).toMatchObject([
        {
          type: 'installation.access-pending',
          data: {
            installationId: await installationOf(id),
            organizationId: world.merchant.organizationId,
            locationId: null,
            environment: 'production',
            version: 2,
            previousVersion: 1,
            permissions: ['customers:show'],
            pending: ['coupons:update'],
          },
        },
      ])
    })

    it('is approved by whoever was shown it, with a line of history and two events', async () => {
      const id = await asking({ permissions: ['GetCustomer'] })
      await put(id)
      await world.release(id, { permissions: ['GetCustomer', 'PutCoupon'], optionalPermissions: ['GetOrder'] })
      await world.work()
      const approved = await decide(id, 'approve', { version: 2, optionalPermissions: ['GetOrder'] })

      expect(approved.status).toBe(200)
      expect(approved.body).toMatchObject({ status: 'complete', installedVersion: 2, pending: [] })
      expect(names(approved.body.granted)).toEqual(['coupons:update', 'customers:show', 'orders:show'])
      expect((await get(id)).body).toMatchObject({ version: 2, permissions: names(approved.body.granted) })
      expect(await pendingAccessOf(world.ctx, world.db, await installationOf(id))).toBeNull()
      expect((await history(id))[0]).toMatchObject({
        actor: { type: 'api-key' },
        from: 'enabled',
        to: 'enabled',
        reason: 'access approved for version 2',
      })
      const events = (await world.told(id)).slice(1)
      expect(events.map(({ type }) => type)).toEqual(['installation.access-approved', 'installation.updated'])
      for (const { data } of events) {
        expect(data).toMatchObject({ version: 2, previousVersion: 1, pending: [] })
        expect(data.permissions).toEqual(['coupons:update', 'customers:show', 'orders:show'])
      }

      const lines = (await history(id)).length
      expect((await decide(id, 'approve', { version: 2 })).body.status).toBe('complete')
      expect(await history(id)).toHaveLength(lines)
      expect(await world.told(id)).toHaveLength(3)
    })

    it('is approved only as it was shown', async () => {
      const id = await asking({ permissions: ['GetCustomer'] })
      await put(id)
      await world.release(id, { permissions: ['GetCustomer', 'GetOrder'] })
      await world.work()
      await world.release(id, { permissions: ['GetCustomer', 'PutCoupon'] })
      for (const verb of ['approve', 'refuse'] as const) {
        expect((await decide(id, verb, { version: 2 })).body).toMatchObject({ code: 'wrong_state', version: 3 })
      }
      expect((await get(id)).body).toMatchObject({ version: 1, permissions: ['customers:show'] })
    })

    it('is not approved by somebody who lacks the right, nor without the permission to decide', async () => {
      const id = await asking({ permissions: ['GetCustomer'] })
      await put(id)
      await world.release(id, { permissions: ['GetCustomer', 'PutCoupon'] })
      await world.work()
      const granter = await world.key(world.merchant, { permissions: ['instances:grant', 'customers:show'] })
      expect((await decide(id, 'approve', { version: 2 }, granter)).body).toMatchObject({
        code: 'rights_exceeded',
        missingPermissions: ['coupons:update'],
      })
      const installer = await world.key(world.merchant, { permissions: ['instances:install', 'coupons:update'] })
      expect((await decide(id, 'approve', { version: 2 }, installer)).body.code).toBe('missing_permission')
      const reader = await world.tenant('Reader', 'member')
      expect((await decide(id, 'approve', { version: 2 }, reader.token)).body.code).toBe('missing_permission')
      expect((await access(id)).status).toBe('pending')
    })

    it('is refused for good, until a later version asks again', async () => {
      const id = await asking({ permissions: ['GetCustomer'] })
      await put(id)
      await world.release(id, { permissions: ['GetCustomer', 'PutCoupon'] })
      await world.work()
      const refused = await decide(id, 'refuse', { version: 2, reason: 'not now' })
      expect(refused.body).toMatchObject({ status: 'refused', installedVersion: 1 })
      expect((await get(id)).body).not.toHaveProperty('pendingAccess')
      expect(await pendingAccessOf(world.ctx, world.db, await installationOf(id))).toBeNull()
      expect((await history(id))[0].reason).toBe('access refused for version 2: not now')
      await decide(id, 'refuse', { version: 2 })
      expect(await world.told(id, 'installation.access-refused')).toMatchObject([
        { data: { version: 2, previousVersion: 1, permissions: ['customers:show'], pending: ['coupons:update'] } },
      ])

      await world.release(id, { permissions: ['GetCustomer', 'PutCoupon', 'GetOrder'] })
      await world.work()
      expect((await access(id)).status).toBe('pending')
      expect(await world.told(id, 'installation.access-pending')).toHaveLength(2)
    })

    it('can be approved after it was refused', async () => {
      const id = await asking({ permissions: ['GetCustomer'] })
      await put(id)
      await world.release(id, { permissions: ['PutCoupon'] })
      await decide(id, 'refuse', { version: 2 })
      expect((await decide(id, 'approve', { version: 2 })).body).toMatchObject({ status: 'complete' })
      expect((await get(id)).body.permissions).toEqual(['coupons:update'])
    })

    it('cannot be refused where nothing is missing, nor decided about where it is not installed', async () => {
      const id = await asking({ permissions: ['GetCustomer'] })
      expect((await decide(id, 'approve', { version: 1 })).status).toBe(404)
      await put(id)
      expect((await decide(id, 'refuse', { version: 1 })).body.code).toBe('wrong_state')
      await world.request('DELETE', at(id), { token: world.merchant.token })
      for (const verb of ['approve', 'refuse'] as const) {
        expect((await decide(id, verb, { version: 1 })).status).toBe(404)
      }
      expect((await choose(id, [])).status).toBe(404)
    })

    it('gives a token nothing that is only pending', async () => {
      const id = await asking({ permissions: ['GetCustomer'] })
      await put(id)
      await world.release(id, { permissions: ['GetCustomer', 'GetApplicationInstanceConfiguration'] })
      await world.work()
      expect(await readsSettings(id, await tokenOf(id))).toBe(403)
      await decide(id, 'approve', { version: 2 })
      expect(await readsSettings(id, await tokenOf(id))).toBe(200)
    })
  })

  describe('optional permissions', () => {
    const asks = {
      permissions: ['GetCustomer'],
      optionalPermissions: ['GetApplicationInstanceConfiguration', 'PutCoupon'],
    }

    it('are granted later, and withdrawn from live tokens at once', async () => {
      const id = await asking(asks)
      await put(id)
      const before = await tokenOf(id)
      const chosen = await choose(id, ['instance-configuration:show'])
      expect(names(chosen.body.granted)).toEqual(['customers:show', 'instance-configuration:show'])
      expect(await readsSettings(id, before)).toBe(403)
      const token = await tokenOf(id)
      expect(await readsSettings(id, token)).toBe(200)

      const withdrawn = await choose(id, [])
      expect(names(withdrawn.body.granted)).toEqual(['customers:show'])
      expect(await readsSettings(id, token)).toBe(403)
      expect((await history(id)).slice(0, 2)).toMatchObject([
        { reason: 'optional permissions changed' },
        { reason: 'optional permissions changed' },
      ])
      const events = await world.told(id)
      expect(events.map(({ type, data }) => [type, data.permissions])).toEqual([
        ['installation.updated', ['customers:show', 'instance-configuration:show']],
        ['installation.updated', ['customers:show']],
      ])
    })

    it('change nothing and write nothing when they are the same', async () => {
      const id = await asking(asks)
      await put(id)
      await choose(id, [])
      expect(await history(id)).toHaveLength(2)
      expect(await world.told(id)).toEqual([])
    })

    it('cannot be granted by somebody who lacks them, and can be withdrawn by them', async () => {
      const id = await asking(asks)
      await put(id, { optionalPermissions: ['PutCoupon'] })
      const granter = await world.key(world.merchant, { permissions: ['instances:grant'] })
      expect((await choose(id, ['PutCoupon', 'GetApplicationInstanceConfiguration'], granter)).body).toMatchObject({
        code: 'rights_exceeded',
        missingPermissions: ['instance-configuration:show'],
      })
      expect(names((await choose(id, [], granter)).body.granted)).toEqual(['customers:show'])
    })

    it('do not answer for what is required and pending', async () => {
      const id = await asking(asks)
      await put(id)
      await world.release(id, { permissions: ['GetCustomer', 'GetOrder'] })
      await world.work()
      const chosen = await choose(id, ['PutCoupon'])
      expect(chosen.body).toMatchObject({ status: 'pending', installedVersion: 1 })
      expect((await get(id)).body.permissions).toEqual(['coupons:update', 'customers:show'])
    })
  })

  it('ends the families of refresh tokens when it is uninstalled, and keeps them when it is disabled', async () => {
    const id = await asking({ permissions: ['GetCustomer'] })
    await put(id)
    const time = world.ctx.clock.now().toISOString()
    await world.db('stoa_token_families').insert({
      id: `fam_${id}`,
      application_id: id,
      installation_id: await installationOf(id),
      user_id: null,
      scope: '',
      key_thumbprint: null,
      created_time: time,
      expires_time: time,
      revoked_time: null,
    })
    const isRevoked = async () => {
      const row = (await world
        .db('stoa_token_families')
        .where({ id: `fam_${id}` })
        .first()) as Record<string, unknown>
      return row['revoked_time'] !== null
    }
    await world.request('POST', at(id, '/disable'), { token: world.merchant.token })
    expect(await isRevoked()).toBe(false)
    await world.request('DELETE', at(id), { token: world.merchant.token })
    expect(await isRevoked()).toBe(true)
  })
})

import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })

  const at = (id: string, rest = '') => `/application-instances/${id}${rest}`
  const as = (token: string) => ({ token })
  const put = (id: string, token = world.merchant.token, body?: unknown) =>
    world.request('PUT', at(id), { token, body })
  const get = (id: string, token = world.merchant.token) => world.request('GET', at(id), as(token))
  const post = (id: string, verb: string, body?: unknown) =>
    world.request('POST', at(id, `/${verb}`), { ...as(world.merchant.token), body })
  const history = async (id: string) => (await world.request('GET', at(id, '/history'), as(world.merchant.token))).body
  const ownerInstance = (id: string, tenantId = world.merchant.organizationId, token = world.publisher.token) =>
    world.request('GET', `/applications/${id}/instances/${tenantId}`, as(token))

  describe('installing', () => {
    it('enables at once, with Location, two lines of history and one event', async () => {
      const id = await world.application()
      const answer = await put(id)

      expect(answer.status).toBe(201)
      const self = `http://stoa.test/organizations/${world.merchant.organizationId}/application-instances/${id}`
      expect(answer.headers.get('location')).toBe(self)
      expect(answer.body).toMatchObject({
        applicationId: id,
        status: 'enabled',
        isConfigured: true,
        settings: {},
        environment: 'production',
        _links: [{ rel: 'self', href: self }],
      })
      expect(await history(id)).toEqual([
        { actor: { type: 'host', id: null }, from: 'enabling', to: 'enabled', reason: null, time: expect.any(String) },
        {
          actor: { type: 'api-key', id: expect.stringMatching(/^key_/) },
          from: null,
          to: 'enabling',
          reason: 'installed',
          time: expect.any(String),
        },
      ])
      expect((await world.events(id)).map(({ type }) => type)).toEqual(['application-instance-enabled'])
      expect(world.lifecycle.filter((each) => each.applicationId === id)).toMatchObject([
        { from: null, to: 'enabling', organizationId: world.merchant.organizationId, locationId: null },
        { from: 'enabling', to: 'enabled' },
      ])
    })

    it('answers 200 when it was installed already, and writes nothing', async () => {
      const id = await world.application()
      await put(id)
      const again = await put(id, undefined, {})
      expect(again.status).toBe(200)
      expect(again.headers.get('location')).toBeNull()
      expect(await history(id)).toHaveLength(2)
      expect(await world.events(id)).toHaveLength(1)
    })

    it('takes the empty form body of Rebilly’s JavaScript SDK', async () => {
      const id = await world.application()
      const answer = await world.request('PUT', at(id), {
        ...as(world.merchant.token),
        body: '',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      })
      expect(answer.status).toBe(201)
    })

    it('ignores the read-only members that SDKs send back, and refuses unknown ones', async () => {
      const id = await world.application()
      await put(id)
      const { body } = await get(id)
      const back = { ...body, status: 'disabled', isConfigured: false, token: 'x', organizationId: 'y', settings: [] }
      expect((await put(id, undefined, back)).body).toMatchObject({ status: 'enabled', isConfigured: true })
      const refused = await put(id, undefined, { colour: 'red' })
      expect(refused.body).toMatchObject({ statusCode: 422, invalidFields: [{ field: 'colour' }] })
    })

    it('is one installation when two come at once', async () => {
      const id = await world.application()
      const answers = await Promise.all([put(id), put(id), put(id)])
      expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 200, 201])
      expect(await history(id)).toHaveLength(2)
    })

    it('installs on a location and on its organization independently', async () => {
      const id = await world.application()
      const { organizationId, token } = world.merchant
      const location = await world.location(organizationId)
      const path = `/organizations/${organizationId}/locations/${location}/application-instances/${id}`
      const answer = await world.request('PUT', path, { token })

      expect(answer.status).toBe(201)
      expect(answer.headers.get('location')).toBe(`http://stoa.test${path}`)
      expect(answer.body.locationId).toBe(location)
      expect((await get(id)).status).toBe(404)
      expect((await world.request('GET', path, { token })).status).toBe(200)
      expect((await put(id)).status).toBe(201)
      expect((await ownerInstance(id, location)).body).toMatchObject({ locationId: location, organizationId })
      expect((await ownerInstance(id)).body.locationId).toBeUndefined()
    })

    it('keeps the environments apart', async () => {
      const id = await world.application()
      await put(id, world.merchant.sandbox)
      expect((await get(id)).status).toBe(404)
      expect((await get(id, world.merchant.sandbox)).body.environment).toBe('sandbox')
      expect((await ownerInstance(id)).status).toBe(404)
      const sandbox = await ownerInstance(id, undefined, world.publisher.sandbox)
      expect(sandbox.status).toBe(200)
    })

    it('refuses what is not in the store, like an unknown application', async () => {
      const unknown = await put('app_unknown')
      for (const state of ['draft', 'pending-approval', 'disabled'] as const) {
        const answer = await put(await world.application({ state }))
        expect(answer.status).toBe(404)
        expect(answer.body.message).toBe(unknown.body.message)
        expect(answer.body.code).toBe(unknown.body.code)
      }
    })

    it('lets a publisher try its own in the sandbox, in any state but disabled', async () => {
      const { token, sandbox } = world.publisher
      for (const state of ['draft', 'pending-approval'] as const) {
        const id = await world.application({ state })
        expect((await put(id, token)).body).toMatchObject({ statusCode: 422, code: 'application_unavailable' })
        expect((await put(id, sandbox)).status).toBe(201)
      }
      const disabled = await world.application({ state: 'disabled' })
      expect((await put(disabled, sandbox)).body.code).toBe('application_unavailable')
    })

    it('says that it is unavailable to those who had it when it was taken out of the store', async () => {
      const id = await world.application()
      await put(id)
      await post(id, 'disable')
      await world.review(id, 'disable')
      expect((await post(id, 'enable')).body.code).toBe('application_unavailable')
      expect((await put(id)).body.code).toBe('application_unavailable')
    })

    it('refuses to grant what the installer lacks, and names it', async () => {
      const id = await world.application({ permissions: ['PutCoupon', 'GetCustomer'] })
      const permissions = ['instances:install', 'instances:show', 'customers:show']
      const answer = await put(id, await world.key(world.merchant, { permissions }))
      expect(answer.body).toMatchObject({
        statusCode: 403,
        code: 'rights_exceeded',
        missingPermissions: ['coupons:update'],
        message: expect.stringContaining('coupons:update'),
      })
      expect((await get(id)).status).toBe(404)
    })

    it('grants what no role has, because it belongs to the embedder’s own resources', async () => {
      const id = await world.application({ permissions: ['widgets:turn'] })
      expect((await put(id)).status).toBe(201)
    })

    it('needs a credential, the permission, and a person’s credential', async () => {
      const id = await world.application()
      expect((await world.request('PUT', at(id))).status).toBe(401)
      const narrow = await world.key(world.merchant, { permissions: ['instances:show'] })
      expect((await put(id, narrow)).body).toMatchObject({ code: 'missing_permission' })
      await put(id)
      const { token } = (await ownerInstance(id)).body
      expect((await put(id, token)).body).toMatchObject({ code: 'caller_not_allowed' })
    })
  })

  describe('switching off and on', () => {
    it('shows the reason and ends access at once; enabling brings it back', async () => {
      const id = await world.application()
      await put(id)
      const { token } = (await ownerInstance(id)).body
      expect((await world.request('GET', at(id, '/configuration'), { token })).status).toBe(200)

      const off = await post(id, 'disable', { reason: 'too loud' })
      expect(off.body).toMatchObject({ status: 'disabled', statusReason: 'too loud' })
      const refused = await world.request('GET', at(id, '/configuration'), { token })
      expect(refused.body).toMatchObject({ statusCode: 401, code: 'revoked_token' })
      expect((await ownerInstance(id)).body).toMatchObject({ status: 'disabled', statusReason: 'too loud' })
      expect((await ownerInstance(id)).body.token).toBeUndefined()

      const on = await post(id, 'enable')
      expect(on.body.status).toBe('enabled')
      expect(on.body.statusReason).toBeUndefined()
      expect((await ownerInstance(id)).body.token).toEqual(expect.any(String))
      expect((await world.request('GET', at(id, '/configuration'), { token })).status).toBe(401)
      expect((await world.events(id)).map(({ type }) => type)).toEqual([
        'application-instance-enabled',
        'application-instance-disabled',
        'application-instance-enabled',
      ])
    })

    it('leaves no token alive that was made at the same moment', async () => {
      const id = await world.application()
      await put(id)
      const asked = [ownerInstance(id), ownerInstance(id), post(id, 'disable'), ownerInstance(id), ownerInstance(id)]
      const tokens = (await Promise.all(asked)).map(({ body }) => body.token as string | undefined)
      for (const token of tokens.filter((each) => each !== undefined)) {
        expect((await world.request('GET', at(id, '/configuration'), { token })).status).toBe(401)
      }
      expect((await get(id)).body.status).toBe('disabled')
    })

    it('refuses what makes no sense in the present state', async () => {
      const id = await world.application()
      expect((await post(id, 'enable')).status).toBe(404)
      expect((await post(id, 'disable')).status).toBe(404)
      await put(id)
      expect((await post(id, 'enable')).body).toMatchObject({ statusCode: 409, code: 'wrong_state' })
      await post(id, 'disable')
      expect((await post(id, 'disable')).body).toMatchObject({ statusCode: 409, code: 'wrong_state' })
    })

    it('enables again by PUT, which is no new installation', async () => {
      const id = await world.application()
      await put(id)
      await post(id, 'disable')
      const answer = await put(id)
      expect([answer.status, answer.body.status]).toEqual([200, 'enabled'])
    })

    it('waits for the cleanup when somebody listens', async () => {
      const id = await world.application()
      await world.subscribe(id)
      await put(id)
      const { token } = (await ownerInstance(id)).body
      expect((await post(id, 'disable')).body.status).toBe('disabling')
      expect((await world.request('GET', at(id, '/configuration'), { token })).status).toBe(401)

      const cleanup = (await ownerInstance(id)).body
      expect(cleanup.status).toBe('disabling')
      expect((await world.request('GET', at(id, '/configuration'), { token: cleanup.token })).status).toBe(200)
      const write = await world.request('PUT', at(id, '/configuration'), {
        token: cleanup.token,
        body: { settings: {} },
      })
      expect(write.body.code).toBe('missing_permission')

      await world.delivered((await world.events(id)).at(-1)!)
      expect((await get(id)).body.status).toBe('disabled')
      expect((await world.request('GET', at(id, '/configuration'), { token: cleanup.token })).status).toBe(401)
      expect((await history(id))[0]).toMatchObject({
        from: 'disabling',
        to: 'disabled',
        actor: { type: 'application', id },
      })
    })

    it('ends the cleanup when its time is over, and its token with it', async () => {
      const id = await world.application()
      await world.subscribe(id)
      await put(id)
      await post(id, 'disable')
      await world.worker.runDue()
      expect((await get(id)).body.status).toBe('disabling')
      world.advance(world.ctx.config.installations.cleanupSeconds - 60)
      const { token } = (await ownerInstance(id)).body
      world.advance(61)
      expect((await world.request('GET', at(id, '/configuration'), { token })).body.code).toBe('expired_token')
      await world.worker.runDue()
      expect((await get(id)).body.status).toBe('disabled')
      expect((await history(id))[0]).toMatchObject({ actor: { type: 'host' }, reason: expect.stringContaining('time') })
    })

    it('gives no cleanup token to an application that may not read its configuration', async () => {
      const id = await world.application({ permissions: ['GetCustomer'] })
      await world.subscribe(id)
      await put(id)
      await post(id, 'disable')
      const { body } = await ownerInstance(id)
      expect(body.status).toBe('disabling')
      expect(body.token).toBeUndefined()
    })
  })

  describe('uninstalling', () => {
    it('is 204, then 404 like what was never installed', async () => {
      const id = await world.application()
      const never = await world.request('DELETE', at(id), as(world.merchant.token))
      await put(id)
      const first = await world.request('DELETE', at(id), as(world.merchant.token))
      expect([first.status, first.body]).toEqual([204, undefined])
      const second = await world.request('DELETE', at(id), as(world.merchant.token))
      expect(second.status).toBe(404)
      expect(second.body.message).toBe(never.body.message)
      expect((await get(id)).status).toBe(404)
      expect((await ownerInstance(id)).status).toBe(404)
      expect((await world.events(id)).at(-1)!.type).toBe('application-instance-disabled')
    })

    it('keeps identity, history and settings for the next installation', async () => {
      const id = await world.application({ properties: { type: 'object', properties: { color: { type: 'string' } } } })
      await put(id, undefined, { settings: { color: 'red' } })
      const rows = () => world.db('stoa_installations').where({ application_id: id }).select('id')
      const before = await rows()
      await world.request('DELETE', at(id), as(world.merchant.token))
      const again = await put(id)
      expect(again.status).toBe(201)
      expect(again.body.settings).toEqual({ color: 'red' })
      expect(await rows()).toEqual(before)
      expect((await history(id)).map((step: { from: string; to: string }) => [step.from, step.to]).reverse()).toEqual([
        [null, 'enabling'],
        ['enabling', 'enabled'],
        ['enabled', 'disabling'],
        ['disabling', 'disabled'],
        ['disabled', 'enabling'],
        ['enabling', 'enabled'],
      ])
    })

    it('shows `disabling` until the application was told; the history stays readable', async () => {
      const id = await world.application()
      await world.subscribe(id)
      await put(id)
      await world.request('DELETE', at(id), as(world.merchant.token))
      expect((await get(id)).body).toMatchObject({ status: 'disabling', statusReason: 'uninstalled' })
      expect((await world.request('DELETE', at(id), as(world.merchant.token))).status).toBe(404)
      expect((await post(id, 'enable')).status).toBe(404)
      await world.delivered((await world.events(id)).at(-1)!)
      expect((await get(id)).status).toBe(404)
      expect(await history(id)).toHaveLength(4)
    })

    it('uninstalls what was switched off before, and leaves a line of history', async () => {
      const id = await world.application()
      await put(id)
      await post(id, 'disable')
      expect((await world.request('DELETE', at(id), as(world.merchant.token))).status).toBe(204)
      expect((await get(id)).status).toBe(404)
      expect((await history(id))[0]).toMatchObject({ from: 'disabled', to: 'disabled', reason: 'uninstalled' })
    })

    it('settles a cleanup under way when it is installed again meanwhile', async () => {
      const id = await world.application()
      await world.subscribe(id)
      await put(id)
      await world.request('DELETE', at(id), as(world.merchant.token))
      const { token } = (await ownerInstance(id)).body
      const [, disabled] = await world.events(id)
      const again = await put(id)
      expect([again.status, again.body.status]).toEqual([201, 'enabled'])
      expect((await world.request('GET', at(id, '/configuration'), { token })).status).toBe(401)
      await world.delivered(disabled!)
      expect((await get(id)).body.status).toBe('enabled')
    })

    it('can be done by the application itself, when it was granted that', async () => {
      const permissions = ['DeleteApplicationInstance']
      const id = await world.application({ permissions })
      const other = await world.application({ permissions })
      await put(id)
      await put(other)
      const { token } = (await ownerInstance(id)).body
      const foreign = await world.request('DELETE', at(other), { token })
      expect([foreign.status, foreign.body.code]).toEqual([404, 'not_found'])
      expect((await world.request('DELETE', at(id), { token })).status).toBe(204)
      expect((await history(id))[1]).toMatchObject({ actor: { type: 'application', id } })
      expect((await get(other)).body.status).toBe('enabled')
    })

    it('grants anew what the application asks for now', async () => {
      const id = await world.application({ permissions: ['GetCustomer'] })
      await put(id)
      const submit = { permissions: ['GetApplicationInstanceConfiguration'] }
      await world.request('POST', `/applications/${id}/submit`, { ...as(world.publisher.token), body: submit })
      await world.review(id, 'approve')
      const before = (await ownerInstance(id)).body.token
      const refused = await world.request('GET', at(id, '/configuration'), { token: before })
      expect(refused.body.code).toBe('missing_permission')

      await world.request('DELETE', at(id), as(world.merchant.token))
      await put(id)
      const after = (await ownerInstance(id)).body.token
      expect((await world.request('GET', at(id, '/configuration'), { token: after })).status).toBe(200)
    })
  })

  describe('acknowledging', () => {
    const install = async () => {
      const id = await world.application({ acknowledges: true })
      await world.subscribe(id)
      const answer = await put(id)
      return { id, answer }
    }
    const overdue = async () => {
      world.advance(world.ctx.config.installations.acknowledgeSeconds + 1)
      await world.worker.runDue()
    }

    it('stays enabling until the event was delivered; its token works already', async () => {
      const { id, answer } = await install()
      expect([answer.status, answer.body.status]).toEqual([201, 'enabling'])
      const [event] = await world.events(id)
      const sent = (await world.enriched(event!)) as { _embedded: { applicationInstance: { token: string } } }
      const { token } = sent._embedded.applicationInstance
      expect((await world.request('GET', at(id, '/configuration'), { token })).status).toBe(200)
      await world.delivered(event!)
      expect((await get(id)).body.status).toBe('enabled')
      expect((await history(id))[0]).toMatchObject({ actor: { type: 'application', id }, reason: 'acknowledged' })
      expect((await world.request('GET', at(id, '/configuration'), { token })).status).toBe(200)
      await world.delivered(event!)
      expect(await history(id)).toHaveLength(2)
    })

    it('sends again after each deadline, then shows the problem to merchant and publisher', async () => {
      const { id } = await install()
      const tries = world.ctx.config.installations.acknowledgeTries
      for (let sent = 1; sent < tries; sent++) {
        await overdue()
        expect(await world.events(id)).toHaveLength(sent + 1)
        expect((await get(id)).body.problem).toBeUndefined()
      }
      await overdue()
      expect(await world.events(id)).toHaveLength(tries)
      const problem = { code: 'not_acknowledged', message: expect.any(String), since: expect.any(String) }
      expect((await get(id)).body).toMatchObject({ status: 'enabling', problem })
      expect((await ownerInstance(id)).body).toMatchObject({ status: 'enabling', problem })
      await overdue()
      expect(await world.events(id)).toHaveLength(tries)
    })

    it('tries again at the merchant’s PUT, and takes a late acknowledgement of an earlier event', async () => {
      const { id } = await install()
      const [first] = await world.events(id)
      const tries = world.ctx.config.installations.acknowledgeTries
      for (let round = 0; round < tries; round++) await overdue()
      const again = await put(id)
      expect([again.status, again.body.status, again.body.problem]).toEqual([200, 'enabling', undefined])
      expect(await world.events(id)).toHaveLength(tries + 1)
      await world.delivered(first!)
      expect((await get(id)).body.status).toBe('enabled')
      await overdue()
      expect((await get(id)).body).toMatchObject({ status: 'enabled' })
      expect(await world.events(id)).toHaveLength(tries + 1)
    })

    it('says so when nobody is subscribed who could acknowledge', async () => {
      const id = await world.application({ acknowledges: true })
      await put(id)
      for (let round = 0; round < world.ctx.config.installations.acknowledgeTries; round++) await overdue()
      expect((await get(id)).body.problem.code).toBe('nobody_subscribed')
    })

    it('does not wait for the deadline when the deliveries are given up', async () => {
      const { id } = await install()
      await world.exhausted((await world.events(id))[0]!)
      await world.worker.runDue()
      expect(await world.events(id)).toHaveLength(2)
    })

    it('is not moved by an event of an earlier installation', async () => {
      const { id } = await install()
      const [old] = await world.events(id)
      await world.request('DELETE', at(id), as(world.merchant.token))
      await put(id)
      await world.delivered(old!)
      expect((await get(id)).body.status).toBe('enabling')
    })

    it('can be switched off and uninstalled while it is stuck', async () => {
      const { id } = await install()
      expect((await post(id, 'enable')).body.code).toBe('wrong_state')
      expect((await post(id, 'disable')).body.status).toBe('disabling')
      await world.delivered((await world.events(id)).at(-1)!)
      expect((await get(id)).body).toMatchObject({ status: 'disabled' })
    })
  })

  it('lists what is installed, page by page, for the target alone', async () => {
    const merchant = await world.tenant('Lister')
    const ids: string[] = []
    for (let i = 0; i < 3; i++) ids.push(await world.application())
    for (const id of ids) await put(id, merchant.token)
    await world.request('DELETE', at(ids[0]!), as(merchant.token))

    const all = await world.request('GET', '/application-instances', as(merchant.token))
    expect(all.body.map((each: { applicationId: string }) => each.applicationId)).toEqual(ids.slice(1))
    expect(all.headers.get('pagination-total')).toBe('2')
    const page = await world.request('GET', '/application-instances?limit=1&offset=1', as(merchant.token))
    expect(page.body.map((each: { applicationId: string }) => each.applicationId)).toEqual(ids.slice(2))
    expect((await world.request('GET', '/application-instances?offset=2', as(merchant.token))).body).toEqual([])
    expect((await world.request('GET', '/application-instances', as(merchant.sandbox))).body).toEqual([])
  })

  it('shows the instance where the store is asked to expand it', async () => {
    const id = await world.application()
    await put(id)
    const expanded = await world.request(
      'GET',
      `/applications/${id}?expand=applicationInstance`,
      as(world.merchant.token),
    )
    expect(expanded.body._embedded.applicationInstance).toMatchObject({ applicationId: id, status: 'enabled' })
  })

  it('answers an application’s own key for its application alone', async () => {
    const mine = await world.application()
    const other = await world.application()
    const token = await world.key(world.publisher, { applicationId: mine })
    await put(mine, world.publisher.token)
    await put(other, world.publisher.token)
    expect((await get(mine, token)).status).toBe(200)
    expect((await get(other, token)).status).toBe(404)
    expect((await world.request('GET', '/application-instances', { token })).body).toHaveLength(1)
    expect((await ownerInstance(other, world.publisher.organizationId, token)).status).toBe(404)
  })
})

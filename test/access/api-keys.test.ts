import { beforeAll, describe, expect, it } from 'vitest'
import { tokenKind } from '../../core/src/kernel/index.ts'
import { openWorld, type Person, type World } from '../accounts/support.ts'
import { eachDatabase } from '../support/databases.ts'
import type { Answer } from '../support/host.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  const outcome = ({ status, body }: Answer) => [status, body?.code] as [number, string | undefined]
  const make = (by: string, permissions: string[], more: object = {}, headers: Record<string, string> = {}) =>
    world.call('POST', '/api-keys', { token: by, headers, body: { name: 'Key', permissions, ...more } })
  async function made(by: string, permissions: string[], more: object = {}): Promise<{ id: string; secret: string }> {
    const { status, body } = await make(by, permissions, more)
    expect(status, JSON.stringify(body)).toBe(201)
    return { id: body.id as string, secret: body.secretKey as string }
  }
  const rightsOf = async (token: string): Promise<string[]> => {
    const { status, body } = await world.call('GET', '/users/me', { token })
    return status === 200 ? (body.permissions as string[]) : []
  }
  const see = (token: string) => world.call('GET', '/locations', { token })

  describe('an API key', () => {
    it('shows its secret once, when it is made', async () => {
      const { owner } = await world.organization()
      const { status, body, headers } = await make(owner.token, ['locations:show'], { name: 'Nightly export' })
      expect(status).toBe(201)
      expect(tokenKind(body.secretKey as string)).toBe('ak')
      expect(body).toEqual({
        id: expect.stringMatching(/^key_/),
        name: 'Nightly export',
        prefix: 'stoa_ak_',
        lastFour: (body.secretKey as string).slice(-4),
        permissions: ['locations:show'],
        environment: 'production',
        applicationId: null,
        createdTime: world.now().toISOString(),
        expiresTime: null,
        revokedTime: null,
        lastUsedTime: null,
        secretKey: expect.any(String),
      })
      const { secretKey, ...shown } = body as { secretKey: string }
      const one = await world.call('GET', new URL(headers.get('location')!).pathname, { token: owner.token })
      expect(one.body).toEqual(shown)
      const list = await world.call('GET', '/api-keys', { token: owner.token })
      expect(list.body).toEqual([shown])
      expect(JSON.stringify([one.body, list.body])).not.toContain(secretKey.slice(8, -4))
    })

    it('shows when it was last used, to the minute', async () => {
      const { owner } = await world.organization()
      const { id, secret } = await made(owner.token, ['locations:show'])
      const lastUsed = async () =>
        (await world.call('GET', `/api-keys/${id}`, { token: owner.token })).body.lastUsedTime as string | null
      expect(await lastUsed()).toBeNull()
      await see(secret)
      const first = world.now().toISOString()
      expect(await lastUsed()).toBe(first)
      world.advance(59)
      await see(secret)
      expect(await lastUsed()).toBe(first)
      world.advance(2)
      await see(secret)
      expect(await lastUsed()).toBe(world.now().toISOString())
    })

    it('is dead the moment it is revoked, and stays in the list', async () => {
      const { owner } = await world.organization()
      const { id, secret } = await made(owner.token, ['locations:show'])
      expect((await see(secret)).status).toBe(200)
      expect((await world.call('DELETE', `/api-keys/${id}`, { token: owner.token })).status).toBe(204)
      expect(outcome(await see(secret))).toEqual([401, 'revoked_token'])
      const revokedTime = world.now().toISOString()
      world.advance(60)
      expect((await world.call('DELETE', `/api-keys/${id}`, { token: owner.token })).status).toBe(204)
      const { body } = await world.call('GET', `/api-keys/${id}`, { token: owner.token })
      expect(body.revokedTime).toBe(revokedTime)
    })

    it('is over when its time is, also when it was just used', async () => {
      const { owner } = await world.organization()
      const expiresTime = new Date(world.now().getTime() + 100_000).toISOString()
      const { secret } = await made(owner.token, ['locations:show'], { expiresTime })
      // Within the half-second for which a verified key is remembered.
      world.advance(99.75)
      expect((await see(secret)).status).toBe(200)
      world.advance(0.25)
      expect(outcome(await see(secret))).toEqual([401, 'expired_token'])
    })

    it('takes an expiry in whatever time zone it is written, and answers it in UTC', async () => {
      const { owner } = await world.organization()
      const inAnHour = new Date(world.now().getTime() + 3_600_000)
      const local = new Date(inAnHour.getTime() + 14 * 3_600_000).toISOString().replace(/\.\d+Z$/, '+14:00')
      const { body } = await make(owner.token, ['locations:show'], { expiresTime: local })
      expect(body.expiresTime).toBe(inAnHour.toISOString())
      // In New York it is still this morning: as text this one is the smaller, although it lies ahead.
      const west = new Date(inAnHour.getTime() - 5 * 3_600_000).toISOString().replace(/\.\d+Z$/, '-05:00')
      expect((await make(owner.token, ['locations:show'], { expiresTime: west })).body.expiresTime).toBe(
        inAnHour.toISOString(),
      )
      const anHourAgo = new Date(world.now().getTime() - 3_600_000 + 14 * 3_600_000)
        .toISOString()
        .replace('Z', '+14:00')
      expect(outcome(await make(owner.token, ['locations:show'], { expiresTime: anHourAgo }))).toEqual([
        422,
        'validation_failed',
      ])
    })

    it.each(['yesterday', '2020-01-01T00:00:00.000Z', '2026-12-31', '2026-06-30T23:59:60Z', 5])(
      'is refused with the expiry %j',
      async (expiresTime) => {
        const { owner } = await world.organization()
        const { status, body } = await make(owner.token, ['locations:show'], { expiresTime })
        expect([status, body.invalidFields[0].field]).toEqual([422, 'expiresTime'])
      },
    )

    it('needs an owner, an admin or an operator to be made', async () => {
      const { id } = await world.organization()
      for (const [role, status] of [
        ['owner', 201],
        ['admin', 201],
        ['operator', 201],
        ['author', 403],
        ['member', 403],
      ] as const) {
        expect((await make((await world.member(id, role)).token, ['account:show'])).status, role).toBe(status)
      }
    })

    it('of another organization is answered like one that does not exist', async () => {
      const mine = await world.organization()
      const theirs = await world.organization()
      const key = await made(theirs.owner.token, ['locations:show'])
      for (const id of [key.id, 'key_unknown']) {
        for (const method of ['GET', 'DELETE']) {
          expect(outcome(await world.call(method, `/api-keys/${id}`, { token: mine.owner.token }))).toEqual([
            404,
            'not_found',
          ])
        }
      }
      expect((await see(key.secret)).status).toBe(200)
      expect((await world.call('GET', '/api-keys', { token: mine.owner.token })).body).toEqual([])
    })

    it('is listed page by page', async () => {
      const { owner } = await world.organization()
      for (let i = 0; i < 3; i++) await made(owner.token, ['locations:show'])
      const { body, headers } = await world.call('GET', '/api-keys?limit=2&offset=1', { token: owner.token })
      expect([(body as unknown[]).length, headers.get('pagination-total')]).toEqual([2, '3'])
    })
  })

  describe('the permissions of a key', () => {
    it('may be names, aliases, resource:* and *', async () => {
      const { owner } = await world.organization()
      const all = await rightsOf(owner.token)
      const of = async (...names: string[]) => rightsOf((await made(owner.token, [...names, 'account:show'])).secret)
      expect(await of('locations:show')).toEqual(['account:show', 'locations:show'])
      expect(await of('listLocations')).toEqual(['account:show', 'locations:show'])
      expect(await of('locations.readonly')).toEqual(['account:show', 'locations:show'])
      expect(await of('locations:*')).toEqual(['account:show', 'locations:manage', 'locations:show'])
      const beyond = [
        'api-keys:create',
        'api-keys:delete',
        'application-keys:create',
        'application-keys:delete',
        'members:manage',
      ]
      expect(await of('*')).toEqual(all.filter((name) => !beyond.includes(name)))
      expect(all).toEqual(expect.arrayContaining(beyond))
      expect(await of('*', 'api-keys:*')).toEqual(expect.arrayContaining(['api-keys:create', 'api-keys:delete']))
    })

    it('that nobody knows are refused, each by name and place', async () => {
      const { owner } = await world.organization()
      const given = [
        'locations:show',
        'locations:destroy',
        'nonsense',
        'nothing:*',
        'locations:',
        '*:*',
        '__proto__',
        'constructor',
      ]
      const { status, body } = await make(owner.token, given)
      expect([status, body.code]).toEqual([422, 'unknown_permission'])
      expect(body.invalidFields).toEqual(
        given.slice(1).map((name, index) => ({ field: `permissions.${index + 1}`, message: `${name} is not known` })),
      )
      expect(body.message).toContain('locations:destroy')
    })

    it.each([
      ['none', []],
      ['too many', Array(201).fill('locations:show')],
      ['one that is no text', [1]],
      ['one that is too long', ['x'.repeat(101)]],
    ])('are refused when there is %s', async (_name, permissions) => {
      const { owner } = await world.organization()
      expect(outcome(await make(owner.token, permissions as string[]))).toEqual([422, 'validation_failed'])
    })

    it('cannot exceed what the maker may do', async () => {
      const { id } = await world.organization()
      const admin = await world.member(id, 'admin')
      expect(outcome(await make(admin.token, ['wallet:top-up']))).toEqual([403, 'rights_exceeded'])
      expect(outcome(await make(admin.token, ['locations:show', 'applications:review']))).toEqual([
        403,
        'rights_exceeded',
      ])
      const rights = await rightsOf((await made(admin.token, ['*'])).secret)
      expect(rights).not.toContain('wallet:top-up')
      expect(rights).toContain('locations:manage')
    })

    it('cannot exceed the key that makes it, by name or by wildcard', async () => {
      const { owner } = await world.organization()
      const { secret } = await made(owner.token, ['locations:show', 'api-keys:create'])
      for (const permissions of [
        ['locations:manage'],
        ['locations:*'],
        ['*'],
        ['locations:show', 'members:index'],
        ['api-keys:*'],
      ]) {
        expect(outcome(await make(secret, permissions)), String(permissions)).toEqual([403, 'rights_exceeded'])
      }
      const { secret: child } = await made(secret, ['locations:show'])
      expect((await see(child)).status).toBe(200)
      expect(outcome(await make(child, ['locations:show']))).toEqual([403, 'missing_permission'])
    })

    it('end with the key that made them: at its expiry at the latest, and when it is revoked', async () => {
      const { owner } = await world.organization()
      const expiresTime = new Date(world.now().getTime() + 60_000).toISOString()
      const body = { name: 'Parent', permissions: ['locations:show', 'api-keys:create'], expiresTime }
      const parent = (await world.call('POST', '/api-keys', { token: owner.token, body })).body
      const child = await world.call('POST', '/api-keys', {
        token: parent.secretKey,
        body: { ...body, expiresTime: null },
      })
      expect(child.body.expiresTime).toBe(expiresTime)
      const grandchild = await made(child.body.secretKey as string, ['locations:show'])
      expect((await see(grandchild.secret)).status).toBe(200)
      expect((await world.call('DELETE', `/api-keys/${parent.id}`, { token: owner.token })).status).toBe(204)
      for (const secret of [parent.secretKey, child.body.secretKey, grandchild.secret] as string[]) {
        expect(outcome(await see(secret))).toEqual([401, 'revoked_token'])
      }
    })

    it('end when the embedder’s code takes the maker out of the organization', async () => {
      const { id, owner } = await world.organization()
      const { secret } = await made(owner.token, ['locations:show'])
      await world.services.removeMembership({ organizationId: id, userId: owner.id })
      expect(outcome(await see(secret))).toEqual([403, 'missing_permission'])
    })

    it('shrink when the maker is demoted, grow back with them, and end when they leave', async () => {
      const { id, owner } = await world.organization()
      const admin = await world.member(id, 'admin')
      const { secret } = await made(admin.token, ['locations:*', 'account:show'])
      const change = (role: string) =>
        world.call('PATCH', `/members/${admin.id}`, { token: owner.token, body: { role } })
      expect(await rightsOf(secret)).toEqual(['account:show', 'locations:manage', 'locations:show'])
      await change('member')
      expect(await rightsOf(secret)).toEqual(['account:show', 'locations:show'])
      await change('admin')
      expect(await rightsOf(secret)).toContain('locations:manage')
      await world.call('DELETE', `/members/${admin.id}`, { token: owner.token })
      expect(outcome(await see(secret))).toEqual([403, 'missing_permission'])
    })
  })

  describe('the environment of a key', () => {
    it('is what its maker says, or the one they act in', async () => {
      const { owner } = await world.organization()
      expect((await make(owner.token, ['locations:show'])).body.environment).toBe('production')
      expect((await make(owner.token, ['locations:show'], { environment: 'sandbox' })).body.environment).toBe('sandbox')
      expect(outcome(await make(owner.token, ['locations:show'], { environment: 'staging' }))).toEqual([
        422,
        'validation_failed',
      ])
    })

    it('cannot be another than that of the key that makes it', async () => {
      const { owner } = await world.organization()
      const maker = await made(owner.token, ['locations:show', 'api-keys:create'], { environment: 'sandbox' })
      const { body } = await make(maker.secret, ['locations:show'])
      expect(body.environment).toBe('sandbox')
      expect(outcome(await make(maker.secret, ['locations:show'], { environment: 'production' }))).toEqual([
        403,
        'rights_exceeded',
      ])
    })
  })

  describe('an application’s own key', () => {
    let publisher: Person & { organizationId: string }
    let application: string
    beforeAll(async () => {
      const { id, owner } = await world.organization()
      publisher = { ...owner, organizationId: id }
      const { status, body } = await world.call('POST', '/developers/applications', {
        token: owner.token,
        body: { name: 'Mine' },
      })
      expect(status).toBe(201)
      application = body.id as string
    })
    const key = (permissions: string[]) =>
      world.call('POST', `/developers/applications/${application}/api-keys`, {
        token: publisher.token,
        body: { name: 'Own', permissions },
      })

    it('has no say over the organization: neither its people, its keys nor itself', async () => {
      const { status, body } = await key(['*', 'api-keys:*', 'members:*', 'organizations:*', 'locations:*'])
      expect(status).toBe(201)
      const token = body.secretKey as string
      const attempts: [string, string, object?][] = [
        ['GET', '/api-keys'],
        ['POST', '/api-keys', { name: 'x', permissions: ['applications:show'] }],
        ['GET', '/members'],
        ['PATCH', `/organizations/${publisher.organizationId}`, { name: 'x' }],
        ['POST', '/locations', { name: 'x' }],
        ['GET', '/wallet'],
      ]
      for (const [method, path, content] of attempts) {
        expect(outcome(await world.call(method, path, { token, body: content })), path).toEqual([
          403,
          'missing_permission',
        ])
      }
      expect((await world.call('GET', `/developers/applications/${application}`, { token })).status).toBe(200)
    })

    it('is not among the organization’s', async () => {
      await key(['applications:show'])
      expect((await world.call('GET', '/api-keys', { token: publisher.token })).body).toEqual([])
    })
  })
})

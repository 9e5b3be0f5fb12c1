import { beforeAll, describe, expect, it } from 'vitest'
import { mintToken } from '../../core/src/kernel/index.ts'
import { openWorld, type Role, type World } from '../accounts/support.ts'
import { keepLog, memory } from '../http/support.ts'
import { eachDatabase } from '../support/databases.ts'
import type { Answer } from '../support/host.ts'
import { createExampleIdentity } from './example-identity.ts'

eachDatabase((database) => {
  let world: World
  const embedder = createExampleIdentity()
  const { lines, logger } = keepLog()
  beforeAll(async () => {
    world = await openWorld(database, { identity: embedder.port, logger })
  })
  let number = 0
  /** Somebody the embedder knows, who belongs to a new organization. */
  async function person(role: Role = 'owner') {
    const session = `s${++number}`
    const { id: organizationId } = await world.organization()
    const userId = `their-user-${number}`
    const of = (roles: Role[], email = `${userId}@embedder.test`) =>
      embedder.save(session, {
        userId,
        email,
        name: 'Theirs',
        memberships: roles.map((each) => ({ organizationId, role: each })),
      })
    of([role])
    return {
      session,
      userId,
      organizationId,
      cookie: embedder.cookie(session),
      become: (...roles: Role[]) => of(roles),
      call: of,
    }
  }
  const get = (path: string, headers: Record<string, string>) => world.call('GET', path, { headers })
  const post = (path: string, headers: Record<string, string>, body: object) =>
    world.call('POST', path, { headers, body })
  const outcome = ({ status, body }: Answer) => [status, body?.code] as [number, string | undefined]

  describe('somebody whom the embedder has signed in', () => {
    it('is let in by the embedder’s cookie, opaque token or JWT', async () => {
      const { session, userId, organizationId } = await person()
      for (const headers of [embedder.cookie(session), embedder.opaque(session), embedder.jwt(session)]) {
        const { status, body } = await get('/users/me', headers)
        expect(status).toBe(200)
        expect(body).toMatchObject({
          user: { id: userId, email: `${userId}@embedder.test`, name: 'Theirs' },
          organizationId,
        })
      }
    })

    it('is nobody any more when the embedder says so', async () => {
      const { session, cookie } = await person()
      expect((await get('/users/me', cookie)).status).toBe(200)
      embedder.signOut(session)
      expect(outcome(await get('/users/me', cookie))).toEqual([401, 'unauthenticated'])
      expect(outcome(await get('/users/me', embedder.jwt(session)))).toEqual([401, 'invalid_token'])
      expect(outcome(await get('/users/me', embedder.opaque(session)))).toEqual([401, 'invalid_token'])
    })

    it('has the rights of the role that the embedder names, from the next request on', async () => {
      const { cookie, become } = await person('member')
      expect(outcome(await get('/api-keys', cookie))).toEqual([403, 'missing_permission'])
      become('admin')
      expect((await get('/api-keys', cookie)).status).toBe(200)
      become()
      expect(outcome(await get('/api-keys', cookie))).toEqual([403, 'missing_permission'])
    })

    it('is found among the members of the organization, under the name the embedder gives now', async () => {
      const { userId, organizationId, cookie, call } = await person()
      call(['admin'], 'renamed@embedder.test')
      await get('/users/me', cookie)
      const { body } = await get('/members', cookie)
      expect(body).toContainEqual({ id: userId, email: 'renamed@embedder.test', name: 'Theirs', role: 'admin' })
      expect((await world.services.listMemberships(userId)).map((each) => each.organizationId)).toEqual([
        organizationId,
      ])
    })

    it('belongs only to organizations that the host knows, and the others are logged', async () => {
      const { session, userId, organizationId } = await person()
      const memberships = ['org_not_yet', organizationId].map((id) => ({ organizationId: id, role: 'owner' as const }))
      embedder.save(session, { userId, email: 'x@embedder.test', name: 'x', memberships })
      const { status, body } = await get('/users/me', embedder.cookie(session))
      expect([status, body.organizationId]).toEqual([200, organizationId])
      expect(lines).toContainEqual(
        expect.objectContaining({ level: 'warn', details: { organizationId: 'org_not_yet' } }),
      )
      expect(outcome(await get('/organizations/org_not_yet/locations', embedder.cookie(session)))).toEqual([
        404,
        'not_found',
      ])
      await world.services.createOrganization(userId, { id: 'org_not_yet', name: 'Now' })
      expect((await get('/organizations/org_not_yet/locations', embedder.cookie(session))).status).toBe(200)
    })

    it('can be made known before they first come', async () => {
      const session = `s${++number}`
      const user = await world.services.createUser({
        id: `early-${number}`,
        email: `early${number}@embedder.test`,
        name: 'Early',
      })
      const organization = await world.services.createOrganization(user.id, { id: `tenant-${number}`, name: 'Theirs' })
      const memberships = [{ organizationId: organization.id, role: 'owner' as const }]
      embedder.save(session, { userId: user.id, email: user.email, name: 'Early', memberships })
      const { status, body } = await get('/users/me', embedder.cookie(session))
      expect([status, body.organizationId]).toEqual([200, organization.id])
    })

    it('is refused with the reason, not with a fault, when their address belongs to another account', async () => {
      const { owner, id } = await world.organization()
      const session = `s${++number}`
      embedder.save(session, {
        userId: `twin-${number}`,
        email: owner.email,
        name: 'Twin',
        memberships: [{ organizationId: id, role: 'owner' }],
      })
      const { status, body } = await get('/users/me', embedder.cookie(session))
      expect([status, body.code]).toEqual([409, 'email_taken'])
      expect(body.message).toMatch(/e-mail address/)
    })

    it('may come in many requests at once the first time', async () => {
      const { cookie } = await person()
      const answers = await Promise.all(Array.from({ length: 20 }, () => get('/users/me', cookie)))
      expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
    })
  })

  describe('what the embedder says of people', () => {
    it('counts again when another host was told otherwise meanwhile', async () => {
      const somebody = await person('member')
      expect((await get('/users/me', somebody.cookie)).status).toBe(200)
      await world.services.saveMembership({
        organizationId: somebody.organizationId,
        userId: somebody.userId,
        role: 'owner',
      })
      world.advance(1)
      await get('/users/me', somebody.cookie)
      const [membership] = await world.services.listMemberships(somebody.userId)
      expect(membership?.role).toBe('member')
    })

    it('is not changed through the host: nobody adds people or founds organizations beside it', async () => {
      const somebody = await person('owner')
      for (const path of ['/members', '/organizations']) {
        const { status } = await post(path, somebody.cookie, { name: 'x', email: 'x@stoa.test', role: 'owner' })
        expect([404, 405]).toContain(status)
      }
    })
  })

  describe('a key made by somebody of the embedder’s', () => {
    const make = async (headers: Record<string, string>, permissions = ['locations:*', 'account:show']) => {
      const { status, body } = await post('/api-keys', headers, { name: 'Theirs', permissions })
      expect(status).toBe(201)
      return body.secretKey as string
    }
    const rights = async (key: string) =>
      (await get('/users/me', { 'X-API-Key': key })).body.permissions as string[] | undefined

    it('works when its maker is not signed in', async () => {
      const { session, cookie } = await person()
      const key = await make(cookie)
      embedder.signOut(session)
      expect(await rights(key)).toEqual(['account:show', 'locations:manage', 'locations:show'])
    })

    it('shrinks with its maker, as soon as the host hears of it', async () => {
      const { cookie, become } = await person()
      const key = await make(cookie)
      expect(await rights(key)).toContain('locations:manage')
      become('member')
      await get('/users/me', cookie)
      expect(await rights(key)).toEqual(['account:show', 'locations:show'])
      become()
      await get('/users/me', cookie)
      expect(await rights(key)).toBeUndefined()
    })

    it('is verified without asking the embedder', async () => {
      const { cookie } = await person()
      const key = await make(cookie)
      const before = embedder.asked
      await rights(key)
      expect(embedder.asked).toBe(before)
    })

    it('decides as Bearer, whoever the cookie says it is', async () => {
      const { cookie, organizationId } = await person()
      const key = await make(cookie)
      const other = await person()
      const { body } = await get('/users/me', { ...other.cookie, Authorization: `Bearer ${key}` })
      expect(body.organizationId).toBe(organizationId)
    })
  })

  describe('beside the embedder’s sign-in', () => {
    it('a token of the host’s own that is no good is refused, whoever the cookie says it is', async () => {
      const { cookie } = await person()
      const before = embedder.asked
      for (const token of [
        mintToken('ak'),
        mintToken('it'),
        'stoa_ak_nonsense',
        `${(await world.organization()).owner.token}x`,
      ]) {
        expect(outcome(await get('/users/me', { ...cookie, Authorization: `Bearer ${token}` }))).toEqual([
          401,
          'invalid_token',
        ])
      }
      expect(embedder.asked).toBe(before)
    })

    it('a session of the host’s own still works', async () => {
      const { owner, id } = await world.organization()
      const { status, body } = await world.call('GET', '/users/me', { token: owner.token })
      expect([status, body.organizationId]).toEqual([200, id])
    })

    it('nobody is nobody', async () => {
      expect(outcome(await get('/users/me', {}))).toEqual([401, 'unauthenticated'])
      expect(outcome(await get('/users/me', { Cookie: 'session=unknown' }))).toEqual([401, 'unauthenticated'])
      expect(outcome(await get('/users/me', { 'X-API-Key': 'unknown' }))).toEqual([401, 'invalid_token'])
    })
  })
})

describe('an embedder’s sign-in that fails', () => {
  it('is a fault of the host’s side, of which nothing is told', async () => {
    const { logger } = keepLog()
    const world = await openWorld(memory, {
      identity: { identify: () => Promise.reject(new Error('connect to auth.internal with password hunter2')) },
      logger,
    })
    const { status, body } = await world.call('GET', '/users/me')
    expect([status, body.code]).toEqual([500, 'internal_error'])
    expect(JSON.stringify(body)).not.toMatch(/hunter2|auth\.internal/)
    expect((await world.call('GET', '/users/me', { token: world.world.organization.apiKey })).status).toBe(200)
  })
})

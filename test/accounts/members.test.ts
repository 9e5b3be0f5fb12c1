import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import type { Answer } from '../support/host.ts'
import { openWorld, password, type Person, type Role, type World } from './support.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  let addresses = 0
  const add = (by: Person, role: Role, more: object = {}) =>
    world.call('POST', '/members', {
      token: by.token,
      body: { email: `new${++addresses}@stoa.test`, name: 'New', role, ...more },
    })
  const change = (by: Person, id: string, role: Role) =>
    world.call('PATCH', `/members/${id}`, { token: by.token, body: { role } })
  const remove = (by: Person, id: string) => world.call('DELETE', `/members/${id}`, { token: by.token })
  const rolesIn = async (by: Person) => {
    const { body } = await world.call('GET', '/members', { token: by.token })
    return new Map((body as { id: string; role: Role }[]).map(({ id, role }) => [id, role]))
  }
  const outcome = ({ status, body }: Answer) => [status, body?.code] as [number, string | undefined]

  describe('people of an organization', () => {
    it('are added with an account of their own', async () => {
      const { owner } = await world.organization()
      const { status, body } = await add(owner, 'author', { email: 'Ada@Stoa.Test' })
      expect(status).toBe(201)
      expect(body).toEqual({ id: expect.stringMatching(/^usr_/), email: 'ada@stoa.test', name: 'New', role: 'author' })
      expect((await world.signIn('ada@stoa.test', '')).status).toBe(401)
    })

    it('get their first password from operators only, so that nobody prepares an account for somebody else', async () => {
      const { id, owner } = await world.organization()
      expect(outcome(await add(owner, 'member', { email: 'bob@stoa.test', password }))).toEqual([
        403,
        'rights_exceeded',
      ])
      const operator = await world.member(id, 'operator')
      const { status, body } = await add(operator, 'author', { email: 'bob@stoa.test', password })
      expect(status).toBe(201)
      const signedIn = await world.signIn('bob@stoa.test')
      expect(signedIn.status).toBe(201)
      const me = await world.call('GET', '/users/me', { token: signedIn.body.token as string })
      expect([me.body.user.id, me.body.organizationId]).toEqual([body.id, id])
    })

    it('are not managed by API keys, which would make themselves people that way', async () => {
      const { id, owner } = await world.organization()
      const { secret } = await world.services.createApiKey({
        organizationId: id,
        createdBy: owner.id,
        name: 'People',
        permissions: ['members:manage'],
        environment: 'sandbox',
        expiresTime: null,
        applicationId: null,
      })
      const by = { ...owner, token: secret }
      for (const answer of [await add(by, 'owner'), await change(by, owner.id, 'member'), await remove(by, owner.id)]) {
        expect(outcome(answer)).toEqual([403, 'caller_not_allowed'])
      }
    })

    it('are added with the account they have, whose name and password stay', async () => {
      const first = await world.organization()
      const second = await world.organization()
      const known = first.owner
      const { status, body } = await add(second.owner, 'member', {
        email: known.email,
        name: 'Renamed',
      })
      expect([status, body.id, body.name]).toEqual([201, known.id, expect.stringMatching(/^Person/)])
      expect((await world.signIn(known.email)).status).toBe(201)
    })

    it('are added once', async () => {
      const { owner } = await world.organization()
      expect(outcome(await add(owner, 'member', { email: owner.email }))).toEqual([409, 'email_taken'])
    })

    it('are added once even when asked twice at the same time', async () => {
      const { owner } = await world.organization()
      const email = 'at-once@stoa.test'
      const answers = await Promise.all([
        add(owner, 'member', { email }),
        add(owner, 'member', { email }),
        add(owner, 'admin', { email }),
      ])
      expect(answers.map(({ status }) => status).filter((status) => status === 201).length).toBeGreaterThanOrEqual(1)
      for (const answer of answers) expect([201, 409]).toContain(answer.status)
      expect((await rolesIn(owner)).size).toBe(2)
    })

    it('are listed page by page', async () => {
      const { id, owner } = await world.organization()
      for (let i = 0; i < 3; i++) await world.member(id, 'member')
      const pages = await Promise.all(
        [0, 2].map((offset) => world.call('GET', `/members?limit=2&offset=${offset}`, { token: owner.token })),
      )
      expect(pages.map(({ headers }) => headers.get('pagination-total'))).toEqual(['4', '4'])
      const ids = pages.flatMap(({ body }) => (body as { id: string }[]).map((each) => each.id))
      expect(new Set(ids).size).toBe(4)
    })

    it.each([
      ['no role', { role: undefined }],
      ['an unknown role', { role: 'king' }],
      ['a bad address', { email: 'nobody' }],
      ['a short password', { password: 'short' }],
      ['no name', { name: '' }],
    ])('are refused with %s', async (_name, more) => {
      const { owner } = await world.organization()
      expect((await add(owner, 'member', more)).status).toBe(422)
    })
  })

  describe('roles', () => {
    it('decide who may manage people', async () => {
      const { id, owner } = await world.organization()
      const subject = await world.member(id, 'member')
      for (const [role, status] of [
        ['admin', 204],
        ['operator', 204],
        ['author', 403],
        ['member', 403],
      ] as const) {
        const person = await world.member(id, role)
        expect((await change(person, subject.id, 'author')).status, role).toBe(status)
        expect((await add(person, 'member')).status, role).toBe(status === 204 ? 201 : 403)
      }
      expect((await change(owner, subject.id, 'member')).status).toBe(204)
    })

    it('of an admin do not reach owners: an admin neither makes, demotes nor removes one', async () => {
      const { id, owner } = await world.organization()
      const admin = await world.member(id, 'admin')
      const second = await world.member(id, 'owner')
      const attempts = [
        add(admin, 'owner'),
        change(admin, admin.id, 'owner'),
        change(admin, second.id, 'member'),
        remove(admin, second.id),
      ]
      for (const attempt of attempts) expect(outcome(await attempt)).toEqual([403, 'rights_exceeded'])
      expect((await rolesIn(owner)).get(second.id)).toBe('owner')
      expect((await rolesIn(owner)).get(admin.id)).toBe('admin')
    })

    it('of an owner do not reach operators: only operators make or unmake them', async () => {
      const { id, owner } = await world.organization()
      const operator = await world.member(id, 'operator')
      const attempts = [
        add(owner, 'operator'),
        change(owner, owner.id, 'operator'),
        change(owner, operator.id, 'member'),
        remove(owner, operator.id),
      ]
      for (const attempt of attempts) expect(outcome(await attempt)).toEqual([403, 'rights_exceeded'])
      expect((await add(operator, 'operator')).status).toBe(201)
      expect((await remove(operator, operator.id)).status).toBe(204)
    })

    it('of an operator elsewhere are none here', async () => {
      const { id } = await world.organization()
      const admin = await world.member(id, 'admin')
      const platform = await world.organization()
      await world.services.saveMembership({ organizationId: platform.id, userId: admin.id, role: 'operator' })
      const headers = { 'Organization-Id': id }
      const { status } = await world.call('POST', '/members', {
        token: admin.token,
        headers,
        body: { email: 'op@stoa.test', name: 'Op', role: 'operator' },
      })
      expect(status).toBe(403)
    })

    it('take effect on the next request', async () => {
      const { id, owner } = await world.organization()
      const person = await world.member(id, 'admin')
      const read = () => world.call('GET', '/api-keys', { token: person.token })
      expect((await read()).status).toBe(200)
      await change(owner, person.id, 'member')
      expect((await read()).status).toBe(403)
      await change(owner, person.id, 'admin')
      expect((await read()).status).toBe(200)
      await remove(owner, person.id)
      expect((await read()).status).toBe(403)
    })
  })

  describe('the last owner', () => {
    it('cannot leave, be removed or become less', async () => {
      const { id, owner } = await world.organization()
      await world.member(id, 'admin')
      expect(outcome(await remove(owner, owner.id))).toEqual([409, 'last_owner'])
      expect(outcome(await change(owner, owner.id, 'admin'))).toEqual([409, 'last_owner'])
      expect((await change(owner, owner.id, 'owner')).status).toBe(204)
      const second = await world.member(id, 'owner')
      expect((await remove(owner, owner.id)).status).toBe(204)
      expect(outcome(await remove(second, second.id))).toEqual([409, 'last_owner'])
    })

    it('is left when two owners go at the same moment', async () => {
      for (let round = 0; round < 5; round++) {
        const { id, owner } = await world.organization()
        const second = await world.member(id, 'owner')
        const answers = await Promise.all([remove(owner, owner.id), change(second, second.id, 'member')])
        expect(answers.map(({ status }) => String(status)).sort()).toEqual(['204', '409'])
      }
    })

    it('is left when two owners remove each other', async () => {
      const { id, owner } = await world.organization()
      const second = await world.member(id, 'owner')
      const answers = await Promise.all([remove(owner, second.id), remove(second, owner.id)])
      expect(answers.filter(({ status }) => status === 204)).toHaveLength(1)
      const left = answers[0]?.status === 204 ? owner : second
      expect([...(await rolesIn(left)).values()]).toEqual(['owner'])
    })
  })

  describe('another organization’s people', () => {
    it('are answered like people who do not exist', async () => {
      const mine = await world.organization()
      const theirs = await world.organization()
      for (const id of [theirs.owner.id, 'usr_unknown', mine.id]) {
        expect(outcome(await change(mine.owner, id, 'member'))).toEqual([404, 'not_found'])
        expect(outcome(await remove(mine.owner, id))).toEqual([404, 'not_found'])
      }
      expect([...(await rolesIn(mine.owner)).keys()]).toEqual([mine.owner.id])
    })
  })
})

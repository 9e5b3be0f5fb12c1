import { beforeAll, describe, expect, it } from 'vitest'
import { StoaError } from '@stoa/core'
import { eachDatabase } from '../support/databases.ts'
import type { Answer } from '../support/host.ts'
import { openWorld, type World } from './support.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  const outcome = ({ status, body }: Answer) => [status, body?.code] as [number, string | undefined]

  describe('organizations', () => {
    it('are made by whoever is signed in, who then owns them', async () => {
      const { owner } = await world.organization()
      const { status, body, headers } = await world.call('POST', '/organizations', {
        token: owner.token,
        body: { name: 'Second', email: 'second@stoa.test' },
      })
      expect(status).toBe(201)
      expect(body).toEqual({
        id: expect.stringMatching(/^org_/),
        name: 'Second',
        email: 'second@stoa.test',
        createdTime: world.now().toISOString(),
        updatedTime: world.now().toISOString(),
      })
      const listed = await world.call('GET', '/organizations', { token: owner.token })
      expect((listed.body as { name: string; role: string }[]).map(({ name, role }) => [name, role])).toContainEqual([
        'Second',
        'owner',
      ])
      // The answer's Location, and every id in the list, leads somewhere.
      const path = new URL(headers.get('location')!).pathname
      expect((await world.call('GET', path, { token: owner.token })).body).toEqual(body)
    })

    it('are shown and changed under their own id, whichever is the default', async () => {
      const first = await world.organization('First')
      const second = await world.organization('Second')
      await world.services.saveMembership({ organizationId: second.id, userId: first.owner.id, role: 'member' })
      const { token } = first.owner
      expect((await world.call('GET', `/organizations/${first.id}`, { token })).body.name).toBe('First')
      expect((await world.call('GET', `/organizations/${second.id}`, { token })).body.name).toBe('Second')
      const rename = (id: string) => world.call('PATCH', `/organizations/${id}`, { token, body: { name: 'Renamed' } })
      expect((await rename(first.id)).body.name).toBe('Renamed')
      // There they are a member only.
      expect(outcome(await rename(second.id))).toEqual([403, 'missing_permission'])
    })

    it('keep what was not sent', async () => {
      const { id, owner } = await world.organization('Kept')
      world.advance(5)
      const patch = (body: object) => world.call('PATCH', `/organizations/${id}`, { token: owner.token, body })
      expect((await patch({ email: 'a@stoa.test' })).body).toMatchObject({
        name: 'Kept',
        email: 'a@stoa.test',
        updatedTime: world.now().toISOString(),
      })
      expect((await patch({ email: null })).body).toMatchObject({ name: 'Kept', email: null })
      for (const body of [{ name: '' }, { email: 'nobody' }, { id: 'org_x' }, { name: null }])
        expect((await patch(body)).status).toBe(422)
    })

    it('of others are answered like those that do not exist', async () => {
      const mine = await world.organization()
      const theirs = await world.organization()
      for (const token of [mine.owner.token, world.world.organization.apiKey]) {
        for (const id of [theirs.id, 'org_unknown']) {
          expect(outcome(await world.call('GET', `/organizations/${id}`, { token }))).toEqual([404, 'not_found'])
          expect(outcome(await world.call('PATCH', `/organizations/${id}`, { token, body: { name: 'x' } }))).toEqual([
            404,
            'not_found',
          ])
        }
      }
    })

    it('are not made by API keys', async () => {
      const { status, body } = await world.call('POST', '/organizations', {
        token: world.world.organization.apiKey,
        body: { name: 'x' },
      })
      expect([status, body.code]).toEqual([403, 'caller_not_allowed'])
    })
  })

  describe('locations', () => {
    it('are made, listed, shown and changed by their organization', async () => {
      const { id, owner } = await world.organization()
      const { token } = owner
      const { status, body, headers } = await world.call('POST', '/locations', {
        token,
        body: { name: 'North', address: '1 Agora' },
      })
      expect(status).toBe(201)
      expect(body).toMatchObject({
        id: expect.stringMatching(/^loc_/),
        organizationId: id,
        name: 'North',
        address: '1 Agora',
      })
      expect(headers.get('location')).toMatch(new RegExp(`/locations/${body.id}$`))
      expect((await world.call('GET', `/locations/${body.id}`, { token })).body).toEqual(body)
      const changed = await world.call('PATCH', `/locations/${body.id}`, { token, body: { address: null } })
      expect(changed.body).toMatchObject({ name: 'North', address: null })
      const listed = await world.call('GET', '/locations', { token })
      expect([listed.body, listed.headers.get('pagination-total')]).toEqual([[changed.body], '1'])
    })

    it('are listed page by page', async () => {
      const { id, owner } = await world.organization()
      for (let i = 0; i < 5; i++) await world.services.createLocation(id, { name: `L${i}` })
      const page = (query: string) => world.call('GET', `/locations?${query}`, { token: owner.token })
      const two = await page('limit=2&offset=3')
      expect([(two.body as unknown[]).length, two.headers.get('pagination-total')]).toEqual([2, '5'])
      expect([two.headers.get('pagination-limit'), two.headers.get('pagination-offset')]).toEqual(['2', '3'])
      const none = await page('limit=0')
      expect([none.body, none.headers.get('pagination-limit')]).toEqual([[], '1'])
      for (const query of ['limit=1001', 'limit=-1', 'offset=100001', 'limit=a', 'limit=1.5']) {
        expect(outcome(await page(query)), query).toEqual([400, 'invalid_request'])
      }
    })

    it('of another organization are answered like those that do not exist', async () => {
      const { owner } = await world.organization()
      const theirs = world.world.locations[0]!.id
      for (const id of [theirs, 'loc_unknown']) {
        expect(outcome(await world.call('GET', `/locations/${id}`, { token: owner.token }))).toEqual([404, 'not_found'])
        const patch = await world.call('PATCH', `/locations/${id}`, { token: owner.token, body: { name: 'mine now' } })
        expect(outcome(patch)).toEqual([404, 'not_found'])
      }
      const untouched = await world.call('GET', `/locations/${theirs}`, { token: world.world.organization.apiKey })
      expect(untouched.body.name).toMatch(/^Demo location/)
    })

    it('are changed by owners and admins only', async () => {
      const { id } = await world.organization()
      const location = await world.services.createLocation(id, { name: 'L' })
      for (const [role, status] of [
        ['admin', 200],
        ['operator', 200],
        ['author', 403],
        ['member', 403],
      ] as const) {
        const { token } = await world.member(id, role)
        expect(
          (await world.call('PATCH', `/locations/${location.id}`, { token, body: { name: role } })).status,
          role,
        ).toBe(status)
        expect((await world.call('GET', '/locations', { token })).status, role).toBe(200)
      }
    })
  })

  describe('an embedder’s own ids', () => {
    it('are kept for people, organizations and locations', async () => {
      const { services } = world
      const user = await services.createUser({ id: 'user@42', email: 'own-id@stoa.test', name: 'Own' })
      const organization = await services.createOrganization(user.id, { id: 'tenant-42', name: 'Own' })
      const location = await services.createLocation(organization.id, { id: 'shop.42', name: 'Own' })
      expect([user.id, organization.id, location.id]).toEqual(['user@42', 'tenant-42', 'shop.42'])
    })

    it.each(['', 'a/b', 'a b', 'x'.repeat(51), 'ü', 'a\0'])(
      'are refused when no path could name them: %j',
      async (id) => {
        const { owner, id: organizationId } = await world.organization()
        const { services } = world
        for (const attempt of [
          () => services.createUser({ id, email: 'odd-id@stoa.test', name: 'Odd' }),
          () => services.createOrganization(owner.id, { id, name: 'Odd' }),
          () => services.createLocation(organizationId, { id, name: 'Odd' }),
        ]) {
          const refused = await attempt().catch((error: unknown) => error)
          expect(refused).toBeInstanceOf(StoaError)
          expect((refused as StoaError).invalidFields).toMatchObject([{ field: 'id' }])
        }
      },
    )
  })

  describe('somebody who belongs nowhere', () => {
    it('sees that, can found an organization and sign out, and nothing else', async () => {
      const { token } = await world.stranger()
      const me = await world.call('GET', '/users/me', { token })
      expect([me.status, me.body.organizationId]).toEqual([200, null])
      const locations = await world.call('GET', '/locations', { token })
      expect([locations.status, locations.body.code]).toEqual([403, 'missing_permission'])
      const founded = await world.call('POST', '/organizations', { token, body: { name: 'First' } })
      expect(founded.status).toBe(201)
      expect((await world.call('GET', '/users/me', { token })).body.organizationId).toBe(founded.body.id)
      expect((await world.call('DELETE', '/sessions/current', { token })).status).toBe(204)
    })
  })

  describe('an application in one location', () => {
    it('sees that location alone, and not whom to write to in the organization', async () => {
      const { publisher, merchantAt, world: demo } = world
      const [north, south] = demo.locations as [{ id: string }, { id: string }]
      const applicationId = demo.application.id
      await merchantAt(north.id).putApplicationInstance({ params: { applicationId } })
      const { token } = await publisher.getApplicationInstanceByOrganization({
        params: { id: applicationId, organizationId: north.id },
      })
      const get = (path: string) => world.call('GET', path, { token: token! })
      expect((await get('/locations')).body.map((each: { id: string }) => each.id)).toEqual([north.id])
      expect((await get(`/locations/${north.id}`)).status).toBe(200)
      expect((await get(`/locations/${south.id}`)).body.code).toBe('not_found')
      const organization = await get(`/organizations/${demo.organization.id}`)
      expect([organization.status, organization.body.email]).toEqual([200, null])
    })
  })

  describe('ids that an embedder brings along', () => {
    it('are shared by organizations and locations, so that a path names one thing', async () => {
      const owner = await world.stranger()
      await world.services.createOrganization(owner.id, { id: 'theirs-1', name: 'Theirs' })
      await world.services.createLocation('theirs-1', { id: 'theirs-2', name: 'Shop' })
      const taken = { code: 'in_use' }
      await expect(world.services.createLocation('theirs-1', { id: 'theirs-1', name: 'x' })).rejects.toMatchObject(
        taken,
      )
      await expect(world.services.createOrganization(owner.id, { id: 'theirs-2', name: 'x' })).rejects.toMatchObject(
        taken,
      )
      await expect(world.services.createOrganization(owner.id, { id: 'theirs-1', name: 'x' })).rejects.toMatchObject(
        taken,
      )
      await expect(world.services.createLocation('nobody', { name: 'x' })).rejects.toMatchObject({ code: 'not_found' })
    })
  })
})

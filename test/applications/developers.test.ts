import type { Knex } from 'knex'
import { beforeAll, describe, expect, it } from 'vitest'
import { hashToken } from '../../core/src/kernel/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

const path = '/developers/applications'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  let number = 0
  const create = (changes: object = {}, person = world.publisher) =>
    world.call('POST', path, person.token, { name: `Developer ${++number}`, ...changes })
  const get = async (id: string, person = world.publisher) => world.call('GET', `${path}/${id}`, person.token)
  const patch = (id: string, body: object, person = world.publisher) =>
    world.call('PATCH', `${path}/${id}`, person.token, body)

  describe('a developer application', () => {
    it('is created with a client in Baloom’s shape, the secret shown once', async () => {
      const given = {
        description: 'Pour synchroniser',
        website: 'https://example.com',
        redirectUri: 'https://example.com/callback',
        rateLimit: 50,
      }
      const { status, headers, body } = await create(given)
      expect(status).toBe(201)
      const { clientSecret, ...shown } = body
      expect(shown).toEqual({
        ...given,
        id: expect.stringMatching(/^app_[0-9a-f]{32}$/),
        organizationId: world.publisher.organizationId,
        userId: world.publisher.userId,
        name: `Developer ${number}`,
        status: 'ACTIVE',
        listingStatus: 'draft',
        version: null,
        permissions: [],
        optionalPermissions: [],
        installsOn: 'any',
        redirectUris: [given.redirectUri],
        clientType: 'confidential',
        requiresPkce: true,
        requiresDpop: false,
        jwks: null,
        clientId: expect.stringMatching(new RegExp(`^${body.id}-[0-9a-f]{8}$`)),
        acknowledges: false,
        createdAt: expect.stringMatching(/Z$/),
        updatedAt: body.createdAt,
      })
      expect(clientSecret).toMatch(/^stoa_cs_[0-9A-Za-z]{36}$/)
      expect(headers.get('location')).toBe(
        `http://stoa.test/organizations/${world.publisher.organizationId}${path}/${body.id}`,
      )
      expect((await get(body.id)).body).toEqual(shown)
      const [row] = await world.db('stoa_applications').where({ id: body.id })
      expect(Object.values(row).map(String)).not.toContain(clientSecret)
      expect(await works(world.db, body.clientId, hashToken(clientSecret))).toBe(true)
    })

    it('needs no more than a name', async () => {
      expect((await create()).body).toMatchObject({
        description: null,
        website: null,
        redirectUri: null,
        rateLimit: null,
      })
    })

    it.each([
      [{ name: '' }, 'name'],
      [{ name: undefined }, 'name'],
      [{ rateLimit: 0 }, 'rateLimit'],
      [{ rateLimit: 10_001 }, 'rateLimit'],
      [{ rateLimit: 1.5 }, 'rateLimit'],
      [{ rateLimit: '5' }, 'rateLimit'],
      [{ redirectUri: 'http://example.com/cb' }, 'redirectUris.0'],
      [{ redirectUri: 'https://example.com/cb#x' }, 'redirectUris.0'],
      [{ redirectUri: 'myapp://cb' }, 'redirectUris.0'],
      [{ redirectUri: '/cb' }, 'redirectUris.0'],
      [{ redirectUri: 'http://localhost.evil.example/cb' }, 'redirectUris.0'],
      [{ website: 'javascript:alert(1)' }, 'website'],
      [{ website: 'ftp://example.com/' }, 'website'],
      [{ clientId: 'mine' }, 'clientId'],
      [{ properties: {} }, 'properties'],
    ])('is refused with %j, naming %s', async (changes, field) => {
      const { status, body } = await create(changes)
      expect(status).toBe(422)
      expect(body.invalidFields[0].field).toBe(field)
    })

    it.each(['http://localhost:3000/cb', 'http://127.0.0.1/cb?a=1', 'http://[::1]:8080/cb', 'https://example.com'])(
      'may return to %s',
      async (redirectUri) => {
        expect((await create({ redirectUri })).body.redirectUri).toBe(redirectUri)
      },
    )

    it('shares its names with the store', async () => {
      await create({ name: 'Shared name' })
      expect((await create({ name: 'SHARED NAME' })).body.code).toBe('name_taken')
      const { body } = await world.call(
        'POST',
        '/applications',
        world.publisher.token,
        world.listing({ name: 'shared name' }),
      )
      expect(body.code).toBe('name_taken')
    })

    it('becomes a listing, and a listing has a client', async () => {
      const { id } = (await create({ acknowledges: true })).body
      const { name: _name, ...rest } = world.listing()
      const completed = await world.call('PATCH', `/applications/${id}`, world.publisher.token, rest)
      expect(completed.body).toMatchObject({ ...rest, status: 'draft', acknowledges: true })
      expect((await world.call('POST', `/applications/${id}/submit`, world.publisher.token)).status).toBe(200)
      expect((await get(id)).body.listingStatus).toBe('pending-approval')

      const listed = await world.application('available')
      const { body: client } = await get(listed)
      expect(client).toMatchObject({ status: 'ACTIVE', listingStatus: 'available' })
      expect(client.clientId.startsWith(`${listed}-`)).toBe(true)
    })

    it('lists the organization’s own, page by page', async () => {
      const person = await world.organization('author')
      const ids = []
      for (let index = 0; index < 3; index++) ids.push((await create({}, person)).body.id)
      const { headers, body } = await world.call('GET', `${path}?limit=2&offset=1`, person.token)
      expect(body.map((each: { id: string }) => each.id)).toEqual(ids.slice(1))
      expect(headers.get('pagination-total')).toBe('3')
      expect(JSON.stringify(body)).not.toContain('clientSecret')
    })

    it('changes', async () => {
      const { id } = (await create()).body
      const changes = {
        name: 'Changed',
        description: 'd',
        website: null,
        redirectUri: 'https://example.com/2',
        rateLimit: null,
        status: 'DISABLED',
        acknowledges: true,
      }
      expect((await patch(id, changes)).body).toMatchObject(changes)
      expect((await patch(id, { status: 'GONE' })).status).toBe(422)
      expect((await patch(id, { clientSecret: 'x' })).status).toBe(422)
    })
  })

  describe('rotating the secret', () => {
    it('makes a new one', async () => {
      const { id, clientId, clientSecret } = (await create()).body
      const { status, body } = await world.call('POST', `${path}/${id}/rotate-secret`, world.publisher.token)
      expect(status).toBe(200)
      expect(body).toMatchObject({ id, clientId })
      expect(body.clientSecret).not.toBe(clientSecret)
      expect(await works(world.db, clientId, hashToken(body.clientSecret))).toBe(true)
    })

    it('gives the client of a store application its first one', async () => {
      const id = await world.application('available')
      const { body } = await world.call('POST', `${path}/${id}/rotate-secret`, world.publisher.token)
      expect(await works(world.db, body.clientId, hashToken(body.clientSecret))).toBe(true)
    })

    it('does not let a disabled client in', async () => {
      const { id, clientId, clientSecret } = (await create()).body
      await patch(id, { status: 'DISABLED' })
      expect(await works(world.db, clientId, hashToken(clientSecret))).toBe(false)
    })
  })

  describe('deleting', () => {
    it('takes the application, its client and its keys away, and frees the name', async () => {
      const { id, clientId, clientSecret } = (await create({ name: 'Short-lived' })).body
      const { body: key } = await world.call('POST', `${path}/${id}/api-keys`, world.publisher.token, {
        name: 'k',
        permissions: ['applications:*'],
      })
      expect((await world.call('GET', path, key.secretKey)).status).toBe(200)

      expect((await world.call('DELETE', `${path}/${id}`, world.publisher.token)).status).toBe(204)
      expect((await get(id)).status).toBe(404)
      expect((await world.call('GET', `/applications/${id}`, world.operator.token)).status).toBe(404)
      expect((await world.call('GET', path, key.secretKey)).body.code).toBe('revoked_token')
      expect(await works(world.db, clientId, hashToken(clientSecret))).toBe(false)
      expect((await world.call('DELETE', `${path}/${id}`, world.publisher.token)).status).toBe(404)
      expect((await create({ name: 'Short-lived' })).status).toBe(201)
    })

    it('ends its keys in one statement, however many, and no others', async () => {
      const { id } = (await create({ name: 'Has many keys' })).body
      const other = (await create({ name: 'Has a key, too' })).body.id
      for (const each of [id, id, id, other]) {
        const body = { name: 'k', permissions: ['applications:*'] }
        expect((await world.call('POST', `${path}/${each}/api-keys`, world.publisher.token, body)).status).toBe(201)
      }
      const updates: string[] = []
      const watch = ({ sql }: { sql: string }) => {
        if (/^update .stoa_api_keys. set .revoked_time./.test(sql)) updates.push(sql)
      }
      world.db.on('query', watch)
      await world.call('DELETE', `${path}/${id}`, world.publisher.token)
      world.db.off('query', watch)
      const live = await world.db('stoa_api_keys').whereIn('application_id', [id, other]).where({ revoked_time: null })
      expect(live.map((key) => key.application_id)).toEqual([other])
      expect(updates).toHaveLength(1)
    })

    it('is refused once somebody has installed it, and loses nothing', async () => {
      const id = await world.application('available')
      await world.call('PUT', `/application-instances/${id}`, world.merchant.token, {})
      const { status, body } = await world.call('DELETE', `${path}/${id}`, world.publisher.token)
      expect(status).toBe(409)
      expect(body).toMatchObject({ code: 'in_use', installations: 1 })
      expect((await get(id)).body.listingStatus).toBe('available')
    })
  })

  describe('an application’s API keys', () => {
    const keys = (id: string) => `${path}/${id}/api-keys`
    const createKey = async (id: string, permissions = ['applications:*', 'files:*'], person = world.publisher) =>
      world.call('POST', keys(id), person.token, { name: 'CI', permissions })

    it('are created with a secret shown once, listed, and revoked', async () => {
      const { id } = (await create()).body
      const { status, body } = await createKey(id)
      expect(status).toBe(201)
      expect(body).toMatchObject({ name: 'CI', applicationId: id, secretKey: expect.stringMatching(/^stoa_ak_/) })
      const listed = await world.call('GET', keys(id), world.publisher.token)
      expect(listed.body).toEqual([expect.objectContaining({ id: body.id, lastFour: body.secretKey.slice(-4) })])
      expect(JSON.stringify(listed.body)).not.toContain(body.secretKey)

      const revoked = await world.call('POST', `${keys(id)}/${body.id}/revoke`, world.publisher.token)
      expect(revoked.status).toBe(200)
      expect(revoked.body.revokedTime).toBeTruthy()
      expect((await world.call('GET', `${path}/${id}`, body.secretKey)).body.code).toBe('revoked_token')
    })

    it('act for that application alone', async () => {
      const [own, other] = [(await create()).body.id, (await create()).body.id]
      const { secretKey } = (await createKey(own)).body
      expect((await world.call('GET', path, secretKey)).body.map((each: { id: string }) => each.id)).toEqual([own])
      expect((await world.call('PATCH', `${path}/${own}`, secretKey, { description: 'by key' })).status).toBe(200)
      for (const [method, suffix] of [
        ['GET', ''],
        ['PATCH', ''],
        ['DELETE', ''],
        ['POST', '/rotate-secret'],
        ['GET', '/api-keys'],
      ] as const) {
        const token = (await createKey(own, ['applications:*', 'application-keys:*'])).body.secretKey
        const answer = await world.call(method, `${path}/${other}${suffix}`, token, method === 'PATCH' ? {} : undefined)
        expect(answer.body.code, `${method} ${suffix}`).toBe('not_found')
      }
      expect((await world.call('GET', `/applications/${other}`, secretKey)).status).toBe(404)
      expect(
        (await world.call('GET', '/applications', secretKey)).body.map((each: { id: string }) => each.id),
      ).not.toContain(other)
      expect((await world.call('POST', path, secretKey, { name: 'Nested' })).body.code).toBe('caller_not_allowed')
    })

    it('are refused unknown permissions, and those their maker lacks', async () => {
      const { id } = (await create()).body
      expect((await createKey(id, ['moon:walk'])).body.code).toBe('unknown_permission')
      expect((await createKey(id, ['applications:review'])).body.code).toBe('rights_exceeded')
      expect((await createKey(id, [])).status).toBe(422)
    })

    it('of another application are not found', async () => {
      const [first, second] = [(await create()).body.id, (await create()).body.id]
      const { body: key } = await createKey(first)
      expect((await world.call('POST', `${keys(second)}/${key.id}/revoke`, world.publisher.token)).status).toBe(404)
      expect((await world.call('GET', `${path}/${first}`, key.secretKey)).status).toBe(200)
    })
  })

  describe('another tenant', () => {
    it.each([
      ['GET', '', undefined],
      ['PATCH', '', { name: 'Mine now' }],
      ['DELETE', '', undefined],
      ['POST', '/rotate-secret', undefined],
      ['GET', '/secrets', undefined],
      ['DELETE', '/secrets/csk_0', undefined],
      ['GET', '/versions', undefined],
      ['POST', '/versions', {}],
      ['GET', '/versions/1', undefined],
      ['PATCH', '/versions/1', {}],
      ['DELETE', '/versions/1', undefined],
      ['POST', '/versions/1/submit', undefined],
      ['POST', '/versions/1/release', undefined],
      ['POST', '/versions/1/yank', { reason: 'x' }],
      ['GET', '/releases/1/impact', undefined],
      ['GET', '/api-keys', undefined],
      ['POST', '/api-keys', { name: 'k', permissions: ['applications:show'] }],
      ['POST', '/api-keys/key_0/revoke', undefined],
    ])('gets from %s %s what an unknown id gets', async (method, suffix, body) => {
      const available = await world.application('available')
      const answers = []
      for (const id of [available, 'app_unknown']) {
        const answer = await world.call(method, `${path}/${id}${suffix}`, world.rival.token, body)
        answers.push({ ...answer.body, traceId: '', instance: '' })
      }
      expect(answers[0]).toMatchObject({ status: 404, code: 'not_found' })
      expect(answers[0]).toEqual(answers[1])
    })

    it('needs a credential, and the right', async () => {
      const { id } = (await create()).body
      const member = await world.colleague(world.publisher, 'member')
      expect((await world.call('POST', path, undefined, { name: 'x' })).status).toBe(401)
      expect((await create({}, member)).body.code).toBe('missing_permission')
      expect((await patch(id, {}, member)).status).toBe(403)
      expect((await get(id, member)).status).toBe(200)
      expect((await world.call('POST', `${path}/${id}/rotate-secret`, member.token)).status).toBe(403)
      expect((await world.call('GET', `${path}/${id}/api-keys`, member.token)).status).toBe(403)
      expect((await world.call('GET', `${path}/${id}/secrets`, member.token)).status).toBe(403)
      expect((await world.call('GET', `${path}/${id}/versions`, member.token)).status).toBe(200)
      for (const [method, rest, body] of [
        ['POST', '', {}],
        ['PATCH', '/1', {}],
        ['DELETE', '/1', undefined],
        ['POST', '/1/submit', undefined],
        ['POST', '/1/release', undefined],
        ['POST', '/1/yank', { reason: 'x' }],
      ] as const) {
        const answer = await world.call(method, `${path}/${id}/versions${rest}`, member.token, body)
        expect([rest, answer.body.code]).toEqual([rest, 'missing_permission'])
      }
    })
  })
})

/** Whether the secret is a live one of a client that is switched on. */
async function works(db: Knex, clientId: string, hash: string): Promise<boolean> {
  const rows: unknown[] = await db('stoa_client_secrets')
    .join('stoa_applications', 'stoa_applications.id', 'stoa_client_secrets.application_id')
    .where({ client_id: clientId, secret_hash: hash, client_status: 'ACTIVE' })
    .whereNull('deleted_time')
    .where((open) => void open.whereNull('expires_time').orWhere('expires_time', '>', new Date().toISOString()))
  return rows.length > 0
}

import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { listen, openWorld, published, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  const post = (body: unknown, person = world.publisher) => world.call('POST', '/applications', person.token, body)

  describe('PostApplication', () => {
    it('registers an application that waits for approval, in Rebilly’s shape', async () => {
      const created = listen(world.host, 'application.created')
      const body = world.listing({ properties: { type: 'object', properties: { color: { type: 'string' } } } })
      const { status, headers, body: answer } = await post(body)

      expect(status).toBe(201)
      expect(answer).toMatchObject({ ...body, status: 'pending-approval', configuredBy: 'user', acknowledges: false })
      expect(answer.id).toMatch(/^app_[0-9a-f]{32}$/)
      expect(answer.createdTime).toBe(answer.updatedTime)
      expect(headers.get('location')).toBe(
        `http://stoa.test/organizations/${world.publisher.organizationId}/applications/${answer.id}`,
      )
      expect(headers.get('x-ratelimit-limit')).toBeTruthy()
      expect(answer._links).toEqual([
        { rel: 'self', href: `http://stoa.test/applications/${answer.id}` },
        { rel: 'applicationInstance', href: `http://stoa.test/application-instances/${answer.id}` },
        { rel: 'logoUrl', href: `http://stoa.test/files/${world.logoId}/download` },
      ])
      expect(created).toEqual([{ applicationId: answer.id, publisherId: world.publisher.organizationId }])
      expect((await published(world.db, answer.id)).map(({ type }) => type)).toEqual(['application.submitted'])
    })

    it('answers under the organization’s path as well', async () => {
      const path = `/organizations/${world.publisher.organizationId}/applications`
      expect((await world.call('POST', path, world.publisher.token, world.listing())).status).toBe(201)
      expect((await world.call('POST', path, world.rival.token, world.listing())).status).toBe(404)
    })

    it('takes back what Rebilly’s SDKs read: read-only members, [] for an object, no Content-Type', async () => {
      const { body: first } = await post(world.listing())
      const again = { ...first, name: 'Sent back', properties: [], status: 'available', _embedded: [] }
      const bytes = Buffer.from(JSON.stringify(again))
      const { status, body } = await world.call('POST', '/applications', world.publisher.token, bytes)
      expect(status).toBe(201)
      expect(body).toMatchObject({ name: 'Sent back', properties: {}, status: 'pending-approval' })
      expect(body.id).not.toBe(first.id)
    })

    it('refuses a name of the publisher’s own, in any case, and leaves it to others', async () => {
      const name = 'Émile’s Überapp'
      expect((await post(world.listing({ name }))).status).toBe(201)
      const { status, body } = await post(world.listing({ name: ' ÉMILE’S ÜBERAPP ' }))
      expect(status).toBe(409)
      expect(body).toMatchObject({ code: 'name_taken', invalidFields: [{ field: 'name' }] })

      const theirs = world.listing({ name, logoId: await world.upload(world.rival) })
      expect((await post(theirs, world.rival)).status).toBe(201)
    })

    it('lets one of two at once have the name', async () => {
      const bodies = Array.from({ length: 6 }, () => world.listing({ name: 'Contested' }))
      const answers = await Promise.all(bodies.map((body) => post(body)))
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409, 409, 409, 409, 409])
    })

    it('takes permissions under every name of the catalogue and keeps them as given', async () => {
      const permissions = ['GetCustomer', 'customers:index', 'customers:*']
      expect((await post(world.listing({ permissions }))).body.permissions).toEqual(permissions)
    })

    it('refuses an unknown permission by its place', async () => {
      const permissions = ['GetCustomer', 'GetCustomer', 'customers:index', 'GetMoon', 'moon:*']
      const { status, body } = await post(world.listing({ permissions }))
      expect(status).toBe(422)
      expect(body.code).toBe('unknown_permission')
      expect(body.invalidFields.map((each: { field: string }) => each.field)).toEqual([
        'permissions.3',
        'permissions.4',
      ])
    })

    it.each(['applications:review', 'ApproveApplication', 'api-keys:*', '*'])(
      'refuses %s, which no application may hold',
      async (name) => {
        const { status, body } = await post(world.listing({ permissions: ['GetCustomer', name] }))
        expect(status).toBe(422)
        expect(body).toMatchObject({ code: 'validation_failed', invalidFields: [{ field: 'permissions.1' }] })
      },
    )

    it.each([
      ['a regular-expression bomb', { properties: { a: { pattern: '(?=a)b' } } }, 'properties.properties.a.pattern'],
      ['a remote $ref', { properties: { a: { $ref: 'https://evil.example/s.json' } } }, 'properties.properties.a'],
      ['a recursive $ref', { allOf: [{ $ref: '#' }, { $ref: '#' }] }, 'properties.allOf'],
      ['$async', { $async: true }, 'properties'],
      ['an unknown draft', { $schema: 'https://json-schema.org/draft/2020-12/schema' }, 'properties'],
      ['a broken keyword', { properties: { a: { type: 'strng' } } }, 'properties.properties.a'],
      ['a list', ['type'], 'properties'],
    ])('refuses a settings schema with %s and names the place', async (_name, properties, place) => {
      const { status, body } = await post(world.listing({ properties }))
      expect(status).toBe(422)
      expect(body.code).toBe('invalid_settings_schema')
      expect(body.invalidFields[0].field).toMatch(new RegExp(`^${place.replaceAll('.', '\\.')}`))
    })

    it.each([4, 6, 7])('takes a settings schema of draft %i', async (draft) => {
      const properties = { $schema: `http://json-schema.org/draft-0${draft}/schema#`, type: 'object' }
      expect((await post(world.listing({ properties }))).status).toBe(201)
    })

    it.each([
      [{ name: undefined }, 'name'],
      [{ name: 5 }, 'name'],
      [{ name: '' }, 'name'],
      [{ name: '   ' }, 'name'],
      [{ name: 'a\u0000b' }, 'name'],
      [{ name: 'x'.repeat(101) }, 'name'],
      [{ tagline: '\u0007' }, 'tagline'],
      [{ description: null }, 'description'],
      [{ permissions: 'GetCustomer' }, 'permissions'],
      [{ permissions: [5] }, 'permissions.0'],
      [{ permissions: Array(201).fill('GetCustomer') }, 'permissions'],
      [{ properties: 'x' }, 'properties'],
      [{ acknowledges: 'yes' }, 'acknowledges'],
      [{ logoId: 'a b' }, 'logoId'],
      [{ logoId: 'file_unknown' }, 'logoId'],
      [{ authorLogoId: 'file_unknown' }, 'authorLogoId'],
      [{ nmae: 'Typo' }, 'nmae'],
      [{ redirectUri: 'https://app.example/cb' }, 'redirectUri'],
    ])('refuses %.60j with 422 naming %s', async (changes, field) => {
      const { status, body } = await post(world.listing(changes))
      expect(status).toBe(422)
      expect(body.invalidFields.map((each: { field: string }) => each.field)).toContain(field)
    })

    it('refuses another organization’s file exactly like one that does not exist', async () => {
      const foreign = await world.upload(world.rival)
      const answers = [await post(world.listing({ logoId: foreign })), await post(world.listing({ logoId: 'file_0' }))]
      const [theirs, none] = answers.map(({ body }) => ({ ...body, traceId: '' }))
      expect(theirs).toEqual(none)
    })

    it.each([
      'http://app.example/s',
      'javascript:alert(1)',
      'https://app.example/#a',
      'app.example',
      'https:app.example',
      'https://me:pw@app.example/',
      'https://app.example\\@evil.example/',
      '/s',
    ])('refuses the settings page %s', async (configurationUrl) => {
      const { status, body } = await post(world.listing({ configurationUrl }))
      expect(status).toBe(422)
      expect(body).toMatchObject({ code: 'invalid_url', invalidFields: [{ field: 'configurationUrl' }] })
    })

    it('leaves the settings of an application with a page of its own to the application', async () => {
      const { body } = await post(world.listing({ configurationUrl: 'http://localhost:3000/settings?a=1' }))
      expect(body).toMatchObject({
        configuredBy: 'application',
        configurationUrl: 'http://localhost:3000/settings?a=1',
      })
    })

    it('answers 400 to malformed JSON and 401 without a credential', async () => {
      const broken = await world.call('POST', '/applications', world.publisher.token, Buffer.from('{"name":'))
      expect(broken).toMatchObject({ status: 400, body: { code: 'malformed_json' } })
      expect(await world.call('POST', '/applications', undefined, world.listing())).toMatchObject({ status: 401 })
    })

    it('is for owners, admins and authors', async () => {
      for (const [role, status] of [
        ['admin', 201],
        ['author', 201],
        ['member', 403],
      ] as const) {
        const person = await world.colleague(world.publisher, role)
        expect((await post(world.listing(), person)).status, role).toBe(status)
      }
      expect((await post(world.listing(), world.operator)).body.code).toBe('missing_permission')
    })

    it('leaves nothing behind when it refuses', async () => {
      const count = async () => Number((await world.db('stoa_applications').count({ n: '*' }))[0]!['n'])
      const before = await count()
      await post(world.listing({ permissions: ['GetMoon'] }))
      await post(world.listing({ properties: { $async: true } }))
      expect(await count()).toBe(before)
    })
  })
})

import { beforeAll, describe, expect, it } from 'vitest'
import { openWorld, type Person, type World } from '../accounts/support.ts'
import { eachDatabase } from '../support/databases.ts'
import type { Answer } from '../support/host.ts'

eachDatabase((database) => {
  let world: World
  let person: Person
  let first: string
  let second: string
  let theirs: string
  let secondLocation: string
  beforeAll(async () => {
    world = await openWorld(database)
    const own = await world.organization('First')
    person = own.owner
    first = own.id
    world.advance(1)
    second = (await world.organization('Second')).id
    await world.services.saveMembership({ organizationId: second, userId: person.id, role: 'admin' })
    theirs = (await world.organization('Theirs')).id
    for (const id of [first, second, theirs])
      await world.services.createLocation(id, { id: `loc-of-${id}`.slice(0, 50), name: id })
    secondLocation = `loc-of-${second}`.slice(0, 50)
  })
  const get = (path: string, headers: Record<string, string> = {}, token = person.token) =>
    world.call('GET', path, { token, headers })
  const namesOf = async (answer: Promise<Answer>) => ((await answer).body as { name: string }[]).map(({ name }) => name)
  const outcome = ({ status, body }: Answer) => [status, body?.code] as [number, string | undefined]

  describe('somebody who belongs to several organizations', () => {
    it('acts in the first they joined, unless they say otherwise', async () => {
      expect(await namesOf(get('/locations'))).toEqual([first])
    })

    it('chooses by the path', async () => {
      expect(await namesOf(get(`/organizations/${second}/locations`))).toEqual([second])
      expect(await namesOf(get(`/organizations/${first}/locations`))).toEqual([first])
    })

    it('chooses by the deprecated Organization-Id header', async () => {
      expect(await namesOf(get('/locations', { 'Organization-Id': second }))).toEqual([second])
      expect(await namesOf(get('/locations', { 'organization-id': '' }))).toEqual([first])
    })

    it('chooses by the path when both say something', async () => {
      expect(await namesOf(get(`/organizations/${second}/locations`, { 'Organization-Id': first }))).toEqual([second])
      expect(await namesOf(get(`/organizations/${second}/locations`, { 'Organization-Id': theirs }))).toEqual([second])
    })

    it('has in each the rights of their role there', async () => {
      const change = (id: string, role: string) =>
        world.call('POST', '/members', {
          token: person.token,
          headers: { 'Organization-Id': id },
          body: { email: `${role}-of-${id}@stoa.test`, name: 'x', role },
        })
      expect((await change(first, 'owner')).status).toBe(201)
      expect(outcome(await change(second, 'owner'))).toEqual([403, 'rights_exceeded'])
    })

    it('writes into the one that was chosen', async () => {
      const { body } = await world.call('POST', `/organizations/${second}/locations`, {
        token: person.token,
        body: { name: 'New' },
      })
      expect(body.organizationId).toBe(second)
    })

    it('finds a location below its organization only', async () => {
      expect((await get(`/organizations/${second}/locations/${secondLocation}`)).status).toBe(200)
      expect(outcome(await get(`/organizations/${first}/locations/${secondLocation}`))).toEqual([404, 'not_found'])
      expect(outcome(await get(`/locations/${secondLocation}`))).toEqual([404, 'not_found'])
      const at = (organization: string) =>
        get(`/organizations/${organization}/locations/${secondLocation}/application-instances`)
      expect((await at(second)).status).toBe(200)
      expect(outcome(await at(first))).toEqual([404, 'not_found'])
    })
  })

  describe('a tenant the caller has no right to', () => {
    it('is answered like one that does not exist, to the letter', async () => {
      const key = world.world.organization.apiKey
      for (const token of [person.token, key]) {
        const answers = await Promise.all(
          [theirs, 'org_unknown'].flatMap((id) => [
            get(`/organizations/${id}/locations`, {}, token),
            get('/locations', { 'Organization-Id': id }, token),
            get(`/organizations/${id}/locations/x/application-instances`, {}, token),
          ]),
        )
        const bodies = answers.map(({ status, body }) => {
          const { traceId: _trace, instance: _instance, ...rest } = body
          return JSON.stringify({ httpStatus: status, ...rest })
        })
        expect(new Set(bodies).size).toBe(1)
        expect(answers[0]!.status).toBe(404)
      }
    })
  })

  describe('an API key', () => {
    it('acts in its own organization, whatever its maker belongs to', async () => {
      const made = await world.call('POST', `/organizations/${second}/api-keys`, {
        token: person.token,
        body: { name: 'x', permissions: ['locations:show'] },
      })
      const secret = made.body.secretKey as string
      expect(await namesOf(get('/locations', {}, secret))).toContain(second)
      expect(outcome(await get(`/organizations/${first}/locations`, {}, secret))).toEqual([404, 'not_found'])
      expect(outcome(await get('/locations', { 'Organization-Id': first }, secret))).toEqual([404, 'not_found'])
    })
  })

  describe('X-Environment', () => {
    const environmentOf = async (token: string, environment: string) =>
      outcome(await get('/locations', { 'X-Environment': environment }, token))

    it('chooses for a person', async () => {
      const make = (headers: Record<string, string>) =>
        world.call('POST', '/api-keys', {
          token: person.token,
          headers,
          body: { name: 'x', permissions: ['locations:show'] },
        })
      expect((await make({})).body.environment).toBe('production')
      expect((await make({ 'X-Environment': 'Sandbox' })).body.environment).toBe('sandbox')
    })

    it('must agree with a key', async () => {
      const { organization, sandbox } = world.world
      expect(await environmentOf(organization.apiKey, 'production')).toEqual([200, undefined])
      expect(await environmentOf(sandbox.organization.apiKey, 'sandbox')).toEqual([200, undefined])
      expect(await environmentOf(organization.apiKey, 'sandbox')).toEqual([403, 'tenant_mismatch'])
      expect(await environmentOf(sandbox.organization.apiKey, 'production')).toEqual([403, 'tenant_mismatch'])
    })

    it('must be one of the two', async () => {
      const { status, body } = await get('/locations', { 'X-Environment': 'staging' })
      expect([status, body.code, body.invalidFields[0].field]).toEqual([400, 'invalid_request', 'X-Environment'])
    })
  })
})

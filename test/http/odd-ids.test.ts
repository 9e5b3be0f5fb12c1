import { beforeAll, describe, expect, it } from 'vitest'
import type { Operation } from '@stoa/core'
import { eachDatabase } from '../support/databases.ts'
import { openHost, type OpenedHost } from '../support/host.ts'
import { send } from './support.ts'

/** As they stand in the path. None can be the id of anything. */
const impossible: [string, string][] = [
  ['a slash', 'a%2Fb'],
  ['a backslash', 'a%5Cb'],
  ['the end of a C string', 'app_1%00'],
  ['a space', 'a%20b'],
  ['a quote', "'%20or%201=1--"],
  ['an accent', '%C3%A9'],
  ['an emoji', '%F0%9F%98%80'],
  ['a line break', 'a%0Ab'],
  ['51 characters', 'x'.repeat(51)],
  ['4,000 characters', 'x'.repeat(4000)],
  ['a broken escape', '%E0%A4%A'],
  ['an escape of half a character', '%C3'],
  ['a bare percent sign', '100%'],
]
/** These could be, and are not. */
const unknown: [string, string][] = [
  ['__proto__', '__proto__'],
  ['constructor', 'constructor'],
  ['two dots', '%2E%2E'],
  ['a tilde', '~'],
  ['50 characters', 'x'.repeat(50)],
]

// Bodies that the operations would take, as far as they need one to get as far as looking the id up.
const bodies: Record<string, unknown> = {
  updateOrganization: { name: 'x' },
  updateLocation: { name: 'x' },
  updateMember: { role: 'member' },
  updateWebhookEndpoint: { description: 'x' },
  updateApplication: { tagline: 'x' },
  updateDeveloperApplication: { name: 'x' },
  createApplicationApiKey: { name: 'x', permissions: ['applications:show'] },
  createMeter: { name: 'x', unit: 'x', priceType: 'fixed', price: '1' },
  updateMeter: { name: 'x' },
  'uninstall-application': { companyId: 'x', reason: 'x' },
}

eachDatabase((database) => {
  let host: OpenedHost
  beforeAll(async () => {
    host = await openHost(database)
  })

  const pathWith = ({ path }: Operation, id: string) => path.replaceAll(/:\w+/g, id)
  async function answers(operation: Operation, path: string, headers: Record<string, string> = {}) {
    const token = host.world.organization.apiKey
    const body = JSON.stringify(bodies[operation.id] ?? { reason: 'x' })
    return send(host.url, {
      method: operation.method,
      path,
      body: operation.body ? body : undefined,
      headers: {
        Authorization: `Bearer ${token}`,
        'Organization-Id': host.world.organization.id,
        ...(operation.body && { 'Content-Length': String(body.length), 'Content-Type': 'application/json' }),
        ...headers,
      },
    })
  }

  describe('an id in the path', () => {
    it.each(impossible)('with %s names nothing, to every operation', async (_name, id) => {
      for (const operation of host.host.operations.filter(({ path }) => path.includes('/:'))) {
        const { status, body, headers } = await answers(operation, pathWith(operation, id))
        // 403 where the merchant's key lacks the right anyway.
        expect([404, 403], `${operation.id} answered ${status} ${JSON.stringify(body)}`).toContain(status)
        expect(headers.get('content-type')).toMatch(/^application\/problem\+json/)
        expect(body.traceId).toBe(headers.get('x-request-id'))
      }
    })

    it.each(unknown)('that is %s is unknown, to every operation', async (_name, id) => {
      for (const operation of host.host.operations.filter(({ path }) => path.includes('/:'))) {
        const { status, body } = await answers(operation, pathWith(operation, id))
        expect([404, 403, 422], `${operation.id} answered ${status} ${JSON.stringify(body)}`).toContain(status)
      }
    })
  })

  describe('an id that chooses the scope', () => {
    it.each(impossible)('with %s is a tenant that does not exist', async (_name, id) => {
      const { organization } = host.world
      for (const operation of host.host.operations.filter(({ scope, permission }) => scope && permission)) {
        const rest = pathWith(operation, 'x')
        const prefixes = [
          `/organizations/${id}`,
          ...(operation.scope === 'target'
            ? [`/organizations/${id}/locations/${id}`, `/organizations/${organization.id}/locations/${id}`]
            : []),
        ]
        for (const prefix of prefixes) {
          const { status, body } = await answers(operation, prefix + rest)
          expect([status, body.code], `${operation.id} at ${prefix}`).toEqual([404, 'not_found'])
        }
      }
    })

    it.each(['a/b', "'; drop table stoa_users; --", 'é', 'x'.repeat(51), '__proto__'])(
      'in the header, %j, is a tenant that does not exist',
      async (id) => {
        const operation = host.host.operations.find((each) => each.id === 'listLocations')!
        const { status, body } = await answers(operation, '/locations', {
          'Organization-Id': Buffer.from(id).toString('latin1'),
        })
        expect([status, body.code]).toEqual([404, 'not_found'])
      },
    )
  })

  it.each([
    ['U+0000', '%00'],
    ['a broken escape', '%E0%A4%A'],
    ['a list', '1&limit=2'],
    ['an object', '&limit[a]=1'],
    ['text', 'ten'],
    ['a negative number', '-1'],
    ['a huge number', '1e400'],
  ])('a query parameter with %s is never a fault of the host', async (_name, value) => {
    for (const operation of host.host.operations.filter(({ query }) => query)) {
      const names = Object.keys((operation.query as { properties?: object }).properties ?? {})
      for (const name of [...names, '__proto__', 'unknown']) {
        const { status, body } = await answers(operation, `${pathWith(operation, 'x')}?${name}=${value}`)
        expect(status, `${operation.id} ${name} ${JSON.stringify(body)}`).toBeLessThan(500)
      }
    }
  })

  it('a text with U+0000 in it is refused where it would be kept, on either database', async () => {
    const operation = (id: string) => host.host.operations.find((each) => each.id === id)!
    bodies.createLocation = { name: 'a\0b' }
    const { status, body } = await answers(operation('createLocation'), '/locations')
    expect([status, body.invalidFields]).toEqual([422, [{ field: 'name', message: expect.stringContaining('U+0000') }]])
    const organization = `/organizations/${host.world.organization.id}`
    bodies.updateOrganization = { name: '\0' }
    expect((await answers(operation('updateOrganization'), organization)).status).toBe(422)
    bodies.updateOrganization = { name: 'x' }
  })

  it.each([
    ['null', 'null'],
    ['a list', '[{}]'],
    ['text', '"text"'],
    ['nothing of use', '{}'],
    ['only __proto__', '{"__proto__":{"name":"x"}}'],
    ['U+0000', JSON.stringify({ name: 'a\0b', email: 'a\0@b.c', reason: '\0', permissions: ['\0'] })],
    ['half a surrogate pair', '{"name":"\\ud800","reason":"\\udc00"}'],
    [
      'wrong types everywhere',
      JSON.stringify({ name: 1, email: [], permissions: {}, role: true, properties: 7, reason: {} }),
    ],
    ['lists without end', `{"name":${'['.repeat(50_000)}${']'.repeat(50_000)}}`],
  ])('a body of %s is never a fault of the host', async (_name, text) => {
    for (const operation of host.host.operations.filter(({ body }) => body)) {
      const path = pathWith(operation, host.world.application.id)
      const { status, body } = await send(host.url, {
        method: operation.method,
        path,
        body: text,
        headers: {
          Authorization: `Bearer ${host.world.publisher.apiKey}`,
          'Content-Type': 'application/json',
          'Content-Length': String(Buffer.byteLength(text)),
        },
      })
      expect(status, `${operation.id} ${JSON.stringify(body)}`).toBeLessThan(500)
    }
  })
})

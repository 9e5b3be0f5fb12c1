import { beforeAll, describe, expect, it } from 'vitest'
import { openHost, type OpenedHost } from '../support/host.ts'
import { memory, send } from './support.ts'

let host: OpenedHost
let key: string
beforeAll(async () => {
  host = await openHost(memory)
  key = host.world.organization.apiKey
})

describe('a path nobody knows', () => {
  it.each([
    '/',
    '/nothing',
    '/application',
    '/applications/a/b/c/d',
    '/organizations/a/nothing',
    '/api/documentation/unknown.js',
  ])('%s is 404 in the host’s own form when the host stands alone', async (path) => {
    const { status, body, headers } = await host.call('GET', path)
    expect([status, body.code, body.instance]).toEqual([404, 'not_found', path])
    expect(headers.get('content-type')).toMatch(/^application\/problem\+json/)
    expect(body.traceId).toBe(headers.get('x-request-id'))
    expect(body.message).toMatch(/documentation/)
  })

  it('is 404 with broken percent-encoding too', async () => {
    expect((await send(host.url, { path: '/nothing/%E0%A4%A' })).status).toBe(404)
  })
})

describe('percent-encoding', () => {
  it.each([
    ['POST', '/%70latform/top-ups'],
    ['POST', '/platform/top%2Dups'],
    ['GET', '/%68ealth'],
    ['OPTIONS', '/%6Cocations'],
    ['GET', '/organizations/org_1/%6Cocations/'],
  ])(
    'of the fixed part of a path leads nowhere, so that nobody gets around a rule for it: %s %s',
    async (method, path) => {
      const { status, body } = await send(host.url, { method, path, headers: { 'X-API-Key': key } })
      expect([status, body.message]).toEqual([404, 'This path does not exist; see /api/documentation.'])
    },
  )

  it('of a value is decoded once', async () => {
    const { id } = host.world.organization
    const at = (text: string) =>
      send(host.url, { path: `/organizations/${text}/locations`, headers: { 'X-API-Key': key } })
    expect((await at(id.replace('o', '%6F'))).status).toBe(200)
    expect((await at(id.replace('o', '%256F'))).status).toBe(404)
    expect((await at('a%2Fb')).status).toBe(404)
    expect((await at('%E0%A4%A')).status).toBe(404)
  })
})

describe('a method a path does not take', () => {
  it.each([
    ['PATCH', '/sessions', 'POST, OPTIONS'],
    ['PUT', '/locations', 'GET, HEAD, POST, OPTIONS'],
    ['POST', '/applications/app_1', 'GET, HEAD, PATCH, OPTIONS'],
    ['DELETE', '/organizations/org_1/locations', 'GET, HEAD, POST, OPTIONS'],
    ['GET', '/sessions', 'POST, OPTIONS'],
    ['HEAD', '/sessions', 'POST, OPTIONS'],
    ['TRACE', '/health', 'GET, HEAD, OPTIONS'],
  ])('%s %s is 405 and names those it takes', async (method, path, allow) => {
    const { status, headers, body } = await send(host.url, { method, path })
    expect([status, headers.get('allow')]).toEqual([405, allow])
    if (method !== 'HEAD') expect(body.code).toBe('method_not_allowed')
  })

  it('OPTIONS is answered with the same list', async () => {
    const { status, headers, text } = await send(host.url, { method: 'OPTIONS', path: '/locations' })
    expect([status, headers.get('allow'), text]).toEqual([204, 'GET, HEAD, POST, OPTIONS', ''])
  })
})

describe('HEAD', () => {
  it('answers what GET does, without the body', async () => {
    const get = await send(host.url, { path: '/locations', headers: { 'X-API-Key': key } })
    const head = await send(host.url, { method: 'HEAD', path: '/locations', headers: { 'X-API-Key': key } })
    expect([head.status, head.text]).toEqual([200, ''])
    for (const name of ['content-type', 'pagination-total', 'cache-control']) {
      expect(head.headers.get(name)).toBe(get.headers.get(name))
    }
  })

  it('needs the same credential', async () => {
    expect((await send(host.url, { method: 'HEAD', path: '/locations' })).status).toBe(401)
  })
})

describe('a path', () => {
  it.each(['/health', '/status', '/health/', '/HEALTH', '/health?x=1'])(
    '%s leads to the health check',
    async (path) => {
      const { status, body } = await host.call('GET', path)
      expect([status, body]).toEqual([200, { status: 'ok' }])
    },
  )

  it('below an organization and below a location leads to the same operation', async () => {
    const { organization, locations } = host.world
    const at = (prefix: string) => host.call('GET', `${prefix}/application-instances`, { token: key })
    for (const prefix of [
      '',
      `/organizations/${organization.id}`,
      `/organizations/${organization.id}/locations/${locations[0]!.id}`,
    ]) {
      expect((await at(prefix)).status).toBe(200)
    }
  })
})

describe('links', () => {
  it('are built from baseUrl', async () => {
    const { headers } = await host.call('POST', '/locations', { token: key, body: { name: 'Elsewhere' } })
    expect(headers.get('location')).toMatch(new RegExp(`^${host.url}/organizations/org_\\w+/locations/loc_\\w+$`))
  })
})

import { beforeAll, describe, expect, it } from 'vitest'
import { openHost, type OpenedHost } from '../support/host.ts'
import { memory, send } from './support.ts'

const exposed = [
  'Pagination-Total',
  'Pagination-Limit',
  'Pagination-Offset',
  'Location',
  'Retry-After',
  'X-Request-Id',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Retry-After',
]
const preflight = {
  method: 'OPTIONS',
  path: '/locations',
  headers: {
    Origin: 'https://shop.example',
    'Access-Control-Request-Method': 'POST',
    'Access-Control-Request-Headers': 'reb-apikey,content-type',
  },
}

describe('CORS', () => {
  let closed: OpenedHost
  let listed: OpenedHost
  let open: OpenedHost
  beforeAll(async () => {
    closed = await openHost(memory)
    listed = await openHost(memory, { corsOrigins: ['https://shop.example', 'https://other.example'] })
    open = await openHost(memory, { corsOrigins: ['*'] })
  })
  const cors = (headers: Headers) => [...headers.keys()].filter((name) => name.startsWith('access-control-'))

  it('is off unless it was configured', async () => {
    for (const path of ['/health', '/locations', '/nothing']) {
      expect(cors((await send(closed.url, { path, headers: { Origin: 'https://shop.example' } })).headers)).toEqual([])
    }
    expect(cors((await send(closed.url, preflight)).headers)).toEqual([])
  })

  it('lets a listed origin read the answer and the headers that the SDKs need', async () => {
    const { headers } = await send(listed.url, { path: '/health', headers: { Origin: 'https://shop.example' } })
    expect(headers.get('access-control-allow-origin')).toBe('https://shop.example')
    expect(headers.get('vary')).toMatch(/Origin/)
    expect(headers.get('access-control-expose-headers')!.split(',')).toEqual(expect.arrayContaining(exposed))
    expect(headers.get('access-control-allow-credentials')).toBeNull()
  })

  it('lets a listed origin read refusals too', async () => {
    const { status, headers } = await send(listed.url, {
      path: '/locations',
      headers: { Origin: 'https://other.example' },
    })
    expect([status, headers.get('access-control-allow-origin')]).toEqual([401, 'https://other.example'])
  })

  it.each(['https://evil.example', 'https://shop.example.evil.example', 'http://shop.example', 'null'])(
    'does not let %s',
    async (origin) => {
      const { headers } = await send(listed.url, { path: '/health', headers: { Origin: origin } })
      expect(headers.get('access-control-allow-origin')).toBeNull()
    },
  )

  it('answers a preflight with methods and headers', async () => {
    const { status, headers } = await send(listed.url, preflight)
    expect(status).toBe(204)
    expect(headers.get('access-control-allow-origin')).toBe('https://shop.example')
    expect(headers.get('access-control-allow-methods')!.split(',')).toEqual(
      expect.arrayContaining(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
    )
    expect(headers.get('access-control-allow-headers')).toBe('reb-apikey,content-type')
    expect(headers.get('access-control-max-age')).toBe('600')
  })

  it.each(['/oauth/authorize', '/oauth/consent', '/oauth/sign-in'])('is never there for a page: %s', async (path) => {
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      const { headers } = await send(open.url, { path, method, headers: { Origin: 'https://evil.example' } })
      expect([method, cors(headers)]).toEqual([method, []])
    }
    const { headers } = await send(open.url, {
      path: '/oauth/token',
      method: 'POST',
      headers: { Origin: 'https://a.example' },
    })
    expect(headers.get('access-control-allow-origin')).toBe('*')
  })

  it('with "*" lets anybody, without credentials of the browser', async () => {
    const { headers } = await send(open.url, { path: '/health', headers: { Origin: 'https://anybody.example' } })
    expect(headers.get('access-control-allow-origin')).toBe('*')
    expect(headers.get('access-control-allow-credentials')).toBeNull()
  })
})

describe('security headers', () => {
  it.each(['/health', '/locations', '/openapi.json', '/api/documentation'])('are on %s', async (path) => {
    const { headers } = await (await host()).call('GET', path)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('x-frame-options')).toBe('SAMEORIGIN')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(headers.get('content-security-policy')).toMatch(/default-src 'self'/)
    expect(headers.get('content-security-policy')).toMatch(/script-src 'self'(;|$)/)
    expect(headers.get('x-powered-by')).toBeNull()
  })

  it('force https when the host is reached by it, and not when by http', async () => {
    const plain = await (await host()).call('GET', '/health')
    expect(plain.headers.get('strict-transport-security')).toBeNull()
    expect(plain.headers.get('content-security-policy')).not.toMatch(/upgrade-insecure-requests/)
    const secure = await openHost(memory, { baseUrl: 'https://marketplace.example' })
    const answer = await secure.call('GET', '/health')
    expect(answer.headers.get('strict-transport-security')).toMatch(/max-age=\d{7,}/)
    expect(answer.headers.get('content-security-policy')).toMatch(/upgrade-insecure-requests/)
  })

  let opened: Promise<OpenedHost> | undefined
  const host = () => (opened ??= openHost(memory))
})

import { beforeAll, describe, expect, it } from 'vitest'
import { defineOperation, type Surface } from '../../core/src/http/index.ts'
import { Id, invalidField, StoaError, Strict, Type } from '../../core/src/kernel/index.ts'
import { openHost, type OpenedHost } from '../support/host.ts'
import { errorMembers, keepLog, memory, mountOwn, send } from './support.ts'

const faults: Record<string, () => unknown> = {
  plain: () => new Error('select * from secrets where password = hunter2'),
  text: () => 'hunter2',
  nothing: () => undefined,
  // Errors of libraries look like this; only what the host itself refused may be shown.
  exposed: () => Object.assign(new Error('hunter2'), { status: 418, statusCode: 418, expose: true, type: 'hunter2' }),
}

const refuse = (surface: Surface, name: string, error: () => unknown) =>
  defineOperation({
    id: `${surface}-${name}`,
    method: 'POST',
    path: `/${surface}/${name}/:id`,
    surface,
    tag: 'Test',
    summary: 'Refuse',
    permission: null,
    params: Type.Object({ id: Id() }),
    responses: { 200: Type.Object({}) },
    handler: () => Promise.reject(error()),
  })

const takes = (surface: Surface) =>
  defineOperation({
    id: `${surface}-takes`,
    method: 'POST',
    path: `/${surface}/takes`,
    surface,
    tag: 'Test',
    summary: 'Take a body',
    permission: null,
    body: Strict({ name: Type.String(), units: Type.Number() }),
    responses: { 200: Type.Object({}) },
    handler: () => Promise.resolve({}),
  })

const surfaces: Surface[] = ['store', 'author', 'runtime', 'platform']
const operations = surfaces.flatMap((surface) => [
  takes(surface),
  refuse(surface, 'known', () => invalidField('name', 'is taken', 'name_taken')),
  refuse(
    surface,
    'detailed',
    () => new StoaError('insufficient_funds', { details: { required: '5', available: '1' } }),
  ),
  ...Object.entries(faults).map(([name, error]) => refuse(surface, name, error)),
])

describe('an error', () => {
  let mounted: Awaited<ReturnType<typeof mountOwn>>
  beforeAll(async () => {
    mounted = await mountOwn(operations)
  })

  it.each(surfaces)('of the %s surface has the members of RFC 9457 and of every seed', async (surface) => {
    const { status, body, headers } = await mounted.call('POST', `/${surface}/known/app_1?q=secret`)
    expect(status).toBe(409)
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toEqual({
      type: 'urn:stoa:error:name_taken',
      title: 'Name taken',
      status: 409,
      detail: 'name: is taken',
      instance: `/${surface}/known/app_1`,
      code: 'name_taken',
      statusCode: 409,
      message: 'name: is taken',
      error: surface === 'runtime' ? 'Conflict' : 'name: is taken',
      traceId: headers.get('x-request-id'),
      invalidFields: [{ field: 'name', message: 'is taken' }],
    })
  })

  it('carries the details of the rule that refused', async () => {
    const { status, body } = await mounted.call('POST', '/runtime/detailed/x')
    expect([status, body.required, body.available]).toEqual([402, '5', '1'])
    expect(Object.keys(body as object).sort()).toEqual([...errorMembers, 'available', 'required'].sort())
  })

  it.each(Object.keys(faults))('that nobody foresaw (%s) is 500 and says nothing of itself', async (name) => {
    const { status, body, headers } = await mounted.call('POST', `/platform/${name}/x`)
    expect([status, body.code]).toEqual([500, 'internal_error'])
    expect(Object.keys(body as object).sort()).toEqual([...errorMembers].sort())
    expect(JSON.stringify([body, [...headers]])).not.toMatch(/hunter2|secrets|password|\.ts|node_modules| at /)
  })

  it('that nobody foresaw is logged whole, under the traceId of the answer', async () => {
    const { body } = await mounted.call('POST', '/platform/plain/x')
    const line = mounted.lines.find(
      ({ level, details }) => level === 'error' && 'traceId' in details && details.traceId === body.traceId,
    )
    expect(line?.details).toMatchObject({
      err: { message: expect.stringContaining('hunter2'), stack: expect.any(String) },
    })
  })

  describe('about a body', () => {
    const answer = async (surface: Surface, body: unknown) => {
      const { status, body: error } = await mounted.call('POST', `/${surface}/takes`, { body })
      return [status, error.code, (error.invalidFields as { field: string }[]).map(({ field }) => field).sort()]
    }

    it.each(['store', 'author', 'platform'] as const)(
      'on the %s surface is 422, whatever is wrong',
      async (surface) => {
        expect(await answer(surface, {})).toEqual([422, 'validation_failed', ['name', 'units']])
        expect(await answer(surface, { name: 1 })).toEqual([422, 'validation_failed', ['name', 'units']])
        expect(await answer(surface, { name: 'a', units: '1', nmae: 2 })).toEqual([
          422,
          'validation_failed',
          ['nmae', 'units'],
        ])
      },
    )

    it('on the runtime surface is 400 for absent members, as HighLevel answers, and 422 for wrong ones', async () => {
      expect(await answer('runtime', {})).toEqual([400, 'invalid_request', ['name', 'units']])
      expect(await answer('runtime', { name: 1 })).toEqual([422, 'validation_failed', ['name', 'units']])
    })
  })
})

describe('X-Request-Id', () => {
  let host: OpenedHost
  beforeAll(async () => {
    host = await openHost(memory)
  })
  const idOf = async (given?: string | string[], path = '/health') => {
    const { headers, body } = await send(host.url, {
      path,
      headers: given === undefined ? {} : { 'X-Request-Id': given },
    })
    return { id: headers.get('x-request-id')!, traceId: body.traceId as string | undefined }
  }

  it('is made when none is given, and never twice', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, async () => (await idOf()).id))
    expect(new Set(ids).size).toBe(20)
    for (const id of ids) expect(id).toMatch(/^[0-9a-f-]{36}$/)
  })

  it.each(['abc', '7b1e:22.x_y-z', 'x'.repeat(128)])(
    '%s is given back, and is the traceId of an error',
    async (given) => {
      expect((await idOf(given)).id).toBe(given)
      expect(await idOf(given, '/locations')).toEqual({ id: given, traceId: given })
      expect(await idOf(given, '/nothing')).toEqual({ id: given, traceId: given })
    },
  )

  it.each(['<script>alert(1)</script>', '{"level":"fatal"}', 'a b', 'x'.repeat(129), '%0d%0aSet-Cookie:a=b', 'é', ''])(
    '%j is replaced',
    async (given) => {
      const { id, traceId } = await idOf(Buffer.from(given).toString('latin1'), '/locations')
      expect(id).toMatch(/^[0-9a-f-]{36}$/)
      expect(traceId).toBe(id)
    },
  )

  it('given twice is replaced', async () => {
    expect((await idOf(['a', 'b'])).id).toMatch(/^[0-9a-f-]{36}$/)
  })
})

describe('WWW-Authenticate', () => {
  let host: OpenedHost
  // RFC 9728 section 5.1.
  const metadata = ({ url }: OpenedHost) => `resource_metadata="${url}/.well-known/oauth-protected-resource"`
  beforeAll(async () => {
    host = await openHost(memory)
  })

  it('asks for a credential when there is none', async () => {
    const { status, headers } = await host.call('GET', '/locations')
    expect([status, headers.get('www-authenticate')]).toEqual([401, `Bearer ${metadata(host)}`])
  })

  it('says so when the token is no good', async () => {
    const { status, headers } = await host.call('GET', '/locations', { token: 'nonsense' })
    expect([status, headers.get('www-authenticate')]).toEqual([401, `Bearer error="invalid_token", ${metadata(host)}`])
  })

  it('does not speak of a token when a password is wrong', async () => {
    const body = { email: host.world.user.email, password: 'wrong wrong wrong' }
    const { status, headers } = await host.call('POST', '/sessions', { body })
    expect([status, headers.get('www-authenticate')]).toEqual([401, `Bearer ${metadata(host)}`])
  })

  it('is absent from every other answer', async () => {
    expect((await host.call('GET', '/nothing')).headers.get('www-authenticate')).toBeNull()
    expect((await host.call('GET', '/health')).headers.get('www-authenticate')).toBeNull()
  })
})

describe('the log', () => {
  it('never holds a credential, a password or the values of a failed query', async () => {
    const { lines, logger } = keepLog()
    const host = await openHost(memory, { logger })
    const { organization, user } = host.world
    const headers = { 'X-API-Key': organization.apiKey, 'REB-APIKEY': organization.apiKey }
    await host.call('POST', '/sessions', { body: user })
    await host.call('POST', '/sessions', { body: { ...user, password: 'a wrong password' } })
    await host.call('GET', `/locations?q=${organization.apiKey}`, { token: organization.apiKey, headers })
    await host.call('GET', '/locations', { token: `${organization.apiKey}x` })
    await host.call('POST', '/members', {
      token: organization.apiKey,
      body: { email: 'new@stoa.example', name: 'New', role: 'member', password: 'a password of theirs' },
    })
    const text = JSON.stringify(lines, (_name, value: unknown) =>
      value instanceof Error ? [value.message, value.stack] : value,
    )
    expect(lines.length).toBeGreaterThan(4)
    for (const secret of [organization.apiKey, user.password, user.email, 'a wrong password', 'a password of theirs']) {
      expect(text).not.toContain(secret)
    }
  })

  it('has one line a request with operation, status and time', async () => {
    const { lines, call } = await mountOwn([takes('store')])
    const { headers } = await call('POST', '/store/takes', { body: { name: 'a', units: 1 } })
    expect(lines).toEqual([
      {
        level: 'info',
        message: 'request',
        details: {
          traceId: headers.get('x-request-id'),
          operation: 'store-takes',
          status: 200,
          ms: expect.any(Number),
        },
      },
    ])
  })
})

describe('a logger of the embedder’s that throws', () => {
  it('costs neither the answer nor the process', async () => {
    const thrown: unknown[] = []
    const note = (reason: unknown) => void thrown.push(reason)
    process.on('unhandledRejection', note)
    const fail = () => {
      throw new Error('the disk of the log is full')
    }
    const logger = { debug: fail, info: fail, warn: fail, error: fail }
    const { url } = await mountOwn([...operations], { logger, config: { corsOrigins: ['*'] } })
    const body = '{"name":"x","units":1}'
    const headers = { 'Content-Type': 'application/json' }
    const answered = await send(url, { method: 'POST', path: '/store/takes', headers, body })
    const failed = await send(url, { method: 'POST', path: '/store/plain/some_1' })
    const refused = await send(url, { method: 'POST', path: '/store/takes', headers, body: '{' })
    // What was rejected is told a turn later.
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', note)
    expect([answered.status, failed.status, refused.status, thrown]).toEqual([200, 500, 400, []])
    expect(failed.text).not.toMatch(/hunter2|disk/)
  })
})

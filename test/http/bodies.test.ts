import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import { defineOperation } from '../../core/src/http/index.ts'
import { Strict, Type } from '../../core/src/kernel/index.ts'
import { openHost, type OpenedHost } from '../support/host.ts'
import { memory, mountOwn, send } from './support.ts'

const json = { 'Content-Type': 'application/json' }

/** What arrives is answered, so that a test sees what a handler sees. */
const echo = defineOperation({
  id: 'echo',
  method: 'POST',
  path: '/echo',
  surface: 'platform',
  tag: 'Test',
  summary: 'Answer the body',
  permission: null,
  body: Strict({ text: Type.Optional(Type.String()), anything: Type.Optional(Type.Unknown()) }),
  responses: { 200: Type.Object({ got: Type.Unknown() }) },
  handler: ({ body }) => Promise.resolve({ got: body }),
})
const optional = defineOperation({
  id: 'optional',
  method: 'PUT',
  path: '/optional',
  surface: 'store',
  tag: 'Test',
  summary: 'Answer whether there was a body',
  permission: null,
  body: Type.Object({}),
  bodyKind: 'optional',
  responses: { 200: Type.Object({ body: Type.Boolean() }) },
  handler: ({ body }) => Promise.resolve({ body: body !== undefined }),
})

describe('a JSON body', () => {
  let url: string
  beforeAll(async () => {
    url = (await mountOwn([echo, optional])).url
  })
  const post = (body: Buffer | string, headers: Record<string, string> = {}) =>
    send(url, {
      method: 'POST',
      path: '/echo',
      body,
      headers: { 'Content-Length': String(Buffer.byteLength(body)), ...headers },
    })

  it.each([
    ['no Content-Type', {}],
    ['an empty Content-Type', { 'Content-Type': '' }],
    ['application/json', json],
    ['a charset', { 'Content-Type': 'Application/JSON; charset=UTF-8' }],
    ['a +json type', { 'Content-Type': 'application/merge-patch+json' }],
  ])('is read with %s', async (_name, headers) => {
    const { status, body } = await post('{"text":"Grüße"}', headers as Record<string, string>)
    expect([status, body]).toEqual([200, { got: { text: 'Grüße' } }])
  })

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/xml', 'application/jsonp', 'nonsense'])(
    'of type %s is refused with 415',
    async (type) => {
      const { status, body } = await post('{"text":"a"}', { 'Content-Type': type })
      expect([status, body.code]).toEqual([415, 'unsupported_media_type'])
    },
  )

  it.each(['{', '{"text":}', "{'text':'a'}", '{"text":"a"}}', 'NaN', '{"text":"a\nb"}'])(
    '%j is malformed: 400',
    async (text) => {
      const { status, body } = await post(text, json)
      expect([status, body.code]).toEqual([400, 'malformed_json'])
    },
  )

  it.each([
    ['Latin-1', Buffer.from('{"text":"Grüße"}', 'latin1')],
    ['an overlong encoding', Buffer.from([0x7b, 0xc0, 0xaf, 0x7d])],
    ['half a character', Buffer.concat([Buffer.from('{"text":"'), Buffer.from([0xe2, 0x98]), Buffer.from('"}')])],
  ])('in %s instead of UTF-8 is refused with 415', async (_name, bytes) => {
    const { status, body } = await post(bytes, json)
    expect([status, body.code]).toEqual([415, 'unsupported_media_type'])
  })

  it('may begin with a byte order mark', async () => {
    expect((await post('\ufeff{"text":"a"}', json)).body).toEqual({ got: { text: 'a' } })
  })

  it.each(['null', '[]', '"text"', '1', 'true', '{"text":1}', '{"text":null}', '{"unknown":1}'])(
    '%s has the wrong shape: 422 that names the field, and nothing is coerced',
    async (text) => {
      const { status, body } = await post(text, json)
      expect([status, body.code]).toEqual([422, 'validation_failed'])
      expect(body.invalidFields).toEqual([{ field: expect.any(String), message: expect.any(String) }])
    },
  )

  it.each(['', ' \n'])('that is needed and is %j gives 400 with the reason', async (text) => {
    const { status, body } = await post(text, json)
    expect([status, body.code]).toEqual([400, 'invalid_request'])
    expect(body.message).toMatch(/needs a JSON body/)
  })

  it.each([
    ['a form type', { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': '0' }],
    ['a JSON type', { ...json, 'Content-Length': '0' }],
    ['no type', { 'Content-Length': '0' }],
    ['neither length nor type', {}],
  ])('that may be absent and is empty with %s is no body', async (_name, headers) => {
    const { status, body } = await send(url, {
      method: 'PUT',
      path: '/optional',
      headers: headers as Record<string, string>,
    })
    expect([status, body]).toEqual([200, { body: false }])
  })

  describe('compressed', () => {
    const gzip = { ...json, 'Content-Encoding': 'gzip' }

    it('is decompressed', async () => {
      expect((await post(gzipSync('{"text":"a"}'), gzip)).body).toEqual({ got: { text: 'a' } })
    })

    it('counts as large as what it unpacks to', async () => {
      const bomb = gzipSync(
        Buffer.concat([Buffer.from('{"text":"'), Buffer.alloc(100_000_000, 0x61), Buffer.from('"}')]),
      )
      expect(bomb.length).toBeLessThan(1_048_576)
      const { status, body } = await post(bomb, gzip)
      expect([status, body.code]).toEqual([413, 'body_too_large'])
    })

    it.each([
      ['damaged', Buffer.from('not gzip at all')],
      ['cut off', gzipSync('{"text":"a longer text than that"}').subarray(0, 20)],
    ])('and %s is malformed: 400', async (_name, bytes) => {
      const { status, body } = await post(bytes, gzip)
      expect([status, body.code]).toEqual([400, 'malformed_json'])
    })

    it('in a way nobody knows is refused with 415', async () => {
      const { status, body } = await post('{}', { ...json, 'Content-Encoding': 'rot13' })
      expect([status, body.code]).toEqual([415, 'unsupported_media_type'])
    })
  })

  it('of 10 MB is refused with 413, and the next request is served', async () => {
    const { status, body } = await post(Buffer.alloc(10_000_000, 0x20), json)
    expect([status, body.code]).toEqual([413, 'body_too_large'])
    expect((await post('{}', json)).status).toBe(200)
  })

  it('just below the limit is taken', async () => {
    const text = 'a'.repeat(1_048_576 - 11)
    expect((await post(`{"text":"${text}"}`, json)).status).toBe(200)
    expect((await post(`{"text":"${text}a"}`, json)).status).toBe(413)
  })

  it.each([
    ['lists', `{"anything":${'['.repeat(400_000)}${']'.repeat(400_000)}}`],
    ['objects', `{"anything":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`],
    ['lists a little too deep', `{"anything":${'['.repeat(101)}${']'.repeat(101)}}`],
  ])('of %s nested without end is refused with 422', async (_name, text) => {
    const { status, body } = await post(text, json)
    expect([status, body.code]).toEqual([422, 'validation_failed'])
    expect(body.invalidFields[0].message).toMatch(/nested/)
  })

  it('nested as deep as anybody needs is taken', async () => {
    expect((await post(`{"anything":${'['.repeat(90)}${']'.repeat(90)}}`, json)).status).toBe(200)
  })

  it('with a hundred thousand wrong members is refused with a short answer', async () => {
    const members = Array.from({ length: 80_000 }, (_, index) => `"m${index}":1`).join()
    const { status, text } = await post(`{${members}}`, json)
    expect(status).toBe(422)
    expect(text.length).toBeLessThan(10_000)
  })

  it('with a __proto__ member is refused by name, and no prototype is touched', async () => {
    const { status, body } = await post('{"__proto__":{"polluted":true}}', json)
    expect(status).toBe(422)
    expect(body.invalidFields).toEqual([{ field: '__proto__', message: 'is not a known member' }])
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it('with __proto__ and constructor further inside passes them on as plain members', async () => {
    const { body } = await post('{"anything":{"__proto__":{"polluted":true},"constructor":1}}', json)
    expect(Object.keys(body.got.anything as object)).toEqual(['__proto__', 'constructor'])
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it.each(['{"text":"a\\u0000b"}', '{"anything":{"list":["\\u0000"]}}', '{"anything":{"\\u0000":1}}'])(
    'with U+0000 in it, %s, is refused with 422: PostgreSQL has no place for it',
    async (text) => {
      const { status, body } = await post(text, json)
      expect([status, body.code]).toEqual([422, 'validation_failed'])
      expect(body.invalidFields[0].message).toMatch(/U\+0000/)
    },
  )

  it('whose sender gives up half-way is nobody’s fault and leaves the host serving', async () => {
    const controller = new AbortController()
    const stream = new ReadableStream({
      start(sink) {
        sink.enqueue(Buffer.from('{"text":'))
        setTimeout(() => controller.abort(), 50)
      },
    })
    const half = {
      method: 'POST',
      body: stream,
      duplex: 'half',
      headers: json,
      signal: controller.signal,
    } as RequestInit
    await expect(fetch(`${url}/echo`, half)).rejects.toThrow()
    expect((await post('{}', json)).status).toBe(200)
  })
})

describe('the seeds’ SDKs', () => {
  let host: OpenedHost
  beforeAll(async () => {
    host = await openHost(memory)
  })
  const path = () => `/application-instances/${host.world.application.id}`
  const merchant = () => ({ Authorization: `Bearer ${host.world.organization.apiKey}` })

  it('Rebilly’s sends an empty PUT as a form: the application is installed', async () => {
    const headers = { ...merchant(), 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': '0' }
    const { status } = await send(host.url, { method: 'PUT', path: path(), headers })
    expect(status).toBe(201)
  })

  it('HighLevel’s sends a body-less DELETE as JSON: the application is uninstalled', async () => {
    const { status } = await send(host.url, { method: 'DELETE', path: path(), headers: { ...merchant(), ...json } })
    expect(status).toBe(204)
  })
})

import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import {
  createOpenApi,
  defineOperation,
  EventStreamBody,
  permission,
  streamReply,
  type Authenticate,
  type Caller,
  type EventSource,
} from '../../core/src/http/index.ts'
import { StoaError } from '../../core/src/kernel/index.ts'
import { until } from '../events/support.ts'
import { openStream } from '../support/read-stream.ts'
import { mountOwn, type MountedOptions } from './support.ts'

const caller = (organizationId: string): Caller => ({
  kind: 'api-key',
  credentialId: 'key_1',
  userId: null,
  organizationId,
  locationId: null,
  environment: 'production',
  permissions: new Set(['clocks:read']),
  onlyApplicationId: null,
  application: null,
})

const streamOf = (open: EventSource, isPublic = true) =>
  defineOperation({
    id: 'readClock',
    method: 'GET',
    path: '/clock',
    surface: 'author',
    tag: 'Clock',
    summary: 'Read the clock',
    permission: isPublic ? null : permission('clocks:read', 'read clocks'),
    responses: { 200: EventStreamBody('What it strikes.') },
    handler: () => Promise.resolve(streamReply(open)),
  })

/** Waits, as a source does that has nothing to say. */
const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))

const silent: EventSource = async function* (signal) {
  yield { data: 'open' }
  await aborted(signal)
}

const mount = (open: EventSource, options: MountedOptions = {}) =>
  mountOwn([streamOf(open, options.authenticate === undefined)], options)

test('events arrive as they are made, whatever line breaks are in them, and the stream ends with its source', async () => {
  const { url } = await mount(async function* () {
    yield { event: 'strike', id: 'a.1', data: 'one\ntwo\r\nthree\n' }
    yield { data: '' }
  })
  const stream = await openStream(`${url}/clock`)
  expect(stream.response.status).toBe(200)
  expect(Object.fromEntries(stream.response.headers)).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store, no-transform',
    'x-accel-buffering': 'no',
  })
  expect(await stream.next()).toEqual({ event: 'strike', id: 'a.1', data: 'one\ntwo\nthree\n' })
  expect(await stream.next()).toEqual({ event: '', id: '', data: '' })
  expect(await stream.next()).toBeNull()
})

test('a field with a line break in it ends the stream instead of forging an event', async () => {
  const { url, lines } = await mount(async function* () {
    yield { id: 'a\ndata: forged', data: 'x' }
  })
  const stream = await openStream(`${url}/clock`)
  expect(await stream.next()).toMatchObject({ event: 'end', data: expect.stringContaining('internal_error') })
  expect(lines.some(({ level }) => level === 'error')).toBe(true)
})

test('what is refused before the first event is answered as any refusal', async () => {
  const operation = { ...streamOf(silent), handler: () => Promise.reject(new StoaError('not_found')) }
  const { call } = await mountOwn([operation])
  const answer = await call('GET', '/clock')
  expect([answer.status, answer.body.code]).toEqual([404, 'not_found'])
})

test('an error of the source ends the stream and tells why, without the details of a fault', async () => {
  const failing = (error: Error): EventSource =>
    async function* () {
      yield { data: 'one' }
      throw error
    }
  const known = await mount(failing(new StoaError('wrong_state', { message: 'Enable it.' })))
  const refused = await openStream(`${known.url}/clock`)
  await refused.next()
  expect(await refused.next()).toEqual({
    event: 'end',
    id: '',
    data: JSON.stringify({ code: 'wrong_state', message: 'Enable it.' }),
  })
  const broken = await mount(failing(new Error('select * from secrets')))
  const ended = await openStream(`${broken.url}/clock`)
  await ended.next()
  expect((await ended.next())!.data).not.toContain('secrets')
})

test('HEAD gets the headers, and nothing of the source runs', async () => {
  let ran = false
  const { url } = await mount(async function* () {
    ran = true
    yield { data: 'x' }
  })
  const response = await fetch(`${url}/clock`, { method: 'HEAD' })
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8'])
  expect(await response.text()).toBe('')
  expect(ran).toBe(false)
})

test('comments keep a silent stream open', async () => {
  let ring = () => {}
  const { url } = await mount(
    async function* () {
      await new Promise<void>((resolve) => (ring = resolve))
      yield { data: 'late' }
    },
    { streams: { heartbeatMilliseconds: 10 } },
  )
  const stream = await openStream(`${url}/clock`)
  const next = stream.next()
  await until(() => stream.comments() > 3)
  ring()
  expect((await next)?.data).toBe('late')
})

test('a client that goes away ends the source, which gives back what it held', async () => {
  let gaveBack = false
  const { url } = await mount(async function* (signal) {
    try {
      yield* silent(signal)
    } finally {
      gaveBack = true
    }
  })
  const stream = await openStream(`${url}/clock`)
  await stream.next()
  stream.close()
  await until(() => gaveBack)
})

test('a client that does not read stops the source, and is put out when it takes nothing for long', async () => {
  let made = 0
  let ended = false
  const { url } = await mount(
    async function* (signal) {
      try {
        while (!signal.aborted) {
          made++
          yield { data: 'x'.repeat(64 * 1024) }
        }
      } finally {
        ended = true
      }
    },
    { streams: { heartbeatMilliseconds: 100 } },
  )
  const stalled = await fetch(`${url}/clock`)
  await until(() => ended)
  // The buffers of the sockets in between hold some megabytes at most; without backpressure it would be all there is time for.
  expect(made).toBeLessThan(1000)
  await stalled.body?.cancel().catch(() => {})
})

test('stopping ends every stream, tells so, waits for what sources give back, and refuses new ones', async () => {
  let givenBack = 0
  const { url, streams, call } = await mount(async function* (signal) {
    try {
      yield* silent(signal)
    } finally {
      await sleep(20)
      givenBack++
    }
  })
  const opened = await Promise.all([openStream(`${url}/clock`), openStream(`${url}/clock`)])
  for (const stream of opened) await stream.next()
  await streams.close()
  expect(givenBack).toBe(2)
  for (const stream of opened) {
    expect(JSON.parse((await stream.next())!.data)).toMatchObject({ code: 'unavailable' })
    expect(await stream.next()).toBeNull()
  }
  expect((await call('GET', '/clock')).status).toBe(503)
})

test('an organization has a bounded number of streams, and so has the process', async () => {
  const authenticate: Authenticate = ({ headers }) => Promise.resolve(caller(String(headers.authorization)))
  const { url } = await mount(silent, { authenticate, streams: { mostPerOwner: 2, most: 3 } })
  const open = (token: string) => openStream(`${url}/clock`, token)
  const first = await open('org_a')
  await open('org_a')
  expect((await open('org_a')).response.status).toBe(429)
  await open('org_b')
  const full = await open('org_b')
  expect([full.response.status, full.response.headers.get('retry-after')]).toEqual([503, '30'])
  first.close()
  await until(async () => (await open('org_a')).response.status === 200)
})

test('a credential that is revoked while its stream is open ends it, at the next heartbeat or when this process hears of it', async () => {
  let refusal: StoaError | null = null
  const authenticate: Authenticate = () => (refusal ? Promise.reject(refusal) : Promise.resolve(caller('org_a')))
  const quick = await mount(silent, { authenticate, streams: { heartbeatMilliseconds: 10 } })
  const first = await openStream(`${quick.url}/clock`, 'x')
  await first.next()
  const slow = await mount(silent, { authenticate })
  const second = await openStream(`${slow.url}/clock`, 'x')
  await second.next()

  // A database that cannot be asked revokes nothing.
  refusal = new StoaError('unavailable')
  const seen = first.comments()
  const ended = first.next()
  await until(() => first.comments() > seen + 2)
  refusal = new StoaError('revoked_token')
  expect(JSON.parse((await ended)!.data)).toMatchObject({ code: 'revoked_token' })
  slow.context.signals.emit('credentials-changed')
  expect(JSON.parse((await second.next())!.data)).toMatchObject({ code: 'revoked_token' })
})

test('a permission that is taken away ends the stream too', async () => {
  let allowed = true
  const authenticate: Authenticate = () =>
    Promise.resolve({ ...caller('org_a'), permissions: new Set(allowed ? ['clocks:read'] : []) })
  const { url } = await mount(silent, { authenticate, streams: { heartbeatMilliseconds: 10 } })
  const stream = await openStream(`${url}/clock`, 'x')
  await stream.next()
  allowed = false
  expect(JSON.parse((await stream.next())!.data)).toMatchObject({ code: 'missing_permission' })
})

test('OpenAPI says that the answer is a stream of events', () => {
  const document = createOpenApi([streamOf(silent)], { baseUrl: 'http://x', name: 'X' }, '1') as {
    paths: Record<string, { get: { responses: Record<string, { content: object }> } }>
  }
  expect(Object.keys(document.paths['/clock']!.get.responses['200']!.content)).toEqual(['text/event-stream'])
})

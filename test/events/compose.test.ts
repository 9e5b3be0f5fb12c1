import { Webhook as StandardWebhook } from 'standardwebhooks'
import { Webhook as SvixWebhook } from 'svix'
import { expect, it } from 'vitest'
import { sendDelivery, type Result } from '../../core/src/deliveries/index.ts'
import { createEndpoint, findEvents, findTargets, openKeys, updateEndpoint } from '../../core/src/events/index.ts'
import type { OutboundRequest } from '../../core/src/outbound/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { createCaller, openEvents, openReceiver, until, type OpenedEvents, type Received } from './support.ts'

type Options = Omit<Parameters<typeof createEndpoint>[3], 'url' | 'events'>

const add = (opened: OpenedEvents, url: string, options: Options = {}) =>
  opened.ctx.db.transaction((trx) =>
    createEndpoint(opened.ctx, trx, createCaller(), { url, events: ['*'] as ['*'], ...options }),
  )

/** As both libraries sign it: they verify no empty body, because they parse what they have verified. */
function verifies({ headers, body }: Received, secret: string): boolean {
  const given = headers as Record<string, string>
  const at = new Date(Number(given['webhook-timestamp']) * 1000)
  return [StandardWebhook, SvixWebhook].every(
    (Verifier) => new Verifier(secret).sign(given['webhook-id']!, at, body) === given['webhook-signature'],
  )
}

interface Attempt {
  method: string
  request_headers: string
  response_headers: string | null
  response_body: string | null
  error_code: string | null
  first_byte_ms: unknown
}

/** One try, made by hand: what it came to, and what was asked for. */
async function tryOnce(
  opened: OpenedEvents,
  endpointId: string,
): Promise<{ result: Result; request: OutboundRequest | null }> {
  const { ctx } = opened
  const eventId = await opened.publish()
  const target = (await findTargets(ctx.db, [endpointId])).get(endpointId)!
  let request: OutboundRequest | null = null
  const outbound = {
    ...ctx.outbound,
    send: (asked: OutboundRequest) => {
      request = asked
      return ctx.outbound.send(asked)
    },
  }
  const claimed = {
    id: 'dlv_1',
    eventId,
    endpointId,
    format: 'standard',
    cause: 'event',
    baseAttempt: 0,
    probe: false,
    createdTime: '2026-01-01T00:00:00.000Z',
    attempt: 1,
    leaseToken: '',
    leaseUntil: '',
  } as const
  const event = (await findEvents(ctx.db, [eventId])).get(eventId)!
  const keys = await openKeys(ctx, target)
  const result = await sendDelivery({ ...ctx, outbound }, claimed, { event, target, keys })
  return { result: result!, request }
}

const texts: [string, string][] = [
  ['unicode', JSON.stringify({ a: 'é 😀 Ζωή', ключ: '\u2028\u2029' })],
  ['a lone surrogate, escaped', '{"a":"\\ud800 x"}'],
  ['a byte order mark inside', '{"a":"\\uFEFF\uFEFF"}'],
  ['numbers that no double holds', '{"a":1e400,"b":-0,"c":12345678901234567890,"d":0.1000}'],
  ['blanks and the order of keys', ' { "b" : 1 ,\t"a":\n2 }\r\n'],
  ['one byte', '1'],
  ['as much as there can be', JSON.stringify('x'.repeat(262_142))],
]

eachDatabase((database) => {
  it.each(texts)('signs the very bytes it sends: %s', async (_what, text) => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    const { secret } = await add(opened, receiver.url)
    await opened.publish()
    await opened.ctx.db('stoa_events').update({ payload: text })
    opened.dispatch()
    await until(() => receiver.received.length === 1)
    const [received] = receiver.received
    expect(received!.body).toBe(text)
    expect(received!.headers['content-length']).toBe(String(Buffer.byteLength(text)))
    expect(received!.headers['transfer-encoding']).toBeUndefined()
    expect(verifies(received!, secret)).toBe(true)
  })

  it.each(['GET', 'DELETE'] as const)('sends %s without a body, and signs the empty one', async (method) => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    const { secret, id } = await add(opened, receiver.url, { method })
    const { result, request } = await tryOnce(opened, id)
    const [received] = receiver.received as [Received]
    expect(result.attempt).toMatchObject({ outcome: 'success', method })
    expect([received.body, received.headers['content-type'], request!.body]).toEqual(['', undefined, undefined])
    expect(verifies(received, secret)).toBe(true)
  })

  it.each(['PUT', 'PATCH'] as const)('sends %s with the body of the event', async (method) => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    const { secret, id } = await add(opened, receiver.url, { method })
    const { result } = await tryOnce(opened, id)
    expect(result.attempt.method).toBe(method)
    expect(verifies(receiver.received[0]!, secret)).toBe(true)
    expect(JSON.parse(receiver.received[0]!.body)).toMatchObject({ type: 'charge.created' })
  })

  it('sends the owner’s headers and keeps none of their values, nor what the receiver repeats of them', async () => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    receiver.answer((response, index) => {
      const { headers } = receiver.received[index]!
      response.writeHead(200, {
        'x-echo': `here ${String(headers['x-own'])}`,
        'set-cookie': ['sid=12345678', 'b=2'],
        'x-api-key': 'theirs',
      })
      response.end(`got ${String(headers['x-own'])} and ${String(headers.authorization)}`)
    })
    const { secret } = await add(opened, receiver.url, {
      headers: [
        { name: 'X-Own', value: 'my own value' },
        { name: 'Authorization', value: 'Bearer of-my-own' },
        { name: 'x-off', value: 'not sent', status: 'inactive' },
      ],
    })
    opened.dispatch()
    await opened.publish()
    await until(async () => (await opened.attempts()).length === 1)

    const [received] = receiver.received as [Received]
    expect(received.headers).toMatchObject({ 'x-own': 'my own value', authorization: 'Bearer of-my-own' })
    expect(received.headers['x-off']).toBeUndefined()
    expect(verifies(received, secret)).toBe(true)
    const [attempt] = (await opened.attempts()) as unknown as [Attempt]
    expect(JSON.parse(attempt.request_headers)).toMatchObject({
      'x-own': '********',
      authorization: '********',
      'content-type': 'application/json',
      'webhook-id': received.headers['webhook-id'],
    })
    expect(JSON.parse(attempt.response_headers!)).toMatchObject({
      'x-echo': 'here ********',
      'set-cookie': '********',
      'x-api-key': '********',
    })
    expect(attempt.response_body).toBe('got ******** and ********')
    const stored = JSON.stringify([await opened.ctx.db('stoa_webhook_endpoints'), attempt], (_name, value: unknown) =>
      typeof value === 'bigint' ? Number(value) : value,
    )
    for (const value of ['my own value', 'of-my-own', 'not sent', '12345678', 'theirs', secret]) {
      expect(stored).not.toContain(value)
    }
  })

  it('keeps two kilobytes of a receiver’s headers, whole tokens masked', async () => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    receiver.answer((response) => {
      response.writeHead(200, { 'x-first': 'a', 'x-long': 'y'.repeat(3000), 'x-last': 'z' })
      response.end()
    })
    const { id } = await add(opened, receiver.url)
    const { result } = await tryOnce(opened, id)
    const kept = result.attempt.responseHeaders!
    expect(kept['x-first']).toBe('a')
    expect(kept['x-last']).toBeUndefined()
    expect(Buffer.byteLength(Object.entries(kept).flat().join(''))).toBeLessThanOrEqual(2048)
    expect(kept['x-long']).toMatch(/^y{1900,}$/)
  })

  it('fills a template in, and signs what comes out', async () => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    const { secret, id } = await add(opened, receiver.url, {
      bodyTemplate: '{"kind":"{{type}}","amount":{{data.amount}},"odd":"{{data.zuletzt}}","none":"{{nobody}}"}',
    })
    await tryOnce(opened, id)
    const [received] = receiver.received as [Received]
    expect(verifies(received, secret)).toBe(true)
    expect(JSON.parse(received.body)).toEqual({
      kind: 'charge.created',
      amount: '0.000001',
      odd: 'é 😀 \u2028 \ud800 \u0000 </script>',
      none: '',
    })
  })

  it('fails one try alone when a template makes too much of an event', async () => {
    const opened = await openEvents(database, { payloadLimitBytes: 2000 })
    const receiver = await openReceiver()
    const large = await add(opened, receiver.url, { bodyTemplate: `{"all":"${'{{data}}'.repeat(10)}"}` })
    const other = await add(opened, receiver.url)
    opened.dispatch()
    await opened.publish()
    await until(async () => (await opened.attempts()).length === 2)
    expect(receiver.received).toHaveLength(1)
    expect(verifies(receiver.received[0]!, other.secret)).toBe(true)
    const rows = await opened.ctx
      .db('stoa_delivery_attempts as a')
      .join('stoa_deliveries as d', 'd.id', 'a.delivery_id')
      .where({ 'd.endpoint_id': large.id })
      .select('a.error_code')
    expect(rows).toEqual([{ error_code: 'preparation' }])
  })

  it('shows a credential to the receiver, and to nobody who reads the history', async () => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    const { id } = await add(opened, receiver.url, { headers: [{ name: 'authorization', value: 'Bearer other' }] })
    const { ctx } = opened
    const now = opened.clock.now().toISOString()
    await ctx.db('stoa_webhook_credentials').insert({
      id: 'cred_1',
      organization_id: 'org_publisher',
      environment: 'production',
      host: '127.0.0.1',
      type: 'basic',
      username: 'ann',
      password: await ctx.secretBox.seal('pass word', 'webhook-credential:cred_1'),
      status: 'active',
      created_time: now,
      updated_time: now,
    })
    await ctx.db.transaction((trx) => updateEndpoint(ctx, trx, createCaller(), id, { credentialId: 'cred_1' }))
    const { result, request } = await tryOnce(opened, id)
    expect(request!.credentials).toEqual({ type: 'basic', username: 'ann', password: 'pass word' })
    expect(request!.headers).not.toHaveProperty('authorization')
    expect(JSON.stringify(result.attempt)).not.toMatch(/pass word|Bearer other/)
  })

  it('waits for as long as the endpoint says, and says that nothing came', async () => {
    const opened = await openEvents(database, { timeoutMilliseconds: 60_000 })
    const receiver = await openReceiver()
    receiver.answer(() => {})
    const { id } = await add(opened, receiver.url, { timeoutMilliseconds: 1000 })
    const { result, request } = await tryOnce(opened, id)
    expect(request!.timeoutMs).toBe(1000)
    expect([result.timedOut, result.attempt.errorCode, result.attempt.responseStatus]).toEqual([true, 'timeout', null])
    await opened.ctx.db.transaction((trx) =>
      updateEndpoint(opened.ctx, trx, createCaller(), id, { timeoutMilliseconds: null }),
    )
    receiver.answer((response) => response.writeHead(204).end())
    const second = await tryOnce(opened, id)
    expect([second.request!.timeoutMs, second.result.timedOut]).toEqual([60_000, false])
  })

  it.each([
    [500, 'disable', 'disable'],
    [400, ' Abort-Message ', 'abort-message'],
    [302, 'disable', 'disable'],
    [200, 'disable', null],
    [500, 'something', null],
    [500, undefined, null],
  ])('reads of an answer %i with webhook-delivery %j the wish %j', async (status, wish, asks) => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    receiver.answer((response) =>
      response.writeHead(status, wish === undefined ? {} : { 'webhook-delivery': wish }).end(),
    )
    const { id } = await add(opened, receiver.url)
    expect((await tryOnce(opened, id)).result.asks).toBe(asks)
  })
})

import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
// oxlint-disable-next-line no-restricted-imports -- the sdk comes without express, and is tested against the real one
import express from 'express'
import { Webhook as SvixWebhook } from 'svix'
import { afterEach, describe, expect, test } from 'vitest'
import {
  createSeenIds,
  fetchWebhookHandler,
  webhookMiddleware,
  type WebhookEvent,
  type WebhookOptions,
} from './index.ts'

const secret = `whsec_${Buffer.alloc(32, 3).toString('base64')}`
const payload = {
  eventType: 'application-instance-enabled',
  organizationId: 'org_1',
  applicationId: 'app_1',
  name: '🏛',
}
const body = JSON.stringify(payload)

const stops: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

function signed(text: string | Uint8Array = body, id = 'msg_1'): RequestInit {
  const at = new Date()
  const signature = new SvixWebhook(secret).sign(id, at, Buffer.from(text).toString())
  return {
    method: 'POST',
    body: text,
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': signature,
    },
  }
}

type Send = (init: RequestInit) => Promise<Response>

async function listen(app: RequestListener): Promise<Send> {
  const server = createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stops.push(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return (init) => fetch(`http://127.0.0.1:${port}/hook`, init)
}

function expressWith(...handlers: express.RequestHandler[]): (options: WebhookOptions) => Promise<Send> {
  return (options) => listen(express().post('/hook', ...handlers, webhookMiddleware(options)))
}

const keepRawBody = express.json({
  verify: (req, _res, bytes) => {
    Object.assign(req, { rawBody: bytes })
  },
})

/** Body parsers of Express 4 set an empty body on requests that they leave alone. */
const emptyBody: express.RequestHandler = (req, _res, next) => {
  req.body = {}
  next()
}

const transports: [string, (options: WebhookOptions) => Promise<Send>][] = [
  ['bare node:http', (options) => listen(webhookMiddleware(options))],
  ['express without a parser', expressWith()],
  ['express.raw', expressWith(express.raw({ type: '*/*' }))],
  ['express.text', expressWith(express.text({ type: '*/*' }))],
  ['express.json that keeps rawBody', expressWith(keepRawBody)],
  ['express with a parser for other types', expressWith(express.urlencoded({ extended: false }), emptyBody)],
  [
    'fetch',
    async (options) => {
      const handle = fetchWebhookHandler(options)
      return (init) => handle(new Request('http://app.example/hook', init))
    },
  ],
]

describe.each(transports)('over %s', (_name, start) => {
  async function startWith(options: Partial<WebhookOptions> = {}) {
    const events: WebhookEvent[] = []
    const errors: unknown[] = []
    const send = await start({
      secret,
      onEvent: (event) => events.push(event),
      onError: (error) => errors.push(error),
      ...options,
    })
    return { send, events, errors }
  }

  test('a signed event is handled and answered 204', async () => {
    const { send, events } = await startWith()
    expect((await send(signed())).status).toBe(204)
    expect(events).toEqual([
      { id: 'msg_1', timestamp: expect.any(Date), type: 'application-instance-enabled', payload },
    ])
  })

  test('a forged event is answered 400 with what to check, and not handled', async () => {
    const { send, events } = await startWith()
    const response = await send({ ...signed(), body: body.replace('org_1', 'org_2') })
    expect(response.status).toBe(400)
    expect(await response.text()).toContain('No signature matches')
    expect(events).toEqual([])
  })

  test('an unsigned request is answered 400 with the header that is missing', async () => {
    const { send } = await startWith()
    const response = await send({ method: 'POST', body, headers: { 'content-type': 'application/json' } })
    expect(response.status).toBe(400)
    expect(await response.text()).toContain('webhook-id')
  })

  test('a handler that throws is answered 500 without its message, and called again on the next try', async () => {
    let tries = 0
    const { send, errors } = await startWith({
      onEvent: async () => {
        tries += 1
        if (tries === 1) throw new Error('password of the database')
      },
    })
    const failed = await send(signed())
    expect(failed.status).toBe(500)
    expect(await failed.text()).not.toContain('password')
    expect(errors).toEqual([new Error('password of the database')])
    expect((await send(signed())).status).toBe(204)
    expect((await send(signed())).status).toBe(204)
    expect(tries).toBe(2)
  })

  test('a delivery is handled once, also when its tries overlap', async () => {
    const { send, events } = await startWith()
    const answers = await Promise.all([send(signed()), send(signed()), send(signed(body, 'msg_2'))])
    answers.push(await send(signed()))
    expect(answers.map((answer) => answer.status)).toEqual([204, 204, 204, 204])
    expect(events.map((event) => event.id).sort()).toEqual(['msg_1', 'msg_2'])
  })

  test('a store of seen ids is asked and told', async () => {
    const ids = new Set(['msg_1'])
    const seen = { has: async (id: string) => ids.has(id), add: async (id: string) => void ids.add(id) }
    const { send, events } = await startWith({ seen })
    await send(signed())
    await send(signed(body, 'msg_2'))
    expect(events.map((event) => event.id)).toEqual(['msg_2'])
    expect([...ids]).toEqual(['msg_1', 'msg_2'])
  })
})

const reading: typeof transports = [transports[0]!, transports.at(-1)!]
describe.each(reading)('read by the SDK over %s', (_name, start) => {
  test('a body of 1 MB is accepted and a larger one answered 413', async () => {
    const send = await start({ secret, onEvent: () => {} })
    const largest = JSON.stringify('x'.repeat(1_048_574))
    expect((await send(signed(largest))).status).toBe(204)
    expect((await send(signed(`${largest} `, 'msg_2'))).status).toBe(413)
  })
})

describe('when the raw body is gone', () => {
  test('express.json is named as the cause', async () => {
    const send = await expressWith(express.json())({ secret, onEvent: () => {} })
    const response = await send(signed())
    expect(response.status).toBe(400)
    expect(await response.text()).toContain('before express.json()')
  })

  test('a fetch request that was read says so', async () => {
    const request = new Request('http://app.example/hook', signed())
    await request.text()
    expect((await fetchWebhookHandler({ secret, onEvent: () => {} })(request)).status).toBe(400)
  })
})

test('a sender that hangs up in its body is not handled and stops nothing', async () => {
  const events: WebhookEvent[] = []
  const middleware = webhookMiddleware({ secret, onEvent: (event) => events.push(event) })
  const closed: Promise<void>[] = []
  const send = await listen((req, res) => {
    closed.push(new Promise((resolve) => res.once('close', resolve)))
    middleware(req, res)
    if (closed.length === 1) req.socket.resetAndDestroy()
  })
  const { headers } = signed()
  await expect(send({ method: 'POST', headers, body: endlessBody(), duplex: 'half' })).rejects.toThrow()
  await closed[0]
  expect((await send(signed())).status).toBe(204)
  expect(events).toHaveLength(1)
})

function endlessBody() {
  return new ReadableStream({
    pull: async (controller) => {
      await new Promise((resolve) => setTimeout(resolve, 10))
      controller.enqueue(new Uint8Array(10))
    },
  })
}

test('a missing secret shows at start', () => {
  expect(() => webhookMiddleware({ secret: undefined as never, onEvent: () => {} })).toThrow('whsec_')
  expect(() => fetchWebhookHandler({ secret: '', onEvent: () => {} })).toThrow('whsec_')
})

test('the default store forgets the oldest ids first', () => {
  const seen = createSeenIds(2)
  for (const id of ['a', 'b', 'a', 'c']) seen.add(id)
  expect(['a', 'b', 'c'].map((id) => seen.has(id))).toEqual([true, false, true])
})

test('the type of an event decides the type of its payload', () => {
  const describeEvent = (event: WebhookEvent): string => {
    switch (event.type) {
      case 'application-instance-enabled':
        return event.payload._embedded.applicationInstance.token ?? 'no token'
      case 'application-instance-disabled':
        // @ts-expect-error a disabled event has no installation
        return String(event.payload._embedded.applicationInstance)
      default:
        return 'later'
    }
  }
  expect(describeEvent({ type: 'wallet.low' } as never)).toBe('later')
})

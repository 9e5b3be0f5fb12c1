import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import {
  createOutbound,
  type Outbound,
  type OutboundOptions,
  type OutboundRequest,
  type OutboundResponse,
} from './index.ts'

const stops: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

/** A receiver that answers with raw bytes. `script` runs once per request, with its number and its text so far. */
async function startReceiver(script: (socket: Socket, count: number, request: string) => void) {
  const sockets = new Set<Socket>()
  let requests = 0
  let connections = 0
  const server: Server = createServer((socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => {}).on('data', (data) => script(socket, (requests += 1), data.toString('latin1')))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stops.push(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/hook?a=1`, port, counts: () => ({ requests, connections }) }
}

function openOutbound(options: Partial<OutboundOptions> = {}) {
  const outbound = createOutbound({ allowPrivateNetworks: true, allowHttp: true, userAgent: 'Stoa/test', ...options })
  stops.push(outbound.close)
  return outbound
}

const post = (url: string, more: Partial<OutboundRequest> = {}): OutboundRequest => {
  return { method: 'POST', url, body: '{}', timeoutMs: 5_000, maxResponseBytes: 1_000, ...more }
}

const answer = (body: string, head = '') =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${head}\r\n${body}`

function drip(socket: Socket, text: string) {
  const timer = setInterval(() => socket.write(text), 20)
  socket.on('close', () => clearInterval(timer))
}

describe('an answer', () => {
  test.each([200, 201, 204, 299, 304, 404, 410, 500])('of status %i is a result', async (status) => {
    const receiver = await startReceiver((socket) => socket.end(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`))
    expect(await openOutbound().send(post(receiver.url))).toMatchObject({
      ok: true,
      status,
      remoteAddress: '127.0.0.1',
    })
  })

  test.each([301, 302, 303, 307, 308])('of status %i is not followed', async (status) => {
    const target = await startReceiver((socket) => socket.end(answer('secret')))
    const redirect = `HTTP/1.1 ${status} X\r\nLocation: ${target.url}\r\nContent-Length: 0\r\n\r\n`
    const receiver = await startReceiver((socket) => socket.end(redirect))
    expect(await openOutbound().send(post(receiver.url))).toMatchObject({
      ok: true,
      status,
      headers: { location: target.url },
    })
    expect(target.counts().connections).toBe(0)
  })

  test('follows an informational one', async () => {
    const receiver = await startReceiver((socket) =>
      socket.end(`HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${answer('yes')}`),
    )
    expect(await openOutbound().send(post(receiver.url))).toMatchObject({
      ok: true,
      status: 200,
      body: 'yes',
      truncated: false,
    })
  })

  test('is to the very bytes that were given, with their exact length', async () => {
    let seen = ''
    const receiver = await startReceiver((socket, _count, request) => {
      seen += request
      socket.end(answer(''))
    })
    const body = '{"name":"Ζωή 🏛"}'
    await openOutbound().send(post(receiver.url, { body, headers: { 'X-Own': '1' } }))
    expect(seen.endsWith(`\r\n\r\n${Buffer.from(body).toString('latin1')}`)).toBe(true)
    expect(seen).toMatch(/^POST \/hook\?a=1 HTTP\/1\.1\r\n/)
    expect(seen).toContain(`content-length: ${Buffer.byteLength(body)}\r\n`)
    expect(seen).toContain('user-agent: Stoa/test\r\n')
    expect(seen).toContain('x-own: 1\r\n')
    expect(seen).not.toMatch(/transfer-encoding|accept-encoding/i)
  })

  test('with an endless body keeps its status and is cut off at the limit', async () => {
    const receiver = await startReceiver((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      drip(socket, `400\r\n${'x'.repeat(1_024)}\r\n`.repeat(50))
    })
    const result = (await openOutbound().send(post(receiver.url))) as OutboundResponse
    expect(result).toMatchObject({ ok: true, status: 200, truncated: true, truncatedBy: 'limit' })
    expect(result.body).toBe('x'.repeat(1_000))
  })

  test('of exactly the limit is not cut off', async () => {
    const receiver = await startReceiver((socket) => socket.end(answer('y'.repeat(1_000))))
    expect(await openOutbound().send(post(receiver.url))).toMatchObject({ body: 'y'.repeat(1_000), truncated: false })
  })

  test('with a body that drips for ever keeps its status when time is up', async () => {
    const receiver = await startReceiver((socket) => {
      socket.write('HTTP/1.1 202 OK\r\nContent-Length: 100000\r\n\r\n')
      drip(socket, 'z')
    })
    const result = await openOutbound().send(post(receiver.url, { timeoutMs: 200 }))
    expect(result).toMatchObject({ ok: true, status: 202, truncated: true, truncatedBy: 'timeout' })
  })

  test('that breaks off in its body keeps its status', async () => {
    const receiver = await startReceiver((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
      setTimeout(() => socket.resetAndDestroy(), 50)
    })
    const result = await openOutbound().send(post(receiver.url))
    expect(result).toMatchObject({ ok: true, status: 200, body: 'half', truncated: true, truncatedBy: 'reset' })
  })

  test('that is a gzip bomb is left packed', async () => {
    const bomb = gzipSync(Buffer.alloc(5_000_000))
    const receiver = await startReceiver((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n`)
      socket.end(bomb)
    })
    const result = (await openOutbound().send(post(receiver.url, { maxResponseBytes: 100_000 }))) as OutboundResponse
    expect(result).toMatchObject({ status: 200, truncated: false, headers: { 'content-encoding': 'gzip' } })
    expect(result.body.length).toBeLessThanOrEqual(bomb.length)
  })

  test('that is not UTF-8 becomes text that any database takes', async () => {
    const receiver = await startReceiver((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n')
      socket.end(Buffer.from([0x61, 0xff, 0x00, 0xc3, 0x28]))
    })
    expect(await openOutbound().send(post(receiver.url))).toMatchObject({ body: 'a\uFFFD\uFFFD\uFFFD(' })
  })

  test('is not cut off inside a character', async () => {
    const receiver = await startReceiver((socket) => socket.end(answer('ab🏛🏛')))
    expect(await openOutbound().send(post(receiver.url, { maxResponseBytes: 8 }))).toMatchObject({
      body: 'ab🏛',
      truncated: true,
    })
  })
})

describe('no answer', () => {
  const failures: [string, string, (socket: Socket) => unknown][] = [
    ['a receiver that never answers', 'timeout', () => {}],
    ['headers that drip', 'timeout', (socket) => socket.write('HTTP/1.1 200 OK\r\n') && drip(socket, 'x: y\r\n')],
    ['a reset before the headers', 'reset', (socket) => socket.resetAndDestroy()],
    ['a hang-up before the headers', 'reset', (socket) => socket.end()],
    ['a malformed status line', 'protocol', (socket) => socket.end('HTTP/1.1 OK then\r\n\r\n')],
    ['something that is not HTTP', 'protocol', (socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n')],
    ['64 kB of headers', 'protocol', (socket) => socket.end(answer('', `X: ${'h'.repeat(65_536)}\r\n`))],
    [
      'an upgrade nobody asked for',
      'protocol',
      (socket) => socket.write('HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
    ],
  ]
  test.each(failures)('from %s is %s', async (_name, error, script) => {
    const receiver = await startReceiver(script)
    const timeoutMs = error === 'timeout' ? 200 : 5_000
    expect(await openOutbound().send(post(receiver.url, { timeoutMs }))).toMatchObject({ ok: false, error })
  })

  test('from a closed port names neither address, port nor errno', async () => {
    const receiver = await startReceiver(() => {})
    await stops.pop()?.()
    const result = await openOutbound().send(post(receiver.url))
    expect(result).toMatchObject({ ok: false, error: 'connect' })
    expect(JSON.stringify(result)).not.toMatch(new RegExp(`127|${receiver.port}|ECONN|refused`, 'i'))
  })

  test('from a plain-text port asked over TLS is tls', async () => {
    const receiver = await startReceiver((socket) => socket.end('nope'))
    const result = await openOutbound().send(post(receiver.url.replace('http:', 'https:')))
    expect(result).toMatchObject({ ok: false, error: 'tls' })
  })

  test.each<Record<string, string>>([
    { Host: 'other' },
    { 'Content-Length': '1' },
    { 'x-a': 'b\r\nx-c: d' },
    { 'x a': 'b' },
  ])('for the header %j, which is never sent', async (headers) => {
    const receiver = await startReceiver((socket) => socket.end(answer('')))
    const result = await openOutbound().send(post(receiver.url, { headers }))
    expect(result).toMatchObject({ ok: false, error: 'invalid_request' })
    expect(receiver.counts().requests).toBe(0)
  })
})

/** undici takes a connection back one turn of the event loop after the answer; sooner, the next request opens another. */
async function sendFirst(outbound: Outbound, url: string) {
  await outbound.send(post(url))
  await new Promise((resolve) => setTimeout(resolve, 20))
}

describe('a kept-alive connection', () => {
  test('carries the next request', async () => {
    const receiver = await startReceiver((socket) => socket.write(answer('')))
    const outbound = openOutbound()
    await sendFirst(outbound, receiver.url)
    await sendFirst(outbound, receiver.url)
    expect(receiver.counts()).toEqual({ requests: 2, connections: 1 })
  })

  test('that is reset when used again is retried once on a fresh one', async () => {
    const receiver = await startReceiver((socket, count) => {
      if (count === 2) socket.resetAndDestroy()
      else socket.write(answer(`${count}`))
    })
    const outbound = openOutbound()
    await sendFirst(outbound, receiver.url)
    expect(await outbound.send(post(receiver.url))).toMatchObject({ ok: true, status: 200, body: '3' })
    expect(receiver.counts()).toEqual({ requests: 3, connections: 2 })
  })

  test('that is reset again after the retry is a failure', async () => {
    const receiver = await startReceiver((socket, count) => {
      if (count > 1) socket.resetAndDestroy()
      else socket.write(answer(''))
    })
    const outbound = openOutbound()
    await sendFirst(outbound, receiver.url)
    expect(await outbound.send(post(receiver.url))).toMatchObject({ ok: false, error: 'reset' })
    expect(receiver.counts().requests).toBe(3)
  })

  test('does not make a first reset worth a retry', async () => {
    const receiver = await startReceiver((socket) => socket.resetAndDestroy())
    expect(await openOutbound().send(post(receiver.url))).toMatchObject({ ok: false, error: 'reset' })
    expect(receiver.counts().requests).toBe(1)
  })
})

test('closing waits for what is under way and takes nothing new', async () => {
  const receiver = await startReceiver((socket) => void setTimeout(() => socket.write(answer('done')), 50))
  const outbound = openOutbound()
  const sending = outbound.send(post(receiver.url))
  await outbound.close()
  expect(await sending).toMatchObject({ ok: true, body: 'done' })
  expect(await outbound.send(post(receiver.url))).toMatchObject({ ok: false, error: 'closed' })
})

describe('connections', () => {
  // Answers only requests for /answer.
  const startHanging = () =>
    startReceiver((socket, _count, text) => text.includes(' /answer ') && socket.write(answer('')))

  test('of requests that hang do not keep another to the same host waiting', async () => {
    const receiver = await startHanging()
    const outbound = openOutbound({ connectionsPerOrigin: 41 })
    const hanging = Array.from({ length: 40 }, () => outbound.send(post(receiver.url, { timeoutMs: 2_000 })))
    await expect.poll(() => receiver.counts().connections).toBe(40)
    const good = await outbound.send(post(`http://127.0.0.1:${receiver.port}/answer`, { timeoutMs: 1_500 }))
    expect(good).toMatchObject({ ok: true })
    await Promise.all(hanging)
  })

  test('to one origin are never more than were allowed', async () => {
    const receiver = await startHanging()
    const outbound = openOutbound({ connectionsPerOrigin: 2 })
    await Promise.all(Array.from({ length: 5 }, () => outbound.send(post(receiver.url, { timeoutMs: 300 }))))
    expect(receiver.counts().connections).toBeLessThanOrEqual(4)
  })
})

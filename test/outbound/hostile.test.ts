import { connect as connectSecurely } from 'node:tls'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { OutboundResponse } from '../../core/src/outbound/index.ts'
import { createAuthority } from '../support/certificates.ts'
import { answer, drip, openDeadPort, pour } from '../support/hostile-receiver.ts'
import { loopbackNames, openOutbound, openReceiver, post, settle } from './open-outbound.ts'

/** Far more than the limit and what the kernel buffers on both sides, and far less than what is sent. */
const boundedBytes = 32_000_000
const soon = 250

describe('a receiver that answers', () => {
  test.each([200, 201, 204, 299, 400, 401, 404, 408, 410, 425, 429, 500, 502, 503, 504])(
    '%i has its status told',
    async (status) => {
      const receiver = await openReceiver((socket) => socket.end(answer('', '', `${status} X`)))
      const result = await openOutbound().send(post(receiver.url))
      expect(result).toMatchObject({ ok: true, status, truncated: false, remoteAddress: '127.0.0.1' })
    },
  )

  test.each([301, 302, 303, 307, 308])('%i is not followed', async (status) => {
    const target = await openReceiver((socket) => socket.end(answer('secret')))
    const receiver = await openReceiver((socket) =>
      socket.end(answer('', `Location: ${target.url}\r\n`, `${status} X`)),
    )
    const credentials = { type: 'basic' as const, username: 'u', password: 'p' }
    expect(await openOutbound().send(post(receiver.url, { credentials }))).toMatchObject({
      ok: true,
      status,
      headers: { location: target.url },
    })
    expect(target.connections()).toBe(0)
  })

  test('304 without a body does not wait for one', async () => {
    const head = 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\n\r\n'
    const receiver = await openReceiver((socket) => socket.write(head))
    expect(await openOutbound().send(post(receiver.url))).toMatchObject({ ok: true, status: 304, body: '' })
  })

  test('102 and 103 before 200 has its 200 told', async () => {
    const receiver = await openReceiver((socket) => {
      socket.write('HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n')
      socket.end(answer('yes'))
    })
    expect(await openOutbound().send(post(receiver.url))).toMatchObject({ ok: true, status: 200, body: 'yes' })
  })

  test('1xx for ever ends at the deadline', async () => {
    const receiver = await openReceiver((socket) => drip(socket, 'HTTP/1.1 102 Processing\r\n\r\n'))
    expect(await openOutbound().send(post(receiver.url, { timeoutMs: soon }))).toMatchObject({ error: 'timeout' })
  })

  test('100 Continue, which was not asked for, is not valid HTTP', async () => {
    const receiver = await openReceiver((socket) => socket.end(`HTTP/1.1 100 Continue\r\n\r\n${answer()}`))
    expect(await openOutbound().send(post(receiver.url))).toMatchObject({ ok: false, error: 'protocol' })
    expect(receiver.requests[0]?.head).not.toMatch(/^expect:/im)
  })

  test('101 and another protocol is not valid HTTP', async () => {
    const head = 'HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'
    const receiver = await openReceiver((socket) => socket.write(head))
    expect(await openOutbound().send(post(receiver.url))).toMatchObject({ ok: false, error: 'protocol' })
  })

  test('and closes each time is sent each request on a connection of its own', async () => {
    const receiver = await openReceiver((socket) => socket.end(answer('', 'Connection: close\r\n')))
    const outbound = openOutbound()
    for (let n = 0; n < 3; n++) expect(await outbound.send(post(receiver.url))).toMatchObject({ status: 200 })
    expect(receiver.connections()).toBe(3)
  })

  test('with bytes that are not UTF-8 gives text that any database takes', async () => {
    const receiver = await openReceiver((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n')
      socket.end(Buffer.from([0x61, 0xff, 0x00, 0xc3, 0x28]))
    })
    expect(await openOutbound().send(post(receiver.url))).toMatchObject({ body: 'a\uFFFD\uFFFD\uFFFD(' })
  })

  test('with HTML gives it as text, with nothing taken out', async () => {
    const html = '<script>alert(1)</script>&amp;<img src=x onerror=y>'
    const receiver = await openReceiver((socket) => socket.end(answer(html, 'Content-Type: text/html\r\n')))
    expect(await openOutbound().send(post(receiver.url))).toMatchObject({ body: html })
  })
})

test('headers are told by their names in lower case, those that come twice as a list', async () => {
  const head = 'Retry-After: 120\r\nWebhook-Delivery: disable\r\nX-Twice: a\r\nx-twice: b\r\n'
  const receiver = await openReceiver((socket) => socket.end(answer('', head, '429 X')))
  const headers = { 'retry-after': '120', 'webhook-delivery': 'disable', 'x-twice': ['a', 'b'] }
  expect(await openOutbound().send(post(receiver.url))).toMatchObject({ ok: true, status: 429, headers })
})

describe('a receiver that does not answer', () => {
  test('because it accepts no connection ends at the deadline', async () => {
    const dead = await openDeadPort()
    onTestFinished(dead.close)
    const result = await openOutbound().send(post(`http://127.0.0.1:${dead.port}/`, { timeoutMs: soon }))
    expect(result).toMatchObject({ ok: false, error: 'timeout', remoteAddress: null })
    expect(result.timings).toEqual({ connectMilliseconds: null, firstByteMilliseconds: null })
  })

  test('but accepts ends at the deadline', async () => {
    const receiver = await openReceiver({})
    const result = await openOutbound().send(post(receiver.url, { timeoutMs: soon }))
    expect(result).toMatchObject({ ok: false, error: 'timeout', remoteAddress: '127.0.0.1' })
    expect(result.timings).toEqual({ connectMilliseconds: expect.any(Number), firstByteMilliseconds: null })
    await expect.poll(receiver.open).toBe(0)
    expect(receiver.connections()).toBe(1)
  })

  test('and never ends its TLS handshake ends at the deadline', async () => {
    const receiver = await openReceiver({ deaf: true })
    const url = receiver.url.replace('http:', 'https:')
    expect(await openOutbound().send(post(url, { timeoutMs: soon }))).toMatchObject({ ok: false, error: 'timeout' })
    expect(receiver.connections()).toBe(1)
  })

  test('but sends its head byte by byte ends at the deadline, the first byte noted', async () => {
    const receiver = await openReceiver((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nX: ')
      drip(socket, 'y')
    })
    const result = await openOutbound().send(post(receiver.url, { timeoutMs: soon }))
    expect(result).toMatchObject({ ok: false, error: 'timeout' })
    expect(result.timings.firstByteMilliseconds).toEqual(expect.any(Number))
  })

  test('because it reads nothing of a large request ends at the deadline', async () => {
    const receiver = await openReceiver({ deaf: true })
    const body = Buffer.alloc(64_000_000)
    expect(await openOutbound().send(post(receiver.url, { body, timeoutMs: soon }))).toMatchObject({
      ok: false,
      error: 'timeout',
    })
    expect(receiver.requests).toEqual([])
  })

  test.each(['resetAndDestroy', 'end'] as const)('but closes before the head (%s) is a reset', async (way) => {
    const receiver = await openReceiver((socket) => void socket[way]())
    const result = await openOutbound().send(post(receiver.url))
    expect(result).toMatchObject({ ok: false, error: 'reset', remoteAddress: '127.0.0.1' })
    expect(receiver.requests).toHaveLength(1)
  })

  test('but closes in the middle of the head is a reset', async () => {
    const receiver = await openReceiver((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-'))
    expect(await openOutbound().send(post(receiver.url))).toMatchObject({ ok: false, error: 'reset' })
  })
})

describe('a kept-alive connection that is reset when used again', () => {
  test('is replaced once by a fresh one, with the same bytes', async () => {
    const receiver = await openReceiver((socket, { number }) => {
      if (number === 2) socket.resetAndDestroy()
      else socket.write(answer(`${number}`))
    })
    const outbound = openOutbound()
    const request = post(receiver.url, { headers: { 'webhook-id': 'evt_1' } })
    await outbound.send(request)
    await settle()
    const result = await outbound.send(request)
    expect(result).toMatchObject({ ok: true, status: 200, body: '3', remoteAddress: '127.0.0.1' })
    expect(result.timings.connectMilliseconds).toEqual(expect.any(Number))
    expect(receiver.connections()).toBe(2)
    expect(receiver.requests[2]).toEqual({ ...receiver.requests[1], number: 3 })
  })

  test('and again after that is a reset', async () => {
    const receiver = await openReceiver((socket, { number }) => {
      if (number > 1) socket.resetAndDestroy()
      else socket.write(answer())
    })
    const outbound = openOutbound()
    await outbound.send(post(receiver.url))
    await settle()
    expect(await outbound.send(post(receiver.url))).toMatchObject({ ok: false, error: 'reset' })
    expect(receiver.requests).toHaveLength(3)
  })
})

describe('a body', () => {
  test('that drips for ever keeps its status at the deadline', async () => {
    const receiver = await openReceiver((socket) => {
      socket.write('HTTP/1.1 202 OK\r\nContent-Length: 100000\r\n\r\n')
      drip(socket, 'z')
    })
    const result = await openOutbound().send(post(receiver.url, { timeoutMs: soon }))
    expect(result).toMatchObject({ ok: true, status: 202, truncated: true, truncatedBy: 'timeout' })
    await expect.poll(receiver.open).toBe(0)
  })

  test('that is reset in its middle keeps its status, noted', async () => {
    const receiver = await openReceiver((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
      setTimeout(() => socket.resetAndDestroy(), 50)
    })
    const result = await openOutbound().send(post(receiver.url))
    expect(result).toMatchObject({ ok: true, status: 200, body: 'half', truncated: true, truncatedBy: 'reset' })
    expect(receiver.requests).toHaveLength(1)
  })

  test('of 100 MB is cut off at the limit and mostly not read', async () => {
    const receiver = await openReceiver((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n')
      pour(socket, Buffer.alloc(100_000, 'x'), 1_000)
    })
    const result = (await openOutbound().send(post(receiver.url))) as OutboundResponse
    expect(result).toMatchObject({ ok: true, status: 200, truncated: true, truncatedBy: 'limit' })
    expect(result.body).toBe('x'.repeat(1_000))
    await expect.poll(receiver.open).toBe(0)
    expect(receiver.bytesSent()).toBeLessThan(boundedBytes)
  })

  test('of endless chunks is cut off at the limit', async () => {
    const receiver = await openReceiver((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      pour(socket, Buffer.from(`400\r\n${'x'.repeat(1_024)}\r\n`.repeat(100)))
    })
    const result = (await openOutbound().send(post(receiver.url))) as OutboundResponse
    expect(result).toMatchObject({ ok: true, status: 200, truncated: true, truncatedBy: 'limit' })
    expect(result.body).toBe('x'.repeat(1_000))
    await expect.poll(receiver.open).toBe(0)
    expect(receiver.bytesSent()).toBeLessThan(boundedBytes)
  })

  test.each([
    ['gzip', gzipSync(Buffer.alloc(50_000_000))],
    ['br', brotliCompressSync(Buffer.alloc(50_000_000))],
    ['zstd', zstdOfZeros(50_000_000)],
  ])('that is a bomb (%s) is left packed', async (encoding, bomb) => {
    const receiver = await openReceiver((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Encoding: ${encoding}\r\nContent-Length: ${bomb.length}\r\n\r\n`)
      socket.end(bomb)
    })
    const result = (await openOutbound().send(post(receiver.url, { maxResponseBytes: 100_000 }))) as OutboundResponse
    expect(result).toMatchObject({ status: 200, truncated: false, headers: { 'content-encoding': encoding } })
    expect(result.body.length).toBeLessThanOrEqual(bomb.length)
    expect(receiver.requests[0]?.head).not.toMatch(/^accept-encoding:/im)
  })

  test('shorter than its Content-Length keeps its status, noted', async () => {
    const receiver = await openReceiver((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'))
    expect(await openOutbound().send(post(receiver.url))).toMatchObject({
      status: 200,
      body: 'half',
      truncatedBy: 'reset',
    })
  })
})

describe('what is not HTTP', () => {
  const cases: [string, string][] = [
    ['a malformed status line', 'HTTP/1.1 OK then\r\n\r\n'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['an answer of HTTP/0.9', '<html>hello</html>\n'],
    ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    ['a length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a length that is no number', 'HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n'],
    ['64 kB of one header', `HTTP/1.1 200 OK\r\nX: ${'h'.repeat(65_536)}\r\n\r\n`],
    ['64 kB of many headers', `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(11_000)}\r\n`],
  ]
  test.each(cases)('%s is a protocol error', async (_name, text) => {
    const receiver = await openReceiver((socket) => socket.end(text))
    expect(await openOutbound().send(post(receiver.url))).toMatchObject({ ok: false, error: 'protocol' })
  })

  test('headers without end are not read for ever', async () => {
    const receiver = await openReceiver((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n')
      pour(socket, Buffer.from('X: y\r\n'.repeat(10_000)))
    })
    expect(await openOutbound().send(post(receiver.url))).toMatchObject({ ok: false, error: 'protocol' })
    await expect.poll(receiver.open).toBe(0)
    expect(receiver.bytesSent()).toBeLessThan(boundedBytes)
  })

  test('trailers without end are not read for ever', async () => {
    const receiver = await openReceiver((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n')
      pour(socket, Buffer.from('X: y\r\n'.repeat(10_000)))
    })
    expect(await openOutbound().send(post(receiver.url))).toMatchObject({ ok: true, status: 200, body: 'ok' })
    await expect.poll(receiver.open).toBe(0)
    expect(receiver.bytesSent()).toBeLessThan(boundedBytes)
  })

  test('a second answer is never taken for the answer to the next request', async () => {
    const receiver = await openReceiver((socket, { number }) => {
      socket.write(answer(`${number}`) + (number === 1 ? answer('smuggled', '', '410 Gone') : ''))
    })
    const outbound = openOutbound()
    expect(await outbound.send(post(receiver.url))).toMatchObject({ status: 200, body: '1' })
    await settle()
    expect(await outbound.send(post(receiver.url))).toMatchObject({ status: 200, body: '2' })
    expect(receiver.connections()).toBe(2)
  })
})

describe('a certificate', async () => {
  const authority = await createAuthority()
  const names = { resolver: loopbackNames('receiver.test'), certificateAuthority: authority.cert }

  test('for the host, by an authority that is trusted, is taken', async () => {
    const tls = await authority.issue('receiver.test')
    const receiver = await openReceiver({ tls, received: (socket) => void socket.end(answer('safe')) }, 'receiver.test')
    expect(await openOutbound(names).send(post(receiver.url))).toMatchObject({ status: 200, body: 'safe' })
  })

  test.each([
    ['that has expired', 'its certificate has expired', () => authority.issue('receiver.test', 'until yesterday')],
    ['for another host', 'its certificate is for another host name', () => authority.issue('other.test')],
    ['signed by itself', 'its certificate is self-signed', () => authority.selfSigned('receiver.test')],
  ])('%s is refused, with the reason', async (_name, reason, issue) => {
    const receiver = await openReceiver({ tls: await issue() }, 'receiver.test')
    const result = await openOutbound(names).send(post(receiver.url))
    expect(result).toMatchObject({ ok: false, error: 'tls', message: expect.stringContaining(reason) })
    expect(receiver.requests).toEqual([])
  })

  test('with TLS 1.0 is refused', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' } as const
    const tls = { ...(await authority.issue('receiver.test')), ...old }
    const receiver = await openReceiver({ tls }, 'receiver.test')
    expect(await openOutbound(names).send(post(receiver.url))).toMatchObject({ ok: false, error: 'tls' })
    // That the receiver can do it at all:
    const options = { ...old, port: receiver.port, ca: authority.cert, servername: 'receiver.test' }
    const protocol = await new Promise((resolve, reject) => {
      const socket = connectSecurely(options, () => resolve(socket.getProtocol())).on('error', reject)
      onTestFinished(() => void socket.destroy())
    })
    expect(protocol).toBe('TLSv1')
  })

  test('on a port without TLS is a failed handshake', async () => {
    const receiver = await openReceiver({ connected: (socket) => socket.end('nope') })
    const result = await openOutbound().send(post(receiver.url.replace('http:', 'https:')))
    expect(result).toMatchObject({ ok: false, error: 'tls' })
  })
})

/** A zstd frame (RFC 8878) of blocks that say "128 KiB of zeros"; Node 20 cannot make one. */
function zstdOfZeros(size: number): Buffer {
  const block = 131_072
  const count = Math.ceil(size / block)
  const blocks = Array.from({ length: count }, (_, index) => {
    const header = (block << 3) | (1 << 1) | (index === count - 1 ? 1 : 0)
    return Buffer.from([header & 0xff, (header >> 8) & 0xff, (header >> 16) & 0xff, 0])
  })
  return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58]), ...blocks])
}

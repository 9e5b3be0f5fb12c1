import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { OutboundRequest } from '../../core/src/outbound/index.ts'
import { answer, type RawRequest } from '../support/hostile-receiver.ts'
import { openOutbound, openReceiver, post, settle } from './open-outbound.ts'

const login = { username: 'stoa', password: 'p:ä"ss' }
const digest = { credentials: { type: 'digest' as const, ...login } }
const basic = { credentials: { type: 'basic' as const, ...login } }

const headerOf = ({ head }: RawRequest) => /^authorization: (.*)$/im.exec(head)?.[1]
const refuse = (challenge: string, body = 'no') =>
  answer(body, `WWW-Authenticate: ${challenge}\r\n`, '401 Unauthorized')

/** Reads an answer to a challenge of realm "r" as a receiver would, and says whether it is right. */
function isRight({ head }: RawRequest, algorithm: 'MD5' | 'SHA-256') {
  const text = headerOf({ head } as RawRequest) ?? ''
  const get = (name: string) => new RegExp(`[ ,]${name}="?([^",]*)`).exec(text)?.[1] ?? ''
  const hash = (input: string) =>
    createHash(algorithm === 'MD5' ? 'md5' : 'sha256')
      .update(input)
      .digest('hex')
  const [method, uri] = head.split(' ')
  const secret = hash(`${login.username}:r:${login.password}`)
  const expected = `${secret}:${get('nonce')}:${get('nc')}:${get('cnonce')}:auth:${hash(`${method}:${uri}`)}`
  return get('uri') === uri && get('algorithm') === algorithm && get('response') === hash(expected)
}

/** A receiver that wants Digest by the nonce it has at the moment. */
async function openGuarded(algorithm: 'MD5' | 'SHA-256' = 'SHA-256') {
  let nonce = 'n1'
  const seen: string[] = []
  const receiver = await openReceiver((socket, request) => {
    const given = headerOf(request)
    const count = /nc=(\w+)/.exec(given ?? '')?.[1]
    seen.push(given ? `${/nonce="(\w+)"/.exec(given)?.[1]}:${Number(count)}` : '-')
    const stale = given && !given.includes(`"${nonce}"`) ? ', stale=true' : ''
    const good = given && !stale && isRight(request, algorithm)
    const challenge = `Digest realm="r", qop="auth", algorithm=${algorithm}, nonce="${nonce}", opaque="o"${stale}`
    socket.write(good ? answer('in') : refuse(challenge))
  })
  return { ...receiver, seen, setNonce: (next: string) => void (nonce = next) }
}

async function sendAll(outbound: ReturnType<typeof openOutbound>, requests: OutboundRequest[]) {
  const statuses: unknown[] = []
  for (const request of requests) {
    const result = await outbound.send(request)
    statuses.push(result.ok ? result.status : result.error)
    await settle()
  }
  return statuses
}

describe('Basic credentials', () => {
  test('go with the request, in place of a header of that name', async () => {
    const receiver = await openReceiver((socket) => socket.end(answer()))
    await openOutbound().send(post(receiver.url, { ...basic, headers: { Authorization: 'other' } }))
    expect(receiver.requests.map(headerOf)).toEqual([`Basic ${Buffer.from('stoa:p:ä"ss').toString('base64')}`])
  })

  test.each([
    { ...login, username: 'a:b' },
    { ...login, username: 'a\r\nx: y' },
    { ...login, password: 'a\0' },
  ])('that cannot be said in it (%j) are never sent', async (bad) => {
    const receiver = await openReceiver((socket) => socket.end(answer()))
    const result = await openOutbound().send(post(receiver.url, { credentials: { type: 'basic', ...bad } }))
    expect(result).toMatchObject({ ok: false, error: 'invalid_request' })
    expect(receiver.connections()).toBe(0)
  })
})

describe('Digest credentials', () => {
  test.each(['MD5', 'SHA-256'] as const)(
    'with %s answer a challenge once, then send one request each',
    async (kind) => {
      const receiver = await openGuarded(kind)
      const request = post(`${receiver.url}?q="1"`, digest)
      expect(await sendAll(openOutbound(), [request, request, request])).toEqual([200, 200, 200])
      expect(receiver.seen).toEqual(['-', 'n1:1', 'n1:2', 'n1:3'])
      expect(new Set(receiver.requests.map(({ body }) => body.toString()))).toEqual(new Set(['{"a":"ä"}']))
      expect(receiver.connections()).toBe(1)
    },
  )

  test('answer a nonce that has gone stale with one more request', async () => {
    const receiver = await openGuarded()
    const outbound = openOutbound()
    const request = post(receiver.url, digest)
    expect(await sendAll(outbound, [request])).toEqual([200])
    receiver.setNonce('n2')
    expect(await sendAll(outbound, [request, request])).toEqual([200, 200])
    expect(receiver.seen).toEqual(['-', 'n1:1', 'n1:2', 'n2:1', 'n2:2'])
  })

  test('that are wrong are tried once for each request', async () => {
    const receiver = await openGuarded()
    const wrong = { credentials: { ...digest.credentials, password: 'wrong' } }
    const request = post(receiver.url, wrong)
    expect(await sendAll(openOutbound(), [request, request])).toEqual([401, 401])
    expect(receiver.seen).toEqual(['-', 'n1:1', '-', 'n1:1'])
  })

  test('are sent two requests at most, however often a new nonce is asked for', async () => {
    let asked = 0
    const receiver = await openReceiver((socket) => {
      asked += 1
      socket.write(refuse(`Digest realm="r", qop="auth", nonce="n${asked}", stale=true`))
    })
    const request = post(receiver.url, digest)
    expect(await sendAll(openOutbound(), [request, request])).toEqual([401, 401])
    expect(asked).toBe(4)
  })

  test.each([
    'Basic realm="r"',
    'Bearer',
    'Digest realm="r", nonce="n", qop="auth-int"',
    'Digest realm="r", nonce="n"',
  ])('are not given to a receiver that asks for %s', async (challenge) => {
    const receiver = await openReceiver((socket) => socket.write(refuse(challenge)))
    expect(await sendAll(openOutbound(), [post(receiver.url, digest)])).toEqual([401])
    expect(receiver.requests.map(headerOf)).toEqual([undefined])
  })

  test('never show the password', async () => {
    const receiver = await openGuarded()
    await sendAll(openOutbound(), [post(receiver.url, digest), post(receiver.url, digest)])
    const sent = receiver.requests.map(({ head }) => head).join('\n')
    expect(sent).not.toContain(login.password)
    expect(sent).not.toContain(Buffer.from(`${login.username}:${login.password}`).toString('base64'))
  })

  test('do not follow a redirect', async () => {
    const target = await openGuarded()
    const receiver = await openReceiver((socket, { number }) => {
      if (number === 1) socket.write(refuse('Digest realm="r", qop="auth", nonce="n"'))
      else socket.write(answer('', `Location: ${target.url}\r\n`, '307 X'))
    })
    expect(await sendAll(openOutbound(), [post(receiver.url, digest)])).toEqual([307])
    expect(target.connections()).toBe(0)
  })

  test('share one deadline between the two requests', async () => {
    const receiver = await openReceiver((socket, { number }) => {
      if (number === 1) socket.write(refuse('Digest realm="r", qop="auth", nonce="n"'))
    })
    const result = await openOutbound().send(post(receiver.url, { ...digest, timeoutMs: 250 }))
    expect(result).toMatchObject({ ok: false, error: 'timeout', remoteAddress: '127.0.0.1' })
    expect(receiver.requests).toHaveLength(2)
  })

  test('count the connection that the first request opened', async () => {
    const receiver = await openGuarded()
    const outbound = openOutbound()
    const first = await outbound.send(post(receiver.url, digest))
    expect(first.timings).toEqual({
      connectMilliseconds: expect.any(Number),
      firstByteMilliseconds: expect.any(Number),
    })
    await settle()
    const second = await outbound.send(post(receiver.url, digest))
    expect(second.timings).toEqual({ connectMilliseconds: null, firstByteMilliseconds: expect.any(Number) })
    expect(second.remoteAddress).toBe('127.0.0.1')
  })
})

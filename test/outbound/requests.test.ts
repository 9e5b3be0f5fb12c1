import { describe, expect, test } from 'vitest'
import { answer } from '../support/hostile-receiver.ts'
import { loopbackNames, openOutbound, openReceiver, post, settle } from './open-outbound.ts'

test('a request is the very bytes that were given, with their exact length', async () => {
  const receiver = await openReceiver((socket) => socket.end(answer()))
  const body = '{"name":"Ζωή 🏛"}'
  await openOutbound().send(post(`${receiver.url}?a=1`, { body, headers: { 'X-Own': '1' } }))
  const [request] = receiver.requests
  expect(request?.body).toEqual(Buffer.from(body))
  expect(request?.head).toMatch(/^POST \/hook\?a=1 HTTP\/1\.1\r\n/)
  expect(request?.head).toContain(`content-length: ${Buffer.byteLength(body)}`)
  expect(request?.head).toContain('user-agent: Stoa/test')
  expect(request?.head).toContain('x-own: 1')
  expect(request?.head).not.toMatch(/transfer-encoding|accept-encoding|expect:/i)
})

test('a name in another alphabet is asked for and sent in its ASCII form', async () => {
  const receiver = await openReceiver((socket) => socket.end(answer()))
  const outbound = openOutbound({ resolver: loopbackNames('xn--bcher-kva.example') })
  expect(await outbound.send(post(`http://bücher.example:${receiver.port}/`))).toMatchObject({ ok: true })
  expect(receiver.requests[0]?.head).toMatch(/^host: xn--bcher-kva\.example:/im)
})

test('an answer of exactly the limit is not cut off', async () => {
  const receiver = await openReceiver((socket) => socket.end(answer('y'.repeat(1_000))))
  expect(await openOutbound().send(post(receiver.url))).toMatchObject({ body: 'y'.repeat(1_000), truncated: false })
})

test('an answer is not cut off inside a character', async () => {
  const receiver = await openReceiver((socket) => socket.end(answer('ab🏛🏛')))
  const result = await openOutbound().send(post(receiver.url, { maxResponseBytes: 8 }))
  expect(result).toMatchObject({ body: 'ab🏛', truncated: true })
})

test('a closed port is named by neither address, port nor errno', async () => {
  const receiver = await openReceiver({})
  await receiver.close()
  const result = await openOutbound().send(post(receiver.url))
  expect(result).toMatchObject({ ok: false, error: 'connect', remoteAddress: null })
  expect(JSON.stringify(result)).not.toMatch(new RegExp(`127|${receiver.port}|ECONN|refused`, 'i'))
})

test.each<Record<string, string>>([
  { Host: 'other' },
  { 'Content-Length': '1' },
  { 'x-a': 'b\r\nx-c: d' },
  { 'x a': 'b' },
])('a request with the header %j is never sent', async (headers) => {
  const receiver = await openReceiver((socket) => socket.end(answer()))
  const result = await openOutbound().send(post(receiver.url, { headers }))
  expect(result).toMatchObject({ ok: false, error: 'invalid_request' })
  expect(receiver.requests).toEqual([])
})

test('closing waits for what is under way and takes nothing new', async () => {
  const receiver = await openReceiver((socket) => void setTimeout(() => socket.write(answer('done')), 50))
  const outbound = openOutbound()
  const sending = outbound.send(post(receiver.url))
  await outbound.close()
  expect(await sending).toMatchObject({ ok: true, body: 'done' })
  expect(await outbound.send(post(receiver.url))).toMatchObject({ ok: false, error: 'closed' })
})

describe('connections', () => {
  const startHanging = () =>
    openReceiver((socket, { head }) => void (head.includes(' /answer ') && socket.write(answer())))

  test('are kept for the next request, which then took none to open', async () => {
    const receiver = await openReceiver((socket) => socket.write(answer()))
    const outbound = openOutbound()
    const first = await outbound.send(post(receiver.url))
    await settle()
    const second = await outbound.send(post(receiver.url))
    expect(first.timings).toEqual({
      connectMilliseconds: expect.any(Number),
      firstByteMilliseconds: expect.any(Number),
    })
    expect(second.timings).toEqual({ connectMilliseconds: null, firstByteMilliseconds: expect.any(Number) })
    expect(second.timings.firstByteMilliseconds).toBeLessThanOrEqual(second.durationMs)
    expect(receiver.connections()).toBe(1)
  })

  test('of requests that hang do not keep another to the same host waiting', async () => {
    const receiver = await startHanging()
    const outbound = openOutbound({ connectionsPerOrigin: 41 })
    const hanging = Array.from({ length: 40 }, () => outbound.send(post(receiver.url, { timeoutMs: 2_000 })))
    await expect.poll(receiver.connections).toBe(40)
    const good = await outbound.send(post(`http://127.0.0.1:${receiver.port}/answer`, { timeoutMs: 1_500 }))
    expect(good).toMatchObject({ ok: true })
    await Promise.all(hanging)
  })

  test('to one origin are never more than were allowed, nor opened again for requests that gave up', async () => {
    const receiver = await startHanging()
    const outbound = openOutbound({ connectionsPerOrigin: 2 })
    await Promise.all(Array.from({ length: 5 }, () => outbound.send(post(receiver.url, { timeoutMs: 300 }))))
    await expect.poll(receiver.open).toBe(0)
    expect(receiver.connections()).toBe(2)
  })
})

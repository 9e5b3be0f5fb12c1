import { describe, expect, onTestFinished, test } from 'vitest'
import { createHostResolver, type HostResolver, type OutboundOptions } from '../../core/src/outbound/index.ts'
import { answer } from '../support/hostile-receiver.ts'
import { startNameServer, type NameAnswer } from '../support/name-server.ts'
import { openOutbound, openReceiver, post } from './open-outbound.ts'

/** A client whose names come from a name server of the test. */
async function openWithNames(names: Record<string, NameAnswer>, options: Partial<OutboundOptions> = {}) {
  const server = await startNameServer(names)
  onTestFinished(server.close)
  const resolver = createHostResolver({ servers: server.servers, hostsFile: '/nonexistent' })
  return { outbound: openOutbound({ allowPrivateNetworks: false, resolver, ...options }), asked: server.asked }
}

describe('a public name is refused', () => {
  const cases: [string, Record<string, NameAnswer>][] = [
    ['that has a public and a private address', { 'x.test': { addresses: ['192.0.78.1', '10.0.0.1'] } }],
    ['that has a private IPv6 address only', { 'x.test': { addresses: ['fd00::1'] } }],
    ['that has a public IPv4 and a private IPv6 address', { 'x.test': { addresses: ['192.0.78.1', '::1'] } }],
    ['that has an IPv6 address which wraps a private one', { 'x.test': { addresses: ['64:ff9b::a9fe:a9fe'] } }],
    [
      'that is an alias of an alias of a private address',
      { 'x.test': { alias: 'y.test' }, 'y.test': { alias: 'z.test' }, 'z.test': { addresses: ['127.0.0.1'] } },
    ],
    [
      'that is an alias of the metadata service',
      { 'x.test': { alias: 'm.test' }, 'm.test': { addresses: ['169.254.169.254'] } },
    ],
  ]
  test.each(cases)('%s', async (_name, names) => {
    const { outbound, asked } = await openWithNames(names)
    const receiver = await openReceiver((socket) => socket.end(answer()))
    const result = await outbound.send(post(`http://x.test:${receiver.port}/`))
    expect(result).toMatchObject({ ok: false, error: 'blocked_address', remoteAddress: null })
    expect(asked).toEqual(['x.test'])
    expect(receiver.connections()).toBe(0)
  })
})

/** 127.0.0.1 stands for a public address, and 127.0.0.2, where the receiver listens too, for a private one. */
const onlyFirst = { allowPrivateNetworks: ['127.0.0.1/32'] }

test('a name that changes its address between check and connection is connected to the address that was checked', async () => {
  let asked = 0
  const resolver: HostResolver = {
    resolve: async () => [(asked += 1) === 1 ? '127.0.0.1' : '127.0.0.2'],
    close: () => {},
  }
  const outbound = openOutbound({ ...onlyFirst, resolver })
  const receiver = await openReceiver((socket) => socket.end(answer()))
  const result = await outbound.send(post(`http://rebind.test:${receiver.port}/`))
  expect(result).toMatchObject({ ok: true, status: 200, remoteAddress: '127.0.0.1' })
  expect(asked).toBe(1)
})

test('a name that changes its address between attempts, with a TTL of 0, is judged again', async () => {
  const names: Record<string, NameAnswer> = { 'x.test': { addresses: ['127.0.0.1'], ttl: 0 } }
  const { outbound } = await openWithNames(names, onlyFirst)
  const receiver = await openReceiver((socket) => socket.end(answer()))
  const request = post(`http://x.test:${receiver.port}/`)
  expect(await outbound.send(request)).toMatchObject({ ok: true })
  names['x.test'] = { addresses: ['127.0.0.2'], ttl: 0 }
  await expect.poll(async () => (await outbound.send(request)).ok, { timeout: 5_000, interval: 300 }).toBe(false)
  expect(await outbound.send(request)).toMatchObject({ error: 'blocked_address' })
})

test('a name that does not exist and a name server that fails are told apart, and neither is connected to', async () => {
  const { outbound } = await openWithNames({ 'broken.test': { code: 2 } })
  const [unknown, broken] = await Promise.all(
    ['http://unknown.test/', 'http://broken.test/'].map((url) => outbound.send(post(url))),
  )
  expect(unknown).toMatchObject({ error: 'dns', message: expect.stringContaining('spelling') })
  expect(broken).toMatchObject({ error: 'dns', message: expect.stringContaining('did not answer') })
})

test('names whose server hangs end at their deadline and hold up no other', async () => {
  const names: Record<string, NameAnswer> = { 'good.test': { addresses: ['127.0.0.1'] } }
  for (let n = 0; n < 100; n++) names[`hangs${n}.test`] = 'silence'
  const { outbound } = await openWithNames(names, onlyFirst)
  const receiver = await openReceiver((socket) => socket.end(answer()))
  let ended = 0
  const hanging = Array.from({ length: 100 }, async (_, n) => {
    const result = await outbound.send(post(`http://hangs${n}.test/`, { timeoutMs: 1_500 }))
    ended += 1
    return result
  })
  expect(await outbound.send(post(`http://good.test:${receiver.port}/`))).toMatchObject({ ok: true })
  expect(ended).toBe(0)
  for (const result of await Promise.all(hanging)) expect(result).toMatchObject({ ok: false, error: 'timeout' })
})

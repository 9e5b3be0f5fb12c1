import { describe, expect, onTestFinished, test } from 'vitest'
import { createOutbound } from '../../core/src/outbound/index.ts'
import { createAuthority } from '../support/certificates.ts'
import { openForwardProxy } from '../support/forward-proxy.ts'
import { answer } from '../support/hostile-receiver.ts'
import { loopbackNames, openOutbound, openReceiver, post, settle } from './open-outbound.ts'

const authority = await createAuthority()

async function openProxy(script?: Parameters<typeof openForwardProxy>[0]) {
  const proxy = await openForwardProxy(script)
  onTestFinished(proxy.close)
  return proxy
}

/** A client behind the proxy; `faults` is what the operator is told. */
function openBehind(proxy: string, options: Parameters<typeof openOutbound>[0] = {}) {
  const faults: string[] = []
  const resolver = loopbackNames('receiver.test', 'proxy.test')
  const own = {
    proxy,
    resolver,
    certificateAuthority: authority.cert,
    onProxyFault: (reason: string) => faults.push(reason),
  }
  return { outbound: openOutbound({ ...own, ...options }), faults }
}

describe('a request through a proxy', () => {
  test('to http asks it for the name, keeps the tunnel, and does not tell the address of the proxy', async () => {
    const proxy = await openProxy()
    const receiver = await openReceiver((socket, { number }) => socket.write(answer(`${number}`)), 'receiver.test')
    const { outbound, faults } = openBehind(`http://127.0.0.1:${proxy.port}`)
    const first = await outbound.send(post(receiver.url))
    expect(first).toMatchObject({ ok: true, body: '1', remoteAddress: null })
    expect(first.timings).toEqual({
      connectMilliseconds: expect.any(Number),
      firstByteMilliseconds: expect.any(Number),
    })
    await settle()
    const second = await outbound.send(post(receiver.url))
    expect(second).toMatchObject({ ok: true, body: '2', remoteAddress: null, timings: { connectMilliseconds: null } })
    expect(proxy.asked.map(({ target }) => target)).toEqual([`receiver.test:${receiver.port}`])
    expect(receiver.requests[0]?.head).toMatch(/^POST \/hook HTTP\/1.1\r\nhost: receiver\.test:\d+\r\n/i)
    expect(receiver.requests[0]?.head).not.toMatch(/proxy/i)
    expect(faults).toEqual([])
  })

  test('to https is verified by the name of the target', async () => {
    const proxy = await openProxy()
    const received = { received: (socket: { write: (text: string) => unknown }) => void socket.write(answer('safe')) }
    const good = await openReceiver({ tls: await authority.issue('receiver.test'), ...received }, 'receiver.test')
    const bad = await openReceiver({ tls: await authority.issue('proxy.test'), ...received }, 'receiver.test')
    const { outbound } = openBehind(`http://127.0.0.1:${proxy.port}`)
    expect(await outbound.send(post(good.url))).toMatchObject({ ok: true, body: 'safe', remoteAddress: null })
    await settle()
    expect(await outbound.send(post(good.url))).toMatchObject({ ok: true, timings: { connectMilliseconds: null } })
    expect(await outbound.send(post(bad.url))).toMatchObject({ ok: false, error: 'tls' })
    expect(bad.requests).toEqual([])
  })

  test.each(['http', 'https'])('that speaks TLS itself reaches %s', async (scheme) => {
    const proxy = await openProxy({ tls: await authority.issue('proxy.test'), login: 'stoa:s€cret@' })
    const tls = scheme === 'https' ? { tls: await authority.issue('receiver.test') } : {}
    const receiver = await openReceiver({ ...tls, received: (socket) => void socket.write(answer()) }, 'receiver.test')
    const login = `stoa:${encodeURIComponent('s€cret@')}`
    const { outbound, faults } = openBehind(`https://${login}@proxy.test:${proxy.port}`)
    expect(await outbound.send(post(receiver.url))).toMatchObject({ ok: true, status: 200 })
    expect(faults).toEqual([])
  })

  test('leaves out the credentials of the proxy wherever it goes', async () => {
    const proxy = await openProxy({ login: 'stoa:secret' })
    const receiver = await openReceiver((socket) => socket.end(answer()), 'receiver.test')
    const { outbound, faults } = openBehind(`http://stoa:hunter2@127.0.0.1:${proxy.port}`)
    const result = await outbound.send(post(receiver.url))
    expect(result).toMatchObject({ ok: false, error: 'proxy', remoteAddress: null })
    expect(JSON.stringify([result, faults])).not.toMatch(/stoa:|hunter2|127\.0|407 Proxy/)
    expect(faults).toEqual(['it answered CONNECT with status 407'])
    expect(receiver.connections()).toBe(0)
  })
})

describe('the target behind a loopback proxy', () => {
  test.each([
    'http://127.0.0.1/',
    'http://[::1]/',
    'http://169.254.169.254/latest/meta-data/',
    'http://2130706433/',
    'http://localhost/',
    'http://private.test/',
  ])('%s is judged before the proxy is asked', async (url) => {
    const proxy = await openProxy()
    const resolver = { ...loopbackNames(), resolve: async () => ['10.0.0.1'] }
    const { outbound, faults } = openBehind(`http://127.0.0.1:${proxy.port}`, { allowPrivateNetworks: false, resolver })
    expect(await outbound.send(post(url))).toMatchObject({ ok: false, error: 'blocked_address' })
    expect(proxy.asked).toEqual([])
    expect(faults).toEqual([])
  })

  test('that is public is reached although the proxy is on a private address', async () => {
    const proxy = await openProxy()
    const receiver = await openReceiver((socket) => socket.end(answer()))
    const resolver = { ...loopbackNames(), resolve: async () => ['192.0.78.1'] }
    const { outbound } = openBehind(`http://127.0.0.1:${proxy.port}`, { allowPrivateNetworks: false, resolver })
    expect(await outbound.send(post(`http://public.example.com:${receiver.port}/`))).toMatchObject({ status: 200 })
    expect(proxy.asked.map(({ target }) => target)).toEqual([`public.example.com:${receiver.port}`])
  })

  test('written as an IPv6 address is asked for in brackets', async () => {
    const proxy = await openProxy({ says: 'HTTP/1.1 502 X\r\n\r\n' })
    const { outbound } = openBehind(`http://127.0.0.1:${proxy.port}`, { allowPrivateNetworks: false })
    await outbound.send(post('http://[2606:4700::1111]/'))
    await outbound.send(post('https://[2606:4700::1111]/'))
    expect(proxy.asked.map(({ target }) => target)).toEqual(['[2606:4700::1111]:80', '[2606:4700::1111]:443'])
  })
})

describe('a proxy that does not work', () => {
  const says = (status: string, head = '') => ({ says: `HTTP/1.1 ${status} X\r\n${head}\r\n` })

  test.each<[string, Parameters<typeof openForwardProxy>[0]]>([
    ['asks for a login', says('407')],
    ['forbids it', says('403')],
    ['answers 502', says('502')],
    ['answers 504', says('504')],
    ['does not know CONNECT', says('405')],
    ['answers what is not HTTP', { says: 'SSH-2.0-OpenSSH_9.6\r\n' }],
    ['sends 64 kB of headers', says('200', `X: ${'h'.repeat(65_536)}\r\n`)],
    ['closes', { says: '' }],
    ['never answers', { says: 'silence' }],
  ])('because it %s is a fault of its own, not the receiver’s', async (_name, script) => {
    const proxy = await openProxy(script)
    const { outbound, faults } = openBehind(`http://127.0.0.1:${proxy.port}`)
    const result = await outbound.send(post('http://receiver.test:9/', { timeoutMs: 500 }))
    expect(result).toMatchObject({ ok: false, error: 'proxy', remoteAddress: null })
    expect(JSON.stringify([result, faults])).not.toMatch(/127\.0|receiver\.test|proxy\.test/)
    expect(JSON.stringify([result, faults])).not.toContain(String(proxy.port))
    if (script?.says !== 'silence') await expect.poll(proxy.open).toBe(0)
  })

  test('because it is down or its name is not known is a fault of its own', async () => {
    const { port, close } = await openForwardProxy()
    await close()
    for (const host of ['127.0.0.1', 'unknown.test']) {
      const { outbound, faults } = openBehind(`http://${host}:${port}`)
      const result = await outbound.send(post('http://receiver.test:9/'))
      expect(result).toMatchObject({ ok: false, error: 'proxy' })
      expect(faults).toHaveLength(1)
      expect(JSON.stringify([result, faults])).not.toMatch(new RegExp(`127\\.0|unknown|${port}`))
    }
  })

  test('because its certificate is not trusted is a fault of its own', async () => {
    const proxy = await openProxy({ tls: await authority.selfSigned('proxy.test') })
    const { outbound, faults } = openBehind(`https://proxy.test:${proxy.port}`)
    expect(await outbound.send(post('http://receiver.test:9/'))).toMatchObject({ ok: false, error: 'proxy' })
    expect(faults).toEqual(['it could not be reached (DEPTH_ZERO_SELF_SIGNED_CERT)'])
  })

  test.each([
    ['Proxy-Status: p; error=connection_refused', 'connect'],
    ['Proxy-Status: p; error=destination_unavailable', 'connect'],
    ['Proxy-Status: p; error=dns_error; rcode=NXDOMAIN', 'dns'],
    ['Proxy-Status: p; error=destination_ip_prohibited', 'blocked_address'],
    ['X-Squid-Error: ERR_CONNECT_FAIL 111', 'connect'],
    ['X-Squid-Error: ERR_DNS_FAIL 0', 'dns'],
    ['Proxy-Status: p; error=proxy_internal_error', 'proxy'],
    ['X-Squid-Error: ERR_ACCESS_DENIED 0', 'proxy'],
  ])('and says why (%s) is %s', async (head, error) => {
    const proxy = await openProxy(says('502', `${head}\r\n`))
    const { outbound, faults } = openBehind(`http://127.0.0.1:${proxy.port}`)
    expect(await outbound.send(post('http://receiver.test:9/'))).toMatchObject({ ok: false, error })
    expect(faults).toHaveLength(error === 'proxy' ? 1 : 0)
  })

  test('does not take the blame for a receiver that never answers', async () => {
    const proxy = await openProxy()
    const receiver = await openReceiver({}, 'receiver.test')
    const { outbound } = openBehind(`http://127.0.0.1:${proxy.port}`)
    expect(await outbound.send(post(receiver.url, { timeoutMs: 250 }))).toMatchObject({ ok: false, error: 'timeout' })
    expect(receiver.connections()).toBe(1)
  })

  test('is told to the operator once for many requests', async () => {
    const proxy = await openProxy(says('502'))
    const { outbound, faults } = openBehind(`http://127.0.0.1:${proxy.port}`)
    for (let n = 0; n < 3; n++) await outbound.send(post('http://receiver.test:9/'))
    expect(proxy.asked).toHaveLength(3)
    expect(faults).toEqual(['it answered CONNECT with status 502'])
  })

  test('holds up no end of the host', async () => {
    const proxy = await openProxy({ says: 'silence' })
    const { outbound } = openBehind(`http://127.0.0.1:${proxy.port}`)
    const sending = outbound.send(post('http://receiver.test:9/', { timeoutMs: 250 }))
    await outbound.close()
    expect(await sending).toMatchObject({ ok: false, error: 'proxy' })
  })
})

test.each(['ftp://proxy.test', 'proxy.test:3128', 'http://stoa:secret%zz@proxy.test', '//stoa:secret@x'])(
  'the text %s, which is no URL of a proxy, stops the host from starting without being repeated',
  (proxy) => {
    const open = () => createOutbound({ allowPrivateNetworks: false, allowHttp: true, userAgent: 'x', proxy })
    expect(open).toThrow(TypeError)
    expect(open).not.toThrow(/secret|proxy\.test/)
  },
)

import { createServer, type AddressInfo, type Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAddressPolicy } from './address-policy.ts'
import { createGuardedConnector } from './guarded-connector.ts'
import { createOutbound, type OutboundOptions } from './index.ts'

/** Every one of these means an internal address, whatever it looks like (torture list C 37 to 39). */
const internalHosts = [
  '127.0.0.1 127.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 0 0.0.0.0 127.0.0.1. １２７.０.０.１ ①②⑦.⓪.⓪.①',
  'localhost LOCALHOST localhost. app.localhost printer.local metadata.google.internal router.home.arpa intranet',
  '[::1] [::] [::127.0.0.1] [::ffff:127.0.0.1] [::ffff:169.254.169.254] [::ffff:a9fe:a9fe] [::ffff:0:7f00:1]',
  '[64:ff9b::a9fe:a9fe] [64:ff9b:1::a9fe:a9fe] [2002:a9fe:a9fe::] [2001:0:1::1] [fd00:ec2::254] [fe80::1] [fec0::1]',
  '[ff02::1] [2001:db8::1] [3fff::1] [5f00::1] [100::1]',
  '169.254.169.254 169.254.170.2 100.100.100.200 168.63.129.16 10.0.0.1 172.16.0.1 192.168.1.1 100.64.0.1',
  '192.0.0.192 192.0.2.1 192.88.99.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255',
].flatMap((line) => line.split(' '))

// There is no rule about ports, and none about letters of other alphabets.
const publicHosts =
  '1.1.1.1 [2606:4700::1111] example.com bücher.example аррӏе.com example.com:22 example.com:25 example.com:6379'.split(
    ' ',
  )

function outboundWith(options: Partial<OutboundOptions>) {
  return createOutbound({ allowPrivateNetworks: false, allowHttp: true, userAgent: 'Stoa/test', ...options })
}

/** DNS that answers from a table, and from the list in turn where there is one. */
function fakeDns(table: Record<string, string[][]>) {
  return {
    resolve: async (name: string) => {
      const answers = table[name] ?? []
      return (answers.length > 1 ? answers.shift() : answers[0]) ?? []
    },
    close: () => {},
  }
}

let server: Server
let port = 0
let connections = 0
beforeAll(async () => {
  server = createServer((socket) => {
    connections += 1
    socket.on('error', () => {}).on('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(() => new Promise((resolve) => server.close(resolve)))

const get = (url: string) => ({ method: 'GET', url, timeoutMs: 5_000, maxResponseBytes: 100 })

describe('with private networks not allowed', () => {
  const outbound = outboundWith({ resolver: fakeDns({}) })

  test.each(internalHosts)('%s is refused when entered and when sent to', async (host) => {
    const url = `http://${host}:${port}/`
    expect(outbound.checkUrl(url)).toMatch(/public|internet/)
    expect(await outbound.send(get(url))).toMatchObject({ ok: false, error: 'blocked_address' })
    expect(connections).toBe(0)
  })

  test.each(publicHosts)('%s may be entered', (host) => {
    expect(outbound.checkUrl(`https://${host}/hook`)).toBeNull()
  })

  test.each([[['127.0.0.1']], [['::1']], [['1.1.1.1', '10.0.0.1']], [['fd00::1']], [['::ffff:169.254.169.254']]])(
    'a public name that resolves to %j is refused',
    async (addresses) => {
      const rebinding = outboundWith({ resolver: fakeDns({ 'evil.example': [addresses] }) })
      const result = await rebinding.send(get(`http://evil.example:${port}/`))
      expect(result).toMatchObject({ ok: false, error: 'blocked_address' })
      expect(connections).toBe(0)
    },
  )
})

describe('a URL', () => {
  const outbound = outboundWith({ allowPrivateNetworks: true, allowHttp: false })
  test.each([
    ['example.com/hook', 'scheme'],
    ['/hook', 'complete URL'],
    ['http://example.com', 'https://'],
    ['ftp://example.com', 'https://'],
    ['file:///etc/passwd', 'https://'],
    ['javascript:alert(1)', 'https://'],
    ['https://user:secret@example.com', 'user name and password'],
    ['https://user@example.com', 'user name and password'],
    ['https://example.com@127.0.0.1', 'user name and password'],
    ['https://[fe80::1%25eth0]/', 'complete URL'],
    ['https://1.2.3.4.5/', 'complete URL'],
    ['gopher://example.com:25/_', 'https://'],
  ])('%s is refused with what to do about it', async (url, hint) => {
    expect(outbound.checkUrl(url)).toContain(hint)
    expect(await outbound.send(get(url))).toMatchObject({
      ok: false,
      error: 'invalid_url',
      message: outbound.checkUrl(url),
    })
  })
})

describe('with private networks allowed', () => {
  test('loopback and private ranges are open, link-local and metadata services are not', () => {
    const outbound = outboundWith({ allowPrivateNetworks: true })
    for (const host of [
      '127.0.0.1',
      'localhost',
      '[::1]',
      '10.1.2.3',
      '192.168.0.1',
      '100.64.0.1',
      '[fd12::1]',
      'intranet',
    ]) {
      expect(outbound.checkUrl(`http://${host}/`)).toBeNull()
    }
    for (const host of [
      '169.254.169.254',
      '100.100.100.200',
      '168.63.129.16',
      '[fd00:ec2::254]',
      '[64:ff9b::a9fe:a9fe]',
    ]) {
      expect(outbound.checkUrl(`http://${host}/`)).not.toBeNull()
    }
  })

  test('a CIDR opens its addresses and no others', async () => {
    const outbound = outboundWith({
      allowPrivateNetworks: ['127.0.0.0/8', 'fd00::/16'],
      resolver: fakeDns({
        'app.example': [['127.0.0.1']],
        'db.example': [['10.0.0.1']],
        localhost: [['127.0.0.1', '::1']],
      }),
    })
    expect(outbound.checkUrl('http://[fd00::5]/')).toBeNull()
    expect(outbound.checkUrl('http://[::1]/')).not.toBeNull()
    expect(await outbound.send(get(`http://app.example:${port}/`))).toMatchObject({ ok: true, status: 200 })
    expect(await outbound.send(get(`http://localhost:${port}/`))).toMatchObject({
      ok: true,
      remoteAddress: '127.0.0.1',
    })
    expect(await outbound.send(get(`http://db.example:${port}/`))).toMatchObject({
      ok: false,
      error: 'blocked_address',
    })
    await outbound.close()
  })

  test('a name that moves between two attempts is judged each time', async () => {
    const resolver = fakeDns({ 'app.example': [['127.0.0.1'], ['169.254.169.254']] })
    const outbound = outboundWith({ allowPrivateNetworks: true, resolver })
    expect(await outbound.send(get(`http://app.example:${port}/`))).toMatchObject({ ok: true })
    expect(await outbound.send(get(`http://app.example:${port}/`))).toMatchObject({
      ok: false,
      error: 'blocked_address',
    })
    await outbound.close()
  })

  test.each(['010.0.0.1', '127.1', '2130706433', '0x7f.1', '', 'localhost', '127.0.0.1:80'])(
    '%j is no address and not allowed, whatever it may mean to others',
    (text) => {
      expect(createAddressPolicy(true).allows(text)).toBe(false)
      expect(createAddressPolicy(['0.0.0.0/0', '::/0']).allows(text)).toBe(false)
    },
  )

  test('a text that is no CIDR stops the host from starting', () => {
    expect(() => outboundWith({ allowPrivateNetworks: ['10.0.0.1'] })).toThrow('"10.0.0.1" is not a CIDR')
  })
})

test('the address of the open socket is judged again', async () => {
  const verdicts = [true, false] // allowed when resolved, not when connected
  const policy = { publicOnly: false, allows: () => verdicts.shift() ?? false }
  const connect = createGuardedConnector({ policy, resolver: fakeDns({ 'app.example': [['127.0.0.1']] }) })
  const failure = await new Promise((resolve) => {
    const target = { protocol: 'http:', hostname: 'app.example', host: 'app.example', port: String(port) }
    connect(target, () => {}, resolve)
  })
  expect(failure).toMatchObject({ error: 'blocked_address' })
})

test('a name that never resolves ends with its deadline and holds up no other', async () => {
  const hanging = { resolve: () => new Promise<never>(() => {}), close: () => {} }
  const outbound = outboundWith({ allowPrivateNetworks: true, resolver: hanging })
  const waiting = Array.from({ length: 40 }, () => outbound.send({ ...get('http://slow.example/'), timeoutMs: 300 }))
  expect(await outbound.send(get(`http://127.0.0.1:${port}/`))).toMatchObject({ ok: true })
  for (const result of await Promise.all(waiting)) expect(result).toMatchObject({ ok: false, error: 'timeout' })
  await outbound.close()
})

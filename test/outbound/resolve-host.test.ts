import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { createHostResolver } from '../../core/src/outbound/index.ts'
import { startNameServer, type NameAnswer } from '../support/name-server.ts'

const stops: (() => void)[] = []
afterEach(() => stops.splice(0).forEach((stop) => stop()))

async function startServer(answers: Record<string, NameAnswer>) {
  const server = await startNameServer(answers)
  stops.push(server.close)
  return server
}

function openResolver(options: Parameters<typeof createHostResolver>[0]) {
  const resolver = createHostResolver({ hostsFile: '/nonexistent', ...options })
  stops.push(resolver.close)
  return resolver
}

test('a name is asked once, however many want it', async () => {
  const { servers, asked } = await startServer({ 'a.test': { addresses: ['192.0.2.1'] } })
  const resolver = openResolver({ servers })
  expect(await Promise.all([resolver.resolve('a.test'), resolver.resolve('A.test.')])).toEqual([
    ['192.0.2.1'],
    ['192.0.2.1'],
  ])
  expect(await resolver.resolve('a.test')).toEqual(['192.0.2.1'])
  expect(asked).toEqual(['a.test'])
})

test('a name is asked again when its TTL is over, which is a second at the least', async () => {
  const { servers, asked } = await startServer({ 'a.test': { addresses: ['192.0.2.1'], ttl: 0 } })
  const resolver = openResolver({ servers })
  await resolver.resolve('a.test')
  await resolver.resolve('a.test')
  expect(asked).toHaveLength(1)
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  await resolver.resolve('a.test')
  expect(asked).toHaveLength(2)
})

test('a name that does not exist says so', async () => {
  const { servers } = await startServer({})
  await expect(openResolver({ servers }).resolve('no.test')).rejects.toMatchObject({
    error: 'dns',
    message: expect.stringContaining('spelling'),
  })
})

test('a name server that fails is not called a name that does not exist', async () => {
  const { servers } = await startServer({ 'broken.test': { code: 2 } })
  await expect(openResolver({ servers }).resolve('broken.test')).rejects.toMatchObject({
    error: 'dns',
    message: expect.stringContaining('did not answer'),
  })
})

test('names on a silent name server hold up no others', async () => {
  const answers: Record<string, NameAnswer> = { 'ok.test': { addresses: ['192.0.2.7'] } }
  const silent = Array.from({ length: 50 }, (_, index) => `silent${index}.test`)
  for (const name of silent) answers[name] = 'silence'
  const { servers } = await startServer(answers)
  const resolver = openResolver({ servers })
  let settled = 0
  const waiting = silent.map((name) => resolver.resolve(name).catch(() => (settled += 1)))
  expect(await resolver.resolve('ok.test')).toEqual(['192.0.2.7'])
  expect(settled).toBe(0)
  resolver.close()
  await Promise.all(waiting)
})

test('localhost and what is below it is loopback and asked of nobody', async () => {
  const { servers, asked } = await startServer({})
  const resolver = openResolver({ servers })
  expect(await resolver.resolve('localhost')).toEqual(['127.0.0.1', '::1'])
  expect(await resolver.resolve('app.localhost.')).toEqual(['127.0.0.1', '::1'])
  expect(asked).toEqual([])
})

test('the hosts file comes before the name server', async () => {
  const { servers, asked } = await startServer({ 'a.test': { addresses: ['192.0.2.1'] } })
  const hostsFile = join(await mkdtemp(join(tmpdir(), 'stoa-')), 'hosts')
  await writeFile(hostsFile, '# local\n192.0.2.9 A.test other.test # mine\n2001:db8::9\ta.test\n')
  const resolver = openResolver({ servers, hostsFile })
  expect(await resolver.resolve('a.test')).toEqual(['192.0.2.9', '2001:db8::9'])
  expect(asked).toEqual([])
})

import { createServer } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { createClient } from '@stoa/sdk'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { AddressInfo } from 'node:net'
import { openReceiver, until } from '../events/support.ts'
import { memory as sqlite } from '../http/support.ts'
import { openHost, type OpenedHost } from '../support/host.ts'
import { freePort, makeHome, patient, runStoa, serveStoa, startStoa, type Started } from '../support/run-stoa.ts'

vi.setConfig({ testTimeout: patient })

/** Starts the command as the publisher of the demo world, and waits until it is connected. */
async function listenAt(
  url: string,
  apiKey: string,
  args: string[] = [],
): Promise<Started & { secret: string; id: string }> {
  const started = startStoa(['listen', '--host-url', url, ...args], { STOA_API_KEY: apiKey })
  await until(() => {
    if (started.child.exitCode !== null) throw new Error(`stoa listen ended: ${started.stderr()}`)
    return started.stderr().includes('Connected')
  })
  return { ...started, secret: /whsec_[\w+/=]+/.exec(started.stdout())![0], id: /whe_\w+/.exec(started.stdout())![0] }
}

/** Has something happen of which the publisher of the demo world is told. */
const happen = ({ publisher, world }: OpenedHost) =>
  publisher.rotateClientSecret({ params: { id: world.application.id } })

/** A key of the publisher's that can do just this. */
async function makeKey({ host, publisher }: OpenedHost, permissions: string[]) {
  const { user, organizationId } = await publisher.getMe()
  return host.services.createApiKey({
    organizationId: organizationId!,
    createdBy: user!.id,
    name: 'listen',
    permissions,
    environment: 'production',
    expiresTime: null,
    applicationId: null,
  })
}

const historyOf = ({ publisher }: OpenedHost, id: string) => publisher.listWebhookEndpointEvents({ params: { id } })

test('sends events on to a local address as they are, shows the answer, and the history has it', async () => {
  const opened = await openHost(sqlite)
  const receiver = await openReceiver()
  receiver.answer((response, index) => {
    if (index === 0) response.writeHead(500).end('no such table: users\nat line 3')
    else response.writeHead(204).end()
  })
  const args = ['--forward-to', receiver.url, '--types', 'application.*,charge.*']
  const { id, secret, stdout, child, ended } = await listenAt(opened.url, opened.world.publisher.apiKey, args)
  await happen(opened)
  await until(() => receiver.received.length === 2)

  const [first, second] = receiver.received as unknown as { headers: Record<string, string>; body: string }[]
  expect(new Webhook(secret).verify(first!.body, first!.headers)).toMatchObject({ type: 'application.secret-rotated' })
  expect(second!.body).toBe(first!.body)
  expect(first!.headers).toMatchObject({
    'content-type': 'application/json',
    'user-agent': expect.stringMatching(/^Stoa\//),
    host: new URL(receiver.url).host,
  })
  // Nothing that a receiver would not get: an HTTP client's own headers.
  const names = Object.keys(first!.headers).filter((name) => !name.startsWith('webhook-'))
  expect(names.sort()).toEqual(['connection', 'content-length', 'content-type', 'host', 'user-agent'])

  await until(async () => (await historyOf(opened, id))[0]?.status === 'delivered')
  expect((await historyOf(opened, id))[0]!.attempts).toMatchObject([
    { number: 1, outcome: 'failure', responseStatus: 500, responseBody: 'no such table: users\nat line 3' },
    { number: 2, outcome: 'success', responseStatus: 204 },
  ])
  expect(stdout()).toMatch(/application\.secret-rotated evt_\w+ 500 \d+ ms\n {2}no such table: users\n/)
  expect(stdout()).toMatch(/application\.secret-rotated evt_\w+ 204 \d+ ms\n$/)
  expect(stdout()).not.toContain('at line 3')

  child.kill('SIGINT')
  expect(await ended).toBe(0)
  expect((await opened.publisher.listWebhookEndpoints()).map((endpoint) => endpoint.id)).not.toContain(id)
})

test('without an address shows events, as JSON for programs, and answers 200', async () => {
  const opened = await openHost(sqlite)
  const { id, stdout } = await listenAt(opened.url, opened.world.publisher.apiKey, ['--json'])
  await happen(opened)
  await until(() => stdout().split('\n').length > 2)
  const [head, event] = stdout()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(head).toEqual({ endpoint: id, secret: expect.stringMatching(/^whsec_/) })
  expect(event).toMatchObject({ type: 'application.secret-rotated', id: expect.stringMatching(/^evt_/), attempt: 1 })
  expect(JSON.parse(event!.body as string)).toMatchObject({ type: 'application.secret-rotated' })
  await until(async () => (await historyOf(opened, id))[0]?.attempts[0]?.responseStatus === 200)
})

test('says that nobody answers at the local address, and gets the event again once somebody does', async () => {
  const opened = await openHost(sqlite)
  const port = await freePort()
  const args = ['--forward-to', `http://127.0.0.1:${port}/`]
  const { id, stdout } = await listenAt(opened.url, opened.world.publisher.apiKey, args)
  await happen(opened)
  await until(() => stdout().includes('ECONNREFUSED'))
  await until(async () => (await historyOf(opened, id))[0]?.attempts[0]?.error?.code === 'connect')
})

test('connects again when the host was restarted, and misses nothing', async () => {
  const home = await makeHome()
  const first = await serveStoa({ STOA_HOME: home })
  const world = JSON.parse(
    (await runStoa(['seed', '--json'], { STOA_HOME: home, STOA_BASE_URL: first.url })).stdout,
  ) as {
    publisher: { apiKey: string }
    application: { id: string }
  }
  const receiver = await openReceiver()
  const listening = await listenAt(first.url, world.publisher.apiKey, ['--forward-to', receiver.url])
  const down = new Promise((resolve) => first.child.once('exit', resolve))
  first.child.kill('SIGTERM')
  expect(await down, 'an open stream does not keep the host from stopping').toBe(0)
  await until(() => listening.stderr().includes('trying again'))

  // What happened while nobody was connected is there when somebody is.
  const again = await serveStoa({ STOA_HOME: home, PORT: new URL(first.url).port })
  await fetch(`${again.url}/developers/applications/${world.application.id}/rotate-secret`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${world.publisher.apiKey}` },
  })
  await until(() => listening.stderr().includes('Connected again'))
  await until(() => receiver.received.length > 0)
  listening.child.kill('SIGINT')
  expect(await listening.ended).toBe(0)
})

test('ends when its key is revoked, and says so', async () => {
  const opened = await openHost(sqlite)
  const { url } = opened
  const permissions = ['webhooks:index', 'webhooks:create', 'webhooks:update', 'webhooks:delete']
  const key = await makeKey(opened, [...permissions, 'api-keys:delete'])
  const { stderr, ended } = await listenAt(url, key.secret)
  await createClient({ baseUrl: url, token: key.secret }).revokeApiKey({ params: { id: key.key.id } })
  expect(await ended).toBe(1)
  expect(stderr()).toContain('revoked')
  expect(stderr()).not.toContain('    at ')
})

test('ends when its endpoint is deleted, and keeps the endpoint on request', async () => {
  const opened = await openHost(sqlite)
  const { publisher, url, world } = opened
  const listening = await listenAt(url, world.publisher.apiKey)
  await publisher.deleteWebhookEndpoint({ params: { id: listening.id } })
  expect(await listening.ended).toBe(1)
  expect(listening.stderr()).toContain('deleted')

  const kept = await listenAt(url, world.publisher.apiKey, ['--keep'])
  kept.child.kill('SIGTERM')
  expect(await kept.ended).toBe(0)
  expect((await publisher.listWebhookEndpoints()).map(({ id }) => id)).toContain(kept.id)
})

test('refuses in a sentence what cannot go well', async () => {
  const opened = await openHost(sqlite)
  const { url, world } = opened
  const powerless = await makeKey(opened, ['webhooks:index'])
  const silent = createServer().listen(0)
  onTestFinished(() => void silent.close())
  const dead = (silent.address() as AddressInfo).port
  silent.close()
  const tries: [args: string[], apiKey: string, says: string][] = [
    [['--host-url', url], '', 'STOA_API_KEY'],
    [['--host-url', url], 'stoa_ak_nonsense', 'API key'],
    [['--host-url', url], powerless.secret, 'webhooks:create'],
    [['--host-url', url, '--types', 'nonsense.*'], world.publisher.apiKey, 'GET /events/types'],
    [['--host-url', url, '--application', 'app_0'], world.publisher.apiKey, 'applicationId'],
    [['--host-url', `http://127.0.0.1:${dead}`], world.publisher.apiKey, 'ECONNREFUSED'],
    [['--host-url', 'localhost'], world.publisher.apiKey, '--host-url'],
    [['--host-url', url, '--forward-to', 'localhost:3000'], world.publisher.apiKey, '--forward-to'],
  ]
  const runs = await Promise.all(tries.map(([args, apiKey]) => runStoa(['listen', ...args], { STOA_API_KEY: apiKey })))
  for (const [index, [args, , says]] of tries.entries()) {
    const { code, stdout, stderr } = runs[index]!
    expect([code, stdout, stderr], args.join(' ')).toEqual([1, '', expect.stringContaining(says)])
    expect(stderr).toMatch(/^stoa: .+\n$/)
  }
})

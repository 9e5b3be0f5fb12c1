import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import { createEmptyPostgres, type TestDatabase } from '../support/databases.ts'
import { openHost, type Answer, type OpenedHost } from '../support/host.ts'
import { startPostgres, type PostgresServer } from '../support/postgres-server.ts'
import { keepLog } from '../http/support.ts'

/** Stands between a host and its database, and can be pulled out like a cable. */
async function createCable(to: { host: string; port: number }) {
  const sockets = new Set<Socket>()
  const server: Server = createServer((incoming) => {
    const outgoing = connect(to)
    for (const [socket, other] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    incoming.pipe(outgoing).pipe(incoming)
  })
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  const pull = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
  afterAll(() => (server.listening ? pull() : undefined))
  return { port, pull, plug: () => listen(port) }
}

const databaseAt = (url: string): TestDatabase => ({
  kind: 'postgres',
  create: () => Promise.resolve({ url, drop: () => Promise.resolve() }),
})

const post = (host: OpenedHost, name: string): Promise<Answer> =>
  host.call('POST', '/locations', { token: host.world.organization.apiKey, body: { name } })

function expectUnavailable({ status, headers, body }: Answer): void {
  expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'unavailable', '2'])
  expect(JSON.stringify(body)).not.toMatch(/ECONN|postgres|127\.0\.0\.1|terminat/i)
}

async function namesOf(host: OpenedHost): Promise<string[]> {
  const { status, body } = await host.call('GET', '/locations', { token: host.world.organization.apiKey })
  expect(status).toBe(200)
  return (body as { name: string }[]).map(({ name }) => name)
}

describe('a PostgreSQL that cannot be reached for a while', () => {
  let cable: Awaited<ReturnType<typeof createCable>>
  let host: OpenedHost
  const { lines, logger } = keepLog()
  beforeAll(async () => {
    const { url } = await createEmptyPostgres()
    const direct = new URL(url)
    cable = await createCable({ host: direct.hostname, port: Number(direct.port) })
    const through = new URL(url)
    through.port = String(cable.port)
    through.hostname = '127.0.0.1'
    host = await openHost(databaseAt(through.href), { logger })
  })

  it('is answered with 503 and Retry-After on every path that needs it, and serves again without a restart', async () => {
    expect((await post(host, 'before')).status).toBe(201)
    await cable.pull()
    const key = host.world.organization.apiKey
    for (let round = 0; round < 3; round++) {
      expectUnavailable(await post(host, 'while'))
      expectUnavailable(await host.call('GET', '/locations', { token: key }))
      expectUnavailable(await host.call('GET', '/health'))
      expectUnavailable(await host.call('POST', '/sessions', { body: host.world.user }))
    }
    // A malformed token needs no database.
    expect((await host.call('GET', '/locations', { token: 'nonsense' })).status).toBe(401)
    await cable.plug()
    expect((await host.call('GET', '/health')).status).toBe(200)
    expect((await post(host, 'after')).status).toBe(201)
    const names = await namesOf(host)
    expect(names).toEqual(expect.arrayContaining(['before', 'after']))
    expect(names).not.toContain('while')
  })

  it('leaves the log free of values and of the database’s password', () => {
    const text = JSON.stringify(lines, (_name, value: unknown) =>
      value instanceof Error ? [value.message, value.stack, ...Object.values(value)] : value,
    )
    expect(lines.some(({ level }) => level === 'error')).toBe(true)
    expect(text).not.toContain(new URL(inject('postgresUrl')).password)
    expect(text).not.toContain(host.world.organization.apiKey)
  })

  it('goes away in the middle of requests: each gets an answer, and what was answered with 201 is kept', async () => {
    const token = host.world.organization.apiKey
    const attempts = Array.from({ length: 40 }, (_, index) =>
      host
        .call('POST', '/locations', { token, body: { name: `burst ${index}` } })
        .then(async (answer) => ({ index, answer })),
    )
    await Promise.race(attempts)
    await cable.pull()
    const answers = await Promise.all(attempts)
    await cable.plug()
    const names = await namesOf(host)
    for (const { index, answer } of answers) {
      if (answer.status === 201) expect(names).toContain(`burst ${index}`)
      else expectUnavailable(answer)
    }
  })

  it('is found again by the background work', async () => {
    await cable.pull()
    await sleep(300)
    await cable.plug()
    const { status } = await host.call('PUT', `/application-instances/${host.world.application.id}`, {
      token: host.world.organization.apiKey,
    })
    expect(status).toBe(201)
    await expect
      .poll(async () => {
        const { body } = await host.call('GET', `/application-instances/${host.world.application.id}`, {
          token: host.world.organization.apiKey,
        })
        return body.status as string
      })
      .toBe('enabled')
  })
})

describe('a PostgreSQL that is restarted', () => {
  let server: PostgresServer
  let host: OpenedHost
  beforeAll(async () => {
    server = await startPostgres()
    host = await openHost(databaseAt(`${server.url}/postgres`), { logger: keepLog().logger })
  }, 120_000)
  afterAll(async () => {
    await host.stop()
    await server.stop()
  })

  it('is durable, unlike the one that all tests share', async () => {
    const client = new pg.Client(`${server.url}/postgres`)
    await client.connect()
    onTestFinished(() => client.end())
    expect((await client.query('SHOW fsync')).rows).toEqual([{ fsync: 'on' }])
  })

  it.each(['stop', 'crash'] as const)('by %s loses nothing that was answered, and the host goes on', async (how) => {
    const name = `before ${how}`
    expect((await post(host, name)).status).toBe(201)
    const restarted = server.restart(how)
    const answers: Answer[] = []
    let over = false
    void restarted.finally(() => (over = true))
    while (!over) {
      answers.push(await host.call('GET', '/health'))
      await sleep(20)
    }
    await restarted
    for (const answer of answers) {
      if (answer.status !== 200) expectUnavailable(answer)
    }
    await expect.poll(async () => (await post(host, `after ${how}`)).status).toBe(201)
    expect(await namesOf(host)).toEqual(expect.arrayContaining([name, `after ${how}`]))
  })
})

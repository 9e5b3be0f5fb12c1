import { chmod } from 'node:fs/promises'
import knexModule, { type Knex } from 'knex'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createHost, prepareSqliteConnection, type Host } from '@stoa/core'
import { seedDemoWorld, type DemoWorld } from '@stoa/core/testing'
import { sqliteUrl, type TestDatabase } from '../support/databases.ts'
import { call, openHost, type OpenedHost } from '../support/host.ts'
import { serve } from '../http/support.ts'
import { lockFromAnotherProcess } from './support.ts'

const secret = 'a secret that only tests know, 32+'

describe('a SQLite file that another process has locked', () => {
  let host: OpenedHost
  const url = sqliteUrl()
  const database: TestDatabase = {
    kind: 'sqlite',
    create: () => Promise.resolve({ url, drop: () => Promise.resolve() }),
  }
  beforeAll(async () => {
    host = await openHost(database, { logger: undefined })
  })
  const post = (name: string) =>
    host.call('POST', '/locations', { token: host.world.organization.apiKey, body: { name } })
  const names = async () => {
    const { status, body } = await host.call('GET', '/locations', { token: host.world.organization.apiKey })
    expect(status).toBe(200)
    return (body as { name: string }[]).map(({ name }) => name)
  }

  it('is answered with 503 and Retry-After, can still be read, and serves again as soon as it is free', async () => {
    expect((await post('before')).status).toBe(201)
    const { release } = await lockFromAnotherProcess(url)
    const { status, headers, body } = await post('while')
    expect([status, body.code, headers.get('retry-after')]).toEqual([503, 'unavailable', '2'])
    expect(JSON.stringify(body)).not.toMatch(/sqlite|locked|busy/i)
    expect(await names()).toEqual(expect.arrayContaining(['before']))
    // A sign-in writes without a transaction.
    expect((await host.call('POST', '/sessions', { body: host.world.user })).status).toBe(503)
    await release()
    expect((await post('after')).status).toBe(201)
    expect(await names()).toEqual(expect.arrayContaining(['before', 'after']))
    expect(await names()).not.toContain('while')
  })
})

describe('a SQLite file that cannot be written', () => {
  let host: Host
  let url: string
  let world: DemoWorld
  const file = sqliteUrl()
  beforeAll(async () => {
    const writer = await createHost({ database: file, secret, mode: 'test' })
    world = await seedDemoWorld(writer, { baseUrl: 'http://stoa.test' })
    await writer.stop()
    // As root, the rights of a file stop nobody; a connection that was opened for reading does.
    await chmod(file, 0o444)
    const readonly = knexModule({
      client: 'better-sqlite3',
      connection: {
        filename: file,
        options: { safeIntegers: true, readonly: true },
      } as Knex.BetterSqlite3ConnectionConfig,
      useNullAsDefault: true,
      pool: {
        min: 1,
        max: 1,
        afterCreate: prepareSqliteConnection,
      },
    })
    afterAll(() => readonly.destroy())
    host = await createHost({ database: readonly, secret, mode: 'test' })
    url = await serve(host.router)
  })
  const token = () => world.organization.apiKey

  it('can be read, although a key’s last use cannot be recorded', async () => {
    const { status, body } = await call(url, 'GET', '/locations', { token: token() })
    expect([status, (body as unknown[]).length]).toEqual([200, 2])
    expect((await call(url, 'GET', '/health')).status).toBe(200)
  })

  it('refuses writes with 503 and Retry-After', async () => {
    for (const [method, path, body] of [
      ['POST', '/locations', { name: 'x' }],
      ['POST', '/sessions', world.user],
      ['PUT', `/application-instances/${world.application.id}`, undefined],
      ['POST', '/api-keys', { name: 'x', permissions: ['locations:show'] }],
    ] as const) {
      const { status, headers, body: error } = await call(url, method, path, { token: token(), body })
      expect([path, status, error.code, headers.get('retry-after')]).toEqual([path, 503, 'unavailable', '2'])
      expect(JSON.stringify(error)).not.toMatch(/sqlite|readonly/i)
    }
  })

  it('refuses bad requests as always', async () => {
    expect((await call(url, 'POST', '/locations', { token: token(), body: {} })).status).toBe(422)
    expect((await call(url, 'POST', '/locations', { token: 'nonsense', body: {} })).status).toBe(401)
  })
})

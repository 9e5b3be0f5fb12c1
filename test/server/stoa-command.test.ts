import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { DemoWorld } from '@stoa/core/testing'
import { eachDatabase } from '../support/databases.ts'
import { call } from '../support/host.ts'
import { freePort, makeHome, patient, runStoa, serveStoa } from '../support/run-stoa.ts'

vi.setConfig({ testTimeout: patient })

describe('stoa serve', () => {
  test('needs no configuration: it makes its directory, a private secret and a database, and says where it is', async () => {
    const home = join(await makeHome(), 'not-there-yet')
    const { url, output } = await serveStoa({ STOA_HOME: home })
    expect(output()).toContain(url)
    expect(output()).toContain(`${url}/api/documentation`)
    expect(output()).toContain('seed')
    expect((await call(url, 'GET', '/health')).body).toEqual({ status: 'ok' })
    expect((await stat(join(home, 'secret'))).mode & 0o777).toBe(0o600)
    expect((await stat(home)).mode & 0o077).toBe(0)
  })

  test('answers unknown paths in its own form', async () => {
    const { url } = await serveStoa({ STOA_HOME: await makeHome() })
    const answer = await call(url, 'GET', '/nowhere')
    expect([answer.status, answer.body.code]).toEqual([404, 'not_found'])
    expect(answer.headers.get('x-powered-by')).toBeNull()
  })

  test('stops cleanly on SIGTERM and keeps its world for the next start', async () => {
    const home = await makeHome()
    const first = await serveStoa({ STOA_HOME: home })
    const world = JSON.parse((await runStoa(['seed', '--json'], { STOA_HOME: home })).stdout) as DemoWorld
    const ended = new Promise((resolve) => first.child.once('exit', resolve))
    first.child.kill('SIGTERM')
    expect(await ended).toBe(0)
    const second = await serveStoa({ STOA_HOME: home })
    expect((await call(second.url, 'GET', '/users/me', { token: world.operator.apiKey })).status).toBe(200)
  })

  test('answers the request that was under way when it was told to stop', async () => {
    const home = await makeHome()
    const { url, child } = await serveStoa({ STOA_HOME: home })
    const world = JSON.parse((await runStoa(['seed', '--json'], { STOA_HOME: home })).stdout) as DemoWorld
    // Half of the body before the signal, the other half after it.
    const body = JSON.stringify(world.user)
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }
    const sent = request(`${url}/sessions`, { method: 'POST', headers })
    const answered = new Promise<number | undefined>((resolve, reject) => {
      sent.once('response', (response) => resolve(response.resume().statusCode))
      sent.once('error', reject)
    })
    await new Promise<void>((resolve) => sent.write(body.slice(0, 10), () => resolve()))
    // Until the host has surely begun to read it.
    expect((await call(url, 'GET', '/health')).status).toBe(200)
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    await expect
      .poll(() =>
        call(url, 'GET', '/health').then(
          () => 'serves',
          () => 'closed',
        ),
      )
      .toBe('closed')
    sent.end(body.slice(10))
    expect(await answered).toBe(201)
    expect(await ended).toBe(0)
  })

  test('refuses a database that was sealed under another secret', async () => {
    const home = await makeHome()
    await runStoa(['seed', '--json'], { STOA_HOME: home })
    const { code, stderr } = await runStoa(['serve'], {
      STOA_HOME: home,
      STOA_SECRET: 'another secret of thirty-two chars',
    })
    expect(code).toBe(1)
    expect(stderr).toContain('another secret')
  })

  test('says what to do when the port is taken', async () => {
    const server = createServer().listen(0)
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    const { code, stderr } = await runStoa(['serve'], { STOA_HOME: await makeHome(), PORT: String(port) })
    expect(code).toBe(1)
    expect(stderr).toContain('PORT')
    expect(stderr).not.toContain('    at ')
  })

  test('lets webhooks go to the networks, and through the proxy, that the environment names', async () => {
    const home = await makeHome()
    const { url } = await serveStoa({
      STOA_HOME: home,
      STOA_MODE: 'production',
      STOA_WEBHOOK_NETWORKS: '10.20.0.0/16, fd00:20::/32',
      STOA_WEBHOOK_PROXY: `http://127.0.0.1:${await freePort()}`,
    })
    const seeded = await runStoa(['seed', '--json'], { STOA_HOME: home, STOA_BASE_URL: url })
    const token = (JSON.parse(seeded.stdout) as DemoWorld).publisher.apiKey
    const path = '/developers/webhooks/endpoints'
    const add = (address: string) =>
      call(url, 'POST', path, { token, body: { url: `https://${address}/`, events: ['charge.*'] } })
    expect((await add('10.20.3.4')).status).toBe(201)
    expect((await add('[fd00:20::1]')).status).toBe(201)
    expect((await add('10.21.3.4')).body.code).toBe('invalid_url')
    expect((await add('127.0.0.1')).body.code).toBe('invalid_url')

    const [{ id }] = (await call(url, 'GET', path, { token })).body as [{ id: string }]
    await call(url, 'POST', `${path}/${id}/test`, { token, body: { type: 'charge.created' } })
    await expect
      .poll(async () => (await call(url, 'GET', '/developers/webhooks/deliveries', { token })).body[0].lastError, {
        timeout: 20_000,
      })
      .toBe('proxy')
  })

  test('refuses a database that a newer version has migrated', async () => {
    const home = await makeHome()
    await runStoa(['migrate'], { STOA_HOME: home })
    const database = new Database(join(home, 'stoa.db'))
    database.prepare("insert into stoa_migrations values ('9999-from-the-future', '2030-01-01T00:00:00.000Z')").run()
    database.close()
    const { code, stderr } = await runStoa(['serve'], { STOA_HOME: home })
    expect(code).toBe(1)
    expect(stderr).toContain('newer version')
  })

  test.each([
    [{ PORT: 'abc' }, 'PORT'],
    [{ STOA_MODE: 'fast' }, 'STOA_MODE'],
    [{ STOA_SECRET: 'short' }, 'secret'],
    [{ STOA_LOG: 'loud' }, 'STOA_LOG'],
    [{ STOA_WEBHOOK_NETWORKS: '10.20.0.0' }, 'STOA_WEBHOOK_NETWORKS'],
    [{ STOA_WEBHOOK_NETWORKS: '10.20.0.0/33' }, 'STOA_WEBHOOK_NETWORKS'],
    [{ STOA_WEBHOOK_NETWORKS: 'intranet/8' }, 'STOA_WEBHOOK_NETWORKS'],
    [{ STOA_WEBHOOK_PROXY: 'proxy.internal:3128' }, 'STOA_WEBHOOK_PROXY'],
    [{ STOA_DATABASE: 'mysql://localhost/x' }, 'mysql'],
    [{ STOA_BASE_URL: 'not a url' }, 'baseUrl'],
  ])('refuses %o in a sentence that names it', async (env, name) => {
    const { code, stderr } = await runStoa(['serve'], {
      STOA_HOME: await makeHome(),
      ...(env as Record<string, string>),
    })
    expect(code).toBe(1)
    expect(stderr).toContain(name)
    expect(stderr).not.toContain('    at ')
  })
})

describe('stoa doctor', () => {
  test('finds nothing wrong with a fresh home after migrating, and ends with 0', async () => {
    const home = await makeHome()
    const before = await runStoa(['doctor', '--json'], { STOA_HOME: home })
    expect(before.code).toBe(1)
    expect(JSON.parse(before.stdout)).toContainEqual(expect.objectContaining({ check: 'migrations', ok: false }))
    expect((await runStoa(['migrate'], { STOA_HOME: home })).code).toBe(0)
    expect((await runStoa(['doctor'], { STOA_HOME: home })).code).toBe(0)
  })

  test('tells that others can read the secret, and what to do', async () => {
    const home = await makeHome()
    await runStoa(['migrate'], { STOA_HOME: home })
    await runStoa(['doctor'], { STOA_HOME: home })
    await chmod(join(home, 'secret'), 0o644)
    const { code, stdout } = await runStoa(['doctor'], { STOA_HOME: home })
    expect(code).toBe(1)
    expect(stdout).toMatch(/FAIL secret file .*chmod 600/)
  })

  test('tells that the database cannot be reached', async () => {
    const env = { STOA_HOME: await makeHome(), STOA_DATABASE: 'postgres://nobody@127.0.0.1:1/none' }
    const { code, stdout } = await runStoa(['doctor'], env)
    expect(code).toBe(1)
    expect(stdout).toMatch(/FAIL database .*STOA_DATABASE/)
  })

  test('tells that a file is no database', async () => {
    const home = await makeHome()
    await writeFile(join(home, 'stoa.db'), 'not a database at all, but long enough to look like one'.repeat(50))
    const { code, stdout } = await runStoa(['doctor'], { STOA_HOME: home })
    expect(code).toBe(1)
    expect(stdout).toContain('FAIL database')
  })
})

eachDatabase((database) => {
  test('stoa seed makes a world that works, and prints the same one again', async () => {
    const home = await makeHome()
    const { url: databaseUrl } = await database.create()
    const env = { STOA_HOME: home, STOA_DATABASE: databaseUrl }
    const first = await runStoa(['seed', '--json'], env)
    expect(first.code).toBe(0)
    const world = JSON.parse(first.stdout) as DemoWorld
    expect(JSON.parse((await runStoa(['seed', '--json'], env)).stdout)).toEqual(world)

    const { url } = await serveStoa(env)
    const merchant = { token: world.organization.apiKey }
    const { body: applications } = await call(url, 'GET', '/applications', merchant)
    expect(applications).toMatchObject([{ id: world.application.id, status: 'available' }])
    for (const { id } of world.locations) {
      for (const token of [world.organization.apiKey, world.sandbox.organization.apiKey]) {
        const wallet = await call(url, 'GET', `/organizations/${world.organization.id}/locations/${id}/wallet`, {
          token,
        })
        expect(wallet.body).toMatchObject({ exact: { balance: '100' } })
      }
    }
    expect((await call(url, 'POST', '/sessions', { body: world.user })).status).toBe(201)
    expect(await readFile(join(home, 'demo.json'), 'utf8').then((text) => JSON.parse(text) as unknown)).toEqual(world)
  })

  test('stoa seed without the file of the first run makes new keys for the same world', async () => {
    const env = { STOA_HOME: await makeHome(), STOA_DATABASE: (await database.create()).url }
    const seed = async () => {
      const { stdout } = await runStoa(['seed', '--json'], env)
      await rm(join(env.STOA_HOME, 'demo.json'))
      return JSON.parse(stdout) as DemoWorld
    }
    const first = await seed()
    const second = await seed()
    expect(second.organization.id).toBe(first.organization.id)
    expect(second.application.id).toBe(first.application.id)
    expect(second.application.meters).toEqual(first.application.meters)
    expect(second.organization.apiKey).not.toBe(first.organization.apiKey)
  })

  test('stoa api-key create makes the account, the organization and a key that can do what it was given', async () => {
    const env = { STOA_HOME: await makeHome(), STOA_DATABASE: (await database.create()).url }
    const { code, stdout } = await runStoa(
      ['api-key', 'create', 'Export', 'Ann@Example.com', '--permissions=locations:show'],
      env,
    )
    expect(code).toBe(0)
    expect(stdout).toContain('ann@example.com')
    const token = /Key: +(\S+)/.exec(stdout)![1]!
    const { url } = await serveStoa(env)
    expect((await call(url, 'GET', '/locations', { token })).status).toBe(200)
    expect((await call(url, 'GET', '/applications', { token })).status).toBe(403)
  })

  test('stoa api-key create --operator makes an organization for the platform, and leaves the person what they are elsewhere', async () => {
    const env = { STOA_HOME: await makeHome(), STOA_DATABASE: (await database.create()).url }
    const own = await runStoa(['api-key', 'create', 'Own', 'ops@example.com'], env)
    const platform = await runStoa(['api-key', 'create', 'Platform', 'ops@example.com', '--operator'], env)
    const organization = ({ stdout }: { stdout: string }) => /Organization: +(\S+)/.exec(stdout)![1]
    expect(organization(platform)).not.toBe(organization(own))
    const { url } = await serveStoa(env)
    const rights = async ({ stdout }: { stdout: string }) =>
      (await call(url, 'GET', '/users/me', { token: /Key: +(\S+)/.exec(stdout)![1]! })).body.permissions as string[]
    expect(await rights(platform)).toContain('applications:review')
    expect(await rights(own)).not.toContain('applications:review')
    expect(await rights(own)).toContain('instances:install')
  })

  test('stoa set-password gives an account a password that works', async () => {
    const env = { STOA_HOME: await makeHome(), STOA_DATABASE: (await database.create()).url }
    await runStoa(['api-key', 'create', 'Own', 'ops@example.com'], env)
    const { stdout } = await runStoa(['set-password', 'ops@example.com'], env)
    const password = /Password of ops@example.com: (\S+)/.exec(stdout)![1]!
    const { url } = await serveStoa(env)
    expect((await call(url, 'POST', '/sessions', { body: { email: 'ops@example.com', password } })).status).toBe(201)
    expect((await runStoa(['set-password', 'nobody@example.com'], env)).code).toBe(1)
  })

  test('stoa api-key create refuses an unknown permission by name', async () => {
    const env = { STOA_HOME: await makeHome(), STOA_DATABASE: (await database.create()).url }
    const { code, stderr } = await runStoa(
      ['api-key', 'create', 'Export', 'ann@example.com', '--permissions=locations:fly'],
      env,
    )
    expect(code).toBe(1)
    expect(stderr).toContain('locations:fly')
  })
})

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createHost, errorCatalogue, eventCatalogue, type ErrorCode } from '@stoa/core'
import { createTestHost } from '@stoa/core/testing'
import { parseConfig } from '../../core/src/config.ts'
import { variables } from '../../apps/server/src/environment.ts'
import {
  finished,
  freePort,
  makeHome,
  patient,
  root,
  runStoa,
  serveStoa,
  spawnNode,
  startStoa,
  type Ran,
} from '../support/run-stoa.ts'
import { openReceiver } from '../events/support.ts'
import { installByBrowser, type Credentials } from '../sdk/install-by-browser.ts'
import { programOf, snippetsOf } from './snippets.ts'

vi.setConfig({ testTimeout: patient })

// Inside the repository, so that the snippets find the packages; ignored by git.
const cache = join(root, 'test/.cache')

/** Labels of tries, of which a host that has sent nothing shows none. */
const attemptLabels: Record<string, string[]> = {
  outcome: ['success', 'failure'],
  status_class: ['none', '2xx', '3xx', '4xx', '5xx'],
  cause: ['event', 'test', 'resend', 'replay'],
}

/** The words of a command line. */
const argumentsOf = (line: string) => [...line.matchAll(/"([^"]+)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!)

const escape = (text: string) => text.replaceAll(/[$()*+.?[\]\\^{|}]/g, String.raw`\$&`)

/**
 * What comments behind `console.log` say is printed, call by call; … stands for what differs from run to run. What is printed in a loop has
 * a comment for each line, below the call.
 */
const promisesOf = (code: string) =>
  [...code.matchAll(/^ *console\.log\(.*?\)(?: (\/\/ .+)|((?:\n *\/\/ .+)+))$/gm)].map(([, behind, below]) =>
    [...(behind ?? below!).matchAll(/\/\/ (.+)/g)].map(
      ([, text = '']) => new RegExp(`^${text.split('…').map(escape).join('.*')}$`),
    ),
  )

const promisedBy = (code: string) => promisesOf(code).flat()

/** Whether all that was promised was printed, and nothing else. In any order: receivers run beside what waits for them. */
function expectPromised(stdout: string, code: string) {
  const promised = promisedBy(code)
  const printed = stdout.trimEnd().split('\n')
  expect(promisesOf(code).length).toBe(code.split('console.log(').length - 1)
  expect(promised.filter((line) => !printed.some((each) => line.test(each)))).toEqual([])
  expect(printed.filter((each) => !promised.some((line) => line.test(each)))).toEqual([])
}

/** Whether a program ended well, and printed what was promised in its order. */
function expectPrinted(ran: Ran, code: string) {
  expect(ran).toMatchObject({ code: 0, stderr: '' })
  expectPromised(ran.stdout, code)
  const printed = ran.stdout.trimEnd().split('\n')
  const promised = promisedBy(code)
  expect(printed).toHaveLength(promised.length)
  for (const [index, line] of promised.entries()) expect(printed[index]).toMatch(line)
}

async function startProgram(name: string, code: string, cwd: string, args: string[] = []) {
  await mkdir(cache, { recursive: true })
  const file = join(cache, `${name}.mjs`)
  await writeFile(file, code)
  return spawnNode([file, ...args], {}, cwd)
}

async function runProgram(name: string, code: string, cwd: string, args: string[] = []) {
  return finished(await startProgram(name, code, cwd, args))
}

describe('the README', () => {
  test('shows the embedding example word for word', async () => {
    const [shown] = (await snippetsOf('README.md')).filter(({ language }) => language === 'ts')
    expect(shown?.code).toBe(await readFile(join(root, 'examples/embed/src/server.ts'), 'utf8'))
  })

  test('names commands that exist', async () => {
    const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    const text = await readFile(join(root, 'README.md'), 'utf8')
    for (const [, script] of text.matchAll(/npm run (?:-s )?(\w+)/g)) expect(Object.keys(scripts)).toContain(script)
  })
})

describe('the embedding example', () => {
  test('serves the embedder’s page beside the host, under its mount path', async () => {
    const port = await freePort()
    const child = spawnNode([join(root, 'examples/embed/src/server.ts')], { PORT: String(port) })
    onTestFinished(() => void child.kill('SIGKILL'))
    const get = (path: string) => fetch(`http://localhost:${port}${path}`)
    await expect
      .poll(
        () =>
          get('/').then(
            (res) => res.text(),
            () => null,
          ),
        { timeout: 20_000 },
      )
      .toBe('My own page')
    expect(await (await get('/marketplace/health')).json()).toEqual({ status: 'ok' })
    expect((await get('/marketplace/api/documentation')).status).toBe(200)
    const metadata = await get('/.well-known/oauth-authorization-server/marketplace')
    expect(await metadata.json()).toMatchObject({
      token_endpoint: expect.stringMatching(/\/marketplace\/oauth\/token$/),
    })
    expect((await get('/nowhere')).headers.get('x-request-id')).toBeNull()
  })
})

describe('the guides', () => {
  test('writing an app: every snippet runs, in order, against a host started by the command line', async () => {
    const home = await makeHome()
    const { url } = await serveStoa({ STOA_HOME: home })
    const seeded = await runStoa(['seed', '--json'], { STOA_HOME: home, STOA_BASE_URL: url })
    await writeFile(join(home, 'world.json'), seeded.stdout)
    const code = (await programOf('docs/guides/writing-an-app.md', 'js')).replaceAll('3000', String(await freePort()))
    const ran = await runProgram('writing-an-app', code, home)
    expect(ran).toMatchObject({ code: 0, stderr: '' })
    expect(ran.stdout).toMatch(/app_\w+ pending-approval\nwhsec_.+\nenabled\n/)
    expect(ran.stdout).toContain("{ city: 'Athens', hour: 7 }")
    expect(ran.stdout).toMatch(/chg_\w+/)
  })

  test('writing an app: the listening command forwards to the address in it', async () => {
    const home = await makeHome()
    const { url } = await serveStoa({ STOA_HOME: home })
    const seeded = await runStoa(['seed', '--json'], { STOA_HOME: home, STOA_BASE_URL: url })
    const { publisher, application } = JSON.parse(seeded.stdout) as {
      publisher: { apiKey: string }
      application: { id: string }
    }
    const commands = await programOf('docs/guides/writing-an-app.md', 'sh')
    const line = commands.split('\n').find((each) => each.startsWith('npm run -s stoa -- listen'))!
    const receiver = await openReceiver()
    const args = argumentsOf(line.slice('npm run -s stoa --'.length)).map((each) =>
      each.replace('http://localhost:3000', new URL(receiver.url).origin),
    )
    const env = { STOA_API_KEY: publisher.apiKey, STOA_BASE_URL: url }
    const listening = startStoa(args, env)
    await expect.poll(() => listening.stderr(), { timeout: 60_000 }).toContain('Connected')
    await fetch(`${url}/developers/applications/${application.id}/rotate-secret`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${publisher.apiKey}` },
    })
    await expect
      .poll(() => listening.stdout(), { timeout: 30_000 })
      .toMatch(/^application\.secret-rotated evt_\w+ 204 \d+ ms$/m)
    expect(receiver.received[0]!.url).toBe('/webhooks')
  })

  test('receiving webhooks: every snippet runs, in order, and prints what it says', async () => {
    const home = await makeHome()
    const { url } = await serveStoa({ STOA_HOME: home })
    const seeded = await runStoa(['seed', '--json'], { STOA_HOME: home, STOA_BASE_URL: url })
    await writeFile(join(home, 'world.json'), seeded.stdout)
    const code = await programOf('docs/guides/receiving-webhooks.md', 'js')
    const ran = await runProgram('receiving-webhooks', code.replaceAll('3000', String(await freePort())), home)
    expect(ran).toMatchObject({ code: 0, stderr: '' })
    expectPromised(ran.stdout, code)
  })

  test('receiving webhooks: a request has the headers that it shows', async () => {
    const { publisher, stop } = await createTestHost()
    onTestFinished(stop)
    const receiver = await openReceiver()
    const { id } = await publisher.createWebhookEndpoint({ body: { url: receiver.url, events: ['charge.*'] } })
    await publisher.testWebhookEndpoint({ params: { id }, body: { type: 'charge.created' } })
    await expect.poll(() => receiver.received.length, { timeout: 20_000 }).toBe(1)
    const [{ headers, body }] = receiver.received as [(typeof receiver.received)[0]]
    const ofTheConnection = ['host', 'connection', 'content-length']
    const snippets = await snippetsOf('docs/guides/receiving-webhooks.md')
    const shown = snippets.find(({ language }) => language === 'http')!.code
    const names = [...shown.matchAll(/^([a-z-]+): /gm)].map(([, name]) => name!)
    expect(names.sort()).toEqual(
      Object.keys(headers)
        .filter((name) => !ofTheConnection.includes(name))
        .sort(),
    )
    expect(shown).toContain(`user-agent: ${headers['user-agent']}\n`)
    expect(shown).toContain(`{"${Object.keys(JSON.parse(body) as object)[0]}":"charge.created","timestamp":"`)
  })

  test('receiving webhooks: the commands hand an example to the app on this machine', async () => {
    const home = await makeHome()
    const { url } = await serveStoa({ STOA_HOME: home })
    const seeded = await runStoa(['seed', '--json'], { STOA_HOME: home, STOA_BASE_URL: url })
    const { publisher } = JSON.parse(seeded.stdout) as { publisher: { apiKey: string } }
    const receiver = await openReceiver()
    const lines = (await programOf('docs/guides/receiving-webhooks.md', 'sh')).split('\n')
    const [listen, trigger] = ['listen', 'trigger'].map((name) => {
      const line = lines.find((each) => each.startsWith(`npm run -s stoa -- ${name}`))!
      return argumentsOf(line.slice('npm run -s stoa --'.length)).map((each) =>
        each.replace('http://localhost:3000', new URL(receiver.url).origin),
      )
    }) as [string[], string[]]
    const env = { STOA_API_KEY: publisher.apiKey, STOA_BASE_URL: url }
    const listening = startStoa(listen, env)
    await expect.poll(() => listening.stderr(), { timeout: 60_000 }).toContain('Connected')
    const triggered = await runStoa(trigger, env)
    expect(triggered).toMatchObject({ code: 0, stderr: '' })
    expect(triggered.stdout).toMatch(/^charge\.created evt_\w+: 1 delivery$/m)
    await expect.poll(() => listening.stdout(), { timeout: 30_000 }).toMatch(/^charge\.created evt_\w+ 204 \d+ ms$/m)
    expect(receiver.received[0]!.url).toBe('/sdk')
  })

  test('install flow: a customer installs its app by the pages of the host, it acts, and is put out', async () => {
    const home = await makeHome()
    const { url } = await serveStoa({ STOA_HOME: home })
    const seeded = await runStoa(['seed', '--json'], { STOA_HOME: home, STOA_BASE_URL: url })
    await writeFile(join(home, 'world.json'), seeded.stdout)
    const { user, locations } = JSON.parse(seeded.stdout) as { user: Credentials; locations: [{ id: string }] }
    const page = 'docs/guides/install-flow.md'
    const port = await freePort()
    const code = (await programOf(page, 'js')).replaceAll('3000', String(port))
    const app = await startProgram('install-flow', code, home)
    onTestFinished(() => void app.kill('SIGKILL'))
    let said = ''
    for (const stream of [app.stdout!, app.stderr!]) stream.on('data', (data) => (said += String(data)))
    await expect.poll(() => said, { timeout: 30_000 }).toContain(`sign in as ${user.email} ${user.password}`)

    const [{ id: location }] = locations
    const form = { target: 'locations', location }
    const done = await installByBrowser(`http://localhost:${port}/install`, { user, form })
    expect([done.status, new URL(done.url).pathname]).toEqual([200, `/balance/${location}`])
    // Word for word what the guide shows.
    const [shown] = (await snippetsOf(page)).filter(({ language }) => language === 'json')
    expect(JSON.parse(done.text)).toEqual(JSON.parse(shown!.code))
    await expect.poll(() => said, { timeout: 20_000 }).toContain(`application-instance-enabled ${location}`)

    const applicationId = /app_\w+/.exec(said)![0]
    const put = await runProgram('uninstall', await programOf(page, 'mjs'), home, [applicationId, location])
    expect(put).toMatchObject({ code: 0, stderr: '' })
    await expect.poll(() => said, { timeout: 20_000 }).toContain(`application-instance-disabled ${location}`)
    const after = await fetch(`http://localhost:${port}/balance/${location}`)
    expect([after.status, await after.text()]).toEqual([404, '<a href="/install">Install the app</a> first.'])
  })

  test('oauth: every snippet runs, and prints what it says', async () => {
    const page = 'docs/guides/oauth.md'
    const code = (await programOf(page, 'js')).replaceAll('3000', String(await freePort()))
    const ran = await runProgram('oauth', code, await makeHome())
    expect(ran).toMatchObject({ code: 0, stderr: '' })
    const promised = promisedBy(code)
    const printed = ran.stdout.trimEnd().split('\n')
    expect(printed).toHaveLength(promised.length)
    for (const [index, line] of promised.entries()) expect(printed[index]).toMatch(line)
  })

  test('embedding: every snippet runs', async () => {
    const code = (await programOf('docs/guides/embedding.md', 'js')).replaceAll('3000', String(await freePort()))
    const ran = await runProgram('embedding', code, await makeHome())
    expect(ran).toMatchObject({ code: 0, stderr: '' })
    // The example of a port that breaks its contract is told so.
    expect(ran.stdout).toContain('BROKEN: a sealed text moved to another row does not open')
    expect(ran.stdout).toContain('200 true\n401 unauthenticated\n')
    expect(ran.stdout).toContain('true')
  })

  test('wire formats: every snippet runs', async () => {
    const ran = await runProgram('wire-formats', await programOf('docs/guides/wire-formats.md', 'js'), await makeHome())
    expect(ran).toMatchObject({ code: 0, stderr: '' })
    expect(ran.stdout).toBe(
      'healthy: true\ncharged: true 0.1\nrefused: 402 insufficient_funds\nrebilly: application.secret-rotated 204 1\n',
    )
  })

  test.each(['charging-for-usage', 'reselling'])('%s: every snippet runs, and prints what it says', async (page) => {
    const code = await programOf(`docs/guides/${page}.md`, 'js')
    expectPrinted(await runProgram(page, code, await makeHome()), code)
  })

  test('charging for usage: the table has every refusal of a charge, with its status', async () => {
    const page = await readFile(join(root, 'docs/guides/charging-for-usage.md'), 'utf8')
    const rows = [...page.matchAll(/^\| ((?:`\w+`(?:, )?)+) +\| (\d{3}) +\|/gm)].flatMap(([, names = '', status]) =>
      [...names.matchAll(/\w+/g)].map(([code]) => [code, Number(status)] as const),
    )
    for (const [code, status] of rows) expect(errorCatalogue[code as ErrorCode]?.[0], code).toBe(status)
    const host = await createHost({ database: ':memory:', secret: 'a secret that only tests know, 32+' })
    const errorsOf = (id: string) => host.operations.find((operation) => operation.id === id)!.errors!
    await host.stop()
    expect(rows.map(([code]) => code)).toEqual(expect.arrayContaining([...errorsOf('charge')]))
    for (const code of [...errorsOf('captureHold'), ...errorsOf('refundCharge')]) {
      if (code !== 'not_found') expect(page).toContain(`\`${code}\``)
    }
  })

  test.each(['charging-for-usage', 'reselling', 'getting-paid'])('%s names events that exist', async (name) => {
    const page = await readFile(join(root, `docs/guides/${name}.md`), 'utf8')
    const named = [
      ...page.matchAll(/`((?:cap|charge|grant|hold|installation|payout|subscription|top-up|wallet)\.[a-z-]+)`/g),
    ]
    for (const [, type] of named) expect(Object.keys(eventCatalogue)).toContain(type)
    expect(named.length).toBeGreaterThan(2)
  })

  test('getting paid: every snippet runs and prints what it says, and so do the commands on its books', async () => {
    const home = await makeHome()
    const page = 'docs/guides/getting-paid.md'
    const code = await programOf(page, 'js')
    expectPrinted(await runProgram('getting-paid', code, home), code)
    const books = join(home, 'books.db')
    const env = { STOA_HOME: home, STOA_DATABASE: books }
    const lines = (await programOf(page, 'sh')).split('\n').filter((line) => line !== '')
    expect(lines.length).toBeGreaterThan(5)
    for (const line of lines) {
      const [command = '', file] = line.split(' > ')
      expect(command).toMatch(/^npm run -s stoa -- ledger /)
      const args = argumentsOf(command.slice('npm run -s stoa --'.length))
      const result = await runStoa(
        args.map((each) => (/\.(jsonl|db)$/.test(each) ? join(home, each) : each)),
        env,
      )
      expect(result, line).toMatchObject({ code: 0, stderr: '' })
      if (file) await writeFile(join(home, file), result.stdout)
    }

    const database = new Database(books)
    database.exec(`update stoa_ledger_accounts set balance = balance + 1000000000000
      where kind = 'wallet' and owner_type = 'organization' and environment = 'production'`)
    database.close()
    const found = await runStoa(['ledger', 'check'], env)
    const [shown] = (await snippetsOf(page)).filter(({ language }) => language === 'text')
    expect(found.code).toBe(1)
    for (const line of shown!.code.trimEnd().split('\n')) {
      expect(found.stdout).toMatch(new RegExp(`^${line.split('…').map(escape).join('.*')}$`, 'm'))
    }
  })

  test('versions: every snippet runs', async () => {
    const ran = await runProgram('versions', await programOf('docs/guides/versions.md', 'js'), await makeHome())
    expect(ran).toMatchObject({ code: 0, stderr: '' })
    expect(ran.stdout).toContain("in force: 1 released\n2 draft [ 'permissions', 'optionalPermissions' ]")
    expect(ran.stdout).toContain('invoices:show (low): read single invoices')
    expect(ran.stdout).toContain('{ total: 1, needApproval: 1, rollOutByThemselves: 0 }')
    expect(ran.stdout).toContain("submitted [ 'GetCustomer' ]\nreleased true\n")
    expect(ran.stdout).toContain("[ [ 2, 'yanked', false ], [ 1, 'released', true ] ]\ntrue true\n")
  })

  test('access: every snippet runs, and prints what it says', async () => {
    const ran = await runProgram('access', await programOf('docs/guides/access.md', 'js'), await makeHome())
    expect(ran).toMatchObject({ code: 0, stderr: '' })
    expect(ran.stdout).toMatch(
      /pending \[\s+\{ name: 'coupons:update', sentence: 'change coupons', risk: 'high' \}\s+\]/,
    )
    expect(ran.stdout).toContain('complete true\nwrong_state\ntrue\n')
  })

  test('delivery: every snippet runs, and prints what it says', async () => {
    const code = await programOf('docs/guides/delivery.md', 'js')
    const ran = await runProgram('delivery', code.replaceAll('3000', String(await freePort())), await makeHome())
    expect(ran).toMatchObject({ code: 0, stderr: '' })
    expectPromised(ran.stdout, code)
  })

  test('delivery: the table names every option of webhooks with its default, the alerts figures that exist', async () => {
    const page = await readFile(join(root, 'docs/guides/delivery.md'), 'utf8')
    const config = parseConfig({ secret: 'a secret that only tests know, 32+' }).webhooks as Record<string, unknown>
    const options = Object.entries(config).flatMap(([name, value]) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.entries(value).map(([member, each]) => [`${name}.${member}`, each] as const)
        : [[name, value] as const],
    )
    const rows = [...page.matchAll(/^\| `([\w.]+)` +\| `([^`]+)` +\| .+\|$/gm)].map(([, name, value]) => [name, value])
    const written = options.map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : String(value)])
    expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(written))

    const host = await createHost({ database: ':memory:', secret: 'a secret that only tests know, 32+' })
    const figures = await host.metrics()
    await host.stop()
    const named = [...page.matchAll(/\bstoa_\w+/g)].map(([name]) => name)
    expect(named.length).toBeGreaterThan(8)
    for (const name of named) expect(figures).toContain(`# TYPE ${name} `)
    for (const [, name, label, value] of page.matchAll(/\b(stoa_\w+)\{(\w+)="(\w+)"\}/g)) {
      expect(attemptLabels[label!] ?? figures, `${name} ${label}`).toContain(value)
    }
  })

  test('operating: every command runs', async () => {
    const home = await makeHome()
    const commands = (await programOf('docs/guides/operating.md', 'sh'))
      .split('\n')
      .filter((line) => line.startsWith('npm run stoa --'))
    expect(commands.length).toBeGreaterThan(4)
    for (const line of commands) {
      const args = argumentsOf(line.slice('npm run stoa --'.length))
      expect(await runStoa(args, { STOA_HOME: home }), line).toMatchObject({ code: 0, stderr: '' })
    }
  })

  test('operating: the table names every figure', async () => {
    const host = await createHost({ database: ':memory:', secret: 'a secret that only tests know, 32+' })
    const names = [...(await host.metrics()).matchAll(/^# TYPE (stoa_\w+)/gm)].map(([, name]) => name!)
    await host.stop()
    const page = await readFile(join(root, 'docs/guides/operating.md'), 'utf8')
    const listed = [...page.matchAll(/^\| `(stoa_\w+)`/gm)].map(([, name]) => name!)
    expect(listed.sort()).toEqual(names.sort())
  })

  test('operating: the table names every option of wallets with its default', async () => {
    const page = await readFile(join(root, 'docs/guides/operating.md'), 'utf8')
    const { currency, wallet } = parseConfig({ secret: 'a secret that only tests know, 32+' })
    const options = Object.entries(wallet).map(([name, value]) => [`wallet.${name}`, String(value)])
    const rows = [...page.matchAll(/^\| `((?:wallet\.)?[a-z]\w+)` +\| `([^`]+)` +\|/gm)].map(([, name, value]) => [
      name,
      value,
    ])
    expect(Object.fromEntries(rows)).toEqual({ currency, ...Object.fromEntries(options) })
  })

  test('operating: the table names every variable with its default', async () => {
    const page = await readFile(join(root, 'docs/guides/operating.md'), 'utf8')
    for (const [name, value] of variables) {
      const row = page.split('\n').find((line) => line.startsWith(`| \`${name}\``))
      expect(row, name).toBeDefined()
      expect(row!.replaceAll('`', '')).toContain(value || 'none')
    }
  })
})

describe('links', () => {
  test('between pages lead somewhere', async () => {
    const guides = (await readdir(join(root, 'docs/guides'))).map((name) => `docs/guides/${name}`)
    for (const page of [
      ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'],
      ...['core/README.md', 'sdk/README.md', 'examples/hello-app/README.md'],
      ...guides,
    ]) {
      const text = await readFile(join(root, page), 'utf8')
      for (const [, target = ''] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
        const path = join(root, page, '..', target)
        await expect(
          readFile(path).catch(() => readdir(path)),
          `${page} -> ${target}`,
        ).resolves.toBeDefined()
      }
    }
  })
})

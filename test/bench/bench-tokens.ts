import { createHash, randomBytes } from 'node:crypto'
import { createHost } from '@stoa/core'
import { demoLogo, seedDemoWorld } from '@stoa/core/testing'
import { createClient } from '@stoa/sdk'
import { Pool } from 'undici'
import { hiddenFields, openBrowser, type Browser } from '../oauth/browser.ts'
import type { Subject } from './bench.ts'
import { measureLoad, percentile, wait, type Measured } from './load.ts'
import { count, ms, printTable, ratio } from './table.ts'

const clients = 32
const callback = 'https://bench.example/callback'

interface App {
  clientId: string
  clientSecret: string
}

/** How fast tokens are issued, and what it costs to verify them, with an empty memory and with a full one. */
export async function benchTokens({ host, bare, cold }: Subject, seconds: number): Promise<void> {
  const app = await registerApp(host.ready)
  const { url } = host.ready
  const rows: string[][] = []
  const line = (name: string, { perSecond, p50, p99 }: Measured) =>
    rows.push([name, count(perSecond), ms(p50), ms(p99)])

  const credentials = { grant_type: 'client_credentials', client_id: app.clientId, client_secret: app.clientSecret }
  line('client_credentials', await measureTokens(url, seconds, () => ({ form: credentials })))
  const codes = await makeCodes(host.ready, app, 1500)
  line('authorization_code', await measureTokens(url, seconds, () => ({ form: codes.pop() })))
  const chains = await Promise.all(
    (await makeCodes(host.ready, app, clients)).map(async (form) => String((await ask(url, form)).refresh_token)),
  )
  const refresh = (n: number) => ({
    form: {
      grant_type: 'refresh_token',
      refresh_token: chains[n]!,
      client_id: app.clientId,
      client_secret: app.clientSecret,
    },
    then: (answer: Record<string, unknown>) => void (chains[n] = String(answer.refresh_token)),
  })
  line('refresh_token', await measureTokens(url, seconds, refresh))
  printTable([`tokens issued, ${clients} clients`, 'per second', 'p50 ms', 'p99 ms'], rows)

  const bareGet = await measureLoad({
    url: bare.ready.url,
    clients,
    seconds,
    expect: 200,
    request: () => ({ method: 'GET', path: '/thing/loc_1' }),
  })
  const verified: string[][] = []
  for (const [name, { ready }] of [
    ['warm (the default)', host],
    ['cold (cacheMilliseconds 0)', cold],
  ] as const) {
    const own = ready === host.ready ? app : await registerApp(ready)
    const [form] = await makeCodes(ready, own, 1)
    const { access_token: token } = await ask(ready.url, form!)
    const headers = { authorization: `Bearer ${String(token)}` }
    const get = await measureLoad({
      url: ready.url,
      clients,
      seconds,
      expect: 200,
      request: () => ({ method: 'GET', path: '/marketplace/billing/charges/has-funds', headers }),
    })
    verified.push([
      name,
      ratio(get.perSecond, bareGet.perSecond),
      count(get.perSecond),
      count(bareGet.perSecond),
      ms(get.p50),
      ms(get.p99),
    ])
  }
  printTable(['has-funds with an access token', 'of bare Express', 'req/s', 'bare req/s', 'p50 ms', 'p99 ms'], verified)
  await benchVerification(host.ready, 1e6 / bareGet.perSecond)
}

/** What the verification alone costs, in this process, beside what a whole request costs. Goal: under 5 % of it when warm. */
async function benchVerification({ world }: Ready, bareMicroseconds: number): Promise<void> {
  const rows: string[][] = []
  for (const [name, cacheMilliseconds, turns] of [
    ['warm', 500, 100_000],
    ['cold', 0, 5_000],
  ] as const) {
    const secret = 'a secret that only the bench knows, 32+'
    const host = await createHost({ database: ':memory:', secret, tokens: { cacheMilliseconds } })
    const { publisher } = await seedDemoWorld(host, { baseUrl: world.baseUrl })
    const request = { method: 'GET', url: world.baseUrl, headers: { authorization: `Bearer ${publisher.apiKey}` } }
    await host.services.authenticate(request)
    const started = performance.now()
    for (let turn = 0; turn < turns; turn++) await host.services.authenticate(request)
    const microseconds = ((performance.now() - started) * 1000) / turns
    rows.push([name, microseconds.toFixed(1), ratio(microseconds, bareMicroseconds)])
    await host.stop()
  }
  const bareRequest = `of a bare request (${bareMicroseconds.toFixed(0)} µs)`
  printTable(['verification alone, SQLite in memory', 'µs', bareRequest], rows)
}

type Form = Record<string, string>
interface Turn {
  form: Form | undefined
  then?: (answer: Record<string, unknown>) => void
}

/** A closed loop of token requests; ends early when there is nothing left to send. */
async function measureTokens(url: string, seconds: number, turn: (client: number) => Turn): Promise<Measured> {
  const pool = new Pool(url, { connections: clients, pipelining: 1 })
  const latencies: number[] = []
  let stopped = false
  const started = performance.now()
  async function client(n: number): Promise<void> {
    while (!stopped) {
      const { form, then } = turn(n)
      if (!form) return
      const sent = performance.now()
      const answer = await ask(pool, form)
      latencies.push(performance.now() - sent)
      then?.(answer)
    }
  }
  const running = Promise.all(Array.from({ length: clients }, (_, n) => client(n)))
  await Promise.race([wait(seconds), running])
  stopped = true
  await running
  const elapsed = (performance.now() - started) / 1000
  await pool.close()
  latencies.sort((a, b) => a - b)
  return {
    perSecond: latencies.length / elapsed,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    requests: latencies.length,
  }
}

async function ask(to: string | Pool, form: Form): Promise<Record<string, unknown>> {
  const pool = typeof to === 'string' ? new Pool(to) : to
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path: '/oauth/token',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
  })
  const answer = (await body.json()) as Record<string, unknown>
  if (typeof to === 'string') await pool.close()
  if (statusCode !== 200) throw new Error(`the token endpoint answered ${statusCode}: ${JSON.stringify(answer)}`)
  return answer
}

type Ready = Subject['host']['ready']

async function registerApp({ url, world }: Ready): Promise<App> {
  const publisher = createClient({ baseUrl: url, token: world.publisher.apiKey })
  const operator = createClient({ baseUrl: url, token: world.operator.apiKey })
  const members = {
    name: `Bench ${randomBytes(4).toString('hex')}`,
    description: 'Is measured.',
    redirectUris: [callback],
    permissions: ['charges.readonly', 'charges.write'],
  }
  const { id, clientId, clientSecret } = await publisher.createDeveloperApplication({ body: members })
  const logo = await publisher.postFile({ body: demoLogo() })
  await publisher.patchApplication({ params: { id }, body: { logoId: logo.id, authorName: 'Ada', tagline: 'Bench' } })
  await publisher.submitApplication({ params: { id }, body: {} })
  await operator.approveApplication({ params: { id }, body: {} })
  return { clientId, clientSecret: clientSecret ?? '' }
}

/** Forms that redeem a code each; the codes come from the pages, as they would from people. */
async function makeCodes({ url, world }: Ready, app: App, wanted: number): Promise<Form[]> {
  const verifier = randomBytes(32).toString('base64url')
  const query = new URLSearchParams({
    client_id: app.clientId,
    redirect_uri: callback,
    response_type: 'code',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  const address = `${url}/oauth/authorize?${query.toString()}`
  const forms: Form[] = []
  async function visit(browser: Browser, signIn: boolean): Promise<void> {
    const page = await browser.open(address)
    if (signIn) await browser.post(`${url}/oauth/sign-in`, { ...hiddenFields(page, '/oauth/sign-in'), ...world.user })
    const consent = signIn ? await browser.open(address) : page
    const hidden = hiddenFields(consent, '/oauth/consent')
    const location = world.locations[0]!.id
    const decision = { ...hidden, decision: 'allow', target: 'locations', location }
    const { location: back, status, text } = await browser.post(`${url}/oauth/consent`, decision)
    if (back === null) throw new Error(`the decision was answered ${status}: ${text}`)
    const code = new URL(back).searchParams.get('code') ?? ''
    const { clientId: client_id, clientSecret: client_secret } = app
    forms.push({ grant_type: 'authorization_code', code, code_verifier: verifier, client_id, client_secret })
  }
  const browsers = Array.from({ length: Math.min(4, wanted) }, () => openBrowser(url))
  await Promise.all(
    browsers.map(async (browser) => {
      for (let first = true; forms.length < wanted; first = false) await visit(browser, first)
    }),
  )
  return forms
}

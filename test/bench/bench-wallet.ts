import { randomUUID } from 'node:crypto'
import { createClient } from '@stoa/sdk'
import { openDatabase } from '../../core/src/database/index.ts'
import type { Subject } from './bench.ts'
import { startChild } from './child.ts'
import { fillCharges } from './fill-charges.ts'
import { measureLoad, measureOpenLoop, type Measured } from './load.ts'
import { count, ms, printTable, ratio } from './table.ts'

const wallets = 64
const path = '/marketplace/billing/charges'

interface Payer {
  locationId: string
  token: string
}

/** What a charge is measured with. */
interface Stage {
  subject: Subject
  seconds: number
  payers: Payer[]
}

/**
 * Charges over HTTP, durable when they are answered. Goals: 70 % of a bare Express POST in the same run with 64 clients, p99 at most
 * 50 ms, one hot wallet no slower than many; on PostgreSQL 2,000/s, and two hosts faster than one; batches 20,000/s and 8,000/s; with
 * 1,000,000 charges in the table p99 at most 1.3x of 1,000, and pages of lists under 20 ms.
 */
export async function benchWallet(
  subject: Subject,
  seconds: number,
  { database, postgres }: { database: string; postgres: boolean },
): Promise<void> {
  const stage: Stage = { subject, seconds, payers: await installEverywhere(subject) }
  await benchSingles(stage)
  await benchOpenLoop(stage)
  await benchBatches(stage)
  if (postgres) await benchTwoHosts(stage, database)
  await benchGrowth(stage, database)
}

async function benchSingles({ subject, seconds, payers }: Stage): Promise<void> {
  const rows: string[][] = []
  for (const [clients, payerCount, subscribed] of [
    [1, wallets, false],
    [16, wallets, false],
    [64, wallets, false],
    [64, 1, false],
    [64, wallets, true],
  ] as const) {
    const unsubscribe = subscribed ? await subscribe(subject) : null
    const chosen = payers.slice(0, payerCount)
    const bare = await measureLoad({
      url: subject.bare.ready.url,
      clients,
      seconds,
      expect: 201,
      request: (n) => post('/thing', bodyOf(subject, chosen[n % payerCount]!), 'none'),
    })
    const charges = await measureCharges({ subject, seconds, payers: chosen }, clients)
    await unsubscribe?.()
    const payersText = payerCount === 1 ? 'one wallet' : `${payerCount} wallets`
    rows.push([
      `${clients} clients, ${payersText}, ${subscribed ? 'one endpoint subscribed' : 'no endpoint subscribed'}`,
      ratio(charges.perSecond, bare.perSecond),
      count(charges.perSecond),
      count(bare.perSecond),
      ms(charges.p50),
      ms(charges.p99),
    ])
  }
  printTable(['durable charge', 'of bare Express POST', 'charges/s', 'bare req/s', 'p50 ms', 'p99 ms'], rows)
}

/** At a rate, each answer timed from when it should have been sent: a closed loop would wait along and hide the waiting. */
async function benchOpenLoop({ subject, seconds, payers }: Stage): Promise<void> {
  const rows: string[][] = []
  for (const perSecond of [250, 500, 1000, 1500]) {
    const measured = await measureOpenLoop({
      url: subject.host.ready.url,
      perSecond,
      seconds,
      expect: 201,
      request: (n) => chargeBy(subject, payers[n % payers.length]!),
    })
    rows.push([count(perSecond), count(measured.perSecond), ms(measured.p50), ms(measured.p99)])
  }
  printTable(['open loop: charges/s asked', 'answered/s', 'p50 ms', 'p99 ms'], rows)
}

async function benchBatches({ subject, seconds, payers }: Stage): Promise<void> {
  const rows: string[][] = []
  for (const size of [100, 1000]) {
    const measured = await measureLoad({
      url: subject.host.ready.url,
      clients: 2,
      seconds,
      expect: 200,
      request: (n) => {
        const payer = payers[n % payers.length]!
        const charges = Array.from({ length: size }, () => bodyOf(subject, payer)).join(',')
        return post(`${path}/batch`, `{"charges":[${charges}]}`, payer.token)
      },
    })
    rows.push([`batches of ${size}, 2 clients`, count(measured.perSecond * size), ms(measured.p50), ms(measured.p99)])
  }
  printTable(['batches', 'charges/s', 'p50 ms of a batch', 'p99 ms'], rows)
}

async function benchTwoHosts(stage: Stage, database: string): Promise<void> {
  const { subject, seconds, payers } = stage
  const second = await startChild<{ url: string }>('./stoa-server.ts', [database])
  // As warm as the first: a process that has just begun compiles more than it charges.
  await measureCharges({ subject, seconds: 2 * seconds, payers }, 64, second.ready.url)
  const one: Measured[] = []
  const two: [Measured, Measured][] = []
  // In turns, because what they are compared by is less than what a machine wavers.
  for (let round = 0; round < 3; round++) {
    one.push(await measureCharges(stage, 64))
    two.push(
      await Promise.all([
        measureCharges({ subject, seconds, payers }, 32),
        measureCharges({ subject, seconds, payers }, 32, second.ready.url),
      ]),
    )
  }
  await second.stop()
  const mean = (all: Measured[], times: number) => count(all.reduce((sum, { perSecond }) => sum + perSecond, 0) / times)
  const slowest = (all: Measured[]) => ms(Math.max(...all.map(({ p99 }) => p99)))
  printTable(
    ['PostgreSQL, 64 clients', 'charges/s', 'p99 ms'],
    [
      ['one host', mean(one, one.length), slowest(one)],
      ['two hosts', mean(two.flat(), two.length), slowest(two.flat())],
    ],
  )
}

async function benchGrowth(stage: Stage, database: string): Promise<void> {
  const rows: string[][] = []
  const payer = stage.payers[0]!
  const opened = await openDatabase(database)
  const lists: [string, string][] = [
    ['the first page of the list', `${path}?limit=100`],
    ['a page 10,000 further', `${path}?limit=100&skip=10000`],
    ['by meter', `${path}?limit=100&meterId=${stage.subject.host.ready.world.application.meters.fixed}`],
    ['by an eventId', `${path}?eventId=filled-77`],
    ['by dates', `${path}?limit=100&startDate=2020-01-01&endDate=2020-01-02`],
  ]
  let few: Measured | null = null
  for (const total of [1000, 1_000_000]) {
    await fillCharges(opened, payer.locationId, total)
    const charges = await measureCharges(stage, 16)
    few ??= charges
    rows.push([
      `a charge beside ${count(total)}, 16 clients`,
      ms(charges.p50),
      `${ms(charges.p99)} (${(charges.p99 / few.p99).toFixed(2)}x)`,
    ])
    for (const [name, list] of lists) {
      const measured = await measureLoad({
        url: stage.subject.host.ready.url,
        clients: 1,
        seconds: 1,
        expect: 200,
        request: () => ({ method: 'GET', path: list, headers: { authorization: `Bearer ${payer.token}` } }),
      })
      rows.push([`${name}, of ${count(total)}`, ms(measured.p50), ms(measured.p99)])
    }
  }
  await opened.close()
  printTable(['growth', 'p50 ms', 'p99 ms'], rows)
}

function measureCharges({ subject, seconds, payers }: Stage, clients: number, url = subject.host.ready.url) {
  return measureLoad({
    url,
    clients,
    seconds,
    expect: 201,
    request: (n) => chargeBy(subject, payers[n % payers.length]!),
  })
}

const chargeBy = (subject: Subject, payer: Payer) => post(path, bodyOf(subject, payer), payer.token)

function bodyOf({ host }: Subject, payer: Payer): string {
  const { world } = host.ready
  return JSON.stringify({
    appId: world.application.id,
    meterId: world.application.meters.fixed,
    eventId: randomUUID(),
    locationId: payer.locationId,
    companyId: world.organization.id,
    description: 'One greeting',
    units: 1,
  })
}

function post(to: string, text: string, token: string) {
  return {
    method: 'POST' as const,
    path: to,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: text,
  }
}

/** An endpoint for charge.created that nothing is sent to: it is gone before the sending starts. */
async function subscribe({ host }: Subject): Promise<() => Promise<unknown>> {
  const publisher = createClient({ baseUrl: host.ready.url, token: host.ready.world.publisher.apiKey })
  const body = { url: 'http://127.0.0.1:9/hook', events: ['charge.created' as const] }
  const { id } = await publisher.createWebhookEndpoint({ body })
  return () => publisher.deleteWebhookEndpoint({ params: { id } })
}

async function installEverywhere({ host }: Subject): Promise<Payer[]> {
  const { url, world } = host.ready
  const operator = createClient({ baseUrl: url, token: world.operator.apiKey })
  const publisher = createClient({ baseUrl: url, token: world.publisher.apiKey })
  const merchant = createClient({ baseUrl: url, token: world.organization.apiKey })
  const applicationId = world.application.id
  return Promise.all(
    Array.from({ length: wallets }, async (_, n) => {
      const { id: locationId } = await merchant.createLocation({ body: { name: `Bench ${n}` } })
      await operator.topUp({ body: { locationId, amount: '1000000', reference: randomUUID() } })
      const at = createClient({
        baseUrl: url,
        token: world.organization.apiKey,
        organizationId: world.organization.id,
        locationId,
      })
      await at.putApplicationInstance({ params: { applicationId } })
      const { token } = await publisher.getApplicationInstanceByOrganization({
        params: { id: applicationId, organizationId: locationId },
      })
      return { locationId, token: token! }
    }),
  )
}

import { randomUUID } from 'node:crypto'
import { createClient } from '@stoa/sdk'
import { Pool } from 'undici'
import type { Subject } from './bench.ts'
import { startChild } from './child.ts'
import { measureLoad, percentile, wait } from './load.ts'
import { count, ms, printTable, ratio } from './table.ts'

const backlog = 5000

/**
 * Goals of a later issue: 3,000 deliveries/s on SQLite and 2,000/s on PostgreSQL; publish to first byte at 100/s p50 < 3 ms and
 * p99 < 20 ms. Events come from charges, so "publish" is the moment the charge was answered, after its commit.
 */
export async function benchDeliveries({ host, bare: _bare }: Subject): Promise<void> {
  const { url, world } = host.ready
  const receiver = await startChild<{ url: string }>('./receiver.ts')
  const publisher = createClient({ baseUrl: url, token: world.publisher.apiKey })
  await publisher.createWebhookEndpoint({ body: { url: `${receiver.ready.url}/hook`, events: ['charge.created'] } })
  const charge = await chargeAt(host.ready)

  const bare = await measureLoad({
    url: receiver.ready.url,
    clients: 64,
    seconds: 3,
    expect: 204,
    request: () => ({
      method: 'POST',
      path: '/hook',
      headers: { 'content-type': 'application/json' },
      body: 'x'.repeat(600),
    }),
  })
  await receiver.ask('take')

  await inParallel(backlog, 64, charge)
  const started = performance.now()
  await host.ask('start')
  while ((await receiver.ask<number>('count')) < backlog) await wait(0.02)
  const perSecond = backlog / ((performance.now() - started) / 1000)
  await receiver.ask('take')

  const published: number[] = []
  const latencies: number[] = []
  for (let n = 0; n < 500; n++) {
    const due = performance.now() + 10
    void charge().then(() => published.push(performance.timeOrigin + performance.now()))
    await wait(Math.max(0, (due - performance.now()) / 1000))
  }
  while ((await receiver.ask<number>('count')) < 500) await wait(0.02)
  const arrivals = await receiver.ask<{ at: number }[]>('take')
  // Arrivals and answers are in the same order at 100/s; an event that arrives before its charge was answered counts as 0.
  published.sort((a, b) => a - b)
  arrivals.sort((a, b) => a.at - b.at).forEach(({ at }, index) => latencies.push(Math.max(0, at - published[index]!)))
  latencies.sort((a, b) => a - b)

  printTable(
    [
      'deliveries',
      'of bare undici POSTs',
      'deliveries/s',
      'bare POSTs/s',
      'publish to first byte at 100/s: p50 ms',
      'p99 ms',
    ],
    [
      [
        `backlog of ${count(backlog)}, one endpoint`,
        ratio(perSecond, bare.perSecond),
        count(perSecond),
        count(bare.perSecond),
        ms(percentile(latencies, 0.5)),
        ms(percentile(latencies, 0.99)),
      ],
    ],
  )
  await receiver.stop()
}

async function chargeAt({ url, world }: Subject['host']['ready']): Promise<() => Promise<void>> {
  const applicationId = world.application.id
  const merchant = createClient({ baseUrl: url, token: world.organization.apiKey })
  const { id: locationId } = await merchant.createLocation({ body: { name: 'Deliveries' } })
  const operator = createClient({ baseUrl: url, token: world.operator.apiKey })
  await operator.topUp({ body: { locationId, amount: '1000000', reference: randomUUID() } })
  const at = createClient({
    baseUrl: url,
    token: world.organization.apiKey,
    organizationId: world.organization.id,
    locationId,
  })
  await at.putApplicationInstance({ params: { applicationId } })
  const publisher = createClient({ baseUrl: url, token: world.publisher.apiKey })
  const { token } = await publisher.getApplicationInstanceByOrganization({
    params: { id: applicationId, organizationId: locationId },
  })
  const pool = new Pool(url, { connections: 64, pipelining: 1 })
  return async () => {
    const { statusCode, body } = await pool.request({
      method: 'POST',
      path: '/marketplace/billing/charges',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({
        appId: applicationId,
        meterId: world.application.meters.fixed,
        eventId: randomUUID(),
        locationId,
        companyId: world.organization.id,
        description: 'One greeting',
        units: 1,
      }),
    })
    await body.dump()
    if (statusCode !== 201) throw new Error(`the charge was answered with ${statusCode}`)
  }
}

async function inParallel(total: number, workers: number, work: () => Promise<void>): Promise<void> {
  let left = total
  await Promise.all(
    Array.from({ length: workers }, async () => {
      while (left-- > 0) await work()
    }),
  )
}

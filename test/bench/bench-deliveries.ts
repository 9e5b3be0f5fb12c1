import { randomUUID } from 'node:crypto'
import { createClient } from '@stoa/sdk'
import { Pool } from 'undici'
import type { Subject } from './bench.ts'
import { startChild } from './child.ts'
import { measureLoad, percentile, wait } from './load.ts'
import type { Arrival } from './receiver.ts'
import { count, ms, printTable, ratio } from './table.ts'

const backlog = 5000
const single = 500

/** By the wall clock, which is the receiver's too. */
interface Charged {
  chargeId: string
  sent: number
  answered: number
}

/**
 * Goals of a later issue: 3,000 deliveries/s on SQLite and 2,000/s on PostgreSQL; publish to first byte at 100/s p50 < 3 ms and
 * p99 < 20 ms. Events come from charges, whose commit is the publishing, and cannot be seen from here: it lies between the
 * moment the request was sent and the moment its answer came. So both are measured; an event that arrives before the answer
 * has a negative time from it.
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

  const charges: Promise<Charged>[] = []
  for (let n = 0; n < single; n++) {
    const due = performance.now() + 10
    charges.push(charge())
    await wait(Math.max(0, (due - performance.now()) / 1000))
  }
  const charged = await Promise.all(charges)
  while ((await receiver.ask<number>('count')) < single) await wait(0.02)
  const arrivals = await receiver.ask<Arrival[]>('take')
  const arrivedAt = new Map(arrivals.map(({ chargeId, at }) => [chargeId, at]))
  const latencies = (from: 'sent' | 'answered') =>
    charged
      .map((each) => {
        const at = arrivedAt.get(each.chargeId)
        if (at === undefined) throw new Error(`the event of ${each.chargeId} did not arrive`)
        return at - each[from]
      })
      .sort((a, b) => a - b)
  const fromSent = latencies('sent')
  const fromAnswered = latencies('answered')

  printTable(
    [
      'deliveries',
      'of bare undici POSTs',
      'deliveries/s',
      'bare POSTs/s',
      'at 100/s, charge sent to first byte of its event: p50 ms',
      'p99 ms',
      'charge answered to first byte: p50 ms',
      'p99 ms',
      'before the answer',
    ],
    [
      [
        `backlog of ${count(backlog)}, one endpoint`,
        ratio(perSecond, bare.perSecond),
        count(perSecond),
        count(bare.perSecond),
        ms(percentile(fromSent, 0.5)),
        ms(percentile(fromSent, 0.99)),
        ms(percentile(fromAnswered, 0.5)),
        ms(percentile(fromAnswered, 0.99)),
        ratio(fromAnswered.filter((each) => each < 0).length, single),
      ],
    ],
  )
  await receiver.stop()
}

async function chargeAt({ url, world }: Subject['host']['ready']): Promise<() => Promise<Charged>> {
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
    const sent = performance.timeOrigin + performance.now()
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
    const { chargeId } = (await body.json()) as { chargeId: string }
    if (statusCode !== 201) throw new Error(`the charge was answered with ${statusCode}`)
    return { chargeId, sent, answered: performance.timeOrigin + performance.now() }
  }
}

async function inParallel(total: number, workers: number, work: () => Promise<unknown>): Promise<void> {
  let left = total
  await Promise.all(
    Array.from({ length: workers }, async () => {
      while (left-- > 0) await work()
    }),
  )
}

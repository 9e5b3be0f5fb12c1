import { randomUUID } from 'node:crypto'
import { createClient } from '@stoa/sdk'
import type { Subject } from './bench.ts'
import { measureLoad } from './load.ts'
import { count, ms, printTable, ratio } from './table.ts'

const wallets = 64

/**
 * Without a subscriber an event costs a charge nothing. The last row has one: its outbox rows are written, and not sent yet, as
 * the host's background work is started by benchDeliveries.
 *
 * Goal: durable charges at 70 % of a bare Express POST with 64 clients, p99 at most 50 ms, one hot wallet no slower.
 */
export async function benchCharges(subject: Subject, seconds: number): Promise<void> {
  const { url, world } = subject.host.ready
  const payers = await installEverywhere(subject)
  const rows: string[][] = []
  for (const [clients, payerCount, subscribed] of [
    [1, wallets, false],
    [16, wallets, false],
    [64, wallets, false],
    [64, 1, false],
    [64, wallets, true],
  ] as const) {
    const unsubscribe = subscribed ? await subscribe(subject) : null
    const bare = await measureLoad({
      url: subject.bare.ready.url,
      clients,
      seconds,
      expect: 201,
      request: (n) => post('/thing', body(payers[n % payerCount]!, world.organization.id, world)),
    })
    const charges = await measureLoad({
      url,
      clients,
      seconds,
      expect: 201,
      request: (n) => {
        const payer = payers[n % payerCount]!
        return post('/marketplace/billing/charges', body(payer, world.organization.id, world), payer.token)
      },
    })
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

/** An endpoint for charge.created that nothing is sent to: it is gone before the sending starts. */
async function subscribe({ host }: Subject): Promise<() => Promise<unknown>> {
  const publisher = createClient({ baseUrl: host.ready.url, token: host.ready.world.publisher.apiKey })
  const body = { url: 'http://127.0.0.1:9/hook', events: ['charge.created' as const] }
  const { id } = await publisher.createWebhookEndpoint({ body })
  return () => publisher.deleteWebhookEndpoint({ params: { id } })
}

interface Payer {
  locationId: string
  token: string
}

type World = Subject['host']['ready']['world']

function body(payer: Payer, companyId: string, world: World): string {
  return JSON.stringify({
    appId: world.application.id,
    meterId: world.application.meters.fixed,
    eventId: randomUUID(),
    locationId: payer.locationId,
    companyId,
    description: 'One greeting',
    units: 1,
  })
}

function post(path: string, text: string, token = 'none') {
  return {
    method: 'POST' as const,
    path,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: text,
  }
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

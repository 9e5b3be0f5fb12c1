import { randomUUID } from 'node:crypto'
import { createClient } from '@stoa/sdk'
import type { Subject } from './bench.ts'
import { measureLoad } from './load.ts'
import { count, ms, printTable, ratio } from './table.ts'

const wallets = 64

/** Goal: durable charges at 70 % of a bare Express POST with 64 clients, p99 at most 50 ms, one hot wallet no slower. */
export async function benchCharges(subject: Subject, seconds: number): Promise<void> {
  const { url, world } = subject.host.ready
  const payers = await installEverywhere(subject)
  const rows: string[][] = []
  for (const [clients, payerCount] of [
    [1, wallets],
    [16, wallets],
    [64, wallets],
    [64, 1],
  ] as const) {
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
    rows.push([
      `${clients} clients, ${payerCount === 1 ? 'one wallet' : `${payerCount} wallets`}`,
      ratio(charges.perSecond, bare.perSecond),
      count(charges.perSecond),
      count(bare.perSecond),
      ms(charges.p50),
      ms(charges.p99),
    ])
  }
  printTable(['durable charge', 'of bare Express POST', 'charges/s', 'bare req/s', 'p50 ms', 'p99 ms'], rows)
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

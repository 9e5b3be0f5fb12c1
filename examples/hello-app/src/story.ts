import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { createServer, type Server } from 'node:http'
import { createTestHost, demoLogo } from '@stoa/core/testing'
import { createClient, memoryTokenStore, StoaApiError } from '@stoa/sdk'
import { createHelloApp } from './app.ts'

/** The whole life of an app on a host, as it happens: every line that is printed was asserted first. */
export async function runStory(print: (line: string) => void): Promise<void> {
  const { world, url: hostUrl, publisher, operator, merchantAt, stop } = await createTestHost()
  const locationId = world.locations[0]!.id
  print(`A host runs at ${hostUrl}, in memory, with a merchant, two locations and 100.00 USD in each wallet.\n`)
  let app: { url: string; server: Server } | undefined
  try {
    // 1. The author registers the app.
    const logo = await publisher.postFile({ body: demoLogo() })
    const { id: applicationId, status } = await publisher.postApplication({
      body: {
        name: 'Hello app',
        logoId: logo.id,
        authorName: 'Ada Author',
        tagline: 'Says hello',
        description: 'Greets, and charges for it.',
        permissions: ['charges.write', 'charges.readonly', 'GetApplicationInstanceConfiguration'],
        properties: { type: 'object', properties: { greeting: { type: 'string', default: 'Hello', maxLength: 50 } } },
      },
    })
    assert.equal(status, 'pending-approval')
    const meter = await publisher.createMeter({
      params: { id: applicationId },
      body: { name: 'Greeting', unit: 'greeting', priceType: 'fixed', price: '60' },
    })
    // Its credentials: the secret is in this answer and nowhere else.
    const { clientId, clientSecret } = await publisher.rotateClientSecret({ params: { id: applicationId } })
    print(`1. registered    ${applicationId}, one meter at 60 USD a greeting, ${status}`)

    // 2. It starts, and tells the host where its webhooks go.
    const lines: string[] = []
    let webhookSecret = ''
    app = await listen(
      (appUrl) => {
        const log = (line: string) => {
          lines.push(line)
          print(`                 ${line}`)
        }
        const client = { applicationId, clientId, clientSecret, meterId: meter.id }
        return createHelloApp({ hostUrl, appUrl, ...client, webhookSecret, store: memoryTokenStore(), log })
      },
      async (appUrl) => {
        const endpoint = await publisher.createWebhookEndpoint({
          body: {
            url: `${appUrl}/webhooks`,
            applicationId,
            events: ['application-instance-enabled', 'application-instance-disabled'],
          },
        })
        webhookSecret = endpoint.secret
      },
    )

    // 3. The platform's operator lets it into the store.
    const approved = await operator.approveApplication({ params: { id: applicationId } })
    assert.equal(approved.status, 'available')
    print(`2. reviewed      an operator approved it: ${approved.status}`)

    // 4. A merchant installs it into one location; the app hears of it.
    const merchant = merchantAt(locationId)
    const instance = await merchant.putApplicationInstance({
      params: { applicationId },
      body: { settings: { greeting: 'Kalimera' } },
    })
    assert.equal(instance.status, 'enabled')
    print(`3. installed     at ${locationId}: ${instance.status}`)
    await until(() => lines.some((line) => line.includes('"Kalimera"')))

    // 5. It greets and charges: once, once more with the same id, and once too often.
    const greet = (id: string) =>
      fetch(`${app!.url}/greet/${locationId}?id=${id}`).then(async (res) => ({
        status: res.status,
        body: (await res.json()) as Record<string, string>,
      }))
    const first = await greet('greeting-1')
    assert.equal(first.status, 200)
    assert.equal(first.body.greeting, 'Kalimera, world!')
    print(`4. charged       "${first.body.greeting}" for 60 USD: ${first.body.chargeId}`)
    const replayed = await greet('greeting-1')
    assert.equal(replayed.body.chargeId, first.body.chargeId)
    const wallet = await merchant.getWallet()
    assert.equal(wallet.exact.balance, '40')
    print(`5. replayed      the same eventId, the same charge; the wallet still holds ${wallet.exact.balance} USD`)
    const refused = await greet('greeting-2')
    assert.deepEqual([refused.status, refused.body.code], [402, 'insufficient_funds'])
    print(`6. refused       60 USD more: ${refused.status} ${refused.body.code}; nothing was taken`)

    // 6. The merchant puts it out.
    const { token } = await publisher.getApplicationInstanceByOrganization({
      params: { id: applicationId, organizationId: locationId },
    })
    await merchant.deleteApplicationInstance({ params: { applicationId } })
    print('7. uninstalled')
    await until(() => lines.some((line) => line.startsWith('app: disabled')))
    const gone = createClient({ baseUrl: hostUrl, token: token! })
    const error = await gone.hasFunds().then(
      () => null,
      (thrown: unknown) => thrown,
    )
    assert.ok(error instanceof StoaApiError)
    assert.deepEqual([error.status, error.code], [401, 'revoked_token'])
    print(`8. access gone   the app's token: ${error.status} ${error.code}`)
    print('\nEvery line above was checked before it was printed.')
  } finally {
    app?.server.closeAllConnections()
    app?.server.close()
    await stop()
  }
}

// The app needs the secret that the host shows when the endpoint is made, and the endpoint needs the app's address.
async function listen(
  create: (url: string) => ReturnType<typeof createHelloApp>,
  register: (url: string) => Promise<void>,
): Promise<{ url: string; server: Server }> {
  let handle: ReturnType<typeof createHelloApp> | undefined
  const server = createServer((req, res) => handle!(req, res))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await register(url)
  handle = create(url)
  return { url, server }
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 10_000; !condition();) {
    if (Date.now() > deadline) throw new Error('Waited 10 s for a webhook that did not come.')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

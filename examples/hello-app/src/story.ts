import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { createServer, type RequestListener } from 'node:http'
import { createTestHost, demoLogo } from '@stoa/core/testing'
import { createClient, memoryTokenStore, StoaApiError, type StoredSession } from '@stoa/sdk'
import { createHelloApp } from './app.ts'
import { openBrowser } from './customer.ts'

/** The whole life of an app on a host, as it happens: every line that is printed was asserted first. */
export async function runStory(print: (line: string) => void): Promise<void> {
  const { world, url: hostUrl, publisher, operator, merchantAt, stop } = await createTestHost()
  const locationId = world.locations[0]!.id
  print(`A host runs at ${hostUrl}, in memory, with a merchant, two locations and 100.00 USD in each wallet.\n`)
  const app = await listen()
  try {
    // 1. The author registers the app: what it may do, and where the host sends browsers and webhooks.
    const logo = await publisher.postFile({ body: demoLogo() })
    const { id: applicationId, status } = await publisher.postApplication({
      body: {
        name: 'Hello app',
        logoId: logo.id,
        authorName: 'Ada Author',
        tagline: 'Says hello',
        description: 'Greets, and charges for it.',
        redirectUris: [`${app.url}/callback`],
        permissions: ['charges.write', 'charges.readonly', 'GetApplicationInstanceConfiguration'],
        properties: { type: 'object', properties: { greeting: { type: 'string', default: 'Hello', maxLength: 50 } } },
      },
    })
    assert.equal(status, 'pending-approval')
    const meter = await publisher.createMeter({
      params: { id: applicationId },
      body: { name: 'Greeting', unit: 'greeting', priceType: 'fixed', price: '60' },
    })
    // Its secrets: each is in one answer and nowhere else.
    const { clientId, clientSecret } = await publisher.rotateClientSecret({ params: { id: applicationId } })
    const { secret: webhookSecret } = await publisher.createWebhookEndpoint({
      body: {
        url: `${app.url}/webhooks`,
        applicationId,
        events: ['application-instance-enabled', 'application-instance-disabled'],
      },
    })
    print(`1. registered    ${applicationId}, one meter at 60 USD a greeting, ${status}`)

    // 2. It starts, and the platform's operator lets it into the store.
    const store = memoryTokenStore()
    const lines: string[] = []
    const log = (line: string) => {
      lines.push(line)
      print(`                 ${line}`)
    }
    app.handle = createHelloApp({
      ...{ hostUrl, appUrl: app.url, store, log },
      ...{ applicationId, clientId, clientSecret, webhookSecret, meterId: meter.id },
    })
    const approved = await operator.approveApplication({ params: { id: applicationId } })
    assert.equal(approved.status, 'available')
    print(`2. reviewed      an operator approved it: ${approved.status}`)

    // 3. A merchant installs it: from the app to the host's pages, and back with a code that the app redeems.
    const browser = openBrowser()
    const signIn = await browser.open(`${app.url}/install`)
    const consent = await browser.submit(signIn, '/oauth/sign-in', world.user)
    const question = 'Hello app wants to work for Demo merchant'
    assert.ok(consent.text.includes(question))
    print(`3. asked         ${world.user.email} signed in, and reads "${question}"`)
    const allowed = { decision: 'allow', target: 'locations', location: locationId }
    const back = await browser.submit(consent, '/oauth/consent', allowed)
    assert.ok(back.status === 200 && back.url.startsWith(`${app.url}/callback?`))
    assert.ok(lines.includes(`app: installed at ${locationId} by its owner`))
    await until(() => lines.some((line) => line.startsWith('app: enabled') && line.includes('"Hello"')))
    const merchant = merchantAt(locationId)
    await merchant.putApplicationInstanceConfiguration({
      params: { applicationId },
      body: { settings: { greeting: 'Kalimera' } },
    })

    // 4. It greets and charges: once, once more with the same id, and once too often.
    const greet = (id: string) =>
      fetch(`${app.url}/greet/${locationId}?id=${id}`).then(async (res) => ({
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

    // 5. The merchant puts it out. The app forgets the tokens, which are worth nothing any more.
    const [{ session }] = (await store.list({})) as [StoredSession]
    await merchant.deleteApplicationInstance({ params: { applicationId } })
    print('7. uninstalled')
    await until(() => lines.some((line) => line.startsWith('app: disabled')))
    const gone = await greet('greeting-3')
    assert.deepEqual([gone.status, await store.list({})], [404, []])
    const kept = createClient({ baseUrl: hostUrl, token: session.accessToken })
    const error: unknown = await kept.hasFunds().catch((thrown: unknown) => thrown)
    assert.ok(error instanceof StoaApiError)
    assert.deepEqual([error.status, error.code], [401, 'revoked_token'])
    print(`8. access gone   the app says "${gone.body.message}"; its last token: ${error.status} ${error.code}`)
    print('\nEvery line above was checked before it was printed.')
  } finally {
    app.close()
    await stop()
  }
}

/** A server of the app's own. It listens before the app is there, because the host wants its address first. */
async function listen() {
  const app = { url: '', handle: null as RequestListener | null, close }
  const server = createServer((req, res) => app.handle!(req, res))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  app.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return app

  function close() {
    server.closeAllConnections()
    server.close()
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 10_000; !condition();) {
    if (Date.now() > deadline) throw new Error('Waited 10 s for a webhook that did not come.')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

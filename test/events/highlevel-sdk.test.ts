import { HighLevel, MemorySessionStorage, type WebhookRequest } from '@gohighlevel/api-client'
import express from 'express'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it, onTestFinished } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openHost } from '../support/host.ts'
import { until } from './support.ts'

/* HighLevel's own SDK, as it comes from npm, behind the whole host with its dispatcher: its middleware verifies what arrives. */

interface Arrived {
  path: string
  headers: Record<string, string>
  body: Record<string, unknown>
  /** What the middleware found out. */
  isSignatureValid?: boolean | undefined
  skipped?: boolean | undefined
  installTokenError?: unknown
}

eachDatabase((database) => {
  const closers: (() => unknown)[] = []
  afterEach(async () => {
    for (const close of closers.splice(0)) await close()
  })

  async function open() {
    const host = await openHost(database)
    closers.push(host.stop)
    const { id, clientId, clientSecret } = host.world.application
    const { publicKey, pem } = (await host.call('GET', '/developers/webhooks/public-key')).body as Record<
      string,
      string
    >
    const sessionStorage = new MemorySessionStorage()
    const sdk = (webhookPublicKey: string) =>
      new HighLevel({ clientId, clientSecret, webhookPublicKey, sessionStorage, logLevel: 'none' })
    const arrived: Arrived[] = []
    let statuses: number[] = []
    const app = express()
    const receive = (path: string, webhookPublicKey: string, parse: express.RequestHandler) => {
      app.post(path, parse, sdk(webhookPublicKey).webhooks.subscribe() as express.RequestHandler, (req, res) => {
        const { isSignatureValid, skippedSignatureVerification: skipped, installTokenError } = req as WebhookRequest
        // express.raw leaves the bytes.
        const body = (Buffer.isBuffer(req.body) ? JSON.parse(req.body.toString()) : req.body) as Arrived['body']
        const headers = req.headers as Record<string, string>
        arrived.push({ path, headers, body, isSignatureValid, skipped, installTokenError })
        res.sendStatus(statuses.shift() ?? 200)
      })
    }
    receive('/parsed', publicKey!, express.json())
    receive('/raw', pem!, express.raw({ type: 'application/json' }))
    // HighLevel's own key, which is not this host's.
    receive('/stranger', 'MCowBQYDK2VwAyEAi2HR1srL4o18O8BRa7gVJY7G7bupbN3H9AwJrHCDiOg=', express.json())
    const server = app.listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const endpoint = async (path: string, format = 'highlevel') => {
      const body = { url: url + path, events: ['*'], applicationId: id, format }
      const answer = await host.call('POST', '/developers/webhooks/endpoints', {
        token: host.world.publisher.apiKey,
        body,
      })
      expect(answer.status).toBe(201)
    }
    const locationId = host.world.locations[0]!.id
    const place = `/organizations/${host.world.organization.id}/locations/${locationId}`
    const merchant = (method: string, token = host.world.organization.apiKey) =>
      host.call(method, `${place}/application-instances/${id}`, { token })
    const at = (path: string) => arrived.filter((each) => each.path === path)
    return {
      host,
      id,
      url,
      sessionStorage,
      locationId,
      at,
      endpoint,
      merchant,
      answerWith: (...next: number[]) => void (statuses = next),
    }
  }

  const post = (url: string, headers: Record<string, string>, body: string) => {
    const kept = ['content-type', 'x-ghl-signature'].map((name) => [name, headers[name]!])
    return fetch(url, { method: 'POST', headers: Object.fromEntries(kept) as Record<string, string>, body })
  }

  it('is sent an INSTALL that its middleware finds signed, whether it kept the raw bytes or not', async () => {
    const { host, id, locationId, at, endpoint, merchant } = await open()
    await endpoint('/parsed')
    await endpoint('/raw')
    const { body: session } = await host.call('POST', '/sessions', { body: host.world.user })
    expect((await merchant('PUT', session.token as string)).status).toBe(201)
    await until(() => at('/parsed').length === 1 && at('/raw').length === 1)

    const [parsed] = at('/parsed')
    expect(parsed).toMatchObject({ isSignatureValid: true, skipped: false })
    expect(parsed!.installTokenError).toBeUndefined()
    expect(parsed!.body).toMatchObject({
      type: 'INSTALL',
      appId: id,
      installType: 'Location',
      companyId: host.world.organization.id,
      locationId,
      userId: session.user.id as string,
    })
    expect(at('/raw')[0]).toMatchObject({ isSignatureValid: true, body: { webhookId: parsed!.body.webhookId } })
  })

  it('finds out what was tampered with, what another key signed, and what nobody signed', async () => {
    const { url, at, endpoint, merchant } = await open()
    await endpoint('/parsed')
    await endpoint('/stranger')
    await merchant('PUT')
    await until(() => at('/parsed').length === 1 && at('/stranger').length === 1)
    expect(at('/stranger')[0]).toMatchObject({ isSignatureValid: false, skipped: false })

    const { headers, body } = at('/parsed')[0]!
    const text = JSON.stringify(body)
    await post(`${url}/parsed`, headers, text)
    await post(`${url}/parsed`, headers, JSON.stringify({ ...body, companyId: 'org_mine' }))
    await post(`${url}/raw`, headers, `${text} `)
    expect(at('/parsed').map(({ isSignatureValid }) => isSignatureValid)).toEqual([true, true, false])
    expect(at('/raw')[0]!.isSignatureValid).toBe(false)
    await post(`${url}/raw`, { ...headers, 'x-ghl-signature': '' }, text)
    expect(at('/raw')[1]).toMatchObject({ isSignatureValid: false, skipped: true })
  })

  it('is sent the same webhookId again after a failure', async () => {
    const { at, endpoint, merchant, answerWith } = await open()
    await endpoint('/parsed')
    answerWith(500, 503)
    await merchant('PUT')
    await until(() => at('/parsed').length === 3)
    expect(at('/parsed').every(({ isSignatureValid }) => isSignatureValid)).toBe(true)
    expect(new Set(at('/parsed').map(({ body }) => body.webhookId)).size).toBe(1)
    expect(new Set(at('/parsed').map(({ headers }) => headers['webhook-id'])).size).toBe(1)
  })

  it('forgets the session of a location when it is uninstalled there', async () => {
    const { sessionStorage, locationId, at, endpoint, merchant } = await open()
    await endpoint('/parsed')
    await merchant('PUT')
    await until(() => at('/parsed').length === 1)
    await sessionStorage.setSession(locationId, { access_token: 'theirs', userType: 'Location' } as never)
    expect(await sessionStorage.getSession(locationId)).not.toBeNull()
    expect((await merchant('DELETE')).status).toBe(204)
    await until(() => at('/parsed').length === 2)
    expect(at('/parsed')[1]).toMatchObject({ isSignatureValid: true, body: { type: 'UNINSTALL', locationId } })
    expect(await sessionStorage.getSession(locationId)).toBeNull()
  })

  it('acknowledges an installation by answering, as our own format does', async () => {
    const { host, id, at, endpoint, merchant, answerWith } = await open()
    const patched = await host.call('PATCH', `/applications/${id}`, {
      token: host.world.publisher.apiKey,
      body: { acknowledges: true },
    })
    expect(patched.status).toBe(200)
    await endpoint('/parsed')
    answerWith(500)
    expect((await merchant('PUT')).body.status).toBe('enabling')
    await until(async () => (await merchant('GET')).body.status === 'enabled')
    expect(at('/parsed').map(({ body }) => body.type)).toEqual(['INSTALL', 'INSTALL'])
  })
})

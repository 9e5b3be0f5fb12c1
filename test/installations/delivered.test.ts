import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it, vi } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openHost, type OpenedHost } from '../support/host.ts'

// The whole host with its dispatcher and worker, and an application's own server that answers what it is told to.
eachDatabase((database) => {
  const closers: (() => unknown)[] = []
  afterEach(async () => {
    for (const close of closers.splice(0)) await close()
  })

  async function open(options: Parameters<typeof openHost>[1] = {}) {
    const host = await openHost(database, options)
    const received: { eventType: string; _embedded: { applicationInstance?: { token: string } } }[] = []
    let status = 200
    const server = createServer((req, res) => {
      void readJson(req).then((body) => {
        received.push(body)
        res.writeHead(status).end()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closers.push(host.stop, () => server.close())
    const { apiKey: token } = host.world.publisher
    const { id } = host.world.application
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
    const events = ['application-instance-enabled', 'application-instance-disabled']
    const body = { url, events, applicationId: id }
    expect((await host.call('POST', '/developers/webhooks/endpoints', { token, body })).status).toBe(201)
    const merchant = (method: string, path = '', content?: unknown) =>
      host.call(method, `/application-instances/${id}${path}`, { token: host.world.organization.apiKey, body: content })
    const acknowledge = async () => {
      const answer = await host.call('PATCH', `/applications/${id}`, { token, body: { acknowledges: true } })
      expect(answer.status).toBe(200)
    }
    return { host, id, received, merchant, acknowledge, answerWith: (next: number) => void (status = next) }
  }

  const reads = (host: OpenedHost, id: string, token: string) =>
    host.call('GET', `/application-instances/${id}/configuration`, { token })

  it('moves with what the application’s endpoint answers, and its tokens with it', { timeout: 60_000 }, async () => {
    const { host, id, received, merchant, acknowledge, answerWith } = await open()
    await acknowledge()
    answerWith(503)
    expect((await merchant('PUT')).body.status).toBe('enabling')
    await vi.waitFor(() => expect(received).not.toEqual([]), 10_000)
    expect((await merchant('GET')).body.status).toBe('enabling')
    answerWith(204)
    await vi.waitFor(async () => expect((await merchant('GET')).body.status).toBe('enabled'), 20_000)
    const { token } = received.at(-1)!._embedded.applicationInstance!
    expect((await reads(host, id, token)).status).toBe(200)

    expect((await merchant('DELETE')).status).toBe(204)
    expect((await reads(host, id, token)).status).toBe(401)
    await vi.waitFor(async () => expect((await merchant('GET')).status).toBe(404), 20_000)
    expect(received.at(-1)!.eventType).toBe('application-instance-disabled')
  })

  it('shows a problem when the endpoint never acknowledges', { timeout: 60_000 }, async () => {
    const { merchant, acknowledge, answerWith } = await open({
      installations: { acknowledgeSeconds: 1, acknowledgeTries: 1 },
    })
    await acknowledge()
    answerWith(500)
    await merchant('PUT')
    await vi.waitFor(async () => expect((await merchant('GET')).body.problem).toBeDefined(), 20_000)
    expect((await merchant('GET')).body).toMatchObject({ status: 'enabling', problem: { code: 'not_acknowledged' } })
  })
})

async function readJson(req: IncomingMessage) {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  return JSON.parse(Buffer.concat(chunks).toString()) as never
}

import { expect, it, onTestFinished } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openForwardProxy } from '../support/forward-proxy.ts'
import { answer } from '../support/hostile-receiver.ts'
import { openHost } from '../support/host.ts'
import { openReceiver } from './open-outbound.ts'

eachDatabase((database) => {
  it('sends events through the proxy of its configuration', async () => {
    const proxy = await openForwardProxy({ login: 'stoa:secret' })
    onTestFinished(proxy.close)
    const receiver = await openReceiver((socket) => socket.write(answer()))
    const webhooks = { proxy: `http://stoa:secret@127.0.0.1:${proxy.port}` }
    const host = await openHost(database, { webhooks })
    const { id } = host.world.application
    const body = { url: receiver.url, events: ['application-instance-enabled'], applicationId: id }
    const token = host.world.publisher.apiKey
    expect(await host.call('POST', '/developers/webhooks/endpoints', { token, body })).toMatchObject({ status: 201 })
    await host.call('PUT', `/application-instances/${id}`, { token: host.world.organization.apiKey })
    await expect.poll(() => receiver.requests.length, { timeout: 10_000 }).toBe(1)
    expect(proxy.asked.map(({ target }) => target)).toEqual([`127.0.0.1:${receiver.port}`])
    await host.stop()
  })
})

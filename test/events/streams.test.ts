import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { expect, it, onTestFinished } from 'vitest'
import express from 'express'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openDatabase } from '../../core/src/database/index.ts'
import { streamOperations, sweepStreams } from '../../core/src/deliveries/index.ts'
import { eventsOperations, updateEndpoint, type EventsContext } from '../../core/src/events/index.ts'
import { createEventStreams, mountOperations } from '../../core/src/http/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { call, openHost } from '../support/host.ts'
import { openStream, type OpenedStream } from '../support/read-stream.ts'
import {
  chargeEvent,
  createCaller,
  createContext,
  openEvents,
  openReceiver,
  until,
  type OpenedEvents,
} from './support.ts'

interface Delivered {
  deliveryId: string
  attempt: number
  leaseToken: string
  type: string
  method: string
  headers: Record<string, string>
  body: string
}

/** A host's process as far as streams are concerned. Whose a request is, its token says. */
async function serveStreams(ctx: EventsContext) {
  const operations = [...eventsOperations(ctx), ...streamOperations(ctx)]
  const streams = createEventStreams(ctx)
  const app = express().use(
    mountOperations({
      context: ctx,
      authenticate: ({ headers }) =>
        Promise.resolve(createCaller({ organizationId: String(headers.authorization).slice('Bearer '.length) })),
      operations,
      streams,
    }),
  )
  const server = await new Promise<Server>((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening))
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  onTestFinished(async () => {
    await streams.close()
    await new Promise((resolve) => {
      server.close(resolve)
      server.closeAllConnections()
    })
  })
  const token = 'org_publisher'
  return {
    url,
    call: (method: string, path: string, body?: unknown, as = token) => call(url, method, path, { token: as, body }),
    async create(body: object = {}) {
      const { body: made } = await call(url, 'POST', '/developers/webhooks/streams', {
        token,
        body: { events: ['*'], ...body },
      })
      return made as { id: string; secret: string; url: string }
    },
    connect: (id: string) => openStream(`${url}/developers/webhooks/streams/${id}`, token),
    answer: (id: string, delivered: Pick<Delivered, 'deliveryId' | 'attempt' | 'leaseToken'>, answer: object = {}) =>
      call(url, 'POST', `/developers/webhooks/streams/${id}/answers`, {
        token,
        body: {
          deliveryId: delivered.deliveryId,
          attempt: delivered.attempt,
          leaseToken: delivered.leaseToken,
          status: 200,
          durationMilliseconds: 7,
          ...answer,
        },
      }),
  }
}

async function nextOf(stream: OpenedStream): Promise<Delivered> {
  const event = await stream.next()
  expect(event?.event).toBe('delivery')
  const delivered = JSON.parse(event!.data) as Delivered
  expect(event!.id).toBe(`${delivered.deliveryId}.${delivered.attempt}`)
  return delivered
}

/** The same database, as another process sees it. */
async function anotherProcess({ url, clock }: OpenedEvents): Promise<EventsContext> {
  const opened = await openDatabase(url)
  const ctx = createContext(opened, { clock })
  onTestFinished(async () => {
    await ctx.outbound.close()
    await opened.close()
  })
  return ctx
}

const historyOf = async ({ ctx }: OpenedEvents) =>
  (await ctx.db('stoa_delivery_attempts').orderBy(['delivery_id', 'n'])) as Record<string, unknown>[]

eachDatabase((database) => {
  it('hands out the request that a receiver gets, and records the answer as a try', async () => {
    const opened = await openEvents(database)
    const host = await serveStreams(opened.ctx)
    const receiver = await openReceiver()
    await opened.addEndpoint({ url: receiver.url })
    const { id, secret, url } = await host.create()
    expect(url).toBe(`stream:${id}`)
    opened.dispatch()

    const eventId = await opened.publish()
    await until(() => receiver.received.length === 1)
    const delivered = await nextOf(await host.connect(id))

    const [sent] = receiver.received
    expect(delivered).toMatchObject({ attempt: 1, type: 'charge.created', method: 'POST', body: sent!.body })
    expect(new Webhook(secret).verify(delivered.body, delivered.headers)).toEqual(chargeEvent().payload)
    // What a connection adds and what is of each endpoint's own are the only differences.
    const comparable = ({
      host: _,
      connection: _c,
      'content-length': _l,
      'webhook-signature': _s,
      'user-agent': agent,
      ...rest
    }: Record<string, unknown>) => ({ ...rest, agent: String(agent).split('/')[0] })
    expect(comparable(delivered.headers)).toEqual(comparable(sent!.headers))

    expect((await host.answer(id, delivered, { status: 204, body: 'fine', headers: { 'X-A': 'b' } })).status).toBe(204)
    const rows = (await opened.deliveries()) as unknown as { endpoint_id: string; state: string; event_id: string }[]
    expect(rows.find((row) => row.endpoint_id === id)).toMatchObject({ event_id: eventId, state: 'delivered' })
    const [attempt] = (await historyOf(opened)).filter((row) => row.url === `stream:${id}`)
    expect(attempt).toMatchObject({ method: 'POST', outcome: 'success', response_body: 'fine' })
    expect([attempt!.response_status, attempt!.duration_ms].map(Number)).toEqual([204, 7])
  })

  it('makes a body once for each try, not once more for its answer', async () => {
    const opened = await openEvents(database)
    let made = 0
    opened.ctx.eventHooks.enrich['charge.created'] = (_db, event) =>
      Promise.resolve({ ...event.payload, token: `token ${++made}` })
    const host = await serveStreams(opened.ctx)
    const { id } = await host.create()
    await opened.publish()
    const delivered = await nextOf(await host.connect(id))
    expect(JSON.parse(delivered.body)).toMatchObject({ token: 'token 1' })
    await host.answer(id, delivered)
    expect(await opened.deliveries()).toMatchObject([{ state: 'delivered' }])
    expect(made).toBe(1)
  })

  it('leaves what is for a stream alone until somebody is connected, and then sends all of it, ten at a time', async () => {
    const opened = await openEvents(database)
    const host = await serveStreams(opened.ctx)
    const { id } = await host.create()
    const receiver = await openReceiver()
    await opened.addEndpoint({ url: receiver.url })
    opened.dispatch()
    for (let index = 0; index < 12; index++) await opened.publish()
    await until(() => receiver.received.length === 12)
    expect(
      await opened.ctx.db('stoa_deliveries').where({ endpoint_id: id, state: 'pending', attempt: 0 }),
    ).toHaveLength(12)

    const stream = await host.connect(id)
    const first = []
    for (let index = 0; index < 10; index++) first.push(await nextOf(stream))
    // Another connection shares the ten.
    const second = await host.connect(id)
    const eleventh = Promise.race([nextOf(stream), nextOf(second)])
    await until(() => second.comments() > 0)
    expect(
      await opened.ctx.db('stoa_deliveries').where({ endpoint_id: id, state: 'pending' }).whereNotNull('lease_token'),
    ).toHaveLength(10)
    await host.answer(id, first[0]!)
    expect(first.map(({ deliveryId }) => deliveryId)).not.toContain((await eleventh).deliveryId)
  })

  it('tries again as the schedule says after an answer that is no 2xx, and after none', async () => {
    const opened = await openEvents(database, { retrySeconds: [60, 60] })
    const host = await serveStreams(opened.ctx)
    const { id } = await host.create()
    const stream = await host.connect(id)
    await opened.publish()
    await host.answer(id, await nextOf(stream), { status: 500, body: 'broken' })
    opened.clock.advance(80)
    const second = await nextOf(stream)
    expect(second.attempt).toBe(2)
    await host.answer(id, second, { status: null, error: 'ECONNREFUSED' })
    opened.clock.advance(80)
    const third = await nextOf(stream)
    expect(third.attempt).toBe(3)
    await host.answer(id, third, { status: 302 })

    expect(await opened.attempts()).toMatchObject([
      { n: 1, outcome: 'failure', response_status: 500, error_code: 'status' },
      { n: 2, outcome: 'failure', response_status: null, error_code: 'connect' },
      { n: 3, outcome: 'failure', response_status: 302, error_code: 'redirect' },
    ])
    expect(await opened.deliveries()).toMatchObject([{ state: 'failed' }])
  })

  it('sends what was not answered again after a reconnect, to another process too, and its schedule does not pay for it', async () => {
    const opened = await openEvents(database, { retrySeconds: [60] })
    const host = await serveStreams(opened.ctx)
    const { id } = await host.create()
    await opened.publish()
    let number = 0
    const reconnect = async (to: typeof host) => {
      const stream = await to.connect(id)
      const delivered = await nextOf(stream)
      expect(delivered.attempt).toBe(++number)
      stream.close()
      return delivered
    }
    const early = await reconnect(host)
    await reconnect(host)
    const other = await serveStreams(await anotherProcess(opened))
    const stream = await other.connect(id)
    const present = await nextOf(stream)
    expect([present.attempt, present.deliveryId]).toEqual([3, early.deliveryId])

    // Too late: kept, and nothing is moved.
    expect((await host.answer(id, early)).status).toBe(204)
    expect(await opened.deliveries()).toMatchObject([{ state: 'pending', attempt: 3 }])
    expect(await opened.attempts()).toMatchObject([{ n: 1, outcome: 'success' }])

    // To the process that did not send it; a first failure, so the schedule has one more try.
    expect((await host.answer(id, present, { status: 503 })).status).toBe(204)
    expect(await opened.deliveries()).toMatchObject([{ state: 'pending', attempt: 3 }])
    opened.clock.advance(80)
    const last = await nextOf(stream)
    await host.answer(id, last)
    expect(await opened.deliveries()).toMatchObject([{ state: 'delivered', attempt: 4 }])
  })

  it('counts as unanswered what nobody answers before its lease ends', async () => {
    const opened = await openEvents(database, { retrySeconds: [1] })
    const host = await serveStreams(opened.ctx)
    const { id } = await host.create()
    const stream = await host.connect(id)
    await opened.publish()
    const first = await nextOf(stream)
    opened.clock.advance(56)
    await until(async () => (await opened.attempts()).length === 1)
    expect(await opened.attempts()).toMatchObject([{ n: 1, outcome: 'failure', error_code: 'timeout' }])
    expect((await host.answer(id, first)).status, 'an answer after that is one too many').toBe(204)
    expect(await opened.attempts()).toHaveLength(1)
    opened.clock.advance(2)
    expect((await nextOf(stream)).attempt).toBe(2)
  })

  it('takes each answer once, and none to what was never sent or by another', async () => {
    const opened = await openEvents(database)
    const host = await serveStreams(opened.ctx)
    const { id } = await host.create()
    const stranger = await host.create()
    await opened.publish()
    const delivered = await nextOf(await host.connect(id))
    for (const wrong of [{ attempt: 2 }, { leaseToken: 'x' }, { deliveryId: 'dlv_0' }]) {
      expect((await host.answer(id, { ...delivered, ...wrong })).status).toBe(404)
    }
    expect((await host.answer(stranger.id, delivered)).status).toBe(404)
    expect((await host.answer(id, delivered, { status: null })).status).toBe(422)
    const both = await Promise.all([host.answer(id, delivered), host.answer(id, delivered)])
    expect(both.map(({ status }) => status).filter((status) => status !== 204 && status !== 404)).toEqual([])
    expect((await host.answer(id, delivered)).status).toBe(204)
    expect(await opened.attempts()).toHaveLength(1)
  })

  it('is nobody else’s, and an address is no stream', async () => {
    const opened = await openEvents(database)
    const host = await serveStreams(opened.ctx)
    const { id } = await host.create()
    const { id: address } = await opened.addEndpoint({ url: 'http://127.0.0.1:1/' })
    const path = (of: string) => `/developers/webhooks/streams/${of}`
    expect((await host.call('GET', path(id), undefined, 'org_other')).status).toBe(404)
    expect((await host.call('GET', path(address))).status).toBe(404)
    expect((await host.call('POST', '/developers/webhooks/streams', { events: ['nonsense.*'] })).body).toMatchObject({
      code: 'validation_failed',
      invalidFields: [{ field: 'events.0' }],
    })
  })

  it('ends when its endpoint is disabled or deleted, and says so', async () => {
    const opened = await openEvents(database)
    const host = await serveStreams(opened.ctx)
    const { id } = await host.create()
    const stream = await host.connect(id)
    const disable = (status: 'ACTIVE' | 'DISABLED') =>
      opened.ctx.db.transaction((trx) => updateEndpoint(opened.ctx, trx, createCaller(), id, { status }))
    await disable('DISABLED')
    expect(JSON.parse((await stream.next())!.data)).toMatchObject({ code: 'wrong_state' })
    expect((await host.call('GET', `/developers/webhooks/streams/${id}`)).status).toBe(409)
    await disable('ACTIVE')
    const again = await host.connect(id)
    expect((await host.call('DELETE', `/developers/webhooks/endpoints/${id}`)).status).toBe(204)
    expect(JSON.parse((await again.next())!.data)).toMatchObject({ code: 'not_found' })
    expect((await host.call('GET', `/developers/webhooks/streams/${id}`)).status).toBe(404)
  })

  it('is swept when nobody was connected for a day, unless it is kept', async () => {
    const opened = await openEvents(database)
    const host = await serveStreams(opened.ctx)
    const [left, kept, used] = [await host.create(), await host.create({ kept: true }), await host.create()]
    await opened.publish()
    opened.clock.advance(23 * 3600)
    await nextOf(await host.connect(used.id))
    opened.clock.advance(3600 + 1)
    const before = new Date(opened.clock.now().getTime() - 24 * 3600 * 1000).toISOString()
    await sweepStreams(opened.ctx)(opened.ctx.db, before)
    const { body } = await host.call('GET', '/developers/webhooks/endpoints')
    expect((body as { id: string }[]).map(({ id }) => id).sort()).toEqual([kept.id, used.id].sort())
    expect(await opened.ctx.db('stoa_deliveries').where({ endpoint_id: left.id })).toMatchObject([
      { state: 'cancelled' },
    ])
  })

  it('loses nothing and delivers nothing twice, however connections break and answers fail or are late', async () => {
    const opened = await openEvents(database, { retrySeconds: Array<number>(50).fill(1) })
    const host = await serveStreams(opened.ctx)
    const action = fc.constantFrom('publish', 'receive', 'receive', 'succeed', 'fail', 'break', 'late')
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 20 }), async (actions) => {
        const { id } = await host.create()
        const rows = () => opened.ctx.db('stoa_deliveries').where({ endpoint_id: id })
        let stream = await host.connect(id)
        let published = 0
        /** Published and neither in hand nor done. */
        let waiting = 0
        let inHand: Delivered[] = []
        const stale: Delivered[] = []
        const step = {
          async publish() {
            await opened.publish()
            published++
            waiting++
          },
          async receive() {
            if (waiting === 0 || inHand.length === 10) return
            inHand.push(await nextOf(stream))
            waiting--
          },
          async succeed() {
            const delivered = inHand.shift()
            if (delivered) expect((await host.answer(id, delivered)).status).toBe(204)
          },
          async fail() {
            const delivered = inHand.pop()
            if (!delivered) return
            expect((await host.answer(id, delivered, { status: 500 })).status).toBe(204)
            opened.clock.advance(2)
            waiting++
          },
          async break() {
            stream.close()
            await until(async () => (await rows().whereNotNull('lease_token')).length === 0)
            stale.push(...inHand)
            waiting += inHand.length
            inHand = []
            stream = await host.connect(id)
          },
          async late() {
            const delivered = stale.pop()
            if (!delivered) return
            const before = await rows().where({ state: 'delivered' })
            expect((await host.answer(id, delivered)).status).toBe(204)
            expect(await rows().where({ state: 'delivered' })).toHaveLength(before.length)
          },
        }
        for (const each of actions) await step[each]()
        while (waiting > 0 || inHand.length > 0) {
          await step.receive()
          await step.succeed()
        }
        expect(await rows().where({ state: 'delivered' })).toHaveLength(published)
        expect(await rows()).toHaveLength(published)
        stream.close()
        await host.call('DELETE', `/developers/webhooks/endpoints/${id}`)
      }),
      { numRuns: 15 },
    )
  })

  it('does not keep a host from stopping', async () => {
    const opened = await openHost(database)
    const { publisher, url, world } = opened
    const { id } = await publisher.createWebhookStream({ body: { events: ['*'] } })
    const stream = await openStream(`${url}/developers/webhooks/streams/${id}`, world.publisher.apiKey)
    const ended = stream.next()
    await opened.stop()
    expect(JSON.parse((await ended)!.data)).toMatchObject({ code: 'unavailable' })
  })
})

import { StoaError, type EmbedderEvent, type HostConfig } from '@stoa/core'
import type { Knex } from 'knex'
import { describe, expect, it, onTestFinished, test } from 'vitest'
import { openDatabase } from '../../core/src/database/index.ts'
import { eachDatabase, type TestDatabase } from '../support/databases.ts'
import { openHost } from '../support/host.ts'
import { orderTypes } from './embedder.ts'
import { openReceiver, until } from './support.ts'

/** A host on the embedder's own knex, in which it has a table of its own. */
async function openEmbedder(database: TestDatabase, options: Partial<HostConfig> = {}) {
  const { url } = await database.create()
  const { knex, close } = await openDatabase(url)
  const opened = await openHost(database, { database: knex, eventTypes: orderTypes, ...options })
  onTestFinished(async () => {
    await opened.stop()
    await close()
  })
  await knex.schema.createTable('orders', (table) => table.text('id').primary())
  const { organization, locations } = opened.world
  const order = (event: Partial<EmbedderEvent> = {}): EmbedderEvent => ({
    type: 'order.created',
    organizationId: organization.id,
    locationId: locations[0]!.id,
    data: { orderId: 'order-1' },
    ...event,
  })
  const subscribe = async (token: string, endpoint: object = {}) => {
    const receiver = await openReceiver()
    const { status, body } = await opened.call('POST', '/developers/webhooks/endpoints', {
      token,
      body: { url: receiver.url, events: ['*'], ...endpoint },
    })
    expect(status).toBe(201)
    return { ...receiver, id: body.id as string }
  }
  const publish = (event: EmbedderEvent, db: Knex | null = null) => opened.host.publish(db, event)
  const events = async () => (await knex('stoa_events').where({ type: 'order.created' })) as { payload: string }[]
  return { ...opened, knex, order, subscribe, publish, events }
}

const refusal = (work: Promise<unknown>): Promise<StoaError> =>
  work.then(
    () => {
      throw new Error('It was not refused')
    },
    (error: unknown) => error as StoaError,
  )

eachDatabase((database) => {
  it('sends an event of the embedder’s to the organization in which it happened, with where and when', async () => {
    const { world, order, subscribe, publish } = await openEmbedder(database)
    const receiver = await subscribe(world.organization.apiKey)
    const stranger = await subscribe(world.publisher.apiKey)
    const sandbox = await subscribe(world.sandbox.organization.apiKey)
    const { id, reused } = await publish(order({ timestamp: '2026-03-01T13:00:00+01:00' }))
    await until(() => receiver.received.length === 1)
    expect(reused).toBe(false)
    expect(receiver.received[0]!.headers['webhook-id']).toBe(id)
    expect(receiver.received[0]!.body).toBe(
      JSON.stringify({
        type: 'order.created',
        timestamp: '2026-03-01T12:00:00.000Z',
        organizationId: world.organization.id,
        locationId: world.locations[0]!.id,
        environment: 'production',
        data: { orderId: 'order-1' },
      }),
    )
    expect([...stranger.received, ...sandbox.received]).toEqual([])
  })

  it('writes it in the embedder’s transaction: both stay, or neither', async () => {
    const { knex, world, order, subscribe, publish, events } = await openEmbedder(database)
    const receiver = await subscribe(world.organization.apiKey)
    const place = (id: string, then?: Error) =>
      knex.transaction(async (trx) => {
        await trx('orders').insert({ id })
        await publish(order({ data: { orderId: id } }), trx)
        if (then) throw then
      })
    await expect(place('order-1', new Error('changed my mind'))).rejects.toThrow('changed my mind')
    expect(await events()).toEqual([])
    await place('order-2')
    await until(() => receiver.received.length === 1)
    expect(receiver.received[0]!.body).toContain('"orderId":"order-2"')
    expect(await knex('orders')).toEqual([{ id: 'order-2' }])
    expect(await events()).toHaveLength(1)
  })

  it('opens a transaction where it is given a database that is none', async () => {
    const { knex, order, publish, events } = await openEmbedder(database)
    await publish(order(), knex)
    expect(await events()).toHaveLength(1)
  })

  describe('an idempotency key', () => {
    it('publishes once, however many calls there are at once', async () => {
      const { world, knex, order, subscribe, publish, events } = await openEmbedder(database)
      const receiver = await subscribe(world.organization.apiKey)
      const answers = await Promise.all(Array.from({ length: 50 }, () => publish(order({ idempotencyKey: 'order-1' }))))
      expect(new Set(answers.map(({ id }) => id)).size).toBe(1)
      expect(answers.filter(({ reused }) => !reused)).toHaveLength(1)
      expect(await events()).toHaveLength(1)
      await until(() => receiver.received.length === 1)
      expect(await knex('stoa_deliveries')).toHaveLength(1)
    })

    it('publishes once in as many transactions of the embedder’s, and upsets none', async () => {
      const { knex, order, publish, events } = await openEmbedder(database)
      const place = (index: number) =>
        knex.transaction(async (trx) => {
          const answer = await publish(order({ idempotencyKey: 'order-1' }), trx)
          await trx('orders').insert({ id: String(index) })
          return answer
        })
      const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => place(index)))
      expect(new Set(answers.map(({ id }) => id)).size).toBe(1)
      expect(answers.filter(({ reused }) => !reused)).toHaveLength(1)
      expect(await knex('orders')).toHaveLength(50)
      expect(await events()).toHaveLength(1)
    })

    it('is refused for other content, and the transaction can go on', async () => {
      const { knex, world, order, publish } = await openEmbedder(database)
      const first = await publish(order({ idempotencyKey: 'k', data: { orderId: 'a', note: { b: 1, c: 2 } } }))
      const again = order({ idempotencyKey: 'k', data: { note: { c: 2, b: 1 }, orderId: 'a' } })
      expect(await publish(again)).toEqual({ id: first.id, reused: true })
      const others: Partial<EmbedderEvent>[] = [
        { data: { orderId: 'b' } },
        { locationId: null },
        { locationId: world.locations[1]!.id },
        { type: 'note.made' },
        { timestamp: '2020-01-01T00:00:00Z' },
      ]
      await knex.transaction(async (trx) => {
        for (const other of others) {
          const { code, details } = await refusal(publish({ ...again, ...other }, trx))
          expect([code, details]).toEqual(['idempotency_key_reused', { eventId: first.id }])
        }
        await trx('orders').insert({ id: 'after' })
      })
      expect(await knex('orders')).toEqual([{ id: 'after' }])
    })

    it('stands for another event in another organization or environment', async () => {
      const { world, order, publish } = await openEmbedder(database)
      const answers = [
        await publish(order({ idempotencyKey: 'k' })),
        await publish(order({ idempotencyKey: 'k', environment: 'sandbox' })),
        await publish(order({ idempotencyKey: 'k', organizationId: world.publisher.organizationId, locationId: null })),
      ]
      expect(answers.map(({ reused }) => reused)).toEqual([false, false, false])
    })

    it('is free again after its transaction was rolled back', async () => {
      const { knex, order, publish } = await openEmbedder(database)
      const event = order({ idempotencyKey: 'k' })
      await refusal(
        knex.transaction(async (trx) => {
          await publish(event, trx)
          throw new Error('no')
        }),
      )
      expect(await publish(event)).toMatchObject({ reused: false })
    })

    it('refuses its own event alone among many that share a commit', async () => {
      const { order, publish, events } = await openEmbedder(database)
      const keys = Array.from({ length: 40 }, (_, index) => `k${index % 10}`)
      const answers = await Promise.allSettled(
        keys.map((idempotencyKey, index) =>
          publish(order({ idempotencyKey, data: { orderId: index < 20 ? 'a' : 'b' } })),
        ),
      )
      expect(answers.slice(0, 20).every(({ status }) => status === 'fulfilled')).toBe(true)
      for (const answer of answers.slice(20)) {
        expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'idempotency_key_reused' } })
      }
      expect(await events()).toHaveLength(10)
    })
  })

  it('refuses what it cannot publish in a sentence, and leaves nothing behind and the transaction alive', async () => {
    const opened = await openEmbedder(database, { webhooks: { payloadLimitBytes: 1024 } })
    const { knex, world, order, publish, events } = opened
    const cycle: Record<string, unknown> = {}
    cycle.cycle = cycle
    const deep = JSON.parse('{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000)) as object
    const throwing = {
      toJSON() {
        throw new Error('not today')
      },
    }
    const cases: [Partial<Record<keyof EmbedderEvent, unknown>>, string, RegExp][] = [
      [{ type: 'order.lost' }, 'validation_failed', /type/],
      [{ type: 'charge.created' }, 'validation_failed', /type/],
      [{ type: undefined }, 'validation_failed', /type/],
      [{ type: 'endpoint.disabled' }, 'validation_failed', /type/],
      [{ organizationId: 'org_none' }, 'validation_failed', /organizationId/],
      [{ organizationId: 'a\u0000b' }, 'validation_failed', /organizationId/],
      [{ organizationId: 7 }, 'validation_failed', /organizationId/],
      [{ locationId: 'loc_none' }, 'validation_failed', /locationId/],
      [{ organizationId: world.publisher.organizationId }, 'validation_failed', /locationId/],
      [{ environment: 'staging' }, 'validation_failed', /environment/],
      [{ applicationId: 'app_1' }, 'validation_failed', /applicationId/],
      [{ timestamp: 'yesterday' }, 'validation_failed', /timestamp/],
      [{ timestamp: '2026-13-01T00:00:00Z' }, 'validation_failed', /timestamp/],
      [{ idempotencyKey: '' }, 'validation_failed', /idempotencyKey/],
      [{ idempotencyKey: 'a\u0000' }, 'validation_failed', /idempotencyKey/],
      [{ idempotencyKey: '\ud800' }, 'validation_failed', /idempotencyKey/],
      [{ idempotencyKey: 'k'.repeat(256) }, 'validation_failed', /idempotencyKey/],
      [{ data: undefined }, 'validation_failed', /data/],
      [{ data: null }, 'validation_failed', /data/],
      [{ data: [] }, 'validation_failed', /data/],
      [{ data: 'text' }, 'validation_failed', /data/],
      [{ data: new Date() }, 'validation_failed', /data/],
      [{ data: { n: 1n } }, 'validation_failed', /data.*BigInt/],
      [{ data: cycle }, 'validation_failed', /data.*circular/i],
      [{ data: throwing }, 'validation_failed', /data.*not today/],
      [{ data: deep }, 'validation_failed', /data/],
      [{ data: { orderId: 'é'.repeat(500) } }, 'body_too_large', /1024/],
    ]
    await knex.transaction(async (trx) => {
      for (const [change, code, message] of cases) {
        for (const db of [trx, ...(database.kind === 'postgres' ? [null] : [])]) {
          const error = await refusal(publish({ ...order(), ...change } as EmbedderEvent, db))
          expect([Object.keys(change), error instanceof StoaError, error.code]).toEqual([
            Object.keys(change),
            true,
            code,
          ])
          expect(error.message).toMatch(message)
        }
      }
      await trx('orders').insert({ id: 'after' })
    })
    expect(await knex('orders')).toHaveLength(1)
    expect(await events()).toEqual([])
  })

  test('a body may be as large as the limit in UTF-8 and not a byte larger', async () => {
    const { order, publish, events } = await openEmbedder(database, { webhooks: { payloadLimitBytes: 1024 } })
    await publish(order({ data: { orderId: '' } }))
    const empty = Buffer.byteLength((await events())[0]!.payload)
    const filled = (bytes: number) => order({ data: { orderId: 'é'.repeat(bytes / 2) + 'e'.repeat(bytes % 2) } })
    await publish(filled(1024 - empty))
    expect((await refusal(publish(filled(1025 - empty)))).code).toBe('body_too_large')
    expect(Buffer.byteLength((await events()).at(-1)!.payload)).toBeLessThanOrEqual(1024)
    expect(await events()).toHaveLength(2)
  })

  it('refuses data that does not fit its schema in tests, tells of it in development, and sends it in production', async () => {
    const wrong = { data: { orderId: 7 } }
    const inTests = await openEmbedder(database)
    await expect(inTests.publish(inTests.order(wrong))).rejects.toThrow(/order\.created.*data\.orderId/)
    expect(await inTests.events()).toEqual([])

    const lines: unknown[] = []
    const error = (_: unknown, message?: string) => lines.push(message)
    const logger = { debug() {}, info() {}, warn() {}, error }
    const developing = await openEmbedder(database, { mode: 'development', logger })
    await developing.publish(developing.order(wrong))
    expect(lines).toEqual([expect.stringMatching(/order\.created.*data\.orderId/)])
    expect(await developing.events()).toHaveLength(1)

    const live = await openEmbedder(database, { mode: 'production', logger })
    await live.publish(live.order(wrong))
    expect(lines).toHaveLength(1)
    expect(await live.events()).toHaveLength(1)
  })

  it('tells a publisher of a plan of its installed application, in HighLevel’s form too', async () => {
    const { world, publish, subscribe, merchantAt, operator, publisher } = await openEmbedder(database)
    const applicationId = world.application.id
    const locationId = world.locations[0]!.id
    const receiver = await subscribe(world.publisher.apiKey, { events: ['installation.plan-changed'] })
    const highLevel = await subscribe(world.publisher.apiKey, {
      events: ['installation.plan-changed', 'external-auth.connected'],
      format: 'highlevel',
    })
    const organization = await subscribe(world.organization.apiKey, { format: 'rebilly', events: ['*.plan-changed'] })
    const event: EmbedderEvent = {
      type: 'installation.plan-changed',
      applicationId,
      organizationId: world.organization.id,
      locationId,
      // What says where it happened cannot be talked away.
      data: { currentPlanId: 'free', newPlanId: 'gold', userId: 'usr_1', organizationId: 'org_else' },
    }
    expect((await refusal(publish(event))).code).toBe('not_installed')
    expect((await refusal(publish({ ...event, applicationId: undefined } as never))).code).toBe('validation_failed')

    await merchantAt(locationId).putApplicationInstance({ params: { applicationId } })
    await publish(event)
    const auth = { authType: 'oauth2', scopes: 'a b', isAutoRefreshTokenEnabled: true }
    await publish({ ...event, type: 'external-auth.connected', data: auth })
    await until(
      () => receiver.received.length === 1 && highLevel.received.length === 2 && organization.received.length === 1,
    )

    const place = { applicationId, organizationId: world.organization.id, locationId, environment: 'production' }
    const plans = { currentPlanId: 'free', newPlanId: 'gold', userId: 'usr_1' }
    expect(JSON.parse(receiver.received[0]!.body)).toMatchObject({
      type: 'installation.plan-changed',
      data: { ...place, ...plans },
    })
    expect(JSON.parse(organization.received[0]!.body)).toEqual({
      ...place,
      ...plans,
      eventType: 'installation.plan-changed',
      _links: [],
    })
    const sent = highLevel.received.map(({ body }) => JSON.parse(body) as { type: string })
    const common = { appId: applicationId, locationId, companyId: world.organization.id }
    const added = { timestamp: expect.any(String) as string, webhookId: expect.any(String) as string }
    expect(sent.find(({ type }) => type === 'PLAN_CHANGE')).toEqual({
      type: 'PLAN_CHANGE',
      ...common,
      ...plans,
      ...added,
    })
    expect(sent.find(({ type }) => type === 'EXTERNAL_AUTH_CONNECTED')).toEqual({
      type: 'EXTERNAL_AUTH_CONNECTED',
      ...common,
      ...auth,
      ...added,
    })

    // Switched off by the operator, it is told nothing.
    await operator.disableApplication({ params: { id: applicationId }, body: { reason: 'r' } })
    expect((await refusal(publish(event))).code).toBe('not_installed')
    expect(await publisher.listWebhookEndpoints()).toHaveLength(2)
  })

  it('gives an event to the publisher of an application that is installed with the permission, and to no other', async () => {
    const { world, order, call, publish, subscribe, merchantAt, knex } = await openEmbedder(database)
    const receiver = await subscribe(world.publisher.apiKey)
    const applicationId = world.application.id
    const locationId = world.locations[0]!.id
    await merchantAt(locationId).putApplicationInstance({ params: { applicationId } })
    const grant = (permissions: string[]) =>
      knex('stoa_installations')
        .where({ application_id: applicationId })
        .update({ grant: JSON.stringify(permissions) })
    const deliveriesOf = async (id: string) =>
      ((await knex('stoa_deliveries').where({ event_id: id })) as { endpoint_id: string }[]).map(
        (row) => row.endpoint_id,
      )

    await grant(['orders:show'])
    expect(await deliveriesOf((await publish(order())).id)).toEqual([])
    await grant(['orders:index'])
    expect(await deliveriesOf((await publish(order())).id)).toEqual([receiver.id])
    expect(await deliveriesOf((await publish(order({ type: 'note.made' }))).id)).toEqual([])
    expect(await deliveriesOf((await publish(order({ locationId: null }))).id)).toEqual([])
    expect(await deliveriesOf((await publish(order({ locationId: world.locations[1]!.id }))).id)).toEqual([])
    expect(await deliveriesOf((await publish(order({ environment: 'sandbox' }))).id)).toEqual([])

    const key = world.organization.apiKey
    const path = `/organizations/${world.organization.id}/locations/${locationId}/application-instances/${applicationId}`
    expect((await call('DELETE', path, { token: key })).status).toBeLessThan(300)
    expect(await deliveriesOf((await publish(order())).id)).toEqual([])
  })

  it('answers what was published before it stopped', async () => {
    const { host, world, stop } = await openHost(database, { eventTypes: orderTypes })
    const event: EmbedderEvent = { type: 'note.made', organizationId: world.organization.id, data: {} }
    const published = Array.from({ length: 4000 }, () => host.publish(null, event))
    const [answers] = await Promise.all([Promise.all(published), stop()])
    expect(new Set(answers.map(({ id }) => id)).size).toBe(4000)
  })
})

import { createHost, eventCatalogue } from '@stoa/core'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { describe, expect, it, onTestFinished, test } from 'vitest'
import { createEventTypes, embedderTypes, ownEventTypes } from '../../core/src/events/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openHost } from '../support/host.ts'
import { orderTypes } from './embedder.ts'

const secret = 'a secret that only tests know, 32+'
const types = Object.entries(eventCatalogue)

/** A validator that is not the host's. */
function compile(schema: object) {
  const ajv = new Ajv({ strict: false, allErrors: true })
  addFormats.default(ajv)
  return ajv.compile(schema)
}

describe('the catalogue', () => {
  test.each(types)('has an example of %s that fits its schema, and would not fit without its members', (type, each) => {
    const validate = compile(each.payload)
    expect(validate(each.example), JSON.stringify(validate.errors)).toBe(true)
    expect(createEventTypes(ownEventTypes).complaintAbout(type, each.example)).toBeNull()
    expect(validate({})).toBe(false)
    expect(JSON.stringify(each.example)).toContain(`"${type}"`)
  })

  test.each(types)('has nothing in the example of %s that looks like a secret', (_, { example }) => {
    expect(JSON.stringify(example)).not.toMatch(/stoa_[a-z]+_|wh[sp]k_|whsec_|eyJ|Bearer|-----BEGIN/)
  })

  test.each(types)('says in a sentence what %s tells, in which version, and to whom', (_, each) => {
    expect(each.sentence).toMatch(/^[A-Z].+\.$/)
    expect(each.version).toBeGreaterThanOrEqual(1)
    expect(each.audience.length).toBeGreaterThan(0)
  })

  it('tells nobody but the publisher what carries a token, or what its receiver acknowledges', () => {
    expect(eventCatalogue['application-instance-enabled']).toMatchObject({ audience: ['publisher'], permission: null })
    expect(eventCatalogue['application-instance-disabled']).toMatchObject({ audience: ['publisher'], permission: null })
  })

  it('names permissions that exist and that applications may ask for', async () => {
    const host = await createHost({ database: ':memory:', secret })
    onTestFinished(() => host.stop())
    const grantable = host.services.permissions().filter(({ applications }) => applications)
    for (const [, { permission }] of types)
      if (permission !== null) expect(grantable.map(({ name }) => name)).toContain(permission)
  })
})

describe('types of the embedder', () => {
  const order = orderTypes[0]!
  const start = async (eventTypes: unknown[]) => {
    const host = await createHost({ database: ':memory:', secret, eventTypes: eventTypes as typeof orderTypes })
    await host.stop()
  }

  it('may have definitions of their own', () => {
    const registry = createEventTypes(embedderTypes([{ version: 1, permission: null, ...orderTypes[0] } as never]))
    const body = registry.find('order.created')!.example as { data: object }
    expect(registry.complaintAbout('order.created', body)).toBeNull()
    expect(registry.complaintAbout('order.created', { ...body, data: { orderId: 'x', total: 'much' } })).toContain(
      'data.total',
    )
    expect(registry.complaintAbout('order.created', { ...body, locationId: undefined })).toContain('locationId')
  })

  it('may share the $id of their schema', async () => {
    const schema = { $id: 'https://embedder.example/thing', type: 'object' }
    await start(['thing.made', 'thing.gone'].map((type) => ({ type, sentence: 'A thing.', schema, example: {} })))
  })

  test.each([
    ['a schema that is none', { schema: { type: 'objekt' } }, /order\.created has a schema that is no JSON Schema/],
    ['a misspelt keyword', { schema: { propertys: {} } }, /order\.created has a schema.*propertys/],
    [
      'a draft it does not know',
      { schema: { $schema: 'https://json-schema.org/draft/2020-12/schema' } },
      /order\.created has a schema/,
    ],
    ['an example that does not fit', { example: { orderId: 7 } }, /order\.created has an example.*orderId/],
    [
      'an unknown permission',
      { permission: 'orders:smell' },
      /order\.created names the permission orders:smell, which/,
    ],
    ['an alias of one', { permission: 'GetOrderCollection' }, /names the permission GetOrderCollection, which/],
    ['a permission that no application gets', { permission: 'api-keys:create' }, /which no application can ask for/],
    ['a type of the host’s own', { type: 'charge.created' }, /charge\.created is an event type of the host’s own/],
    ['a name without a family', { type: 'order' }, /eventTypes\.0\.type/],
  ])('stop the host at its start with %s', async (_, change, message) => {
    const refused = await start([{ ...order, ...change }]).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'invalid_request', message: expect.stringMatching(message) })
  })

  it('stop the host at its start when one is defined twice', async () => {
    await expect(start([order, order])).rejects.toThrow(/eventTypes\.1: order\.created is defined twice/)
  })
})

eachDatabase((database) => {
  it('shows the types to anybody, by prefix too, each with its schema and an example in every format', async () => {
    const { call, stop } = await openHost(database, { eventTypes: orderTypes })
    const all = await call('GET', '/events/types')
    expect(all.status).toBe(200)
    const names = (all.body as { type: string }[]).map(({ type }) => type)
    expect(names).toEqual([...types.map(([type]) => type), 'order.created', 'note.made'])
    const charges = await call('GET', '/events/types?prefix=charge.')
    expect(charges.body).toEqual([
      expect.objectContaining({ type: 'charge.created', version: 1, permission: 'charges:read' }),
      expect.objectContaining({ type: 'charge.refunded', audience: ['publisher', 'organization'] }),
      expect.objectContaining({ type: 'charge.declined' }),
    ])

    for (const name of names) {
      const { status, body } = await call('GET', `/events/types/${name}`)
      expect([name, status]).toEqual([name, 200])
      expect([name, compile(body.schema)(body.example)]).toEqual([name, true])
      expect(body.formats.rebilly).toMatchObject({ eventType: name, environment: 'production' })
      expect(Object.keys(body.formats.rebilly)).toContain('_links')
    }
    const { body: order } = await call('GET', '/events/types/order.created')
    expect(order).toMatchObject({ permission: 'orders:index', audience: ['organization', 'installations'] })
    expect(order.formats).toMatchObject({ rebilly: { orderId: 'order-1' }, highlevel: null })
    const { body: plan } = await call('GET', '/events/types/installation.plan-changed')
    expect(Object.keys(plan.formats.highlevel).sort()).toEqual(
      [
        'type',
        'appId',
        'locationId',
        'companyId',
        'userId',
        'currentPlanId',
        'newPlanId',
        'timestamp',
        'webhookId',
      ].sort(),
    )
    expect(await call('GET', '/events/types/no.such')).toMatchObject({ status: 404, body: { code: 'not_found' } })
    await stop()
  })
})

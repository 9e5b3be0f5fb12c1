import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
    await world.fund(world.locationId, 1000)
  })
  afterAll(() => world?.close())

  const path = (rest = '', applicationId = world.appId) => `/developers/applications/${applicationId}/meters${rest}`
  const create = (body: object, token = world.publisher.token) => world.request('POST', path(), { token, body })
  const change = (id: string, body: object, token = world.publisher.token) =>
    world.request('PATCH', path(`/${id}`), { token, body })
  const fixed = { name: 'Messages', unit: 'message', priceType: 'fixed', price: 0.01001 }
  const dynamic = { name: 'Minutes', unit: 'minute', priceType: 'dynamic', minPrice: '0.01', maxPrice: 200 }

  it('makes a fixed and a dynamic meter', async () => {
    const one = await create(fixed)
    expect(one.status).toBe(201)
    expect(one.headers.get('location')).toMatch(new RegExp(`/meters/${one.body.id}$`))
    expect(one.body).toEqual({
      id: expect.stringMatching(/^mtr_/),
      applicationId: world.appId,
      name: 'Messages',
      unit: 'message',
      priceType: 'fixed',
      price: 0.01001,
      minPrice: null,
      maxPrice: null,
      exact: { price: '0.01001', minPrice: null, maxPrice: null },
      currency: 'USD',
      priceVersion: 1,
      status: 'active',
      createdTime: world.now(),
      updatedTime: world.now(),
    })
    expect((await create(dynamic)).body).toMatchObject({
      price: null,
      minPrice: 0.01,
      maxPrice: 200,
      priceType: 'dynamic',
    })
    expect((await create({ ...fixed, price: 0 })).body.price).toBe(0)
  })

  it.each([
    ['a price of more than 200', { ...fixed, price: 200.000001 }, 'price'],
    ['a price below 0', { ...fixed, price: -0.000001 }, 'price'],
    ['a price of 7 decimals', { ...fixed, price: '0.0000001' }, 'price'],
    ['a price that is none', { ...fixed, price: 'free' }, 'price'],
    ['a fixed meter without a price', { ...fixed, price: undefined }, 'price'],
    ['a fixed meter with a least price', { ...fixed, minPrice: 1 }, 'minPrice'],
    ['a dynamic meter without a greatest price', { ...dynamic, maxPrice: null }, 'maxPrice'],
    ['a dynamic meter with a price', { ...dynamic, price: 1 }, 'price'],
    ['a least price that is the greatest', { ...dynamic, minPrice: 2, maxPrice: 2 }, 'minPrice'],
    ['a least price above the greatest', { ...dynamic, minPrice: 3, maxPrice: 2 }, 'minPrice'],
    ['an unknown type', { ...fixed, priceType: 'tiered' }, 'priceType'],
    ['no name', { ...fixed, name: '' }, 'name'],
    ['a unit of 20 characters', { ...fixed, unit: 'x'.repeat(20) }, 'unit'],
    ['a member nobody knows', { ...fixed, tax: 1 }, 'tax'],
  ])('refuses %s', async (_what, body, field) => {
    const answer = await create(body)
    expect(answer).toMatchObject({ status: 422, body: { code: 'validation_failed' } })
    expect(answer.body.invalidFields[0].field).toBe(field)
  })

  it('renames without making a new price', async () => {
    const { id } = (await create(fixed)).body
    const answer = await change(id, { name: 'Texts', unit: 'text', price: 0.01001, priceType: 'fixed' })
    expect(answer).toMatchObject({ status: 200, body: { name: 'Texts', unit: 'text', priceVersion: 1 } })
  })

  it('makes a new version of the price for charges from now on, and keeps the old one', async () => {
    const { id } = (await create({ ...fixed, price: 1 })).body
    const before = (await world.charge({ meterId: id })).body
    expect((await change(id, { price: '2.5' })).body).toMatchObject({ price: 2.5, priceVersion: 2 })
    expect((await world.charge({ meterId: id })).body.amountCharged).toBe(2.5)
    expect((await world.get(`${world.chargesPath}/${before.chargeId}`)).body.pricePerUnit).toBe(1)
    const versions = await world.db('stoa_prices').where({ meter_id: id }).orderBy('version')
    expect(versions.map((row) => [Number(row.version), Number(row.unit_price)])).toEqual([
      [1, 1_000_000],
      [2, 2_500_000],
    ])
  })

  it('changes one limit of a dynamic meter and keeps the other', async () => {
    const { id } = (await create(dynamic)).body
    expect((await change(id, { maxPrice: 1 })).body).toMatchObject({ minPrice: 0.01, maxPrice: 1, priceVersion: 2 })
    expect((await change(id, { minPrice: 1 })).body.invalidFields).toEqual([
      { field: 'minPrice', message: 'must be below maxPrice' },
    ])
  })

  it('makes versions that follow each other when changes arrive at once', async () => {
    const { id } = (await create({ ...fixed, price: 1 })).body
    const answers = await Promise.all([2, 3, 4, 5, 6].map((price) => change(id, { price })))
    expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(200))
    expect(new Set(answers.map(({ body }) => body.priceVersion))).toEqual(new Set([2, 3, 4, 5, 6]))
  })

  it('deactivates and reactivates', async () => {
    const { id } = (await create(fixed)).body
    expect((await change(id, { status: 'inactive' })).body.status).toBe('inactive')
    expect((await world.charge({ meterId: id })).body.code).toBe('meter_inactive')
    await change(id, { status: 'active' })
    expect((await world.charge({ meterId: id })).status).toBe(201)
  })

  it('never changes the type', async () => {
    const { id } = (await create(fixed)).body
    const answer = await change(id, { priceType: 'dynamic', minPrice: 1, maxPrice: 2 })
    expect(answer).toMatchObject({ status: 422, body: { invalidFields: [{ field: 'priceType' }] } })
  })

  it('lists an application’s meters in pages, and shows one', async () => {
    const applicationId = await world.application()
    const ids = []
    for (let n = 0; n < 3; n++) ids.push(await world.meter(applicationId, { ...fixed, name: `M${n}` }))
    const list = await world.get(path('?limit=2', applicationId), world.publisher.token)
    expect(list.body.map((each: { id: string }) => each.id)).toEqual(ids.slice(0, 2))
    expect(list.headers.get('pagination-total')).toBe('3')
    const one = await world.get(path(`/${ids[0]}`, applicationId), world.publisher.token)
    expect(one.body).toEqual(list.body[0])
  })

  describe('who may', () => {
    const calls: [string, string, object | undefined][] = [
      ['POST', '', fixed],
      ['GET', '', undefined],
      ['GET', '/:meter', undefined],
      ['PATCH', '/:meter', { name: 'Mine' }],
    ]
    const request = (
      method: string,
      rest: string,
      body: object | undefined,
      token: string,
      applicationId = world.appId,
    ) => world.request(method, path(rest.replace(':meter', world.fixed), applicationId), { token, body })

    it.each(calls)('%s %s: not without a credential or the right, nor an application', async (method, rest, body) => {
      expect((await request(method, rest, body, '')).status).toBe(401)
      expect((await request(method, rest, body, 'stoa_ak_wrong')).status).toBe(401)
      const poor = await world.publisher.key('production', ['wallet:read'])
      expect((await request(method, rest, body, poor)).body.code).toBe('missing_permission')
      expect((await request(method, rest, body, world.token)).body.code).toBe('caller_not_allowed')
    })

    it.each(calls)(
      '%s %s: another publisher’s application is answered like an unknown one',
      async (method, rest, body) => {
        const foreign = await request(method, rest, body, world.merchant.token)
        const unknown = await request(method, rest, body, world.merchant.token, 'app_unknown')
        expect([foreign.status, foreign.body.code, foreign.body.message]).toEqual([
          404,
          'not_found',
          unknown.body.message,
        ])
        expect(unknown.status).toBe(404)
      },
    )

    it.each(['GET', 'PATCH'])('%s: a meter of another application is answered like an unknown one', async (method) => {
      const other = await world.application()
      const body = method === 'PATCH' ? { name: 'Mine' } : undefined
      const foreign = await request(method, '/:meter', body, world.publisher.token, other)
      const unknown = await request(method, '/mtr_unknown', body, world.publisher.token)
      expect([foreign.status, foreign.body.message]).toEqual([404, unknown.body.message])
      expect(unknown.status).toBe(404)
    })
  })
})

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
      productType: 'custom',
      productId: null,
      productName: null,
      direction: null,
      pricingPageUrl: null,
      priceType: 'fixed',
      price: 0.01001,
      minPrice: null,
      maxPrice: null,
      rateBps: null,
      packageSize: null,
      tiers: null,
      freeUnits: 0,
      dailyLimit: null,
      cycleLimit: null,
      exact: {
        price: '0.01001',
        minPrice: null,
        maxPrice: null,
        packageSize: null,
        tiers: null,
        freeUnits: '0',
        dailyLimit: null,
        cycleLimit: null,
      },
      currency: 'USD',
      text: '0.01001 USD per message',
      priceVersion: 1,
      effectiveTime: world.now(),
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
    [
      { ...dynamic, price: '0.5' },
      { price: 0.5, text: '0.01 to 200 USD per minute, usually 0.5 USD' },
    ],
    [
      { ...fixed, price: 0.05, freeUnits: 100, dailyLimit: '1000', cycleLimit: 0 },
      {
        freeUnits: 100,
        dailyLimit: 1000,
        cycleLimit: null,
        text: '0.05 USD per message, the first 100 each month free, at most 1000 a day',
      },
    ],
    [
      { name: 'Pages', unit: 'page', priceType: 'package', price: 5, packageSize: 1000, freeUnits: 10 },
      {
        price: 5,
        packageSize: 1000,
        text: '5 USD for every 1000 × page begun in a month, the first 10 each month free and not counted',
      },
    ],
    [
      {
        name: 'Pages',
        unit: 'page',
        priceType: 'graduated',
        tiers: [
          { upTo: 100, price: '0.05' },
          { from: 100, upTo: 1000, price: 0.04 },
          { upTo: null, price: 0 },
        ],
      },
      {
        price: null,
        tiers: [
          { from: 0, upTo: 100, price: 0.05 },
          { from: 100, upTo: 1000, price: 0.04 },
          { from: 1000, upTo: null, price: 0 },
        ],
        exact: {
          tiers: [
            { from: '0', upTo: '100', price: '0.05' },
            { from: '100', upTo: '1000', price: '0.04' },
            { from: '1000', upTo: null, price: '0' },
          ],
        },
        text: '0.05 USD per page up to 100 in a month, then 0.04 USD up to 1000, then 0 USD above',
      },
    ],
    [
      {
        name: 'Pages',
        unit: 'page',
        priceType: 'volume',
        tiers: [
          { upTo: 100, price: 0.05 },
          { upTo: null, price: 0.03 },
        ],
      },
      { text: 'per page, by what a month comes to with the charge: 0.05 USD up to 100, 0.03 USD above' },
    ],
    [
      { name: 'Sales', unit: 'sale', priceType: 'percentage', rateBps: 250, minPrice: 0.1, maxPrice: 5 },
      { rateBps: 250, text: '2.5 % of the amount of each sale, at least 0.1 USD, at most 5 USD' },
    ],
    [
      { ...fixed, currency: 'EUR', status: 'test' },
      { currency: 'EUR', status: 'test', text: '0.01001 EUR per message' },
    ],
    [
      { ...fixed, productType: 'conversation_provider', productId: 'p1', productName: 'SMS', direction: 'outbound' },
      { productType: 'conversation_provider', productId: 'p1', productName: 'SMS', direction: 'outbound' },
    ],
    [{ ...dynamic, pricingPageUrl: 'https://example.com/prices' }, { pricingPageUrl: 'https://example.com/prices' }],
    // Zero has no sign in money.
    [
      { ...fixed, price: -0, freeUnits: '-0' },
      { price: 0, freeUnits: 0, exact: { price: '0', freeUnits: '0' } },
    ],
    [{ ...fixed, price: 0.000001 }, { exact: { price: '0.000001' } }],
  ])('makes a meter of %j', async (body, answered) => {
    expect(await create(body)).toMatchObject({ status: 201, body: answered })
  })

  const tiered = (...tiers: object[]) => ({ name: 'Pages', unit: 'page', priceType: 'graduated', tiers })
  const open = { upTo: null, price: 1 }

  it.each([
    ['a price of more than 200', { ...fixed, price: 200.000001 }, 'price'],
    ['a price below 0', { ...fixed, price: -0.000001 }, 'price'],
    ['a price of 7 decimals', { ...fixed, price: '0.0000001' }, 'price'],
    ['a price that is none', { ...fixed, price: 'free' }, 'price'],
    ['a fixed meter without a price', { ...fixed, price: undefined }, 'price'],
    ['a fixed meter with a least price', { ...fixed, minPrice: 1 }, 'minPrice'],
    ['a dynamic meter without a greatest price', { ...dynamic, maxPrice: null }, 'maxPrice'],
    ['a usual price outside of the bounds', { ...dynamic, price: 0.001 }, 'price'],
    ['a price with an exponent', { ...fixed, price: '1e-3' }, 'price'],
    ['a price that is not a number', { ...fixed, price: 'NaN' }, 'price'],
    ['a price that is infinite', { ...fixed, price: '-Infinity' }, 'price'],
    ['a price in hexadecimal', { ...fixed, price: '0x10' }, 'price'],
    ['a price with spaces', { ...fixed, price: ' 1' }, 'price'],
    ['a price with a comma', { ...fixed, price: '0,5' }, 'price'],
    ['a number of 7 decimals', { ...fixed, price: 0.0000001 }, 'price'],
    ['a number of 16 digits', { ...fixed, freeUnits: 1234567890.123456 }, 'freeUnits'],
    ['a number beyond 64 bits', { ...fixed, freeUnits: '9223372036854.775808' }, 'freeUnits'],
    ['free units below 0', { ...fixed, freeUnits: -1 }, 'freeUnits'],
    ['a limit below 0', { ...fixed, dailyLimit: -1 }, 'dailyLimit'],
    ['a limit that is none', { ...fixed, cycleLimit: 'many' }, 'cycleLimit'],
    ['a fixed meter with tiers', { ...fixed, tiers: [open] }, 'tiers'],
    ['a fixed meter with a share', { ...fixed, rateBps: 5 }, 'rateBps'],
    ['a package without a size', { ...fixed, priceType: 'package' }, 'packageSize'],
    ['a package of nothing', { ...fixed, priceType: 'package', packageSize: 0 }, 'packageSize'],
    ['tiers that are none', tiered(), 'tiers'],
    ['tiers with a price beside them', { ...tiered(open), price: 1 }, 'price'],
    ['a last tier that ends', tiered({ upTo: 5, price: 1 }), 'tiers.0.upTo'],
    ['an open tier before the last', tiered(open, open), 'tiers.0.upTo'],
    ['tiers that overlap', tiered({ upTo: 10, price: 1 }, { from: 9.999999, upTo: null, price: 1 }), 'tiers.1.from'],
    ['tiers with a gap', tiered({ upTo: 10, price: 1 }, { from: 10.000001, upTo: null, price: 1 }), 'tiers.1.from'],
    ['tiers that do not begin at 0', tiered({ from: 1, ...open }), 'tiers.0.from'],
    ['tiers that go down', tiered({ upTo: 10, price: 1 }, { upTo: 10, price: 1 }, open), 'tiers.1.upTo'],
    ['a tier up to less than 0', tiered({ upTo: -1, price: 1 }, open), 'tiers.0.upTo'],
    ['a tier that costs more than 200', tiered({ upTo: null, price: 201 }), 'tiers.0.price'],
    ['a tier with an exponent', tiered({ upTo: '1e3', price: 1 }, open), 'tiers.0.upTo'],
    ['a tier with a member nobody knows', tiered({ ...open, name: 'x' }), 'tiers.0.name'],
    ['a share of 0', { name: 'x', unit: 'x', priceType: 'percentage', rateBps: 0 }, 'rateBps'],
    ['a share of more than all', { name: 'x', unit: 'x', priceType: 'percentage', rateBps: 10_001 }, 'rateBps'],
    ['no share', { name: 'x', unit: 'x', priceType: 'percentage' }, 'rateBps'],
    ['a currency that is none', { ...fixed, currency: 'XYZ' }, 'currency'],
    ['a currency in small letters', { ...fixed, currency: 'usd' }, 'currency'],
    ['a dynamic workflow action', { ...dynamic, productType: 'workflow_action', productId: 'a' }, 'priceType'],
    ['a workflow action without its id', { ...fixed, productType: 'workflow_action' }, 'productId'],
    ['a direction of a custom product', { ...fixed, direction: 'inbound' }, 'direction'],
    ['a pricing page of a fixed meter', { ...fixed, pricingPageUrl: 'https://example.com' }, 'pricingPageUrl'],
    ['a pricing page without TLS', { ...dynamic, pricingPageUrl: 'http://example.com' }, 'pricingPageUrl'],
    ['a pricing page that is a script', { ...dynamic, pricingPageUrl: 'javascript:alert(1)' }, 'pricingPageUrl'],
    ['a pricing page with a user', { ...dynamic, pricingPageUrl: 'https://a@b.example' }, 'pricingPageUrl'],
    ['a first price of later', { ...fixed, effectiveTime: '2026-04-01T00:00:00Z' }, 'effectiveTime'],
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

  it('never changes what cannot change, and takes it as it is', async () => {
    const product = { productType: 'conversation_provider', productId: 'p1', direction: 'inbound' }
    const { id } = (await create({ ...fixed, ...product })).body
    const same = { ...product, priceType: 'fixed', currency: 'USD' }
    expect(await change(id, { ...same, name: 'New' })).toMatchObject({ status: 200, body: { name: 'New' } })
    for (const other of [
      { productType: 'custom' },
      { productId: 'p2' },
      { productId: null },
      { direction: 'outbound' },
      { direction: null },
      { priceType: 'volume' },
      { currency: 'EUR' },
    ]) {
      const answer = await change(id, other)
      expect(answer).toMatchObject({ status: 422, body: { invalidFields: [{ field: Object.keys(other)[0] }] } })
    }
  })

  it('changes what the product is called and where its prices are explained, and can take both away', async () => {
    const { id } = (await create({ ...dynamic, productName: 'Calls' })).body
    const page = 'https://example.com/prices'
    const named = { productName: 'Voice', pricingPageUrl: page }
    expect((await change(id, named)).body).toMatchObject(named)
    expect((await change(id, { name: 'x' })).body).toMatchObject(named)
    const none = { productName: null, pricingPageUrl: null }
    expect((await change(id, none)).body).toMatchObject(none)
  })

  it('makes a test meter an active one, and never an active one a test meter', async () => {
    const { id } = (await create({ ...fixed, status: 'test' })).body
    expect((await world.charge({ meterId: id })).body.code).toBe('meter_inactive')
    expect((await change(id, { status: 'test', name: 'Still' })).body.status).toBe('test')
    expect((await change(id, { status: 'active' })).body.status).toBe('active')
    expect((await world.charge({ meterId: id })).status).toBe(201)
    for (const _ of [1, 2]) {
      const answer = await change(id, { status: 'test' })
      expect(answer).toMatchObject({ status: 422, body: { invalidFields: [{ field: 'status' }] } })
      await change(id, { status: 'inactive' })
    }
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
      ['GET', '/:meter/prices', undefined],
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

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

const day = 86_400

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database, { wallet: { highestPrice: 1000 } })
    await world.fund(world.locationId, 100_000)
  })
  afterAll(() => world?.close())

  const path = (rest = '') => `/developers/applications/${world.appId}/meters${rest}`
  const create = async (body: object = {}): Promise<string> =>
    world.meter(world.appId, { name: 'Messages', unit: 'message', priceType: 'fixed', price: 1, ...body })
  const change = (id: string, body: object) =>
    world.request('PATCH', path(`/${id}`), { token: world.publisher.token, body })
  const get = async (id: string) => (await world.get(path(`/${id}`), world.publisher.token)).body
  const prices = async (id: string, query = '') =>
    (await world.get(path(`/${id}/prices${query}`), world.publisher.token)).body as Record<string, unknown>[]
  const states = async (id: string) =>
    (await prices(id)).map(({ version, state, price }) => `${String(version)} ${String(state)} ${String(price)}`)
  const charged = async (meterId: string, more: object = {}): Promise<number> => {
    const answer = await world.charge({ meterId, ...more })
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
    return answer.body.amountCharged
  }

  describe('a price that is decided ahead', () => {
    it('holds from its time on, to the millisecond, and is shown as planned until then', async () => {
      const id = await create()
      const at = world.inSeconds(10 * day)
      const answer = await change(id, { price: 2, effectiveTime: at })
      expect(answer).toMatchObject({ status: 200, body: { price: 1, priceVersion: 1 } })
      expect(await prices(id)).toMatchObject([
        { version: 2, state: 'planned', price: 2, text: '2 USD per message', effectiveTime: at, endTime: null },
        { version: 1, state: 'in-force', price: 1, endTime: at, actor: expect.stringMatching(/^user:usr_/) },
      ])
      world.advance(10 * day - 0.001)
      expect(await charged(id)).toBe(1)
      world.advance(0.001)
      expect(await charged(id)).toBe(2)
      expect(await get(id)).toMatchObject({ price: 2, priceVersion: 2, effectiveTime: at })
      expect(await states(id)).toEqual(['2 in-force 2', '1 past 1'])
    })

    it('is one of 20 at most, of which those count that will come', async () => {
      const id = await create()
      const plan = async (price: number, days: number) =>
        change(id, { price, effectiveTime: world.inSeconds(days * day) })
      for (let n = 1; n <= 20; n++) expect([n, (await plan(n + 1, n * 10)).status]).toEqual([n, 200])
      expect(await plan(50, 201)).toMatchObject({
        status: 409,
        body: { code: 'limit_reached', limit: 20, message: expect.stringContaining('takes the place') },
      })
      expect((await prices(id, '?limit=1'))[0]).toMatchObject({ version: 21, state: 'planned' })
      // In the place of the last, and of the last five, and then there is room for four.
      expect((await plan(50, 200)).status).toBe(200)
      expect((await plan(60, 155)).status).toBe(200)
      for (const n of [1, 2, 3, 4]) expect((await plan(60 + n, 155 + n)).status).toBe(200)
      expect((await plan(70, 160)).status).toBe(409)
      // The first of them came.
      world.advance(10 * day)
      expect((await plan(70, 160)).status).toBe(200)
      expect((await plan(80, 170)).status).toBe(409)
      // A price for now ends them all.
      expect((await change(id, { price: 90 })).status).toBe(200)
      expect((await plan(80, 170)).status).toBe(200)
      expect((await states(id)).filter((line) => line.includes('planned'))).toEqual(['30 planned 80'])
    })

    it('gives way to a later decision, whenever that one holds from', async () => {
      const id = await create()
      await change(id, { price: 2, effectiveTime: world.inSeconds(10 * day) })
      await change(id, { price: 3, effectiveTime: world.inSeconds(20 * day) })
      expect(await states(id)).toEqual(['3 planned 3', '2 planned 2', '1 in-force 1'])
      await change(id, { price: 4, effectiveTime: world.inSeconds(5 * day) })
      expect(await states(id)).toEqual(['4 planned 4', '3 replaced 3', '2 replaced 2', '1 in-force 1'])
      await change(id, { price: 5 })
      expect(await states(id)).toEqual(['5 in-force 5', '4 replaced 4', '3 replaced 3', '2 replaced 2', '1 past 1'])
      world.advance(30 * day)
      expect(await charged(id)).toBe(5)
      expect((await prices(id))[4]).toMatchObject({ version: 1, state: 'past' })
    })

    it('is taken back by the price in force with a time, and not by sending that price alone', async () => {
      const id = await create()
      await change(id, { price: 2, effectiveTime: world.inSeconds(day) })
      await change(id, { price: 1, name: 'Renamed' })
      expect(await states(id)).toEqual(['2 planned 2', '1 in-force 1'])
      await change(id, { price: 1, effectiveTime: null })
      expect(await states(id)).toEqual(['3 in-force 1', '2 replaced 2', '1 past 1'])
      await change(id, { price: 1, effectiveTime: null })
      expect((await prices(id)).length).toBe(3)
      world.advance(2 * day)
      expect(await charged(id)).toBe(1)
    })

    it('keeps what is not sent as it will be at that time', async () => {
      const id = await create({ freeUnits: 10 })
      await change(id, { price: 2, effectiveTime: world.inSeconds(day) })
      await change(id, { freeUnits: 20, effectiveTime: world.inSeconds(2 * day) })
      expect(await prices(id)).toMatchObject([
        { price: 2, freeUnits: 20 },
        { price: 2, freeUnits: 10 },
        { price: 1, freeUnits: 10 },
      ])
    })

    it('is taken in any zone and kept in UTC', async () => {
      const id = await create()
      const answer = await change(id, { price: 2, effectiveTime: '2026-12-01T02:00:00+02:00' })
      expect(answer.status).toBe(200)
      expect((await prices(id))[0]).toMatchObject({ effectiveTime: '2026-12-01T00:00:00.000Z' })
    })

    it.each([
      ['a time that was', () => ({ price: 2, effectiveTime: world.inSeconds(-0.001) })],
      ['a time more than a year ahead', () => ({ price: 2, effectiveTime: world.inSeconds(366 * day + 1) })],
      ['a time that is none', () => ({ price: 2, effectiveTime: 'tomorrow' })],
      ['a day that is none', () => ({ price: 2, effectiveTime: '2026-06-31T00:00:00Z' })],
      ['a leap second, which has no time of its own', () => ({ price: 2, effectiveTime: '2026-06-30T23:59:60Z' })],
      ['a time without a zone', () => ({ price: 2, effectiveTime: '2026-06-01T00:00:00' })],
      ['a time without a price', () => ({ effectiveTime: world.inSeconds(day) })],
    ])('is refused with %s', async (_what, body) => {
      const id = await create()
      const answer = await change(id, body())
      expect(answer).toMatchObject({ status: 422, body: { invalidFields: [{ field: 'effectiveTime' }] } })
      expect((await prices(id)).length).toBe(1)
    })
  })

  it('lists the prices of a meter in pages', async () => {
    const id = await create()
    for (const price of [2, 3, 4]) await change(id, { price })
    const page = await world.get(path(`/${id}/prices?limit=2&offset=1`), world.publisher.token)
    expect(page.headers.get('pagination-total')).toBe('4')
    expect(page.body.map(({ version }: { version: number }) => version)).toEqual([3, 2])
  })

  it('changes every part of a price into a new version, and none into none', async () => {
    const tiers = [
      { upTo: 10, price: 2 },
      { upTo: null, price: 1 },
    ]
    const id = await create({ priceType: 'graduated', price: null, tiers })
    for (const [body, version] of [
      [{ tiers }, 1],
      [{ tiers: [{ upTo: null, price: 1 }] }, 2],
      [{ freeUnits: 5 }, 3],
      [{ dailyLimit: 100 }, 4],
      [{ cycleLimit: 1000 }, 5],
      [{ dailyLimit: 0, cycleLimit: 1000 }, 6],
      [{ dailyLimit: null }, 6],
      [{ freeUnits: null }, 7],
    ] as const) {
      expect((await change(id, body)).body).toMatchObject({ priceVersion: version })
    }
    expect(await get(id)).toMatchObject({ freeUnits: 0, dailyLimit: null, cycleLimit: 1000 })
    expect((await change(id, { price: 1 })).body.invalidFields).toEqual([
      { field: 'price', message: 'does not belong to graduated meters' },
    ])
  })

  it('charges by every model what it says', async () => {
    const tiers = [
      { upTo: 10, price: 2 },
      { upTo: null, price: 1 },
    ]
    const packages = await create({ priceType: 'package', price: 5, packageSize: 10 })
    const graduated = await create({ priceType: 'graduated', price: null, tiers, freeUnits: 5 })
    const volume = await create({ priceType: 'volume', price: null, tiers })
    expect(await charged(packages, { units: 10.000001 })).toBe(10)
    expect(await charged(graduated, { units: 25 })).toBe(30)
    expect(await charged(volume, { units: 15 })).toBe(15)
    const share = await create({ priceType: 'percentage', price: null, rateBps: 250, minPrice: 0.1, maxPrice: 5 })
    expect(await charged(share, { price: 100 })).toBe(2.5)
    expect(await charged(share, { price: 1 })).toBe(0.1)
    expect(await charged(share, { price: 1000 })).toBe(5)
    const usual = await create({ priceType: 'dynamic', price: 2, minPrice: 1, maxPrice: 3 })
    expect([await charged(usual), await charged(usual, { price: 3 })]).toEqual([2, 3])
  })

  it('takes prices up to the host’s own bound', async () => {
    const id = await create({ price: 1000 })
    const answer = await change(id, { price: 1000.000001 })
    expect(answer.body.invalidFields).toEqual([{ field: 'price', message: 'must lie between 0 and 1000' }])
  })

  it('tells the publisher of a decision, with both prices in words and the time', async () => {
    const endpoint = await world.request('POST', '/developers/webhooks/endpoints', {
      token: world.publisher.token,
      body: { url: 'https://example.com/hook', events: ['meter.price-changed'] },
    })
    expect(endpoint.status).toBe(201)
    const before = await world.count('stoa_deliveries')
    const id = await create({ freeUnits: 100 })
    const effectiveTime = world.inSeconds(day)
    await change(id, { name: 'Texts' })
    await change(id, { price: 2, effectiveTime })
    const events = await world.db('stoa_events').where({ type: 'meter.price-changed' })
    const ours = events.map(({ payload }) => JSON.parse(payload).data).filter(({ meterId }) => meterId === id)
    expect(ours.length).toBe(2)
    expect(ours[0]).toMatchObject({
      name: 'Texts',
      from: { version: 1, price: '1', text: '1 USD per message, the first 100 each month free' },
      to: { version: 2, price: '2', freeUnits: '100' },
      effectiveTime,
    })
    // One to the endpoint in production; none in the sandbox has asked.
    expect((await world.count('stoa_deliveries')) - before).toBe(1)
  })

  it('makes versions that follow each other when decisions for different times arrive at once', async () => {
    const id = await create()
    const wishes = [2, 3, 4, 5].map((price) => change(id, { price, effectiveTime: world.inSeconds(price * day) }))
    expect((await Promise.all(wishes)).map(({ status }) => status)).toEqual(Array(4).fill(200))
    expect((await prices(id)).map(({ version }) => version)).toEqual([5, 4, 3, 2, 1])
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  afterAll(() => world?.close())

  async function installed(amount = 10) {
    const locationId = await world.location()
    const token = await world.install(world.appId, locationId)
    if (amount > 0) await world.fund(locationId, amount)
    const body = (change: object = {}) => world.chargeBody({ locationId, ...change })
    return { locationId, token, body, charge: (change: object = {}) => world.charge({ locationId, ...change }, token) }
  }

  const meter = (body: object) => world.meter(world.appId, { name: 'Units', unit: 'unit', priceType: 'fixed', ...body })

  describe('units beyond what can be counted', () => {
    it('are refused to who sends them, and hold nobody else up', async () => {
      const meterId = await meter({ price: 0, freeUnits: 1 })
      const { locationId, token, body } = await installed()
      const other = await installed()
      const many = Array.from({ length: 1000 }, () => body({ meterId, units: 1_000_000_000 }))
      for (let n = 0; n < 9; n++) expect((await world.batch(many.map(renewed), {}, token)).body.charged).toBe(1000)
      const [over, fine] = await Promise.all([world.batch(many.map(renewed), {}, token), other.charge()])
      expect(over.body.charged).toBe(223)
      expect(over.body.results.at(-1)).toMatchObject({ status: 422, code: 'usage_limit_reached' })
      expect(fine.status).toBe(201)
      // A cap counts what was charged so far, of all meters.
      const path = `${world.place(locationId)}/application-instances/${world.appId}/caps`
      const cap = { period: 'month', amount: 5 }
      expect((await world.request('PUT', path, { token: world.merchant.token, body: cap })).status).toBe(201)
      expect((await world.charge({ locationId }, token)).status).toBe(201)
    })

    it('are counted right when a limit comes after them', async () => {
      const meterId = await meter({ price: 0 })
      const { token, body, charge } = await installed()
      for (let n = 0; n < 10; n++) {
        const many = Array.from({ length: 1000 }, () => body({ meterId, units: 1_000_000_000 }))
        expect((await world.batch(many, {}, token)).body.charged).toBe(1000)
      }
      const path = `/developers/applications/${world.appId}/meters/${meterId}`
      const limited = await world.request('PATCH', path, { token: world.publisher.token, body: { cycleLimit: 5 } })
      expect(limited.status).toBe(200)
      expect(await charge({ meterId })).toMatchObject({ status: 422, body: { code: 'usage_limit_reached', left: 0 } })
    })
  })

  describe('has-funds', () => {
    const ask = (query: string, token: string) => world.get(`${world.chargesPath}/has-funds?${query}`, token)

    it('asks what the units would cost now, after what is free was used up', async () => {
      const meterId = await meter({ price: 1, freeUnits: 5 })
      const { token, charge } = await installed(1)
      expect((await ask(`meterId=${meterId}&units=5`, token)).body).toMatchObject({ hasFunds: true, required: 0 })
      expect((await charge({ meterId, units: 5 })).body.amountCharged).toBe(0)
      expect((await ask(`meterId=${meterId}&units=5`, token)).body).toMatchObject({
        hasFunds: false,
        required: 5,
        available: 1,
        reason: 'insufficient_funds',
      })
    })

    it('without a question looks into the wallets of the currencies that the application asks', async () => {
      const appId = await world.application()
      await world.meter(appId, { name: 'Units', unit: 'unit', priceType: 'fixed', price: 1, currency: 'EUR' })
      const locationId = await world.location()
      const token = await world.install(appId, locationId)
      await world.fund(locationId, 5)
      expect((await ask('', token)).body).toMatchObject({ hasFunds: false, currency: 'EUR' })
      const body = { locationId, amount: 7, currency: 'EUR', reference: 'euros' }
      await world.request('POST', '/platform/top-ups', { token: world.operator.token, body })
      expect((await ask('', token)).body).toMatchObject({ hasFunds: true, currency: 'EUR', available: 7 })
      expect((await ask('amount=8', token)).body).toMatchObject({ hasFunds: false, currency: 'EUR' })
    })

    it('asks for the meter that units and prices are of', async () => {
      const { token } = await installed(1)
      for (const query of ['units=2', 'price=1', 'amount=1&units=2']) {
        expect(await ask(query, token)).toMatchObject({ status: 422, body: { code: 'validation_failed' } })
      }
    })

    it('knows of limits and caps', async () => {
      const meterId = await meter({ price: 0.1, dailyLimit: 3 })
      const { token, locationId } = await installed(100)
      expect((await ask(`meterId=${meterId}&units=4`, token)).body).toMatchObject({
        hasFunds: false,
        reason: 'usage_limit_reached',
      })
      const path = `${world.place(locationId)}/application-instances/${world.appId}/caps`
      const cap = { period: 'day', amount: 0.2 }
      await world.request('PUT', path, { token: world.merchant.token, body: cap })
      expect((await ask(`meterId=${meterId}&units=3`, token)).body).toMatchObject({
        hasFunds: false,
        reason: 'cap_reached',
      })
      expect((await ask(`meterId=${meterId}&units=2`, token)).body).toMatchObject({ hasFunds: true })
    })

    it('refuses a test meter in production as a charge would', async () => {
      const meterId = await meter({ price: 1, status: 'test' })
      const { token, charge } = await installed()
      expect((await charge({ meterId })).body.code).toBe('meter_inactive')
      expect((await ask(`meterId=${meterId}&units=1`, token)).body.code).toBe('meter_inactive')
    })
  })

  describe('what is declined', () => {
    const attempts = async (token: string) => (await world.get('/marketplace/billing/charge-attempts', token)).body

    it('is kept of a batch that was rolled back for it', async () => {
      const { token, body } = await installed(0.6)
      const answer = await world.batch([body(), body({ eventId: 'over' })], { atomic: true }, token)
      expect(answer.status).toBe(402)
      expect(await attempts(token)).toMatchObject([{ eventId: 'over', code: 'insufficient_funds', tries: 1 }])
    })

    it('is kept of a hold too', async () => {
      const { token, locationId } = await installed(0)
      expect((await world.hold({ locationId, eventId: 'held' }, token)).status).toBe(402)
      expect(await attempts(token)).toMatchObject([{ eventId: 'held', code: 'insufficient_funds' }])
    })
  })

  it('takes a batch whose descriptions are all as long as they may be', async () => {
    const { token, body } = await installed(600)
    const charges = Array.from({ length: 1000 }, () => body({ description: 'd'.repeat(1000) }))
    expect((await world.batch(charges, {}, token)).body).toMatchObject({ charged: 1000 })
  })

  it('refuses a batch of an organization’s token whole', async () => {
    const app = await world.application()
    const token = await world.install(app, null)
    expect(await world.batch([world.chargeBody()], {}, token)).toMatchObject({
      status: 403,
      body: { code: 'caller_not_allowed' },
    })
  })

  it('takes what is up to a year old only of who may, and books it now', async () => {
    const app = await world.application(['charges.write', 'charges.readonly', 'charges.backfill'])
    const meterId = await world.meter(app, { name: 'Old', unit: 'unit', priceType: 'fixed', price: 1 })
    const { locationId, charge } = await installed()
    const token = await world.install(app, locationId)
    const eventTime = world.inSeconds(-300 * 86_400)
    expect(await charge({ eventTime })).toMatchObject({ body: { code: 'event_time_out_of_range' } })
    const answer = await world.charge({ appId: app, meterId, locationId, eventTime }, token)
    expect(answer.status).toBe(201)
    const shown = (await world.get(`${world.chargesPath}/${answer.body.chargeId}`, token)).body
    expect(shown).toMatchObject({ createdAt: world.now(), meta: { eventTime } })
    const older = { appId: app, meterId, locationId, eventTime: world.inSeconds(-366 * 86_400) }
    expect(await world.charge(older, token)).toMatchObject({ body: { code: 'event_time_out_of_range' } })
  })
})

let numbers = 0
const renewed = (charge: object) => ({ ...charge, eventId: `renewed-${++numbers}` })

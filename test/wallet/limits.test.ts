import { createHost } from '@stoa/core'
import { listenOn } from '@stoa/core/testing'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { eachDatabase, onPostgres } from '../support/databases.ts'
import { call, type Answer } from '../support/host.ts'
import { hostConfig } from './host-config.ts'
import { openWorld, type World } from './world.ts'

const day = 86_400
const statuses = (answers: Answer[]) => answers.map(({ status }) => status).toSorted((a, b) => a - b)
const times = <Value>(count: number, value: Value): Value[] => Array.from({ length: count }, () => value)

/** A location of its own with money, and the doors to what limits the application there. */
async function openPlace(world: World, funds: number | string = 1000) {
  const locationId = await world.location()
  const token = await world.install(world.appId, locationId)
  await world.fund(locationId, funds)
  const path = `${world.place(locationId)}/application-instances/${world.appId}/caps`
  const asMerchant = (method: string, rest = '', body?: object) =>
    world.request(method, path + rest, { token: world.merchant.token, ...(body && { body }) })
  return {
    locationId,
    token,
    charge: (change: object = {}) => world.charge({ locationId, ...change }, token),
    body: (change: object = {}) => world.chargeBody({ locationId, ...change }),
    batch: (charges: object[], options: object = {}) => world.batch(charges, options, token),
    hold: (change: object = {}) => world.hold({ locationId, ...change }, token),
    capture: (holdId: string, change: object = {}) => world.capture(holdId, { locationId, ...change }, token),
    refund: (chargeId: string, body: object) => world.refund(chargeId, body, token),
    void: (chargeId: string) => world.void(chargeId, token),
    cap: async (body: object): Promise<string> =>
      (await asMerchant('PUT', '', { period: 'month', ...body })).body.id as string,
    uncap: (capId: string) => asMerchant('DELETE', `/${capId}`),
    /** Used and left of each cap, as the merchant sees it; the application sees the same. */
    async caps(): Promise<[string, string][]> {
      const { body } = await asMerchant('GET')
      const own = await world.get(`/marketplace/app/${world.appId}/caps`, token)
      expect(own.body).toEqual(body)
      return body.map(({ exact }: { exact: { used: string; left: string } }) => [exact.used, exact.left])
    },
    /** Percent and what was used, of all that was told about caps, in order. */
    async told(): Promise<[string, number, string][]> {
      const rows = await world
        .db('stoa_events')
        .whereIn('type', ['cap.approaching', 'cap.reached'])
        .where({ location_id: locationId })
        .orderBy('id')
      return rows.map(({ type, payload }) => {
        const { percent, used } = JSON.parse(payload).data
        return [type, percent, used]
      })
    },
  }
}

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  afterAll(() => world?.close())

  const meter = (body: object) =>
    world.meter(world.appId, { name: 'Units', unit: 'unit', priceType: 'fixed', price: 1, ...body })
  const reprice = async (meterId: string, body: object) => {
    const path = `/developers/applications/${world.appId}/meters/${meterId}`
    const answer = await world.request('PATCH', path, { token: world.publisher.token, body })
    expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  }
  const open = (funds?: number | string) => openPlace(world, funds)
  /** The first instant of a day, or of a month, so many from now. */
  const startOf = (unit: 'day' | 'month', ahead: number): string => {
    const now = new Date(world.now())
    const [year, month, date] = [now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()]
    const at = unit === 'day' ? Date.UTC(year, month, date + ahead) : Date.UTC(year, month + ahead, 1)
    return new Date(at).toISOString()
  }
  const advanceTo = (time: string) => world.advance((Date.parse(time) - Date.parse(world.now())) / 1000)
  /** So that a test has as much of a month before it as it needs. */
  const beginMonth = () => advanceTo(startOf('month', 1))

  describe('a limit of the meter', () => {
    it('lets no more units through in a day than it says, to the last millionth, and counts anew the next day', async () => {
      const { charge } = await open()
      const meterId = await meter({ dailyLimit: 10 })
      expect((await charge({ meterId, units: 9.999999 })).status).toBe(201)
      const body = { meterId, units: 0.000002, eventId: 'too-many' }
      const refused = await charge(body)
      expect(refused).toMatchObject({
        status: 422,
        body: {
          code: 'usage_limit_reached',
          limit: 10,
          used: 9.999999,
          left: 0.000001,
          required: 0.000002,
          exact: { limit: '10', used: '9.999999', left: '0.000001', required: '0.000002' },
          period: 'day',
          meterId,
          resetsAt: startOf('day', 1),
        },
      })
      expect((await charge({ meterId, units: 0.000001 })).status).toBe(201)
      expect((await charge({ meterId, units: 0.000001 })).body).toMatchObject({ used: 10, left: 0 })
      advanceTo(startOf('day', 1))
      world.advance(-0.001)
      expect((await charge(body)).status).toBe(422)
      world.advance(0.001)
      expect((await charge(body)).status).toBe(201)
      expect((await charge({ meterId, units: 9.999998 })).status).toBe(201)
      expect((await charge({ meterId, units: 0.000001 })).body).toMatchObject({ used: 10 })
    })

    it('of a calendar month counts beside the one of a day, and whichever is reached first refuses', async () => {
      beginMonth()
      const { charge, void: giveBack } = await open()
      const meterId = await meter({ dailyLimit: 6, cycleLimit: 10 })
      const first = await charge({ meterId, units: 6 })
      expect((await charge({ meterId, units: 1 })).body).toMatchObject({ period: 'day', limit: 6, used: 6 })
      world.advance(day)
      expect((await charge({ meterId, units: 5 })).body).toMatchObject({
        code: 'usage_limit_reached',
        period: 'month',
        limit: 10,
        used: 6,
        left: 4,
        resetsAt: startOf('month', 1),
      })
      expect((await charge({ meterId, units: 4 })).status).toBe(201)
      // It was yesterday's: the month has room again, the day as much as before.
      await giveBack(first.body.chargeId)
      expect((await charge({ meterId, units: 3 })).body).toMatchObject({ period: 'day', used: 4 })
      expect((await charge({ meterId, units: 2 })).status).toBe(201)
      beginMonth()
      expect((await charge({ meterId, units: 6 })).status).toBe(201)
    })

    it('is another installation’s own', async () => {
      const [one, other] = [await open(), await open()]
      const meterId = await meter({ cycleLimit: 3 })
      expect((await one.charge({ meterId, units: 3 })).status).toBe(201)
      expect((await one.charge({ meterId, units: 1 })).status).toBe(422)
      expect((await other.charge({ meterId, units: 3 })).status).toBe(201)
    })

    it('that comes or changes in the middle of a month counts what was charged before', async () => {
      beginMonth()
      const { charge } = await open()
      const meterId = await meter({})
      expect((await charge({ meterId, units: 5 })).status).toBe(201)
      await reprice(meterId, { cycleLimit: 7 })
      expect((await charge({ meterId, units: 3 })).body).toMatchObject({ limit: 7, used: 5, left: 2 })
      expect((await charge({ meterId, units: 2 })).status).toBe(201)
      await reprice(meterId, { cycleLimit: 4 })
      expect((await charge({ meterId, units: 1 })).body).toMatchObject({ limit: 4, used: 7, left: 0 })
      await reprice(meterId, { cycleLimit: null })
      expect((await charge({ meterId, units: 1 })).status).toBe(201)
    })

    it('refuses what a hold would come to, and what captures come to', async () => {
      const { hold, capture, charge } = await open()
      const meterId = await meter({ dailyLimit: 5 })
      expect(await hold({ meterId, units: 6 })).toMatchObject({ status: 422, body: { code: 'usage_limit_reached' } })
      const { holdId } = (await hold({ meterId, units: 5 })).body
      // A hold only looks: what is charged meanwhile leaves less for its captures.
      expect((await charge({ meterId, units: 2 })).status).toBe(201)
      expect((await capture(holdId, { units: 2, final: false })).status).toBe(201)
      expect(await capture(holdId, { units: 2 })).toMatchObject({
        status: 422,
        body: { code: 'usage_limit_reached', used: 4, left: 1 },
      })
      expect((await capture(holdId, { units: 1 })).status).toBe(201)
    })
  })

  describe('a cap', () => {
    it('lets the application cost as much as it says and not a micro-unit more, and says what would be let through', async () => {
      beginMonth()
      const { charge, cap, caps } = await open()
      const meterId = await meter({ priceType: 'dynamic', price: null, minPrice: 0, maxPrice: 100 })
      const capId = await cap({ amount: '2' })
      expect((await charge({ meterId, price: 1.5 })).status).toBe(201)
      const body = { meterId, price: 0.500001, eventId: 'a-little-more' }
      const refused = await charge(body)
      expect(refused).toMatchObject({
        status: 422,
        body: {
          code: 'cap_reached',
          capId,
          limit: 2,
          used: 1.5,
          left: 0.5,
          required: 0.500001,
          exact: { limit: '2', used: '1.5', left: '0.5', required: '0.500001' },
          currency: 'USD',
          period: 'month',
          meterId: null,
          resetsAt: startOf('month', 1),
        },
      })
      expect(refused.body.message).toContain('0.5 is left')
      expect((await charge({ meterId, price: 0.5 })).status).toBe(201)
      expect(await caps()).toEqual([['2', '0']])
      expect((await charge({ meterId, price: 0.000001 })).body).toMatchObject({ code: 'cap_reached', left: 0 })
      expect((await charge({ meterId, price: 0 })).status).toBe(201)
      // The same eventId is charged once the merchant wants it.
      await cap({ amount: 2.500001 })
      expect((await charge(body)).status).toBe(201)
      expect((await charge(body)).status).toBe(200)
      expect(await caps()).toEqual([['2.500001', '0']])
    })

    it('counts anew in the next period, a day or a month, to the millisecond', async () => {
      beginMonth()
      const { charge, cap, caps } = await open()
      await cap({ amount: 1, period: 'day' })
      await cap({ amount: 1.5 })
      expect((await charge({ units: 2 })).status).toBe(201)
      const body = { eventId: 'later', units: 1 }
      expect((await charge(body)).body).toMatchObject({
        code: 'cap_reached',
        period: 'day',
        resetsAt: startOf('day', 1),
      })
      advanceTo(startOf('day', 1))
      world.advance(-0.001)
      expect((await charge(body)).status).toBe(422)
      world.advance(0.001)
      expect((await charge(body)).status).toBe(201)
      expect(await caps()).toEqual([
        ['0.5', '0.5'],
        ['1.5', '0'],
      ])
      expect((await charge()).body).toMatchObject({
        code: 'cap_reached',
        period: 'month',
        resetsAt: startOf('month', 1),
      })
      beginMonth()
      expect(await caps()).toEqual([
        ['0', '1'],
        ['0', '1.5'],
      ])
      expect((await charge({ units: 2 })).status).toBe(201)
    })

    it('of one meter leaves the others, one of all counts them together, and the strictest refuses', async () => {
      const { charge, cap, caps, uncap } = await open()
      const own = await cap({ amount: 1, meterId: world.fixed })
      const all = await cap({ amount: 3 })
      expect((await charge({ units: 2 })).status).toBe(201)
      expect((await charge()).body).toMatchObject({ code: 'cap_reached', capId: own, meterId: world.fixed })
      expect((await charge({ meterId: world.dynamic, price: 1.5 })).status).toBe(201)
      expect((await charge({ meterId: world.dynamic, price: 0.6 })).body).toMatchObject({ capId: all, left: 0.5 })
      expect(await caps()).toEqual([
        ['1', '0'],
        ['2.5', '0.5'],
      ])
      await uncap(own)
      expect((await charge()).status).toBe(201)
      expect((await charge()).body).toMatchObject({ capId: all, left: 0 })
      await uncap(all)
      expect((await charge()).status).toBe(201)
    })

    it('that is set in the middle of a period counts what was charged in it before, and nothing older', async () => {
      const { charge, cap, caps, void: giveBack } = await open()
      const old = await charge({ units: 4 })
      beginMonth()
      const early = await charge({ units: 2 })
      world.advance(2 * day)
      const today = await charge({ units: 1 })
      await cap({ amount: 2 })
      await cap({ amount: 2, period: 'day' })
      expect(await caps()).toEqual([
        ['1.5', '0.5'],
        ['0.5', '1.5'],
      ])
      // What is given back is taken out once, also where it is the first that needs the counter.
      await giveBack(today.body.chargeId)
      await giveBack(old.body.chargeId)
      expect(await caps()).toEqual([
        ['1', '1'],
        ['0', '2'],
      ])
      expect((await charge({ units: 3 })).body).toMatchObject({ code: 'cap_reached', used: 1 })
      expect((await charge({ units: 2 })).status).toBe(201)
      await giveBack(early.body.chargeId)
      expect(await caps()).toEqual([
        ['1', '1'],
        ['1', '1'],
      ])
      // Below what was used, so that nothing more is charged.
      await cap({ amount: 0.4 })
      expect((await charge()).body).toMatchObject({ code: 'cap_reached', limit: 0.4, used: 1, left: 0 })
    })

    it('has room again for what is given back in the same period, and none for what an older one gave', async () => {
      beginMonth()
      const { charge, cap, caps, refund, void: giveBack } = await open()
      await cap({ amount: 2, period: 'day' })
      const { chargeId } = (await charge({ units: 4 })).body
      expect((await charge()).status).toBe(422)
      await refund(chargeId, { refundId: 'r1', amount: 0.6 })
      expect(await caps()).toEqual([['1.4', '0.6']])
      expect((await charge({ units: 2 })).body).toMatchObject({ left: 0.6 })
      expect((await charge({ units: 1 })).status).toBe(201)
      await refund(chargeId, { refundId: 'r2', units: 1 })
      expect(await caps()).toEqual([['1.4', '0.6']])
      world.advance(day)
      expect((await charge({ units: 4 })).status).toBe(201)
      await giveBack(chargeId)
      expect(await caps()).toEqual([['2', '0']])
      expect((await charge()).status).toBe(422)
      expect(await world.checkLedger()).toEqual([])
    })

    it('of another currency, another installation or another environment counts for itself', async () => {
      const one = await open()
      const euros = await meter({ currency: 'EUR' })
      await one.cap({ amount: 0, currency: 'EUR' })
      expect((await one.charge()).status).toBe(201)
      // No wallet in euros, and the cap comes after what has to be paid with.
      expect((await one.charge({ meterId: euros })).body.code).toBe('currency_mismatch')
      await one.cap({ amount: 0 })
      expect((await one.charge()).body.code).toBe('cap_reached')
      expect((await (await open()).charge()).status).toBe(201)
      const sandbox = await world.install(world.appId, one.locationId, 'sandbox')
      await world.fund(one.locationId, 10, 'sandbox')
      expect((await world.charge({ locationId: one.locationId }, sandbox)).status).toBe(201)
    })

    it('counts what is captured of holds when it is captured, and refuses a hold that it would not let through', async () => {
      const { hold, capture, cap, caps } = await open()
      await cap({ amount: 2 })
      expect((await hold({ units: 5 })).body).toMatchObject({ code: 'cap_reached', required: 2.5 })
      const { holdId } = (await hold({ units: 4 })).body
      expect(await caps()).toEqual([['0', '2']])
      expect((await capture(holdId, { units: 3, final: false })).status).toBe(201)
      expect(await caps()).toEqual([['1.5', '0.5']])
      expect((await capture(holdId, { units: 2, allowExcess: true, final: false })).body.code).toBe('cap_reached')
      expect((await capture(holdId, { units: 1 })).status).toBe(201)
      expect(await caps()).toEqual([['2', '0']])
    })

    it('lets of a batch through what fits in, and nothing at all of an atomic one that does not', async () => {
      const { batch, body, cap, caps, told, locationId } = await open()
      await cap({ amount: 2 })
      const atomic = await batch(
        times(5, 1).map(() => body()),
        { atomic: true },
      )
      expect(atomic).toMatchObject({ status: 422, body: { code: 'cap_reached', index: 4, used: 2 } })
      expect(await caps()).toEqual([['0', '2']])
      expect(await told()).toEqual([])
      expect(await world.balance(locationId)).toBe('1000')
      const answer = (await batch([body({ units: 3 }), body({ units: 2 }), body(), body()])).body
      expect(answer).toMatchObject({ charged: 2, refused: 2 })
      expect(answer.results.map(({ status, code }: { status: number; code?: string }) => code ?? status)).toEqual([
        201,
        'cap_reached',
        201,
        'cap_reached',
      ])
      expect(await caps()).toEqual([['2', '0']])
      expect(await told()).toEqual([['cap.reached', 100, '2']])
    })

    it('lets exactly as many of forty charges at once through as there is room for', async () => {
      const { charge, cap, caps, locationId } = await open()
      await cap({ amount: 5, period: 'day' })
      const answers = await Promise.all(times(40, 1).map(() => charge()))
      expect(statuses(answers)).toEqual([...times(10, 201), ...times(30, 422)])
      expect(await caps()).toEqual([['5', '0']])
      expect(await world.balance(locationId)).toBe('995')
      expect(await world.checkLedger()).toEqual([])
    })

    it('is what a merchant pays: with the margin of an organization that resells', async () => {
      const { charge, cap, caps, locationId } = await open()
      const path = `/organizations/${world.merchant.organizationId}/rebilling/${locationId}/${world.appId}/all`
      const rule = await world.request('PUT', path, {
        token: world.merchant.token,
        body: { enabled: true, markupBps: 10_000 },
      })
      expect(rule.status, JSON.stringify(rule.body)).toBeLessThan(300)
      await cap({ amount: 1.5 })
      expect((await charge()).status).toBe(201)
      expect(await caps()).toEqual([['1', '0.5']])
      expect((await charge()).body).toMatchObject({ code: 'cap_reached', required: 1, left: 0.5 })
    })
  })

  describe('what is told of a cap', () => {
    it('is 80, 90 and 100 percent, each once in a period', async () => {
      beginMonth()
      const { charge, cap, told, void: giveBack } = await open()
      await cap({ amount: 10 })
      await charge({ units: 15.9 })
      expect(await told()).toEqual([])
      await charge({ units: 0.1 })
      const back = (await charge({ units: 1.9 })).body.chargeId
      expect(await told()).toEqual([['cap.approaching', 80, '8']])
      await giveBack(back)
      await charge({ units: 2 })
      await charge({ units: 1 })
      await charge({ units: 2 })
      const all = [
        ['cap.approaching', 80, '8'],
        ['cap.approaching', 90, '9'],
      ]
      expect(await told()).toEqual(all)
      await charge({ units: 1 })
      await charge({ units: 1 })
      expect(await told()).toEqual([...all, ['cap.reached', 100, '10']])
      beginMonth()
      await charge({ units: 18 })
      expect((await told()).slice(3)).toEqual([['cap.approaching', 90, '9']])
    })

    it('is the highest alone when one charge jumps over others', async () => {
      const { charge, cap, told } = await open()
      await cap({ amount: 1 })
      await charge({ units: 2 })
      expect(await told()).toEqual([['cap.reached', 100, '1']])
    })

    it('is said once, however many charges are refused under a cap that is already used up when it is set', async () => {
      const { charge, cap, told } = await open()
      await charge({ units: 4 })
      await cap({ amount: 1.5 })
      expect((await charge()).status).toBe(422)
      expect((await charge()).status).toBe(422)
      await Promise.all(times(5, 1).map(() => charge()))
      expect(await told()).toEqual([['cap.reached', 100, '2']])
    })

    it('is said again of a cap that was raised, and of one that was lowered what it has come to', async () => {
      const { charge, cap, told } = await open()
      await cap({ amount: 1 })
      await charge({ units: 2 })
      await cap({ amount: 5 })
      await charge({ units: 6 })
      const first = [
        ['cap.reached', 100, '1'],
        ['cap.approaching', 80, '4'],
      ]
      expect(await told()).toEqual(first)
      await cap({ amount: 4.4 })
      await charge({ units: 0.2 })
      expect(await told()).toEqual([...first, ['cap.approaching', 90, '4.1']])
    })
  })

  describe('prices that depend on what was used', () => {
    const amountOf = (answer: Answer) => {
      expect(answer.status, JSON.stringify(answer.body)).toBe(201)
      return answer.body.exact.amountCharged as string
    }
    /** What charges of so many units come to, one after the other. */
    async function amounts(charge: (change: object) => Promise<Answer>, meterId: string, units: number[]) {
      const all = []
      for (const each of units) all.push(amountOf(await charge({ meterId, units: each })))
      return all
    }
    const tiers = [
      { upTo: 10, price: 1 },
      { upTo: 20, price: 0.5 },
      { upTo: null, price: 0.1 },
    ]

    it('free units are free once in a month, also in a part of a charge', async () => {
      beginMonth()
      const { charge, void: giveBack } = await open()
      const meterId = await meter({ freeUnits: 10 })
      expect(await amounts(charge, meterId, [4, 5, 3, 1])).toEqual(['0', '0', '2', '1'])
      // What is given back was free, and can be had again.
      const free = (await world.db('stoa_charges').where({ meter_id: meterId, amount: 0 }).orderBy('id'))[0]
      await giveBack(free!.id)
      expect(await amounts(charge, meterId, [1, 1])).toEqual(['0', '1'])
      beginMonth()
      expect(await amounts(charge, meterId, [10, 1])).toEqual(['0', '1'])
    })

    it('a package costs once, when the first of its units is used', async () => {
      beginMonth()
      const { charge } = await open()
      const meterId = await meter({ priceType: 'package', price: 5, packageSize: 10 })
      expect(await amounts(charge, meterId, [1, 9, 1, 25, 3])).toEqual(['5', '0', '5', '10', '0'])
      beginMonth()
      expect(await amounts(charge, meterId, [1])).toEqual(['5'])
    })

    it('graduated tiers go on where the charge before ended, and from the beginning in the next month', async () => {
      beginMonth()
      const { charge, batch, body } = await open()
      const meterId = await meter({ priceType: 'graduated', price: null, tiers })
      expect(await amounts(charge, meterId, [8, 4, 10])).toEqual(['8', '3', '4.2'])
      beginMonth()
      const { results } = (await batch([8, 4, 10].map((units) => body({ meterId, units })))).body
      expect(results.map(({ exact }: { exact: { amountCharged: string } }) => exact.amountCharged)).toEqual([
        '8',
        '3',
        '4.2',
      ])
    })

    it('volume tiers price each charge by what the month comes to with it', async () => {
      beginMonth()
      const { charge } = await open()
      const meterId = await meter({ priceType: 'volume', price: null, tiers })
      expect(await amounts(charge, meterId, [10, 1, 9, 1])).toEqual(['10', '0.5', '4.5', '0.1'])
      beginMonth()
      expect(await amounts(charge, meterId, [11])).toEqual(['5.5'])
    })

    it('a new price in the middle of a month counts on what was used of the old one', async () => {
      beginMonth()
      const { charge, void: giveBack } = await open()
      const meterId = await meter({ priceType: 'graduated', price: null, tiers })
      const first = await charge({ meterId, units: 8 })
      await reprice(meterId, {
        tiers: [
          { upTo: 10, price: 2 },
          { upTo: null, price: 1 },
        ],
      })
      expect(await amounts(charge, meterId, [4])).toEqual(['6'])
      // Given back for what it cost then; the units count no more.
      await giveBack(first.body.chargeId)
      expect(await amounts(charge, meterId, [7])).toEqual(['13'])
      await reprice(meterId, { freeUnits: 12, effectiveTime: world.inSeconds(day) })
      world.advance(day)
      expect(await amounts(charge, meterId, [2])).toEqual(['2'])
      expect(await world.checkLedger()).toEqual([])
    })

    it('a fixed price that becomes one with free units counts what was paid for before', async () => {
      beginMonth()
      const { charge } = await open()
      const meterId = await meter({})
      expect(await amounts(charge, meterId, [3])).toEqual(['3'])
      await reprice(meterId, { freeUnits: 5 })
      expect(await amounts(charge, meterId, [3])).toEqual(['1'])
    })

    it('what charges at once come to in sum does not depend on their order', async () => {
      beginMonth()
      const { charge, locationId } = await open()
      const meterId = await meter({ priceType: 'graduated', price: null, tiers })
      const answers = await Promise.all(times(30, 1).map(() => charge({ meterId, units: 1 })))
      expect(statuses(answers)).toEqual(times(30, 201))
      expect(await world.balance(locationId)).toBe('984')
      expect(await world.checkLedger()).toEqual([])
    })
  })

  it('after all of this every counter is what its charges say', async () => {
    expect(await world.count('stoa_usage_counters')).toBeGreaterThan(20)
    expect(await world.checkLedger()).toEqual([])
  })
})

onPostgres((database) => {
  it('two hosts let exactly as much through under one cap as it has room for', async () => {
    const world = await openWorld(database)
    onTestFinished(world.close)
    const host = await createHost({ ...hostConfig, database: world.opened.url, clock: world.clock })
    const server = await listenOn(host)
    onTestFinished(async () => {
      await server.close()
      await host.stop()
    })
    const { locationId, token, cap, caps, told } = await openPlace(world)
    await cap({ amount: 12.5 })
    const answers = await Promise.all(
      times(80, 1).map((_, n) =>
        call(n % 2 === 0 ? world.url : server.url, 'POST', world.chargesPath, {
          token,
          body: world.chargeBody({ locationId }),
        }),
      ),
    )
    expect(statuses(answers)).toEqual([...times(25, 201), ...times(55, 422)])
    expect(await caps()).toEqual([['12.5', '0']])
    const percents = (await told()).map(([, percent]) => percent)
    expect(percents).toEqual([...new Set(percents)].toSorted((a, b) => a - b))
    expect(percents.at(-1)).toBe(100)
    expect(await world.checkLedger()).toEqual([])
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  afterAll(() => world?.close())

  async function charged(units: number) {
    const locationId = await world.location()
    const token = await world.install(world.appId, locationId)
    await world.fund(locationId, 100)
    const { chargeId } = (await world.charge({ locationId, units }, token)).body
    const refund = (body: object) => world.refund(chargeId, { refundId: 'r1', ...body }, token)
    return { locationId, token, chargeId, refund }
  }

  describe('giving a part of a charge back', () => {
    it('gives back an amount, or units in proportion, and then what is left', async () => {
      const { locationId, token, chargeId, refund } = await charged(10)
      const first = await refund({ amount: '1.25' })
      expect(first.status).toBe(201)
      expect(first.body).toMatchObject({
        success: true,
        chargeId,
        refundId: 'r1',
        exact: { amount: '1.25', units: '2.5' },
        charge: { refunded: false, exact: { refundedAmount: '1.25', left: '3.75' } },
      })
      const second = await refund({ refundId: 'r2', units: 5 })
      expect(second.body).toMatchObject({ exact: { amount: '2.5', units: '5' } })
      const last = await refund({ refundId: 'r3' })
      expect(last.body).toMatchObject({ exact: { amount: '1.25', units: '2.5' }, charge: { refunded: true } })
      expect(await world.balance(locationId)).toBe('100')
      expect((await world.get(`${world.chargesPath}/${chargeId}`, token)).body.refunded).toBe(true)
      expect(await world.checkLedger()).toEqual([])
    })

    it('is listed, and a void after it gives back only the rest', async () => {
      const { locationId, token, chargeId, refund } = await charged(10)
      await refund({ amount: 2, description: 'half of it failed' })
      expect((await world.void(chargeId, token)).body).toEqual({ success: true })
      expect(await world.balance(locationId)).toBe('100')
      const list = await world.get(`${world.chargesPath}/${chargeId}/refunds`, token)
      expect(list.body).toMatchObject([
        { refundId: 'r1', amount: 2, description: 'half of it failed' },
        { refundId: null, amount: 3 },
      ])
      expect(list.headers.get('pagination-total')).toBe('2')
      const { charges } = (await world.get(world.chargesPath, token)).body
      expect(
        charges.map((each: { transactionType: string; amountCharged: number }) => [
          each.transactionType,
          each.amountCharged,
        ]),
      ).toEqual(
        expect.arrayContaining([
          ['charge', 5],
          ['refund', 2],
          ['refund', 3],
        ]),
      )
    })

    it('is refused where the wallet cannot hold it, whole or in part, and done once there is room', async () => {
      const { locationId, token, chargeId, refund } = await charged(10)
      const wallet = () => world.db('stoa_ledger_accounts').where({ kind: 'wallet', owner_id: locationId })
      const { balance } = await wallet().first('balance')
      await wallet().update({ balance: (2n ** 63n - 1n - 4_000_000n).toString() })
      const refusal = {
        status: 422,
        body: {
          code: 'validation_failed',
          invalidFields: [{ field: 'amount', message: expect.stringContaining('hold') }],
        },
      }
      expect(await refund({ amount: '4.000001' })).toMatchObject(refusal)
      expect(await refund({})).toMatchObject(refusal)
      expect(await world.void(chargeId, token)).toMatchObject(refusal)
      await wallet().update({ balance: balance as string })
      expect((await refund({ amount: '4.000001' })).status).toBe(201)
      expect(await world.checkLedger()).toEqual([])
    })

    it('with the same refundId is done once, also at the same moment, and refused with other content', async () => {
      const { locationId, refund } = await charged(10)
      const answers = await Promise.all(Array.from({ length: 8 }, () => refund({ amount: 1 })))
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
        200, 200, 200, 200, 200, 200, 200, 201,
      ])
      expect(answers.filter(({ headers }) => headers.get('idempotent-replayed') === 'true')).toHaveLength(7)
      expect(await world.balance(locationId)).toBe('96')
      expect(await refund({ amount: 2 })).toMatchObject({ status: 422, body: { code: 'refund_id_reused' } })
    })

    it('gives units of what cost nothing back, as many as there were', async () => {
      const free = await world.meter(world.appId, { name: 'Free', unit: 'x', priceType: 'fixed', price: 0 })
      const { chargeId } = (await world.charge({ meterId: free, units: 3 })).body
      const answers = [1, 2, 1].map((units, n) => () => world.refund(chargeId, { refundId: `r${n}`, units }))
      const told = []
      for (const ask of answers) told.push((await ask()).body)
      expect(told.map(({ charge, code }) => charge?.refunded ?? code)).toEqual([false, true, 'refund_exceeds_charge'])
      expect(await world.checkLedger()).toEqual([])
    })

    it('never gives back more than was charged, also in many parts at the same moment', async () => {
      const { locationId, refund } = await charged(10)
      expect(await refund({ amount: 5.000001 })).toMatchObject({
        status: 422,
        body: { code: 'refund_exceeds_charge', left: 5 },
      })
      const answers = await Promise.all(Array.from({ length: 9 }, (_, n) => refund({ refundId: `p${n}`, amount: 1 })))
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
        201, 201, 201, 201, 201, 422, 422, 422, 422,
      ])
      expect(await world.balance(locationId)).toBe('100')
      expect(await world.checkLedger()).toEqual([])
    })

    it.each([
      ['nothing', { amount: 0 }, 'amount'],
      ['less than nothing', { amount: -1 }, 'amount'],
      ['more decimals than there are', { amount: '0.0000001' }, 'amount'],
      ['an exponent', { amount: '1e3' }, 'amount'],
      ['both at once', { amount: 1, units: 1 }, 'units'],
    ])('refuses %s', async (_what, body, field) => {
      const { refund } = await charged(1)
      const answer = await refund(body)
      expect(answer).toMatchObject({ status: 422, body: { code: 'validation_failed' } })
      expect(answer.body.invalidFields[0].field).toBe(field)
    })

    it('answers another installation’s charge like one that does not exist', async () => {
      const { chargeId } = await charged(1)
      for (const id of [chargeId, 'chg_none']) {
        expect(await world.refund(id, { refundId: 'r' })).toMatchObject({
          status: 404,
          body: { code: 'charge_not_found' },
        })
      }
    })

    it('is refused after the window', async () => {
      const late = await openWorld(database, { wallet: { voidWindowDays: 1 } })
      try {
        await late.fund(late.locationId, 10)
        const { chargeId } = (await late.charge()).body
        late.advance(86_400)
        expect(await late.refund(chargeId, { refundId: 'r' })).toMatchObject({ body: { code: 'void_window_closed' } })
      } finally {
        await late.close()
      }
    })
  })
})

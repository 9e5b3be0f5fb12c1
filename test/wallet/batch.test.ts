import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { callerAt, openDirectWallet } from './direct.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  afterAll(() => world?.close())

  async function funded(amount: number | string) {
    const locationId = await world.location()
    const token = await world.install(world.appId, locationId)
    await world.fund(locationId, amount)
    const body = (change: object = {}) => world.chargeBody({ locationId, ...change })
    const batch = (charges: object[], options: object = {}) => world.batch(charges, options, token)
    return { locationId, token, body, batch }
  }

  describe('a batch of charges', () => {
    it('charges each and answers in their order, as one transaction in the ledger', async () => {
      const { locationId, body, batch } = await funded(10)
      const answer = await batch([body({ units: 1 }), body({ units: 2 }), body({ units: 3 })])
      expect(answer.status).toBe(200)
      expect(answer.body).toMatchObject({ success: true, charged: 3, refused: 0 })
      expect(answer.body.results.map((each: { status: number }) => each.status)).toEqual([201, 201, 201])
      expect(answer.body.results.map((each: { exact: object }) => each.exact)).toEqual(
        ['0.5', '1', '1.5'].map((amountCharged, n) => ({ amountCharged, pricePerUnit: '0.5', units: String(n + 1) })),
      )
      expect(await world.balance(locationId)).toBe('7')
      const rows = await world.db('stoa_charges').where({ location_id: locationId })
      expect(new Set(rows.map((row) => row.transaction_id)).size).toBe(1)
      expect(await world.checkLedger()).toEqual([])
    })

    it('judges each by itself: what is refused says why, and the others are charged', async () => {
      const { locationId, body, batch } = await funded(1)
      const { results, ...rest } = (
        await batch([
          body({ units: 1 }),
          body({ units: '1' }),
          body({ meterId: 'mtr_none' }),
          body({ locationId: world.locationId }),
          body({ units: 2 }),
          body({ units: 1 }),
        ])
      ).body
      expect(rest).toEqual({ success: false, charged: 2, refused: 4 })
      expect(results.map((each: { status: number; code?: string }) => each.code ?? each.status)).toEqual([
        201,
        'validation_failed',
        'meter_not_found',
        'tenant_mismatch',
        'insufficient_funds',
        201,
      ])
      expect(results[4]).toMatchObject({ success: false, status: 402, details: { required: 1, available: 0.5 } })
      expect(await world.balance(locationId)).toBe('0')
      expect(await world.checkLedger()).toEqual([])
    })

    it('makes one charge of the same eventId twice, and refuses the second when it is another', async () => {
      const { locationId, body, batch } = await funded(10)
      const twin = body({ eventId: 'twin' })
      const { results } = (await batch([twin, twin, { ...twin, units: 2 }])).body
      expect(results.map((each: { status: number }) => each.status)).toEqual([201, 200, 422])
      expect(results[1].chargeId).toBe(results[0].chargeId)
      expect(results[2].code).toBe('event_id_reused')
      expect(await world.balance(locationId)).toBe('9.5')
    })

    it('sent again charges nothing more', async () => {
      const { locationId, body, batch } = await funded(10)
      const charges = [body(), body(), body()]
      const first = (await batch(charges)).body.results
      const again = (await batch(charges)).body
      expect(again).toMatchObject({ success: true, charged: 3 })
      expect(again.results).toEqual(first.map((each: object) => ({ ...each, status: 200 })))
      expect(await world.balance(locationId)).toBe('8.5')
    })

    it('gives one of its charges back and leaves the others', async () => {
      const { locationId, token, body, batch } = await funded(10)
      const { results } = (await batch([body({ units: 1 }), body({ units: 4 })])).body
      await world.void(results[1].chargeId, token)
      expect(await world.balance(locationId)).toBe('9.5')
      expect((await world.get(`${world.chargesPath}/${results[0].chargeId}`, token)).body.refunded).toBe(false)
      expect(await world.checkLedger()).toEqual([])
    })

    it('takes 1000 charges, and refuses 1001, none, and members that nobody declared', async () => {
      const { locationId, body, batch } = await funded(1000)
      expect((await batch(Array.from({ length: 1000 }, () => body()))).body).toMatchObject({ charged: 1000 })
      expect(await world.balance(locationId)).toBe('500')
      for (const charges of [Array.from({ length: 1001 }, () => body()), []]) {
        const message = `must have 1 to 1000 items, not ${charges.length}`
        expect(await batch(charges)).toMatchObject({
          status: 422,
          body: {
            code: 'validation_failed',
            message: `charges ${message}`,
            invalidFields: [{ field: 'charges', message }],
          },
        })
      }
      expect((await batch([body()], { atomically: true })).status).toBe(422)
      expect(await world.checkLedger()).toEqual([])
    })
  })

  describe('a batch that is all or nothing', () => {
    it('charges all when all can be paid', async () => {
      const { locationId, body, batch } = await funded(1)
      expect((await batch([body(), body()], { atomic: true })).body).toMatchObject({ success: true, charged: 2 })
      expect(await world.balance(locationId)).toBe('0')
    })

    it('charges none when one cannot, and answers with the refusal of that one', async () => {
      const { locationId, body, batch } = await funded(1)
      const charges = [body(), body(), body()]
      const answer = await batch(charges, { atomic: true })
      expect(answer).toMatchObject({ status: 402, body: { code: 'insufficient_funds', index: 2, required: 0.5 } })
      expect(await world.balance(locationId)).toBe('1')
      expect(await world.db('stoa_charges').where({ location_id: locationId })).toEqual([])
      await world.fund(locationId, '0.5')
      expect((await batch(charges, { atomic: true })).body).toMatchObject({ charged: 3 })
    })

    it('does not even begin when one is no charge, and names the field', async () => {
      const { locationId, body, batch } = await funded(1)
      const { description: _, ...incomplete } = body()
      const answer = await batch([body(), { ...incomplete, description: 7 }], { atomic: true })
      expect(answer).toMatchObject({ status: 422, body: { code: 'validation_failed', index: 1 } })
      expect(answer.body.invalidFields[0].field).toBe('charges.1.description')
      expect(await world.balance(locationId)).toBe('1')
    })
  })

  it('is refused whole by a host that has too much to write already, which then does the rest', async () => {
    const { locationId, body } = await funded(100)
    const wallet = await openDirectWallet(world, { queueLimit: 5 })
    try {
      const caller = await callerAt(world, locationId)
      const answers = await Promise.all(
        Array.from({ length: 3 }, () =>
          wallet.batch(
            caller,
            Array.from({ length: 4 }, () => body()),
          ),
        ),
      )
      expect(answers.map(({ code, status }) => code ?? status)).toEqual([200, 'unavailable', 'unavailable'])
      expect((answers[1]!.error as { retryAfter: number }).retryAfter).toBe(1)
      expect(await world.balance(locationId)).toBe('98')
      // One that is larger than all that may wait is let in when nothing does.
      const large = await wallet.batch(
        caller,
        Array.from({ length: 8 }, () => body()),
      )
      expect(large.body).toMatchObject({ charged: 8 })
    } finally {
      await wallet.close()
    }
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
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
    const walletOf = async () =>
      (await world.request('GET', `${world.place(locationId)}/wallet`, { token: world.merchant.token })).body.exact
    return {
      locationId,
      token,
      walletOf,
      hold: (change: object = {}) => world.hold({ locationId, ...change }, token),
      capture: (holdId: string, change: object = {}) => world.capture(holdId, { locationId, ...change }, token),
      release: (holdId: string) => world.release(holdId, token),
      charge: (change: object = {}) => world.charge({ locationId, ...change }, token),
    }
  }

  const uninstall = (locationId: string) =>
    world.request('DELETE', `${world.place(locationId)}/application-instances/${world.appId}`, {
      token: world.merchant.token,
    })

  describe('a hold', () => {
    it('reserves what a charge of the same would come to, and leaves it in the balance', async () => {
      const { hold, walletOf, locationId } = await funded(10)
      const answer = await hold({ units: 4, eventId: 'call-1', expiresIn: 60 })
      expect(answer.status).toBe(201)
      expect(answer.body).toEqual({
        success: true,
        holdId: expect.stringMatching(/^hld_/),
        status: 'open',
        appId: world.appId,
        meterId: world.fixed,
        locationId,
        currency: 'USD',
        amount: 2,
        captured: 0,
        reserved: 2,
        exact: { amount: '2', captured: '0', reserved: '2' },
        meta: { eventId: 'call-1', description: 'A message' },
        expiresAt: world.inSeconds(60),
        createdAt: world.now(),
        closedAt: null,
      })
      expect(await walletOf()).toMatchObject({ balance: '10', available: '8' })
    })

    it('counts in what is available: neither a charge nor another hold can have it', async () => {
      const { hold, charge } = await funded(2)
      expect((await hold({ amount: 1.5 })).status).toBe(201)
      expect(await charge({ units: 2 })).toMatchObject({ status: 402, body: { available: 0.5 } })
      expect(await hold({ amount: 0.6 })).toMatchObject({ status: 402, body: { available: 0.5 } })
      expect((await charge({ units: 1 })).status).toBe(201)
    })

    it('is never drawn from an overdraft', async () => {
      const { hold, charge, locationId } = await funded(1)
      await world.db('stoa_ledger_accounts').where({ owner_id: locationId }).update({ min_balance: -5_000_000 })
      expect(await hold({ amount: 1.5 })).toMatchObject({ status: 402, body: { available: 1 } })
      expect((await charge({ units: 4 })).status).toBe(201)
      expect((await hold({ amount: 0.5 })).status).toBe(402)
    })

    it('is answered alike when it is asked for again, also at the same moment; refused with other content', async () => {
      const { hold, walletOf } = await funded(10)
      const answers = await Promise.all(Array.from({ length: 6 }, () => hold({ eventId: 'same', amount: 1 })))
      expect(new Set(answers.map(({ body }) => body.holdId)).size).toBe(1)
      expect(await walletOf()).toMatchObject({ available: '9' })
      expect(await hold({ eventId: 'same', amount: 2 })).toMatchObject({ body: { code: 'event_id_reused' } })
    })

    it.each([
      ['more than a day', { expiresIn: 86_401 }],
      ['no time at all', { expiresIn: 0 }],
      ['an amount of nothing', { amount: 0 }],
      ['a negative amount', { amount: -1 }],
      ['an amount with seven decimals', { amount: 0.0000001 }],
    ])('is refused for %s', async (_what, change) => {
      expect(await (await funded(10)).hold(change)).toMatchObject({ status: 422, body: { code: 'validation_failed' } })
    })

    it('is listed and shown to its own installation only', async () => {
      const { hold, token } = await funded(10)
      const { holdId } = (await hold()).body
      expect((await world.get(`/marketplace/billing/holds/${holdId}`, token)).body.holdId).toBe(holdId)
      expect((await world.get('/marketplace/billing/holds?status=open', token)).body).toHaveLength(1)
      expect((await world.get('/marketplace/billing/holds?status=expired', token)).body).toEqual([])
      for (const id of [holdId, 'hld_none']) {
        expect((await world.get(`/marketplace/billing/holds/${id}`)).status).toBe(404)
        expect((await world.capture(id)).status).toBe(404)
        expect((await world.release(id)).status).toBe(404)
      }
    })
  })

  describe('capturing', () => {
    it('charges what was used and releases the rest', async () => {
      const { hold, capture, walletOf, token } = await funded(10)
      const { holdId } = (await hold({ units: 10 })).body
      const answer = await capture(holdId, { units: 3 })
      expect(answer.status).toBe(201)
      expect(answer.body).toMatchObject({
        amountCharged: 1.5,
        hold: { status: 'captured', captured: 1.5, reserved: 0, closedAt: world.now() },
      })
      expect(await walletOf()).toMatchObject({ balance: '8.5', available: '8.5' })
      const { chargeId } = answer.body
      expect((await world.get(`${world.chargesPath}/${chargeId}`, token)).body.amountCharged).toBe(1.5)
      expect(await world.checkLedger()).toEqual([])
    })

    it('in several parts comes to the hold at most', async () => {
      const { hold, capture, walletOf } = await funded(2)
      const { holdId } = (await hold({ units: 4 })).body
      expect((await capture(holdId, { units: 1, final: false })).body.hold).toMatchObject({
        status: 'open',
        reserved: 1.5,
      })
      expect((await capture(holdId, { units: 2, final: false })).body.hold).toMatchObject({
        status: 'open',
        reserved: 0.5,
      })
      expect(await capture(holdId, { units: 2, final: false })).toMatchObject({
        status: 422,
        body: { code: 'hold_exceeded', left: 0.5, required: 1 },
      })
      expect((await capture(holdId, { units: 1, final: false })).body.hold).toMatchObject({
        status: 'captured',
        reserved: 0,
      })
      expect(await capture(holdId, { units: 1 })).toMatchObject({ status: 409, body: { code: 'hold_closed' } })
      expect(await walletOf()).toMatchObject({ balance: '0', available: '0' })
      expect(await world.checkLedger()).toEqual([])
    })

    it('beyond the hold takes the rest of the wallet only when it is allowed to and there', async () => {
      const { hold, capture, walletOf } = await funded(2)
      const { holdId } = (await hold({ units: 2 })).body
      expect(await capture(holdId, { units: 5, allowExcess: true })).toMatchObject({
        status: 402,
        body: { required: 1.5, available: 1 },
      })
      expect((await capture(holdId, { units: 4, allowExcess: true })).body).toMatchObject({ amountCharged: 2 })
      expect(await walletOf()).toMatchObject({ balance: '0' })
    })

    it('is done once for an eventId, also at the same moment', async () => {
      const { hold, capture, walletOf } = await funded(10)
      const { holdId } = (await hold({ units: 4 })).body
      const answers = await Promise.all(
        Array.from({ length: 6 }, () => capture(holdId, { eventId: 'once', units: 1, final: false })),
      )
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 200, 200, 200, 201])
      expect(await walletOf()).toMatchObject({ balance: '9.5', available: '8' })
    })

    it('works when there is nothing but the hold left, and its charge can be given back', async () => {
      const { hold, capture, charge, walletOf, token } = await funded(2)
      const { holdId } = (await hold({ units: 4 })).body
      expect((await charge()).status).toBe(402)
      const { chargeId } = (await capture(holdId, { units: 4 })).body
      await world.void(chargeId, token)
      expect(await walletOf()).toMatchObject({ balance: '2', available: '2' })
      expect(await world.checkLedger()).toEqual([])
    })
  })

  describe('a hold that is over', () => {
    it('is released once, and can be captured no more', async () => {
      const { hold, capture, release, walletOf } = await funded(10)
      const { holdId } = (await hold({ units: 4 })).body
      expect((await release(holdId)).body).toMatchObject({ success: true, status: 'released', reserved: 0 })
      expect((await release(holdId)).body).toMatchObject({ status: 'released' })
      expect(await walletOf()).toMatchObject({ available: '10' })
      expect(await capture(holdId)).toMatchObject({ status: 409, body: { code: 'hold_closed' } })
    })

    it('frees what it reserved when its time is over, and cannot be captured from that moment on', async () => {
      const { hold, capture, walletOf, token } = await funded(10)
      const { holdId } = (await hold({ units: 4, expiresIn: 30 })).body
      world.advance(30)
      expect(await capture(holdId)).toMatchObject({ status: 409, body: { code: 'hold_closed' } })
      await expect
        .poll(async () => (await world.get(`/marketplace/billing/holds/${holdId}`, token)).body.status, {
          timeout: 10_000,
        })
        .toBe('expired')
      expect(await walletOf()).toMatchObject({ balance: '10', available: '10' })
      expect(await world.checkLedger()).toEqual([])
    })

    it('ends with its installation, whatever time it had left, and no other’s does', async () => {
      const { hold, walletOf, locationId, token } = await funded(10)
      const other = await world.application()
      const meterId = await world.meter(other, { name: 'Pages', unit: 'page', priceType: 'fixed', price: 1 })
      const otherToken = await world.install(other, locationId)
      await hold({ units: 4 })
      const { holdId } = (await hold({ units: 6 })).body
      const kept = await world.hold({ appId: other, meterId, locationId, units: 2 }, otherToken)
      expect(kept.status).toBe(201)
      expect(await walletOf()).toMatchObject({ available: '3' })
      expect((await uninstall(locationId)).status).toBe(204)
      await expect.poll(async () => (await walletOf()).available as string, { timeout: 10_000 }).toBe('8')
      expect(await world.db('stoa_holds').where({ id: holdId }).first()).toMatchObject({ status: 'expired' })
      expect((await world.get(`/marketplace/billing/holds/${holdId}`, token)).status).toBe(401)
      expect(await world.checkLedger()).toEqual([])
    })

    it('made at the very moment of uninstalling ends with the installation too, or is not made', async () => {
      const places = await Promise.all(Array.from({ length: 8 }, () => funded(10)))
      const answers = await Promise.all(
        places.flatMap(({ hold, locationId }) => [
          hold({ units: 4, expiresIn: 86_400 }),
          uninstall(locationId),
          hold({ units: 2, expiresIn: 86_400 }),
        ]),
      )
      const codes = answers.map(({ status, body }) => body?.code ?? status)
      expect([201, 202, 204, 401, 'not_installed', 'revoked_token']).toEqual(expect.arrayContaining(codes))
      for (const { walletOf } of places) {
        await expect.poll(async () => (await walletOf()).available as string, { timeout: 10_000 }).toBe('10')
      }
      expect(await world.checkLedger()).toEqual([])
    })

    // SQLite lets nobody in between.
    it.runIf(database.kind === 'postgres')('that waits for its wallet keeps uninstalling waiting', async () => {
      const { hold, walletOf, locationId } = await funded(10)
      const trx = await world.db.transaction()
      await trx('stoa_ledger_accounts').where({ owner_id: locationId }).forUpdate()
      const waiting = async () => {
        const query = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
        return ((await world.db.raw(query)) as { rows: unknown[] }).rows.length
      }
      const holding = hold({ units: 4, expiresIn: 86_400 })
      await expect.poll(waiting, { timeout: 10_000 }).toBe(1)
      let isUninstalled = false
      const uninstalling = uninstall(locationId).finally(() => (isUninstalled = true))
      await expect.poll(async () => isUninstalled || (await waiting()) === 2, { timeout: 10_000 }).toBe(true)
      await trx.commit()
      expect([(await holding).status, (await uninstalling).status]).toEqual([201, 204])
      await expect.poll(async () => (await walletOf()).available as string, { timeout: 10_000 }).toBe('10')
      expect(await world.checkLedger()).toEqual([])
    })

    it('and one that is captured at that very moment are the one or the other, never both', async () => {
      const { hold, capture, release, walletOf } = await funded(10)
      const { holdId } = (await hold({ units: 4 })).body
      const [captured, released] = await Promise.all([capture(holdId, { units: 4 }), release(holdId)])
      const took = captured.status === 201
      expect(released.body.status).toBe(took ? 'captured' : 'released')
      expect(await walletOf()).toMatchObject({ balance: took ? '8' : '10', available: took ? '8' : '10' })
    })
  })
})

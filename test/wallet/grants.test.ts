import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { eventsOf, openWorkers, type Workers } from './workers.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  let workers: Workers
  let others: Workers
  let locationId: string
  let token: string
  beforeAll(async () => {
    world = await openWorld(database, {}, { isStarted: false })
    workers = await openWorkers(world)
    others = await openWorkers(world, null, workers)
  })
  afterAll(async () => {
    await others?.close()
    await workers?.close()
    await world?.close()
  })
  beforeEach(async () => {
    locationId = await world.location()
    token = await world.install(world.appId, locationId)
  })

  let references = 0
  const post = (body: object, by = world.operator.token) =>
    world.request('POST', '/platform/grants', {
      token: by,
      body: { locationId, kind: 'promotional', amount: 10, reference: `g-${++references}`, ...body },
    })
  const grant = async (body: object): Promise<string> => {
    const answer = await post(body)
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
    return answer.body.id
  }
  const see = async (id: string) => (await world.get(`/platform/grants/${id}`, world.operator.token)).body
  const left = async (...ids: string[]): Promise<number[]> =>
    Promise.all(ids.map(async (id) => (await see(id)).remaining as number))
  const spend = async (amount: number, change: object = {}, by = token) => {
    const answer = await world.charge({ locationId, units: amount * 2, ...change }, by)
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
    return answer.body.chargeId as string
  }
  const wallet = async () => (await world.get(`${world.place(locationId)}/wallet`, world.merchant.token)).body
  const expire = (id: string, by = world.operator.token) =>
    world.request('POST', `/platform/grants/${id}/expire`, { token: by })
  /** Sum of an account of the platform's, by its entries. */
  const sumOf = async (kind: string): Promise<number> => {
    const rows = await world
      .db('stoa_ledger_entries as entry')
      .join('stoa_ledger_accounts as account', 'account.id', 'entry.account_id')
      .where({ kind, environment: 'production', currency: 'USD' })
      .select('entry.amount')
    return rows.reduce((sum: number, row) => sum + Number(row.amount), 0) / 1e6
  }

  describe('granting', () => {
    it('puts it into the balance at once, as a part of it, and tells the organization', async () => {
      await world.fund(locationId, 5)
      const { status, body } = await post({ amount: '12.5', expiresTime: world.inSeconds(60), description: 'Welcome' })
      expect(status).toBe(201)
      expect(body).toEqual({
        id: expect.stringMatching(/^grt_/),
        walletId: (await wallet()).id,
        organizationId: world.merchant.organizationId,
        locationId,
        environment: 'production',
        currency: 'USD',
        kind: 'promotional',
        reference: `g-${references}`,
        amount: 12.5,
        remaining: 12.5,
        held: 0,
        exact: { amount: '12.5', remaining: '12.5', held: '0' },
        priority: 50,
        status: 'open',
        effectiveTime: world.now(),
        expiresTime: world.inSeconds(60),
        applicationId: null,
        meterId: null,
        description: 'Welcome',
        createdTime: world.now(),
      })
      expect(await wallet()).toMatchObject({ balance: 17.5, available: 17.5, granted: 12.5 })
      expect((await eventsOf(world, 'grant.created')).at(-1)).toMatchObject({ grantId: body.id, amount: '12.5' })
      const shown = await world.get(`${world.place(locationId)}/wallet/grants`, world.merchant.token)
      expect(shown.body).toEqual([body])
      expect(await world.checkLedger()).toEqual([])
    })

    it('is against what was given away, or what was paid in', async () => {
      const before = { promotion: await sumOf('promotion'), paid: await sumOf('topup_clearing') }
      await grant({ amount: 3 })
      await grant({ amount: 4, kind: 'paid' })
      expect([await sumOf('promotion'), await sumOf('topup_clearing')]).toEqual([before.promotion - 3, before.paid - 4])
    })

    it('happens once for a reference, and is refused for another amount or wallet', async () => {
      const first = await post({ reference: 'same' })
      const again = await post({ reference: 'same', amount: '10.0' })
      expect([again.status, again.headers.get('idempotent-replayed'), again.body.id]).toEqual([
        200,
        'true',
        first.body.id,
      ])
      for (const change of [{ amount: 11 }, { locationId: await world.location() }, { environment: 'sandbox' }]) {
        const refused = await post({ reference: 'same', ...change })
        expect(refused).toMatchObject({ status: 422, body: { code: 'reference_reused', grantId: first.body.id } })
      }
      const many = await Promise.all(Array.from({ length: 10 }, () => post({ reference: 'at once' })))
      expect(many.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([...Array(9).fill(200), 201])
      expect((await wallet()).balance).toBe(20)
    })

    it('may be for an organization’s own wallet', async () => {
      const answer = await post({ locationId: null, organizationId: world.merchant.organizationId })
      expect(answer.body).toMatchObject({ organizationId: world.merchant.organizationId, locationId: null })
      const shown = await world.get('/wallet/grants', world.merchant.token)
      expect(shown.body).toMatchObject([{ id: answer.body.id }])
      expect((await world.get(`${world.place(locationId)}/wallet/grants`, world.merchant.token)).body).toEqual([])
    })

    it.each([
      ['no kind', { kind: undefined }, 422],
      ['a priority beyond 100', { priority: 101 }, 422],
      ['a priority below 0', { priority: -1 }, 422],
      ['nothing', { amount: 0 }, 422],
      ['seven decimals', { amount: '0.0000001' }, 422],
      ['an end that is over', { expiresTime: '2020-01-01T00:00:00Z' }, 422],
      [
        'an end before its beginning',
        { effectiveTime: '2027-01-02T00:00:00Z', expiresTime: '2027-01-01T00:00:00Z' },
        422,
      ],
      ['a time that is none', { expiresTime: 'tomorrow' }, 422],
      ['an application that is none', { applicationId: 'app_unknown' }, 404],
      ['a meter without its application', { meterId: 'mtr_unknown' }, 422],
      ['an unknown location', { locationId: 'loc_unknown' }, 404],
      ['both owners', { organizationId: 'org_unknown' }, 422],
    ])('refuses %s', async (_, body, status) => {
      expect((await post(body)).status).toBe(status)
    })

    it('refuses a meter of another application', async () => {
      const other = await world.application()
      expect(await post({ applicationId: other, meterId: world.fixed })).toMatchObject({
        status: 404,
        body: { invalidFields: [{ field: 'meterId' }] },
      })
    })

    it('is for operators only, and never from sandbox in production', async () => {
      expect((await post({}, world.merchant.token)).body.code).toBe('missing_permission')
      expect((await post({}, token)).body.code).toBe('caller_not_allowed')
      expect((await post({ environment: 'production' }, world.operator.sandbox)).body.code).toBe('rights_exceeded')
      const id = await grant({})
      expect((await expire(id, world.merchant.token)).body.code).toBe('missing_permission')
      expect((await expire(id, world.operator.sandbox)).body.code).toBe('rights_exceeded')
      expect(await left(id)).toEqual([10])
      expect((await expire('grt_unknown')).status).toBe(404)
    })
  })

  describe('spending', () => {
    it('takes promotional before paid before the wallet’s own money', async () => {
      await world.fund(locationId, 5)
      const paid = await grant({ kind: 'paid', amount: 2 })
      const present = await grant({ kind: 'promotional', amount: 2 })
      await spend(1)
      expect(await left(present, paid)).toEqual([1, 2])
      await spend(2)
      expect(await left(present, paid)).toEqual([0, 1])
      await spend(3)
      expect(await left(present, paid)).toEqual([0, 0])
      expect(await wallet()).toMatchObject({ balance: 3, granted: 0, available: 3 })
      expect((await see(present)).status).toBe('spent')
      expect(await world.checkLedger()).toEqual([])
    })

    it('goes by priority first, then by what ends first', async () => {
      const late = await grant({ amount: 1, expiresTime: world.inSeconds(2000) })
      const never = await grant({ amount: 1 })
      const soon = await grant({ amount: 1, kind: 'paid', expiresTime: world.inSeconds(1000) })
      const first = await grant({ amount: 1, kind: 'paid', priority: 10 })
      const order = []
      for (let each = 0; each < 4; each++) {
        await spend(1)
        order.push((await left(first, soon, late, never)).join(' '))
      }
      expect(order).toEqual(['0 1 1 1', '0 0 1 1', '0 0 0 1', '0 0 0 0'])
    })

    it('keeps what is for one application or one meter for that', async () => {
      const other = await world.application()
      const otherMeter = await world.meter(other, { name: 'm', unit: 'u', priceType: 'fixed', price: 1 })
      const otherToken = await world.install(other, locationId)
      const ofOther = await grant({ amount: 5, applicationId: other })
      const ofMeter = await grant({ amount: 5, applicationId: world.appId, meterId: world.dynamic })
      expect(await wallet()).toMatchObject({ balance: 10, available: 0 })
      const refused = await world.charge({ locationId, units: 1 }, token)
      expect(refused).toMatchObject({ status: 402, body: { available: 0, required: 0.5 } })
      await spend(0, { meterId: world.dynamic, units: 2, price: 1 })
      expect(await left(ofOther, ofMeter)).toEqual([5, 3])
      await spend(0, { appId: other, meterId: otherMeter, units: 4 }, otherToken)
      expect(await left(ofOther, ofMeter)).toEqual([1, 3])
      const funds = async (query: string) => (await world.get(`${world.chargesPath}/has-funds${query}`, token)).body
      expect(await funds(`?meterId=${world.dynamic}&units=1&price=3`)).toMatchObject({ hasFunds: true, available: 3 })
      expect(await funds(`?meterId=${world.fixed}&units=1`)).toMatchObject({ hasFunds: false, available: 0 })
    })

    it('does not begin before its time', async () => {
      const id = await grant({ effectiveTime: world.inSeconds(100) })
      expect(await wallet()).toMatchObject({ balance: 10, available: 0 })
      expect((await see(id)).status).toBe('scheduled')
      expect((await world.charge({ locationId }, token)).status).toBe(402)
      world.advance(100)
      await spend(1)
      expect(await left(id)).toEqual([9])
    })

    it('gives back to grants what a void takes back: last what was spent first', async () => {
      await world.fund(locationId, 5)
      const [one, two] = [await grant({ amount: 1, priority: 1 }), await grant({ amount: 2, priority: 2 })]
      const chargeId = await spend(4)
      expect(await left(one, two)).toEqual([0, 0])
      expect((await world.void(chargeId, token)).status).toBe(200)
      expect(await left(one, two)).toEqual([1, 2])
      expect(await wallet()).toMatchObject({ balance: 8, granted: 3 })
      expect(await world.checkLedger()).toEqual([])
    })
  })

  describe('ending', () => {
    it('moves what is left: a present back to the promotion, what was paid to the breakage', async () => {
      // Those of other tests.
      world.advance(3000)
      await workers.run()
      await world.fund(locationId, 1)
      const present = await grant({ amount: 5, expiresTime: world.inSeconds(100) })
      const paid = await grant({ amount: 5, kind: 'paid', expiresTime: world.inSeconds(100) })
      await spend(6)
      const before = { promotion: await sumOf('promotion'), breakage: await sumOf('breakage') }
      world.advance(99)
      await workers.run()
      expect(await left(present, paid)).toEqual([0, 4])
      const presentToo = await grant({ amount: 3, expiresTime: world.inSeconds(1) })
      world.advance(1)
      expect((await world.charge({ locationId, units: 4 }, token)).body).toMatchObject({ available: 1 })
      expect(await workers.run()).toBe(2)
      expect(await wallet()).toMatchObject({ balance: 1, granted: 0, available: 1 })
      expect([await sumOf('promotion'), await sumOf('breakage')]).toEqual([before.promotion, before.breakage + 4])
      expect(await see(paid)).toMatchObject({ status: 'ended', remaining: 0 })
      const told = (await eventsOf(world, 'grant.expired')).filter(({ walletId }) => walletId !== undefined).slice(-2)
      expect(Object.fromEntries(told.map(({ grantId, ended }) => [grantId, ended]))).toEqual({
        [paid]: '4',
        [presentToo]: '3',
      })
      expect(await world.checkLedger()).toEqual([])
    })

    it('happens once, also by two processes', async () => {
      const ids = []
      for (let each = 0; each < 6; each++) ids.push(await grant({ amount: 1, expiresTime: world.inSeconds(10) }))
      world.advance(10)
      await Promise.all([workers.run(), others.run(), workers.run(), others.run()])
      expect(await left(...ids)).toEqual([0, 0, 0, 0, 0, 0])
      expect((await wallet()).balance).toBe(0)
      const lines = await world.get(`${world.place(locationId)}/wallet/entries`, world.merchant.token)
      expect(lines.body.filter(({ kind }: { kind: string }) => kind === 'grant-expiry')).toHaveLength(6)
    })

    it('takes back at once what an operator takes back, and again changes nothing', async () => {
      const id = await grant({ amount: 5 })
      await spend(2)
      expect((await expire(id)).body).toMatchObject({ id, remaining: 0, status: 'ended', expiresTime: world.now() })
      expect((await expire(id)).body).toMatchObject({ remaining: 0, status: 'ended' })
      expect((await wallet()).balance).toBe(0)
      const entries = await world.get(`${world.place(locationId)}/wallet/entries`, world.merchant.token)
      expect(entries.body.map(({ kind, amount }: { kind: string; amount: number }) => [kind, amount])).toEqual([
        ['grant-expiry', -3],
        ['charge', -2],
        ['grant', 5],
      ])
    })

    it('takes what a void gives back to a grant that has ended', async () => {
      for (const howItEnds of ['by its time', 'by the operator']) {
        const id = await grant({ amount: 5, expiresTime: world.inSeconds(100) })
        const chargeId = await spend(2)
        if (howItEnds === 'by the operator') await expire(id)
        world.advance(100)
        await workers.run()
        await world.void(chargeId, token)
        expect(await left(id)).toEqual([2])
        expect((await world.charge({ locationId, units: 1 }, token)).status).toBe(402)
        await workers.run()
        expect(await left(id)).toEqual([0])
      }
      expect((await wallet()).balance).toBe(0)
      expect(await world.checkLedger()).toEqual([])
    })

    it('waits for what holds reserve, and takes it when they are released', async () => {
      const id = await grant({ amount: 5, expiresTime: world.inSeconds(100) })
      // As a hold would have it.
      const reserve = async (held: number) => {
        await world.db('stoa_grants').where({ id }).update({ held })
        await world.db('stoa_ledger_accounts').where({ kind: 'wallet', owner_id: locationId }).update({ held })
      }
      await reserve(2_000_000)
      world.advance(100)
      await workers.run()
      expect(await see(id)).toMatchObject({ remaining: 2, held: 2, status: 'ended' })
      await workers.run()
      expect(await left(id)).toEqual([2])
      await reserve(0)
      await workers.run()
      expect(await left(id)).toEqual([0])
      expect(await world.checkLedger()).toEqual([])
    })

    it('does not fail on a wallet that is in overdraft', async () => {
      const other = await world.application()
      const id = await grant({ amount: 5, applicationId: other, expiresTime: world.inSeconds(100) })
      const { id: walletId } = await wallet()
      const body = { overdraft: 3, reason: 'x' }
      await world.request('PUT', `/platform/wallets/${walletId}/overdraft`, { token: world.operator.token, body })
      await spend(3)
      expect((await world.charge({ locationId, units: 1 }, token)).status).toBe(402)
      world.advance(100)
      await workers.run()
      expect(await left(id)).toEqual([0])
      expect(await wallet()).toMatchObject({ balance: -3, available: 0 })
      expect(await world.checkLedger()).toEqual([])
    })
  })

  describe('HighLevel’s balance of a location', () => {
    const path = (companyId = world.merchant.organizationId, of = locationId) =>
      `/saas-api/public-api/companies/${companyId}/locations/${of}/wallet-balance`
    const give = (body: object, by = world.merchant.token) =>
      world.request('POST', `${path()}/complimentary-credits`, { token: by, body })
    const own = (amount: number) =>
      world.request('POST', '/platform/top-ups', {
        token: world.operator.token,
        body: { organizationId: world.merchant.organizationId, amount, reference: `own-${++references}` },
      })
    const ownBalance = async () => (await world.get('/wallet', world.merchant.token)).body.balance as number

    it('is the wallet’s, with what was given apart from the rest', async () => {
      expect((await world.get(path(), world.merchant.token)).body).toEqual({
        walletId: (await wallet()).id,
        balance: 0,
        complimentaryCredits: 0,
      })
      await world.fund(locationId, 7)
      await grant({ amount: 2 })
      await grant({ amount: 1, kind: 'paid' })
      expect((await world.get(path(), world.merchant.token)).body).toMatchObject({
        balance: 8,
        complimentaryCredits: 2,
      })
    })

    it('gives credits out of the organization’s own wallet, which is where they go back to', async () => {
      await own(100)
      const before = await ownBalance()
      const answer = await give({ complimentaryCreditsAmount: 30 })
      expect(answer).toMatchObject({ status: 201, body: { balance: 0, complimentaryCredits: 30 } })
      expect(await ownBalance()).toBe(before - 30)
      await spend(10)
      const { body } = await world.get(`${world.place(locationId)}/wallet/grants`, world.merchant.token)
      await expire(body[0].id)
      expect(await ownBalance()).toBe(before - 10)
      expect(await world.checkLedger()).toEqual([])
    })

    it('gives once for a reference, and no more than the organization has of its own', async () => {
      const { balance, granted } = (await world.get('/wallet', world.merchant.token)).body
      const before = balance - granted
      await own(20)
      const body = { complimentaryCreditsAmount: '15', reference: 'may' }
      expect((await give(body)).status).toBe(201)
      expect((await give(body)).status).toBe(200)
      expect(await ownBalance()).toBe(balance + 5)
      await post({ locationId: null, organizationId: world.merchant.organizationId, amount: 1000 })
      expect(await give({ complimentaryCreditsAmount: before + 6 })).toMatchObject({
        status: 402,
        body: { code: 'insufficient_funds', available: before + 5 },
      })
      for (const amount of [0, -1, '1e3', 0.0000001]) {
        expect((await give({ complimentaryCreditsAmount: amount })).status).toBe(422)
      }
    })

    it('of a location of another organization is answered like an unknown one', async () => {
      const other = await world.tenant('Elsewhere')
      const foreign = await world.location(other)
      for (const [companyId, of] of [
        [world.merchant.organizationId, foreign],
        [other.organizationId, foreign],
        [world.merchant.organizationId, 'loc_unknown'],
      ] as const) {
        expect((await world.get(path(companyId, of), world.merchant.token)).status).toBe(404)
      }
      expect((await world.get(path(), token)).status).toBe(403)
    })
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openPlanWorld, type PlanWorld } from './plan-world.ts'

const day = 86_400

eachDatabase((database) => {
  let world: PlanWorld
  beforeAll(async () => {
    world = await openPlanWorld(database)
  })
  afterAll(async () => {
    expect(await world?.checkLedger()).toEqual([])
    await world?.close()
  })
  const until = (time: string) => world.advance((Date.parse(time) - Date.parse(world.now())) / 1000)

  it('shows what the organization puts on top only to those who may see what it resells for', async () => {
    const [app, place] = [await world.application(), await world.funded()]
    const planId = await world.plan(app)
    await world.rebill({ enabled: true, markupBps: 1000, app })
    await world.put(app, place, { planId })
    const path = `${world.place(place)}/application-instances/${app}/plan/items`
    const member = await world.merchant.key('production', ['subscriptions:read'])
    const manager = await world.merchant.key('production', ['subscriptions:read', 'rebilling:read'])
    expect((await world.get(path, manager)).body).toMatchObject([
      { amount: 33, baseAmount: 30, exact: { amount: '33', baseAmount: '30' } },
    ])
    expect((await world.get(path, member)).body).toMatchObject([
      { amount: 33, baseAmount: null, exact: { amount: '33', baseAmount: null } },
    ])
  })

  describe('choosing a plan', () => {
    it('changes nothing for an application without plans', async () => {
      const [app, place] = [await world.application(), await world.location()]
      expect((await world.put(app, place)).status).toBe(201)
      expect((await world.asMerchant('GET', `${world.place(place)}/application-instances/${app}/plan`)).status).toBe(
        404,
      )
    })

    it('is required where there are plans and none is free', async () => {
      const [app, place] = [await world.application(), await world.funded()]
      const planId = await world.plan(app)
      const answer = await world.put(app, place)
      expect(answer).toMatchObject({
        status: 422,
        body: { code: 'plan_required', plans: [{ id: planId, name: 'Pro' }] },
      })
      expect((await world.instance(app, place)).status).toBe(404)
    })

    it('takes the free plan where nobody chooses', async () => {
      const [app, place] = [await world.application(), await world.location()]
      await world.plan(app)
      const planId = await world.plan(app, world.free)
      expect((await world.put(app, place)).status).toBe(201)
      expect(await world.subscription(app, place)).toMatchObject({
        planId,
        status: 'active',
        periodEnd: null,
        nextTime: null,
      })
      expect(await world.has(place)).toBe('0')
    })

    it('refuses a plan that is unknown, retired, or of another application', async () => {
      const [app, other, place] = [await world.application(), await world.application(), await world.funded()]
      const retired = await world.plan(app)
      await world.plan(app)
      const path = `/developers/applications/${app}/plans/${retired}`
      await world.request('PATCH', path, { token: world.publisher.token, body: { status: 'retired' } })
      for (const planId of [retired, await world.plan(other), 'pln_none']) {
        expect(await world.put(app, place, { planId })).toMatchObject({ status: 422, body: { code: 'plan_not_found' } })
      }
    })

    it('installs nothing when the wallet cannot pay the first period, and takes it when it can', async () => {
      const [app, place] = [await world.application(), await world.funded('29.999999')]
      const planId = await world.plan(app)
      const refused = await world.put(app, place, { planId })
      expect(refused).toMatchObject({ status: 402, body: { code: 'insufficient_funds', missing: 0.000001 } })
      expect((await world.instance(app, place)).status).toBe(404)
      expect(await world.has(place)).toBe('29.999999')
      await world.fund(place, '0.000001')
      expect((await world.put(app, place, { planId })).status).toBe(201)
      expect(await world.has(place)).toBe('0')
      expect(await world.sumOf('app_payable', app)).toBe(30_000_000n)
      const entries = await world.asMerchant('GET', `${world.place(place)}/wallet/entries`)
      expect(entries.body[0]).toMatchObject({ kind: 'subscription', amount: -30, applicationId: app })
      expect(await world.items(app, place)).toMatchObject([{ number: 1, kind: 'period', amount: 30, planId }])
    })

    it('takes an organization’s price of the organization', async () => {
      const app = await world.application()
      const planId = await world.plan(app)
      expect(await world.put(app, null, { planId })).toMatchObject({ status: 402 })
      await world.fundOrganization('150', 'organization-1')
      expect((await world.put(app, null, { planId })).status).toBe(201)
      expect(await world.has(null)).toBe('50')
    })

    it('refuses another plan for what is installed, and takes the same again', async () => {
      const [app, place] = [await world.application(), await world.funded()]
      const [first, second] = [await world.plan(app), await world.plan(app)]
      await world.put(app, place, { planId: first })
      expect((await world.put(app, place, { planId: first })).status).toBe(200)
      expect(await world.put(app, place, { planId: second })).toMatchObject({ status: 409 })
      expect(await world.has(place)).toBe('970')
    })

    it('shows what is paid here before it is chosen', async () => {
      const [app, place] = [await world.application(), await world.location()]
      const planId = await world.plan(app, { trialDays: 3, features: ['All'] })
      await world.rebill({ enabled: true, markupBps: 5000, app })
      const offers = await world.asMerchant('GET', `${world.place(place)}/application-instances/${app}/plans`)
      expect(offers.body).toMatchObject([
        { id: planId, amount: 45, paidBy: 'location', trialDays: 3, features: ['All'] },
      ])
      const whole = await world.asMerchant('GET', `${world.place(null)}/application-instances/${app}/plans`)
      expect(whole.body).toMatchObject([{ amount: 100, paidBy: 'organization' }])
    })

    it.each([
      ['without a trial', {}, {}],
      ['with a trial', { trialDays: 14 }, { onTrial: true, trialDuration: 14, trialStartDate: expect.any(String) }],
    ])('tells the application in INSTALL, %s', async (_, members, trial) => {
      const [app, place] = [await world.application(), await world.funded()]
      const planId = await world.plan(app, members)
      const body = { url: 'https://app.example/hook', events: ['*'], applicationId: app, format: 'highlevel' }
      const endpoint = await world.request('POST', '/developers/webhooks/endpoints', {
        token: world.publisher.token,
        body,
      })
      expect((await world.put(app, place, { planId })).status).toBe(201)
      const at = `/developers/webhooks/endpoints/${endpoint.body.id}/events`
      const told = (await world.get(at, world.publisher.token)).body as { payload: { type: string } }[]
      expect(told.map(({ payload }) => payload).filter(({ type }) => type === 'INSTALL')).toEqual([
        expect.objectContaining({ appId: app, locationId: place, planId, trial }),
      ])
    })

    it('tells the application', async () => {
      const app = await world.application(['oauth.readonly', 'marketplace-installer-details.readonly'])
      const place = await world.funded()
      const planId = await world.plan(app)
      await world.put(app, place, { planId })
      const token = await world.install(app, place).catch(async () => {
        const path = `/applications/${app}/instances/${place}`
        return (await world.request('GET', path, { token: world.publisher.token })).body.token as string
      })
      const details = await world.get(`/marketplace/app/${app}/installations`, token)
      expect(details.body.installationDetails.marketplaceAppPlanId).toBe(planId)
    })
  })

  describe('reselling', () => {
    it('shares a payment out among publisher, platform and organization', async () => {
      const [app, place] = [await world.application(), await world.funded()]
      const planId = await world.plan(app, { locationAmount: '10.000001' })
      await world.setFee(app, 1000)
      await world.rebill({ enabled: true, markupBps: 3333, app })
      const before = await world.sumOf('margin', world.merchant.organizationId)
      await world.put(app, place, { planId })
      expect(await world.has(place)).toBe('986.666999')
      expect(await world.sumOf('app_payable', app)).toBe(9_000_001n)
      expect((await world.sumOf('margin', world.merchant.organizationId)) - before).toBe(3_333_000n)
    })

    it('lets the organization pay where it does not resell', async () => {
      const [app, place] = [await world.application(), await world.location()]
      const planId = await world.plan(app)
      await world.rebill({ enabled: false, app })
      await world.fundOrganization('30', 'organization-2')
      const before = Number(await world.has(null))
      expect((await world.put(app, place, { planId })).status).toBe(201)
      expect(Number(await world.has(null))).toBe(before - 30)
    })

    it('takes the organization’s own price of that plan, and never for what is free', async () => {
      const [app, place, other] = [await world.application(), await world.funded(), await world.funded()]
      const planId = await world.plan(app)
      const freeId = await world.plan(app, world.free)
      await world.rebill({ enabled: true, ownPrice: 77_000_000n, itemId: planId, app })
      await world.rebill({ enabled: true, ownPrice: 5_000_000n, itemId: freeId, app })
      await world.put(app, place, { planId })
      await world.put(app, other, { planId: freeId })
      expect([await world.has(place), await world.has(other)]).toEqual(['923', '1000'])
    })
  })

  describe('periods', () => {
    it('begin with the end of the trial, and count from its day of the month', async () => {
      const [app, place] = [await world.application(), await world.funded()]
      const planId = await world.plan(app, { trialDays: 30 })
      until('2027-01-01T08:00:00.000Z')
      await world.put(app, place, { planId })
      const trial = { status: 'trialing', trialEnd: '2027-01-31T08:00:00.000Z', periodEnd: '2027-01-31T08:00:00.000Z' }
      expect(await world.subscription(app, place)).toMatchObject(trial)
      expect(await world.has(place)).toBe('1000')
      for (const [time, end, left] of [
        ['2027-01-31T08:00:00.000Z', '2027-02-28T08:00:00.000Z', '970'],
        ['2027-02-28T07:59:59.999Z', '2027-02-28T08:00:00.000Z', '970'],
        ['2027-02-28T08:00:00.000Z', '2027-03-31T08:00:00.000Z', '940'],
        ['2027-03-31T08:00:01.000Z', '2027-04-30T08:00:00.000Z', '910'],
      ] as const) {
        until(time)
        await world.bill()
        const status = end === trial.periodEnd ? 'trialing' : 'active'
        expect(await world.subscription(app, place)).toMatchObject({ status, periodEnd: end })
        expect(await world.has(place)).toBe(left)
      }
    })

    it('that were missed are paid one by one, in order', async () => {
      const [app, place] = [await world.application(), await world.funded(100)]
      const planId = await world.plan(app)
      await world.put(app, place, { planId })
      const { periodStart } = await world.subscription(app, place)
      world.advance(75 * day)
      await world.bill()
      const items = (await world.items(app, place)).toReversed()
      expect(items.map(({ number, amount }) => [number, amount])).toEqual([1, 2, 3].map((number) => [number, 30]))
      expect(items[0]!.periodStart).toBe(periodStart)
      expect(items.slice(1).map((item) => item.periodStart)).toEqual(items.slice(0, -1).map((item) => item.periodEnd))
      expect(await world.has(place)).toBe('10')
      expect((await world.eventsOf('subscription.renewed', app)).map(({ amount }) => amount)).toEqual(['30', '30'])
    })

    it('of what is paid once have no end', async () => {
      const [app, place] = [await world.application(), await world.funded(100)]
      const planId = await world.plan(app, { paymentType: 'one_time', paymentTime: 'life_time' })
      await world.put(app, place, { planId })
      world.advance(4000 * day)
      await world.bill()
      expect(await world.items(app, place)).toHaveLength(1)
      expect(await world.cancel(app, place)).toMatchObject({ status: 409, body: { code: 'wrong_state' } })
    })

    it('have a trial only once for an installation', async () => {
      const [app, place] = [await world.application(), await world.funded(100)]
      const planId = await world.plan(app, { trialDays: 10 })
      await world.put(app, place, { planId })
      await world.uninstall(app, place)
      await world.put(app, place, { planId })
      expect(await world.subscription(app, place)).toMatchObject({ status: 'active', trialEnd: null })
      expect(await world.has(place)).toBe('70')
    })

    it('are paid once each, however many workers there are', async () => {
      const workers = [await world.openWorker(), await world.openWorker()]
      const app = await world.application()
      const planId = await world.plan(app)
      const places: string[] = []
      for (let count = 0; count < 6; count++) places.push(await world.funded(300))
      for (const place of places) await world.put(app, place, { planId })
      world.advance(5 * 31 * day)
      await world.bill(workers)
      for (const place of places) {
        const periods = (await world.items(app, place)).map(({ periodStart }) => periodStart)
        expect(new Set(periods).size).toBe(periods.length)
        expect(await world.has(place)).toBe(String(300 - 30 * periods.length))
        expect(periods.length).toBe(6)
      }
    })
  })

  describe('what cannot be paid', () => {
    it('is tried again after 1, 3 and 5 days, and then switched off; to switch it on is to pay', async () => {
      const [app, place] = [await world.application(), await world.funded(30)]
      const planId = await world.plan(app)
      await world.put(app, place, { planId })
      const { periodEnd } = await world.subscription(app, place)
      until(periodEnd)
      await world.bill()
      for (const days of [1, 2, 2]) {
        const { status, nextTime } = await world.subscription(app, place)
        expect([status, Date.parse(nextTime) - Date.parse(world.now())]).toEqual(['past_due', days * day * 1000])
        expect((await world.instance(app, place)).body.status).toBe('enabled')
        world.advance(days * day)
        await world.bill()
      }
      expect(await world.subscription(app, place)).toMatchObject({ status: 'unpaid', nextTime: null })
      const { body } = await world.instance(app, place)
      expect(body.status).toMatch(/^disabl/)
      expect(body.statusReason).toBe('its plan could not be paid')
      const told = await world.eventsOf('subscription.past-due', app)
      expect(told.map(({ status }) => status)).toEqual(['past_due', 'past_due', 'past_due', 'unpaid'])

      expect(await world.switch(app, place, 'enable')).toMatchObject({ status: 402 })
      expect((await world.instance(app, place)).body.status).toMatch(/^disabl/)
      await world.fund(place, 35)
      expect((await world.switch(app, place, 'enable')).status).toBe(200)
      expect(await world.subscription(app, place)).toMatchObject({ status: 'active', periodStart: world.now() })
      expect(await world.has(place)).toBe('5')
    })

    it('is paid when there are funds at the next try, for the period that it was for', async () => {
      const [app, place] = [await world.application(), await world.funded(30)]
      await world.put(app, place, { planId: await world.plan(app) })
      const { periodEnd } = await world.subscription(app, place)
      until(periodEnd)
      await world.bill()
      await world.fund(place, 30)
      world.advance(day)
      await world.bill()
      expect(await world.subscription(app, place)).toMatchObject({ status: 'active', periodStart: periodEnd })
      expect(await world.has(place)).toBe('0')
    })

    it('is not asked for while it is switched off, or when it is gone', async () => {
      const [app, place, other] = [await world.application(), await world.funded(100), await world.funded(100)]
      const planId = await world.plan(app)
      for (const at of [place, other]) await world.put(app, at, { planId })
      await world.switch(app, place, 'disable')
      await world.uninstall(app, other)
      world.advance(100 * day)
      await world.bill()
      expect([await world.has(place), await world.has(other)]).toEqual(['70', '70'])
      expect(await world.subscription(app, place)).toMatchObject({ status: 'paused' })
      await world.switch(app, place, 'enable')
      expect(await world.subscription(app, place)).toMatchObject({ status: 'active', periodStart: world.now() })
      expect(await world.has(place)).toBe('40')
      expect(await world.eventsOf('subscription.ended', app)).toHaveLength(1)
    })

    it('goes on without a payment when it was off for less than its period', async () => {
      const [app, place] = [await world.application(), await world.funded(100)]
      await world.put(app, place, { planId: await world.plan(app) })
      await world.switch(app, place, 'disable')
      world.advance(day)
      await world.switch(app, place, 'enable')
      expect(await world.items(app, place)).toHaveLength(1)
    })
  })

  describe('changing the plan', () => {
    it('gives back what was not used and takes the rest of the period, to the micro-unit', async () => {
      const [app, place] = [await world.application(), await world.funded(100)]
      const [small, large] = [
        await world.plan(app),
        await world.plan(app, { locationAmount: '70.000001', name: 'Large' }),
      ]
      until('2029-04-01T00:00:00.000Z')
      await world.put(app, place, { planId: small })
      // A third of 30 days has passed.
      world.advance(10 * day)
      expect((await world.change(app, place, large)).body).toMatchObject({
        planId: large,
        periodEnd: '2029-05-01T00:00:00.000Z',
      })
      const [charge, credit] = await world.items(app, place)
      expect(credit).toMatchObject({
        number: 2,
        kind: 'credit',
        exact: { amount: '-20', baseAmount: '-20' },
        planId: small,
      })
      expect(charge).toMatchObject({ number: 3, kind: 'change', exact: { amount: '46.666667' }, planId: large })
      expect(await world.has(place)).toBe('43.333333')
      expect(await world.sumOf('app_payable', app)).toBe(56_666_667n)
      // One transaction is two lines of the statement, of either plan.
      const booked = await world.db('stoa_ledger_transactions').where({ application_id: app }).orderBy('id')
      const nameOfSmall = booked[0].description as string
      expect(booked.map(({ description }) => description)).toEqual([nameOfSmall, `${nameOfSmall} → Large`])
      const [told] = await world.eventsOf('installation.plan-changed', app)
      expect(told).toMatchObject({ currentPlanId: small, newPlanId: large, locationId: place })

      // And back: less than nothing is paid.
      world.advance(10 * day)
      await world.change(app, place, small)
      expect(await world.has(place)).toBe('56.666667')
      until('2029-05-01T00:00:00.000Z')
      await world.bill()
      expect(await world.has(place)).toBe('26.666667')
    })

    it('begins a period now when the plan is not paid as often', async () => {
      const [app, place] = [await world.application(), await world.funded(500)]
      const [month, year] = [await world.plan(app), await world.plan(app, { locationAmount: 300, paymentTime: 'year' })]
      until('2029-06-01T00:00:00.000Z')
      await world.put(app, place, { planId: month })
      world.advance(15 * day)
      const changed = await world.change(app, place, year)
      expect(changed.body).toMatchObject({ periodStart: world.now(), periodEnd: '2030-06-16T00:00:00.000Z' })
      expect(await world.has(place)).toBe('185')
    })

    it('is refused when the wallet cannot pay it, and then nothing has changed', async () => {
      const [app, place] = [await world.application(), await world.funded(31)]
      const [small, large] = [await world.plan(app), await world.plan(app, { locationAmount: 90 })]
      await world.put(app, place, { planId: small })
      const before = await world.subscription(app, place)
      expect(await world.change(app, place, large)).toMatchObject({ status: 402, body: { required: 60 } })
      expect(await world.subscription(app, place)).toEqual(before)
      expect(await world.has(place)).toBe('1')
      expect(await world.change(app, place, 'pln_none')).toMatchObject({
        status: 422,
        body: { code: 'plan_not_found' },
      })
    })

    it('keeps the end of the trial', async () => {
      const [app, place] = [await world.application(), await world.funded(100)]
      const [small, large] = [await world.plan(app, { trialDays: 10 }), await world.plan(app, { locationAmount: 90 })]
      await world.put(app, place, { planId: small })
      const { trialEnd } = await world.subscription(app, place)
      world.advance(day)
      expect((await world.change(app, place, large)).body).toMatchObject({
        status: 'trialing',
        trialEnd,
        planId: large,
      })
      expect(await world.has(place)).toBe('100')
      until(trialEnd)
      await world.bill()
      expect(await world.has(place)).toBe('10')
    })

    it('pays what is due on the plan that is chosen', async () => {
      const [app, place] = [await world.application(), await world.funded(45)]
      const [large, small] = [await world.plan(app), await world.plan(app, { locationAmount: 15, name: 'Small' })]
      await world.put(app, place, { planId: large })
      const { periodEnd } = await world.subscription(app, place)
      until(periodEnd)
      await world.bill()
      world.advance(3600)
      expect((await world.change(app, place, small)).body).toMatchObject({ status: 'active', periodStart: periodEnd })
      expect(await world.has(place)).toBe('0')
    })

    it('gives what a grant had paid back to the grant, after the wallet’s own money', async () => {
      const [app, place] = [await world.application(), await world.funded(10)]
      const [large, small] = [await world.plan(app), await world.plan(app, { locationAmount: 3 })]
      await grant(world, place, 25_000_000n)
      world.advance((Date.parse('2029-09-01T00:00:00.000Z') - Date.parse(world.now())) / 1000)
      await world.put(app, place, { planId: large })
      expect(await remaining(world, place)).toBe(0n)
      world.advance(15 * day)
      await world.change(app, place, small)
      // 15 back and 1.5 taken: 5 of 13.5 are the wallet's own again.
      expect(await remaining(world, place)).toBe(8_500_000n)
      expect(await world.has(place)).toBe('18.5')
    })
  })

  describe('cancelling', () => {
    it('ends it with the period and switches the installation off, until a plan is chosen', async () => {
      const [app, place] = [await world.application(), await world.funded(100)]
      const planId = await world.plan(app)
      await world.put(app, place, { planId })
      expect((await world.cancel(app, place)).body).toMatchObject({ endsWithPeriod: true, status: 'active' })
      world.advance(20 * day)
      await world.bill()
      expect((await world.instance(app, place)).body.status).toBe('enabled')
      world.advance(20 * day)
      await world.bill()
      expect((await world.instance(app, place)).body.statusReason).toBe('its plan was cancelled and has ended')
      expect(await world.has(place)).toBe('70')
      const [told] = await world.eventsOf('installation.plan-changed', app)
      expect(told).toMatchObject({ currentPlanId: planId, newPlanId: null })
      expect(await world.switch(app, place, 'enable')).toMatchObject({ status: 422, body: { code: 'plan_required' } })
      expect((await world.put(app, place, { planId })).status).toBe(200)
      expect(await world.has(place)).toBe('40')
    })

    it('is taken back by choosing the same plan', async () => {
      const [app, place] = [await world.application(), await world.funded(100)]
      const planId = await world.plan(app)
      await world.put(app, place, { planId })
      await world.cancel(app, place)
      expect((await world.change(app, place, planId)).body).toMatchObject({ endsWithPeriod: false })
      world.advance(40 * day)
      await world.bill()
      expect(await world.has(place)).toBe('40')
      expect(await world.eventsOf('installation.plan-changed', app)).toEqual([])
    })
  })

  describe('reading what has ended', () => {
    it('shows the last plan and all that was paid, after it ended and after the application was uninstalled', async () => {
      const [app, place] = [await world.application(), await world.funded(100)]
      const planId = await world.plan(app)
      await world.put(app, place, { planId })
      const first = await world.subscription(app, place)
      expect(first).toMatchObject({ status: 'active', endedTime: null })
      await world.cancel(app, place)
      world.advance(40 * day)
      await world.bill()
      expect(await world.subscription(app, place)).toMatchObject({ id: first.id, status: 'ended', nextTime: null })
      expect(await world.items(app, place)).toMatchObject([{ subscriptionId: first.id, number: 1, amount: 30 }])

      await world.put(app, place, { planId })
      const second = await world.subscription(app, place)
      expect(second).toMatchObject({ status: 'active' })
      expect(second.id).not.toBe(first.id)
      await world.change(app, place, await world.plan(app, { locationAmount: 50 }))
      await world.uninstall(app, place)
      expect((await world.instance(app, place)).status).toBe(404)
      expect(await world.subscription(app, place)).toMatchObject({
        id: second.id,
        status: 'ended',
        endedTime: world.now(),
      })
      const items = await world.items(app, place)
      expect(items.map(({ subscriptionId, number }) => [subscriptionId, number])).toEqual([
        [second.id, 3],
        [second.id, 2],
        [second.id, 1],
        [first.id, 1],
      ])
      expect(items.reduce((sum, { amount }) => sum + amount, 0)).toBeCloseTo(100 - Number(await world.has(place)), 6)
      // What has ended can only be read.
      expect((await world.change(app, place, planId)).status).toBe(404)
      expect((await world.cancel(app, place)).status).toBe(404)
    })

    it('answers another organization, another location and the sandbox as if there had been nothing', async () => {
      const [app, place, other] = [await world.application(), await world.funded(100), await world.location()]
      const planId = await world.plan(app)
      await world.put(app, place, { planId })
      await world.uninstall(app, place)
      const stranger = await world.tenant('Stranger')
      for (const rest of ['/plan', '/plan/items']) {
        const path = `/application-instances/${app}${rest}`
        expect((await world.asMerchant('GET', `${world.place(place)}${path}`)).status).toBe(200)
        expect((await world.asMerchant('GET', `${world.place(other)}${path}`)).status).toBe(404)
        expect((await world.get(`${world.place(place)}${path}`, world.merchant.sandbox)).status).toBe(404)
        expect((await world.get(`${world.place(place)}${path}`, stranger.token)).status).toBe(404)
        expect((await world.get(path, stranger.token)).status).toBe(404)
      }
    })
  })

  describe('the operator’s list', () => {
    const list = (query: string, token = world.operator.token) => world.get(`/platform/subscriptions?${query}`, token)

    it('has whose plans are past due, of the environment of the credential, page by page', async () => {
      const [app, places] = [await world.application(), [] as string[]]
      const planId = await world.plan(app)
      for (let index = 0; index < 3; index++) places.push(await world.funded(30))
      for (const place of places) await world.put(app, place, { planId })
      const rich = await world.funded(1000)
      await world.put(app, rich, { planId })
      until((await world.subscription(app, rich)).periodEnd)
      await world.bill()
      const of = `status=past_due&organizationId=${world.merchant.organizationId}`
      const { body } = await list(`${of}&limit=1000`)
      const owed = body.filter(({ applicationId }: { applicationId: string }) => applicationId === app)
      expect(owed.map(({ locationId }: { locationId: string }) => locationId).toSorted()).toEqual(places.toSorted())
      const { id: installationId } = await world
        .db('stoa_installations')
        .where({ application_id: app, location_key: places[2] })
        .first()
      expect(owed[0]).toEqual({
        ...(await world.subscription(app, places[2]!)),
        installationId,
        publisherId: world.publisher.organizationId,
        organizationId: world.merchant.organizationId,
        locationId: places[2],
        tries: 1,
      })
      const page = await list(`${of}&limit=2&offset=1`)
      expect(page.body).toEqual(body.slice(1, 3))
      expect(page.headers.get('pagination-total')).toBe(String(body.length))

      await world.fund(places[0]!, 100)
      await world.fund(places[1]!, 100)
      world.advance(5 * day)
      await world.bill()
      const left = (await list(`${of}&limit=1000`)).body.filter(
        ({ applicationId }: { applicationId: string }) => applicationId === app,
      )
      expect(left).toMatchObject([{ locationId: places[2] }])
      expect((await list('limit=1000')).body.length).toBeGreaterThan(body.length)
      expect((await list('limit=1000&organizationId=org_other')).body).toEqual([])
      expect((await list(`${of}&limit=1000`, world.operator.sandbox)).body).toEqual([])
    })

    it('is the operator’s alone, and knows no other states', async () => {
      expect((await list('status=past_due', world.publisher.token)).status).toBe(403)
      expect((await list('status=late')).status).toBe(400)
    })
  })

  describe('an organization’s installation that goes on to locations', () => {
    /** What the consent page would have made of it, on the free plan. */
    async function goOn(app: string): Promise<void> {
      await world.put(app, null)
      await world
        .db('stoa_installations')
        .where({ application_id: app, location_key: '' })
        .update({ fan_out: JSON.stringify({ locations: [], future: true }) })
    }

    it('costs it nothing; each location pays for itself, and follows its choice', async () => {
      const app = await world.application()
      const [small, large] = [await world.plan(app), await world.plan(app, { locationAmount: '62' })]
      await world.plan(app, world.free)
      await goOn(app)
      const before = await world.has(null)
      expect((await world.change(app, null, small)).status).toBe(200)
      expect(await world.has(null)).toBe(before)

      until('2034-03-01T00:00:00.000Z')
      await world.bill()
      const rich = await world.location()
      await world.fund(rich, 100)
      expect((await world.instance(app, rich)).body.status).toBe('enabled')
      // The host's own worker may have looked before the money came.
      world.advance(day)
      await world.bill()
      const poor = await world.location()
      await world.bill()
      expect(await world.subscription(app, rich)).toMatchObject({ planId: small, status: 'active' })
      expect(await world.subscription(app, poor)).toMatchObject({ planId: small, status: 'past_due' })
      expect(await world.has(rich)).toBe('70')
      expect(await world.change(app, rich, large)).toMatchObject({ status: 409, body: { code: 'wrong_state' } })

      until('2034-03-16T12:00:00.000Z')
      await world.bill()
      await world.change(app, null, large)
      await world.bill()
      expect(await world.subscription(app, rich)).toMatchObject({
        planId: large,
        periodEnd: '2034-04-01T00:00:00.000Z',
      })
      // Half of 30 came back, half of 62 was paid.
      expect(await world.has(rich)).toBe('54')
      const changes = await world.eventsOf('installation.plan-changed', app)
      expect(changes.filter(({ locationId }) => locationId === rich)).toMatchObject([
        { currentPlanId: small, newPlanId: large },
      ])
    })

    it('is switched on again with its locations, and what was never paid has one try', async () => {
      const app = await world.application()
      await world.plan(app, world.free)
      const planId = await world.plan(app)
      await goOn(app)
      await world.change(app, null, planId)
      const place = await world.location()
      await world.bill()
      expect((await world.subscription(app, place)).status).toBe('past_due')
      await world.switch(app, null, 'disable')
      world.advance(2 * day)
      await world.bill()
      expect((await world.subscription(app, place)).status).toBe('unpaid')
      await world.switch(app, null, 'enable')
      await world.bill()
      expect((await world.instance(app, place)).body.statusReason).toBe('its plan could not be paid')
      expect((await world.instance(app, null)).body.status).toBe('enabled')
    })
  })

  async function grant(world: PlanWorld, locationId: string, amount: bigint): Promise<void> {
    const body = {
      locationId,
      amount: Number(amount) / 1_000_000,
      kind: 'promotional',
      reference: `grant ${locationId}`,
    }
    const { status } = await world.request('POST', '/platform/grants', { token: world.operator.token, body })
    expect(status).toBe(201)
  }

  async function remaining(world: PlanWorld, locationId: string): Promise<bigint> {
    const row = await world
      .db('stoa_grants')
      .where({ reference: `grant ${locationId}` })
      .first()
    return BigInt(row.remaining)
  }
})

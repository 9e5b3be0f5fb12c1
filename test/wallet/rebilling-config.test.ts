import { afterAll, beforeAll, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openPlanWorld, type PlanWorld } from './plan-world.ts'

eachDatabase((database) => {
  let world: PlanWorld
  let app: string
  let place: string
  let token: string
  let planId: string
  let freeId: string
  let fixed: string
  let dynamic: string
  beforeAll(async () => {
    world = await openPlanWorld(database)
    app = await world.application(['oauth.readonly', 'charges.write'])
    place = await world.location()
    token = await world.install(app, place)
    planId = await world.plan(app, { features: ['All'], locationAmount: '30.01' })
    freeId = await world.plan(app, world.free)
    fixed = await world.meter(app, { name: 'Messages', unit: 'message', priceType: 'fixed', price: 0.01001 })
    dynamic = await world.meter(app, {
      name: 'Minutes',
      unit: 'minute',
      priceType: 'dynamic',
      minPrice: 0.01,
      maxPrice: 5,
    })
    const off = await world.meter(app, { name: 'Off', unit: 'page', priceType: 'fixed', price: 1 })
    const path = `/developers/applications/${app}/meters/${off}`
    await world.request('PATCH', path, { token: world.publisher.token, body: { status: 'inactive' } })
    const retired = await world.plan(app)
    const planPath = `/developers/applications/${app}/plans/${retired}`
    await world.request('PATCH', planPath, { token: world.publisher.token, body: { status: 'retired' } })
  })
  afterAll(() => world?.close())

  const config = (appId = app, locationId = place, by = token) =>
    world.get(`/marketplace/app/${appId}/rebilling-config/location/${locationId}`, by)

  it('tells what is asked where nobody resells, with every member of HighLevel’s answer', async () => {
    const answer = await config()
    expect(answer.status).toBe(200)
    const plan = { paymentType: 'recurring', paymentTime: 'month' }
    const meter = { productType: 'custom', executionLimitPerCycle: 0 }
    expect(answer.body).toEqual({
      plans: {
        subscription: [
          { ...plan, planId, name: 'Pro', features: ['All'], baseAmount: 30.01, resellingAmount: 30.01 },
          { ...plan, planId: freeId, name: 'Free', features: [], baseAmount: 0, resellingAmount: 0 },
        ],
        usage: [
          {
            ...meter,
            meterId: fixed,
            meterName: 'Messages',
            productName: 'Messages',
            usageUnit: 'message',
            priceType: 'fixed',
            fixedPricePerUnit: 0.01001,
            minPricePerUnit: '0.01001',
            maxPricePerUnit: '0.01001',
          },
          {
            ...meter,
            meterId: dynamic,
            meterName: 'Minutes',
            productName: 'Minutes',
            usageUnit: 'minute',
            priceType: 'dynamic',
            fixedPricePerUnit: 0,
            minPricePerUnit: '0.01',
            maxPricePerUnit: '5',
          },
        ],
      },
    })
  })

  it('tells what the customer pays where the organization resells', async () => {
    await world.rebill({ enabled: true, markupBps: 1000, app })
    await world.rebill({ enabled: true, ownPrice: 45_000_000n, app, itemId: planId })
    await world.rebill({ enabled: true, ownPrice: 20_000n, app, itemId: fixed })
    const { subscription, usage } = (await config()).body.plans
    expect(subscription).toMatchObject([
      { baseAmount: 30.01, resellingAmount: 45 },
      { baseAmount: 0, resellingAmount: 0 },
    ])
    expect(usage).toMatchObject([
      { fixedPricePerUnit: 0.02, minPricePerUnit: '0.02' },
      { fixedPricePerUnit: 0, minPricePerUnit: '0.011', maxPricePerUnit: '5.5' },
    ])
  })

  it('tells the same as the customer’s prices, of one unit, also of packages and of tiers that cost nothing', async () => {
    const other = await world.application(['oauth.readonly', 'charges.write', 'charges.readonly'])
    const by = await world.install(other, place)
    const packages = { priceType: 'package', price: '1', packageSize: 4 }
    const tiers = {
      priceType: 'graduated',
      tiers: [
        { upTo: 3, price: 0 },
        { upTo: null, price: '0.5' },
      ],
    }
    const ids = [
      await world.meter(other, { name: 'Packages', unit: 'page', ...packages }),
      await world.meter(other, { name: 'Own packages', unit: 'page', ...packages }),
      await world.meter(other, { name: 'Own tiers', unit: 'page', ...tiers }),
    ]
    await world.rebill({ enabled: true, markupBps: 1000, app: other })
    await world.rebill({ enabled: true, ownPrice: 300_000n, app: other, itemId: ids[1]! })
    await world.rebill({ enabled: true, ownPrice: 2_000_000n, app: other, itemId: ids[2]! })
    expect((await config(other, place, by)).body.plans.usage).toMatchObject([
      { fixedPricePerUnit: 0.275, minPricePerUnit: '0.275', maxPricePerUnit: '0.275' },
      { fixedPricePerUnit: 0.3, minPricePerUnit: '0.3', maxPricePerUnit: '0.3' },
      { fixedPricePerUnit: 0, minPricePerUnit: '0', maxPricePerUnit: '2' },
    ])
    expect((await world.get(`/marketplace/app/${other}/prices`, by)).body.prices).toMatchObject([
      { base: { pricePerUnit: 0.25 }, retail: { pricePerUnit: 0.275 } },
      { base: { pricePerUnit: 0.25 }, retail: { pricePerUnit: 0.3 } },
      { retail: { tiers: [{ pricePerUnit: '0' }, { pricePerUnit: '2' }] } },
    ])
  })

  it('is for the location and the application of the token alone', async () => {
    const neighbour = await world.location()
    const whole = await world.install(app, null)
    for (const answer of [
      await config(world.appId),
      await config('app_none'),
      await config(app, neighbour),
      await config(app, 'loc_none'),
    ]) {
      expect(answer).toMatchObject({ status: 403, body: { code: 'tenant_mismatch' } })
    }
    expect((await config(app, place, whole)).status).toBe(403)
    expect((await config(app, place, world.token)).status).toBe(403)
    expect((await config(app, place, world.merchant.token)).status).toBe(403)
  })
})

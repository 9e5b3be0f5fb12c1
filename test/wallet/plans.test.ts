import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  afterAll(() => world?.close())

  const path = (applicationId: string, rest = '') => `/developers/applications/${applicationId}/plans${rest}`
  const create = (applicationId: string, body: object, token = world.publisher.token) =>
    world.request('POST', path(applicationId), { token, body })
  const change = (applicationId: string, id: string, body: object, token = world.publisher.token) =>
    world.request('PATCH', path(applicationId, `/${id}`), { token, body })
  const monthly = {
    name: 'Pro',
    features: ['Everything', 'And more'],
    paymentType: 'recurring',
    paymentTime: 'month',
    amount: '49.000001',
    locationAmount: 19.5,
    trialDays: 14,
  }

  it('makes a plan with what it costs an organization and a location', async () => {
    const made = await create(world.appId, monthly)
    expect(made.status).toBe(201)
    expect(made.headers.get('location')).toMatch(new RegExp(`/plans/${made.body.id}$`))
    expect(made.body).toEqual({
      id: expect.stringMatching(/^pln_/),
      applicationId: world.appId,
      name: 'Pro',
      features: ['Everything', 'And more'],
      paymentType: 'recurring',
      paymentTime: 'month',
      amount: 49.000001,
      locationAmount: 19.5,
      exact: { amount: '49.000001', locationAmount: '19.5' },
      currency: 'USD',
      freePlan: false,
      freeForOrganization: false,
      freeForLocation: false,
      trialDays: 14,
      status: 'active',
      createdTime: world.now(),
      updatedTime: world.now(),
    })
    const token = world.publisher.token
    expect((await world.request('GET', path(world.appId, `/${made.body.id}`), { token })).body).toEqual(made.body)
  })

  it('makes what is free, for all or for some, and what is paid once', async () => {
    const app = await world.application()
    const free = { name: 'Free', paymentType: 'recurring', paymentTime: 'month', freePlan: true }
    expect((await create(app, free)).body).toMatchObject({ freePlan: true, amount: 0, locationAmount: 0 })
    const forLocations = { ...monthly, locationAmount: 0, freeForLocation: true }
    expect((await create(app, forLocations)).body).toMatchObject({ amount: 49.000001, locationAmount: 0 })
    const once = { ...monthly, paymentType: 'one_time', paymentTime: 'life_time' }
    expect((await create(app, once)).body).toMatchObject({ paymentType: 'one_time', paymentTime: 'life_time' })
  })

  it.each([
    ['a price of 7 decimals', { amount: '0.0000001' }, 'amount'],
    ['a price below 0', { locationAmount: -1 }, 'locationAmount'],
    ['a price of 0 that is not marked as free', { amount: 0 }, 'amount'],
    ['no price', { locationAmount: undefined }, 'locationAmount'],
    ['a price beyond a million', { amount: '1000000.000001' }, 'amount'],
    ['a price that is none', { amount: '1e3' }, 'amount'],
    ['a price for what is free', { freePlan: true, trialDays: 0 }, 'amount'],
    ['a price for locations for which it is free', { freeForLocation: true }, 'locationAmount'],
    ['a free plan with a trial', { freePlan: true, amount: 0, locationAmount: 0 }, 'trialDays'],
    ['what is paid once by the month', { paymentType: 'one_time' }, 'paymentTime'],
    ['what recurs once in a lifetime', { paymentTime: 'life_time' }, 'paymentTime'],
    ['a week', { paymentTime: 'week' }, 'paymentTime'],
    ['another currency', { currency: 'EUR' }, 'currency'],
    ['a trial of 91 days', { trialDays: 91 }, 'trialDays'],
    ['a trial of half a day', { trialDays: 0.5 }, 'trialDays'],
    ['6 features', { features: ['1', '2', '3', '4', '5', '6'] }, 'features'],
    ['an empty feature', { features: [''] }, 'features.0'],
    ['no name', { name: '' }, 'name'],
    ['a member nobody knows', { setupFee: 1 }, 'setupFee'],
  ])('refuses %s', async (_what, members, field) => {
    const answer = await create(world.appId, { ...monthly, ...members })
    expect(answer).toMatchObject({ status: 422, body: { code: 'validation_failed' } })
    expect(answer.body.invalidFields[0].field).toBe(field)
  })

  it('keeps at most 6 that are active', async () => {
    const app = await world.application()
    const ids: string[] = []
    for (let count = 0; count < 6; count++) ids.push((await create(app, monthly)).body.id)
    expect(await create(app, monthly)).toMatchObject({ status: 409, body: { code: 'limit_reached' } })
    expect((await change(app, ids[0]!, { status: 'retired' })).body.status).toBe('retired')
    expect((await create(app, monthly)).status).toBe(201)
    expect(await change(app, ids[0]!, { status: 'active' })).toMatchObject({ status: 409 })
    const listed = await world.request('GET', path(app), { token: world.publisher.token })
    expect(listed.body.map(({ id }: { id: string }) => id).slice(0, 6)).toEqual(ids)
  })

  it('keeps at most 6 also when the first ones are made at the same moment', async () => {
    const app = await world.application()
    const answers = await Promise.all(Array.from({ length: 12 }, () => create(app, monthly)))
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(6)
    expect(answers.filter(({ body }) => body.code === 'limit_reached')).toHaveLength(6)
    const rows = await world.db('stoa_plans').where({ application_id: app }).orderBy('position')
    expect(rows.map(({ position }) => Number(position))).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('lets only the name, the features and the status change', async () => {
    const app = await world.application()
    const { body: plan } = await create(app, monthly)
    const answer = await change(app, plan.id, { name: 'Plus', features: [], amount: '49.000001', trialDays: 14 })
    expect(answer.body).toMatchObject({ name: 'Plus', features: [], amount: 49.000001 })
    for (const [field, value] of Object.entries({
      amount: 50,
      locationAmount: '19.500001',
      paymentTime: 'year',
      paymentType: 'one_time',
      trialDays: 13,
      freePlan: true,
      freeForLocation: true,
    })) {
      const refused = await change(app, plan.id, { [field]: value })
      expect(refused).toMatchObject({ status: 422, body: { invalidFields: [{ field }] } })
    }
  })

  describe('another’s', () => {
    it('are answered like ones that do not exist', async () => {
      const { body: plan } = await create(await world.application(), monthly)
      const token = world.merchant.token
      expect(await create(world.appId, monthly, token)).toMatchObject({ status: 404 })
      expect(await change(world.appId, plan.id, { name: 'Mine' })).toMatchObject({ status: 404 })
      expect(await change(plan.applicationId, plan.id, { name: 'Mine' }, token)).toMatchObject({ status: 404 })
    })
  })
})

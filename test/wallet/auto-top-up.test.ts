import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { createPlayProvider } from './play-provider.ts'
import { eventsOf, openWorkers, type Workers } from './workers.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  const provider = createPlayProvider()
  let world: World
  let workers: Workers
  let others: Workers
  let locationId: string
  let token: string
  beforeAll(async () => {
    world = await openWorld(database, { funding: provider.port }, { isStarted: false })
    workers = await openWorkers(world, provider.port)
    others = await openWorkers(world, provider.port, workers)
  })
  afterAll(async () => {
    await workers?.close()
    await others?.close()
    await world?.close()
  })
  beforeEach(async () => {
    // Those of other tests would take what the provider is to do in this one.
    await world.db('stoa_top_up_rules').delete()
    locationId = await world.location()
    token = await world.install(world.appId, locationId)
  })

  const path = () => `${world.place(locationId)}/wallet/top-up-rule`
  const put = (body: object, by = world.merchant.token) => world.request('PUT', path(), { token: by, body })
  const rule = async () => (await world.get(path(), world.merchant.token)).body
  const spend = async (amount: number) => {
    const { status, body } = await world.charge({ locationId, units: amount * 2 }, token)
    if (status !== 201) throw new Error(JSON.stringify(body))
  }
  const balance = () => world.balance(locationId)
  const topUps = async () =>
    (await world.get(`${world.place(locationId)}/wallet/top-ups`, world.merchant.token)).body as {
      source: string
      status: string
      amount: number
    }[]
  const automatic = async () => (await topUps()).filter(({ source }) => source === 'auto')

  it('tops up by an amount when a charge takes the wallet below the threshold, and not before', async () => {
    await world.fund(locationId, 20)
    const { status, body } = await put({ threshold: 10, amount: 50, paymentMethod: 'card 1' })
    expect(status).toBe(200)
    expect(body).toMatchObject({ enabled: true, threshold: 10, amount: 50, target: null, nextTime: null, failures: 0 })
    await spend(10)
    expect(await workers.run()).toBe(0)
    expect(await balance()).toBe('10')
    await spend(0.5)
    await workers.run()
    expect(await balance()).toBe('59.5')
    expect(await automatic()).toMatchObject([{ status: 'succeeded', amount: 50 }])
    expect(provider.requests().at(-1)).toMatchObject({ paymentMethod: 'card 1', locationId, amount: '50' })
    expect(await world.checkLedger()).toEqual([])
  })

  it('tops up to a target, rounded up to what can be paid', async () => {
    await world.fund(locationId, '20.003')
    await put({ threshold: 10, target: 100 })
    await spend(15)
    await workers.run()
    // 94.997 are missing.
    expect(await balance()).toBe('100.003')
    expect(await automatic()).toMatchObject([{ amount: 95 }])
  })

  it('is due at once on a wallet that is low already, also on one that never had anything', async () => {
    await put({ threshold: 10, amount: 30 })
    await workers.run()
    expect(await balance()).toBe('30')
  })

  it('does nothing while it is switched off, and nothing more once it is deleted', async () => {
    await put({ threshold: 10, amount: 30, enabled: false })
    await workers.run()
    await world.fund(locationId, 5)
    await spend(1)
    await workers.run()
    expect(await balance()).toBe('4')
    await put({ threshold: 3, amount: 30 })
    expect((await world.request('DELETE', path(), { token: world.merchant.token })).status).toBe(204)
    expect((await world.request('DELETE', path(), { token: world.merchant.token })).status).toBe(404)
    expect((await world.get(path(), world.merchant.token)).status).toBe(404)
    await spend(3)
    await workers.run()
    expect(await balance()).toBe('1')
  })

  it('has one payment under way at a time, however many workers and charges there are', async () => {
    await world.fund(locationId, 20)
    await put({ threshold: 15, amount: 5, coolOffSeconds: 0 })
    provider.next('pend')
    await spend(6)
    await Promise.all([workers.run(), others.run(), workers.run(), others.run()])
    await spend(1)
    await Promise.all([workers.run(), others.run()])
    expect(await automatic()).toMatchObject([{ status: 'pending' }])
    provider.settle('succeeded')
    world.advance(60)
    // 13 + 5, which is enough.
    await Promise.all([workers.run(), others.run()])
    await workers.run()
    expect(await automatic()).toHaveLength(1)
    expect(await balance()).toBe('18')
  })

  it('goes on after one that succeeded and was not enough, when the cool-off is over', async () => {
    await put({ threshold: 20, amount: 8, coolOffSeconds: 600 })
    await workers.run()
    expect(await balance()).toBe('8')
    expect((await rule()).nextTime).toBe(world.inSeconds(600))
    world.advance(599)
    await workers.run()
    expect(await balance()).toBe('8')
    world.advance(1)
    await workers.run()
    expect(await balance()).toBe('16')
    world.advance(600)
    await workers.run()
    expect(await balance()).toBe('24')
    expect((await rule()).nextTime).toBe(null)
  })

  it('waits twice as long after each declined payment, and forgets them when one succeeds', async () => {
    provider.next('decline', 'decline', 'decline')
    await put({ threshold: 10, amount: 30 })
    await workers.run()
    for (const [failures, minutes] of [
      [1, 15],
      [2, 30],
      [3, 60],
    ] as const) {
      expect(await rule()).toMatchObject({ failures, nextTime: world.inSeconds(minutes * 60), enabled: true })
      world.advance(minutes * 60 - 1)
      await workers.run()
      expect(await automatic()).toHaveLength(failures)
      world.advance(1)
      await workers.run()
    }
    expect(await rule()).toMatchObject({ failures: 0 })
    expect(await balance()).toBe('30')
  })

  it('does not ask before its time when charges keep the wallet low after a declined payment', async () => {
    await world.fund(locationId, 20)
    provider.next('decline')
    await put({ threshold: 10, amount: 30 })
    await spend(11)
    await workers.run()
    await spend(1)
    await workers.run()
    expect(await automatic()).toHaveLength(1)
  })

  it('is switched off after seven declined payments in a row, with an event that says why, until it is set again', async () => {
    provider.next(...Array<'decline'>(7).fill('decline'))
    await put({ threshold: 10, amount: 30 })
    for (let each = 0; each < 7; each++) {
      expect((await rule()).enabled).toBe(true)
      await workers.run()
      world.advance(86_400)
    }
    expect(await rule()).toMatchObject({ enabled: false, failures: 7, nextTime: null })
    expect((await eventsOf(world, 'top-up-rule.disabled')).at(-1)).toMatchObject({
      locationId,
      failures: 7,
      reason: 'card_declined: insufficient_funds',
    })
    await workers.run()
    expect(await automatic()).toHaveLength(7)
    await put({ threshold: 10, amount: 30 })
    await workers.run()
    expect(await rule()).toMatchObject({ enabled: true, failures: 0 })
    expect(await balance()).toBe('30')
  })

  it('asks for no more than the daily limit, counting what is pending, and goes on the next day (UTC)', async () => {
    await put({ threshold: 100, amount: 30, dailyLimit: 70, coolOffSeconds: 0 })
    provider.next('succeed', 'pend')
    await workers.run()
    expect(await balance()).toBe('30')
    provider.settle('succeeded')
    world.advance(60)
    await workers.run()
    expect(await balance()).toBe('60')
    const midnight = `${new Date(Date.parse(world.now()) + 86_400_000).toISOString().slice(0, 10)}T00:00:00.000Z`
    expect((await rule()).nextTime).toBe(midnight)
    world.advance((Date.parse(midnight) - Date.parse(world.now())) / 1000 - 1)
    await workers.run()
    expect(await balance()).toBe('60')
    world.advance(1)
    await workers.run()
    expect(await balance()).toBe('120')
  })

  it('goes as far towards a target as the day allows', async () => {
    await put({ threshold: 50, target: 100, dailyLimit: 60, coolOffSeconds: 0 })
    await workers.run()
    expect(await balance()).toBe('60')
    await spend(20)
    await workers.run()
    expect(await balance()).toBe('40')
    world.advance(86_400)
    await workers.run()
    expect(await balance()).toBe('100')
  })

  it('does not count what was declined against the day', async () => {
    provider.next('decline')
    await put({ threshold: 10, amount: 30, dailyLimit: 30 })
    await workers.run()
    world.advance(900)
    await workers.run()
    expect(await balance()).toBe('30')
  })

  it('counts on a payment of the merchant’s that is pending, and asks when that is declined', async () => {
    provider.next('pend')
    const body = { amount: 40, reference: 'own' }
    await world.request('POST', `${world.place(locationId)}/wallet/top-ups`, { token: world.merchant.token, body })
    await put({ threshold: 10, amount: 30 })
    await workers.run()
    expect(await automatic()).toHaveLength(0)
    provider.settle('declined')
    world.advance(60)
    await workers.run()
    await workers.run()
    expect(await balance()).toBe('30')
  })

  it('survives a crash after the money came: booked once, by whoever looks next', async () => {
    provider.next('charge and crash')
    await put({ threshold: 10, amount: 30 })
    await workers.run()
    expect(await automatic()).toMatchObject([{ status: 'pending' }])
    world.advance(120)
    await Promise.all([workers.run(), others.run()])
    expect(await automatic()).toMatchObject([{ status: 'succeeded' }])
    expect(await balance()).toBe('30')
    expect(await world.checkLedger()).toEqual([])
  })

  it('in sandbox is filled with play money', async () => {
    const asked = provider.asked()
    await put({ threshold: 10, amount: 30 }, world.merchant.sandbox)
    await workers.run()
    expect(provider.asked()).toBe(asked)
    expect((await world.get(`${world.place(locationId)}/wallet`, world.merchant.sandbox)).body.balance).toBe(30)
    expect(await balance()).toBe('0')
  })

  describe('refuses', () => {
    it.each([
      ['neither amount nor target', { threshold: 10 }, 'amount'],
      ['both', { threshold: 10, amount: 5, target: 50 }, 'amount'],
      ['a target below the threshold', { threshold: 10, target: 9 }, 'target'],
      ['an amount beyond the daily limit', { threshold: 10, amount: 50, dailyLimit: 49 }, 'dailyLimit'],
      ['a threshold below 0', { threshold: -1, amount: 5 }, 'threshold'],
      ['a part of a cent', { threshold: 1, amount: '5.001' }, 'amount'],
      ['a cool-off of no time', { threshold: 1, amount: 5, coolOffSeconds: -1 }, 'coolOffSeconds'],
      ['words', { threshold: 'ten', amount: 5 }, 'threshold'],
    ])('%s', async (_, body, field) => {
      expect(await put(body)).toMatchObject({ status: 422, body: { invalidFields: [{ field }] } })
    })

    it('who may not spend the merchant’s money', async () => {
      const poor = await world.merchant.key('production', ['wallet:read'])
      expect((await put({ threshold: 1, amount: 5 }, poor)).body.code).toBe('missing_permission')
      expect((await put({ threshold: 1, amount: 5 }, token)).body.code).toBe('caller_not_allowed')
    })
  })
})

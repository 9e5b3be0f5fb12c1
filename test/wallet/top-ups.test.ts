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
    locationId = await world.location()
  })

  let references = 0
  const path = () => `${world.place(locationId)}/wallet/top-ups`
  const ask = (body: object = {}, token = world.merchant.token) =>
    world.request('POST', path(), { token, body: { amount: 25, reference: `r-${++references}`, ...body } })
  const see = async (id: string) => (await world.get(`${path()}/${id}`, world.merchant.token)).body
  const booked = async () =>
    (await world.get(`${world.place(locationId)}/wallet/entries`, world.merchant.token)).body.length as number

  it('asks the provider and books what came, in one answer', async () => {
    const answer = await ask({ amount: '25.50', paymentMethod: 'card 1', reference: 'mine', description: 'March' })
    expect(answer.status).toBe(201)
    expect(answer.body).toMatchObject({
      source: 'manual',
      reference: 'mine',
      locationId,
      amount: 25.5,
      status: 'succeeded',
      failure: null,
      paymentMethod: 'card 1',
      settledTime: world.now(),
    })
    expect(provider.requests().at(-1)).toEqual({
      id: answer.body.id,
      organizationId: world.merchant.organizationId,
      locationId,
      amount: '25.5',
      currency: 'USD',
      paymentMethod: 'card 1',
      description: 'March',
    })
    expect(await world.balance(locationId)).toBe('25.5')
    expect(await see(answer.body.id)).toEqual(answer.body)
    expect((await eventsOf(world, 'top-up.succeeded')).at(-1)).toMatchObject({
      topUpId: answer.body.id,
      amount: '25.5',
      status: 'succeeded',
    })
    expect(await world.checkLedger()).toEqual([])
  })

  it('says that it was declined and why, books nothing, and never asks again', async () => {
    provider.next('decline')
    const { status, body } = await ask()
    expect([status, body.status, body.failure]).toEqual([201, 'failed', 'card_declined: insufficient_funds'])
    const asked = provider.asked()
    world.advance(86_400)
    await workers.run()
    expect(provider.asked()).toBe(asked)
    expect(await world.balance(locationId)).toBe('0')
    expect((await eventsOf(world, 'top-up.failed')).at(-1)).toMatchObject({
      topUpId: body.id,
      failure: 'card_declined: insufficient_funds',
    })
    expect(await world.checkLedger()).toEqual([])
  })

  it('looks again at what is pending, less and less often, for as long as it takes', async () => {
    provider.next('pend')
    const { body } = await ask()
    expect(body.status).toBe('pending')
    const asked: number[] = []
    for (const seconds of [59, 1, 119, 1, 239, 1]) {
      world.advance(seconds)
      const before = provider.asked()
      await workers.run()
      asked.push(provider.asked() - before)
    }
    expect(asked).toEqual([0, 1, 0, 1, 0, 1])
    world.advance(400 * 86_400)
    await workers.run()
    expect((await see(body.id)).status).toBe('pending')
    provider.settle('succeeded')
    world.advance(6 * 3600)
    await workers.run()
    expect((await see(body.id)).status).toBe('succeeded')
    expect(await world.balance(locationId)).toBe('25')
  })

  it('fails what was pending when the provider declines it later', async () => {
    provider.next('pend')
    const { body } = await ask()
    provider.settle('declined')
    world.advance(60)
    await workers.run()
    expect(await see(body.id)).toMatchObject({ status: 'failed', failure: 'card_declined: insufficient_funds' })
    expect(await world.balance(locationId)).toBe('0')
  })

  describe('given up by an operator', () => {
    const give = (id: string, by = world.operator.token) =>
      world.request('POST', `/platform/top-ups/${id}/fail`, { token: by, body: { reason: 'the bank lost it' } })
    const told = async (type: string, id: string) =>
      (await eventsOf(world, type)).filter(({ topUpId }) => topUpId === id).length

    it('shows operators who it was, also when it is paid after that, and not the merchant', async () => {
      provider.next('pend')
      const { id } = (await ask()).body
      const asOperator = async () => {
        const { body } = await world.get('/platform/top-ups', world.operator.token)
        return (body as { id: string; givenUpBy: string | null }[]).find((each) => each.id === id)!
      }
      expect(await asOperator()).toMatchObject({ status: 'pending', givenUpBy: null })
      const given = (await give(id)).body
      expect(given.givenUpBy).toMatch(/^user:usr_/)
      expect(await asOperator()).toEqual(given)
      expect(Object.keys(await see(id))).not.toContain('givenUpBy')
      provider.settle('succeeded')
      world.advance(3600)
      await workers.run()
      expect(await asOperator()).toMatchObject({ status: 'succeeded', failure: null, givenUpBy: given.givenUpBy })
    })

    it('fails with the reason, and books what comes late, once and for all to see', async () => {
      provider.next('pend')
      const { id } = (await ask()).body
      const listed = await world.get('/platform/top-ups?status=pending', world.operator.token)
      expect((listed.body as { id: string }[]).map((each) => each.id)).toContain(id)
      expect(await give(id)).toMatchObject({ status: 200, body: { status: 'failed', failure: 'the bank lost it' } })
      expect([await give(id)]).toMatchObject([{ status: 409, body: { code: 'wrong_state' } }])
      expect(await told('top-up.failed', id)).toBe(1)
      const payments = provider.requests().length
      world.advance(3600)
      await workers.run()
      expect(await see(id)).toMatchObject({ status: 'failed' })
      provider.settle('succeeded')
      world.advance(6 * 3600)
      await Promise.all([workers.run(), others.run()])
      expect(await see(id)).toMatchObject({ status: 'succeeded', failure: null })
      expect([await world.balance(locationId), await booked(), provider.requests().length]).toEqual(['25', 1, payments])
      expect([await told('top-up.succeeded', id), await told('top-up.failed', id)]).toEqual([1, 1])
      expect(await world.checkLedger()).toEqual([])
    })

    it('is booked instead when the provider says now that it came, and failed as it says when it declined', async () => {
      provider.next('pend')
      const { id } = (await ask()).body
      provider.settle('succeeded')
      expect((await give(id)).body).toMatchObject({ status: 'succeeded', failure: null, givenUpBy: null })
      expect(await world.balance(locationId)).toBe('25')
      provider.next('pend')
      const other = (await ask()).body.id
      provider.settle('declined')
      expect((await give(other)).body).toMatchObject({ failure: 'card_declined: insufficient_funds', givenUpBy: null })
    })

    it('never asks for the money again, and is looked at no more when the provider declines it or 90 days are over', async () => {
      provider.next('refuse connection')
      const { id } = (await ask()).body
      const payments = provider.requests().length
      expect((await give(id)).body.status).toBe('failed')
      world.advance(7 * 3600)
      await workers.run()
      expect(provider.requests()).toHaveLength(payments)
      world.advance(91 * 86_400)
      await workers.run()
      expect((await world.db('stoa_top_ups').where({ id }).first()).next_time).toBeNull()
      provider.next('pend')
      const declined = (await ask()).body.id
      await give(declined)
      provider.settle('declined')
      world.advance(7 * 3600)
      await workers.run()
      expect((await world.db('stoa_top_ups').where({ id: declined }).first()).next_time).toBeNull()
      expect(await told('top-up.failed', declined)).toBe(1)
    })

    it('waits for whoever is asking the provider, and is for operators of the same environment', async () => {
      provider.next('pend')
      const { id } = (await ask()).body
      const lease = { lease_token: 'somebody', lease_until: world.inSeconds(60) }
      await world.db('stoa_top_ups').where({ id }).update(lease)
      expect(await give(id)).toMatchObject({ status: 409, body: { code: 'wrong_state' } })
      expect((await give(id, world.merchant.token)).status).toBe(403)
      expect((await give(id, world.operator.sandbox)).status).toBe(404)
      expect((await give('top_none')).status).toBe(404)
    })
  })

  it('is on record before the provider is asked, so that a crash after the money came is booked once by the worker', async () => {
    provider.next('charge and crash')
    const { body } = await ask()
    expect(body.status).toBe('pending')
    const payments = provider.requests().length
    world.advance(60)
    await workers.run()
    expect(await see(body.id)).toMatchObject({ status: 'succeeded' })
    expect(provider.requests()).toHaveLength(payments)
    expect([await world.balance(locationId), await booked()]).toEqual(['25', 1])
    expect(await world.checkLedger()).toEqual([])
  })

  it('of a process that died between the provider and the booking is finished when its lease is over', async () => {
    provider.next('charge and crash')
    const { body } = await ask()
    // As the dead process left it: leased and asked.
    const leased = { next_time: world.now(), lease_token: 'dead', lease_until: world.inSeconds(120) }
    await world.db('stoa_top_ups').where({ id: body.id }).update(leased)
    world.advance(119)
    await workers.run()
    expect((await see(body.id)).status).toBe('pending')
    world.advance(1)
    await workers.run()
    expect((await see(body.id)).status).toBe('succeeded')
    expect([await world.balance(locationId), await booked()]).toEqual(['25', 1])
  })

  it('asks again when the provider could not be reached and knows of nothing', async () => {
    provider.next('refuse connection')
    const { body } = await ask()
    expect(body.status).toBe('pending')
    world.advance(60)
    await workers.run()
    expect((await see(body.id)).status).toBe('succeeded')
    expect(await world.balance(locationId)).toBe('25')
  })

  it('is booked once when two processes settle it at the same time, also past the lease', async () => {
    provider.next(...Array<'charge and crash'>(8).fill('charge and crash'))
    const made = []
    for (let each = 0; each < 8; each++) made.push((await ask({ amount: 1 })).body.id as string)
    for (let round = 0; round < 3; round++) {
      // Nobody's lease holds: as if each process had been stopped for longer than it lasts.
      await world.db('stoa_top_ups').where({ status: 'pending' }).update({ next_time: world.now(), lease_until: null })
      await Promise.all([workers.run(), others.run(), workers.run(), others.run()])
    }
    for (const id of made) expect((await see(id)).status).toBe('succeeded')
    expect([await world.balance(locationId), await booked()]).toEqual(['8', 8])
    expect(await world.checkLedger()).toEqual([])
  })

  it('with the same reference is the same top-up, whose state of today is answered, and with another amount refused', async () => {
    provider.next('pend')
    const first = await ask({ reference: 'same' })
    provider.settle('succeeded')
    world.advance(60)
    await workers.run()
    const again = await ask({ reference: 'same', amount: '25.00' })
    expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([200, 'true'])
    expect(again.body).toMatchObject({ id: first.body.id, status: 'succeeded' })
    const other = await ask({ reference: 'same', amount: 26 })
    expect(other).toMatchObject({ status: 422, body: { code: 'reference_reused', topUpId: first.body.id } })
    expect(await world.balance(locationId)).toBe('25')
  })

  it('with the same reference many times at once asks for money once', async () => {
    const before = provider.requests().length
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask({ reference: 'together' })))
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([...Array(9).fill(200), 201])
    expect(provider.requests()).toHaveLength(before + 1)
    expect(await world.balance(locationId)).toBe('25')
  })

  it('has references of its own: another merchant, another location and the operator may use the same', async () => {
    await ask({ reference: 'one' })
    const here = locationId
    locationId = await world.location()
    expect((await ask({ reference: 'one' })).status).toBe(201)
    const body = { locationId, amount: 1, reference: 'one' }
    expect((await world.request('POST', '/platform/top-ups', { token: world.operator.token, body })).status).toBe(201)
    expect([await world.balance(here), await world.balance(locationId)]).toEqual(['25', '26'])
  })

  it('keeps a wallet for each currency', async () => {
    await ask({ amount: 10, currency: 'EUR' })
    await ask({ amount: 1000, currency: 'JPY' })
    const wallet = async (query: string) =>
      (await world.get(`${world.place(locationId)}/wallet${query}`, world.merchant.token)).body
    expect(await wallet('?currency=EUR')).toMatchObject({ currency: 'EUR', balance: 10 })
    expect(await wallet('?currency=JPY')).toMatchObject({ currency: 'JPY', balance: 1000 })
    expect(await wallet('')).toMatchObject({ currency: 'USD', balance: 0 })
    const list = async (query: string) => (await world.get(path() + query, world.merchant.token)).body.length as number
    expect([await list(''), await list('?currency=EUR'), await list('?currency=USD')]).toEqual([2, 1, 0])
    expect(await world.checkLedger()).toEqual([])
  })

  it.each([
    [{ amount: 0 }, 'amount'],
    [{ amount: 0.001 }, 'amount'],
    [{ amount: 1.5, currency: 'JPY' }, 'amount'],
    [{ amount: '1.0001', currency: 'KWD' }, 'amount'],
    [{ amount: 1, currency: 'ZZZ' }, 'currency'],
    [{ amount: 1, reference: '' }, 'reference'],
    [{ amount: 1, paymentMethod: 'a\u0000b' }, 'paymentMethod'],
  ])('refuses %j', async (body, field) => {
    const asked = provider.asked()
    expect(await ask(body)).toMatchObject({ status: 422, body: { invalidFields: [{ field }] } })
    expect(provider.asked()).toBe(asked)
  })

  it('takes what a currency with three decimals can be paid in', async () => {
    expect((await ask({ amount: '1.001', currency: 'KWD' })).body.status).toBe('succeeded')
  })

  it('is for managers: not for members without the permission, nor for applications', async () => {
    const poor = await world.merchant.key('production', ['wallet:read'])
    expect(await ask({}, poor)).toMatchObject({ status: 403, body: { code: 'missing_permission' } })
    const application = await world.install(world.appId, locationId)
    expect(await ask({}, application)).toMatchObject({ status: 403, body: { code: 'caller_not_allowed' } })
    expect((await ask({}, '')).status).toBe(401)
  })

  it('of another target or environment is answered like an unknown one', async () => {
    const { body } = await ask()
    const elsewhere = await world.location()
    for (const [place, token] of [
      [world.place(elsewhere), world.merchant.token],
      [world.place(null), world.merchant.token],
      [world.place(locationId), world.merchant.sandbox],
    ] as const) {
      const answer = await world.get(`${place}/wallet/top-ups/${body.id}`, token)
      expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } })
    }
  })

  describe('in sandbox', () => {
    it('there is play money for 100,000 at once, so that nobody fills the ledger with it', async () => {
      expect((await ask({ amount: 100_000 }, world.merchant.sandbox)).status).toBe(201)
      expect(await ask({ amount: 100_000.01 }, world.merchant.sandbox)).toMatchObject({
        status: 422,
        body: { code: 'validation_failed' },
      })
    })

    it('is play money that no provider hears of', async () => {
      const asked = provider.asked()
      const { body } = await ask({ amount: 100 }, world.merchant.sandbox)
      expect(body).toMatchObject({ environment: 'sandbox', status: 'succeeded' })
      expect(provider.asked()).toBe(asked)
      expect(await world.balance(locationId)).toBe('0')
      expect((await world.get(`${world.place(locationId)}/wallet`, world.merchant.sandbox)).body.balance).toBe(100)
    })

    it('declines, waits and delays as the payment method says', async () => {
      const made = async (paymentMethod: string) => (await ask({ paymentMethod }, world.merchant.sandbox)).body
      expect(await made('play_declined')).toMatchObject({
        status: 'failed',
        failure: expect.stringContaining('declined'),
      })
      const [waiting, delayed] = [await made('play_pending'), await made('play_delayed')]
      expect([waiting.status, delayed.status]).toEqual(['pending', 'pending'])
      world.advance(60)
      await workers.run()
      const later = async (id: string) => (await world.get(`${path()}/${id}`, world.merchant.sandbox)).body.status
      expect([await later(waiting.id), await later(delayed.id)]).toEqual(['pending', 'succeeded'])
    })
  })
})

eachDatabase((database) => {
  it('without a provider merchants are told so, operators and the sandbox go on', async () => {
    const world = await openWorld(database)
    try {
      const path = `${world.place(world.locationId)}/wallet`
      const topUp = (token: string) =>
        world.request('POST', `${path}/top-ups`, { token, body: { amount: 5, reference: 'a' } })
      const rule = (token: string) =>
        world.request('PUT', `${path}/top-up-rule`, { token, body: { threshold: 5, amount: 5 } })
      expect(await topUp(world.merchant.token)).toMatchObject({ status: 422, body: { code: 'funding_unavailable' } })
      expect(await rule(world.merchant.token)).toMatchObject({ status: 422, body: { code: 'funding_unavailable' } })
      await world.fund(world.locationId, 3)
      expect(await world.balance()).toBe('3')
      expect((await topUp(world.merchant.sandbox)).body.status).toBe('succeeded')
      expect((await rule(world.merchant.sandbox)).status).toBe(200)
    } finally {
      await world.close()
    }
  })
})

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  // Each test has a location of its own.
  let locationId: string
  let token: string
  beforeAll(async () => {
    world = await openWorld(database)
  })
  afterAll(() => world?.close())
  beforeEach(async () => {
    locationId = await world.location()
    token = await world.install(world.appId, locationId)
    await world.fund(locationId, 1000)
  })

  const path = (rest = '', at: string | null = locationId) =>
    `${world.place(at)}/application-instances/${world.appId}${rest}`
  const merchant = (method: string, rest: string, body?: object, by = world.merchant.token) =>
    world.request(method, path(rest), { token: by, ...(body && { body }) })
  const set = (body: object) => merchant('PUT', '/caps', { period: 'month', ...body })
  const caps = async () => (await merchant('GET', '/caps')).body as Record<string, unknown>[]
  const ownPath = (rest: string) => `/marketplace/app/${world.appId}${rest}`
  const ask = (body: object, by = token) =>
    world.request('POST', ownPath('/cap-requests'), {
      token: by,
      body: { period: 'month', reason: 'We grow.', ...body },
    })
  const own = (rest: string) => world.get(ownPath(rest), token)
  const events = async (type: string) =>
    (await world.db('stoa_events').where({ type, location_id: locationId }).orderBy('id')).map(
      ({ payload }) => JSON.parse(payload).data,
    )

  describe('the merchant', () => {
    it('sets a cap, changes it, and takes it away; each decision is kept with who made it and why', async () => {
      const made = await set({ amount: '50.5', reason: 'A first limit.' })
      expect(made.status).toBe(201)
      expect(made.body).toEqual({
        id: expect.stringMatching(/^cap_/),
        applicationId: world.appId,
        meterId: null,
        period: 'month',
        currency: 'USD',
        amount: 50.5,
        used: 0,
        left: 50.5,
        exact: { amount: '50.5', used: '0', left: '50.5' },
        resetsAt: '2026-04-01T00:00:00.000Z',
        revision: 1,
        createdTime: world.now(),
        updatedTime: world.now(),
      })
      const { id } = made.body
      expect(await set({ amount: 100 })).toMatchObject({ status: 200, body: { id, amount: 100, revision: 2 } })
      expect(await set({ amount: 100, reason: 'Again.' })).toMatchObject({ status: 200, body: { revision: 2 } })
      expect((await merchant('DELETE', `/caps/${id}`, { reason: 'We trust it.' })).status).toBe(204)
      expect(await caps()).toEqual([])
      expect((await merchant('DELETE', `/caps/${id}`)).status).toBe(404)
      const changes = await merchant('GET', `/caps/${id}/changes`)
      const actor = expect.stringMatching(/^user:usr_/)
      const time = world.now()
      expect(changes.headers.get('pagination-total')).toBe('3')
      expect(changes.body).toEqual([
        { revision: 3, amount: null, exact: { amount: null }, actor, reason: 'We trust it.', time },
        { revision: 2, amount: 100, exact: { amount: '100' }, actor, reason: null, time },
        { revision: 1, amount: 50.5, exact: { amount: '50.5' }, actor, reason: 'A first limit.', time },
      ])
      expect(await events('cap.changed')).toMatchObject([
        { capId: id, cap: '50.5', previousCap: null, meterId: null, period: 'month', currency: 'USD' },
        { capId: id, cap: '100', previousCap: '50.5' },
        { capId: id, cap: null, previousCap: '100' },
      ])
      // What the merchant thinks is not for the application.
      expect(JSON.stringify(await events('cap.changed'))).not.toContain('trust')
      expect((await set({ amount: 10 })).body.id).not.toBe(id)
    })

    it('has a cap for each meter, period and currency, and one for them together', async () => {
      const euros = await world.meter(world.appId, {
        name: 'Euros',
        unit: 'euro',
        priceType: 'fixed',
        price: 1,
        currency: 'EUR',
      })
      for (const body of [
        { amount: 1 },
        { amount: 2, period: 'day' },
        { amount: 3, currency: 'EUR' },
        { amount: 4, meterId: world.fixed },
        { amount: 5, meterId: world.dynamic },
        { amount: 6, meterId: euros },
      ]) {
        expect((await set(body)).status).toBe(201)
      }
      expect(
        (await caps()).map(({ amount, period, currency, meterId }) => [amount, period, currency, meterId]),
      ).toEqual([
        [1, 'month', 'USD', null],
        [2, 'day', 'USD', null],
        [3, 'month', 'EUR', null],
        [4, 'month', 'USD', world.fixed],
        [5, 'month', 'USD', world.dynamic],
        [6, 'month', 'EUR', euros],
      ])
    })

    it('sees what was used and what is left: without what was given back, in the present period alone', async () => {
      await set({ amount: 100 })
      await set({ amount: 10, period: 'day' })
      await set({ amount: 5, meterId: world.dynamic })
      const charge = (body: object) => world.charge({ ...body, locationId }, token)
      const early = (await charge({ units: 2 })).body.chargeId
      await charge({ meterId: world.dynamic, price: 4 })
      const { chargeId } = (await charge({ units: 10 })).body
      const used = async () => (await caps()).map((cap) => [cap['used'], cap['left']])
      expect(await used()).toEqual([
        [10, 90],
        [10, 0],
        [4, 1],
      ])
      await world.void(chargeId, token)
      expect(await used()).toEqual([
        [5, 95],
        [5, 5],
        [4, 1],
      ])
      world.advance(86_400)
      token = await renewed()
      expect((await caps())[1]).toMatchObject({ used: 0, left: 10, resetsAt: `${tomorrow()}T00:00:00.000Z` })
      expect((await caps())[0]).toMatchObject({ used: 5 })
      // It counted yesterday, and so does what is given back of it.
      await world.void(early, token)
      expect((await caps()).map(({ used }) => used)).toEqual([4, 0, 4])
    })

    it('can set a cap below what was used', async () => {
      await world.charge({ units: 10, locationId }, token)
      expect((await set({ amount: 0 })).body).toMatchObject({ amount: 0, used: 5, left: 0 })
    })

    it.each([
      ['an amount below 0', { amount: -0.000001 }, 'amount'],
      ['an amount of 7 decimals', { amount: '0.0000001' }, 'amount'],
      ['an amount with an exponent', { amount: '1e2' }, 'amount'],
      ['an amount of 16 digits', { amount: 1234567890.123456 }, 'amount'],
      ['an amount beyond 64 bits', { amount: '9223372036854.775808' }, 'amount'],
      ['no amount', {}, 'amount'],
      ['an unknown period', { amount: 1, period: 'year' }, 'period'],
      ['a currency that is none', { amount: 1, currency: 'XYZ' }, 'currency'],
      ['a member nobody knows', { amount: 1, hard: true }, 'hard'],
    ])('is refused %s', async (_what, body, field) => {
      const answer = await set(body)
      expect(answer).toMatchObject({ status: 422, body: { invalidFields: [{ field }] } })
    })

    it('is refused another currency than the meter’s, and a meter of another application', async () => {
      const wrong = await set({ amount: 1, meterId: world.fixed, currency: 'EUR' })
      expect(wrong).toMatchObject({ status: 422, body: { invalidFields: [{ field: 'currency' }] } })
      const other = await world.application()
      const foreign = await world.meter(other, { name: 'x', unit: 'x', priceType: 'fixed', price: 1 })
      const answers = [await set({ amount: 1, meterId: foreign }), await set({ amount: 1, meterId: 'mtr_unknown' })]
      expect(answers.map(({ status, body }) => [status, body.code])).toEqual(Array(2).fill([422, 'meter_not_found']))
    })

    it('is told to name the location of an organization’s own installation', async () => {
      const wide = await world.application()
      await world.install(wide, null)
      const at = `${world.place(null)}/application-instances/${wide}/caps`
      const answer = await world.request('PUT', at, { token: world.merchant.token, body: { period: 'day', amount: 1 } })
      expect(answer).toMatchObject({ status: 409, body: { code: 'wrong_state' } })
      expect(answer.body.message).toContain('put /organizations/{organizationId}/locations/{locationId} before')
    })

    it('has caps of the sandbox apart from those of production', async () => {
      await world.install(world.appId, locationId, 'sandbox')
      await set({ amount: 1 })
      expect((await merchant('GET', '/caps', undefined, world.merchant.sandbox)).body).toEqual([])
    })

    it('finds the caps as they were when it installs the application again', async () => {
      await set({ amount: 7 })
      expect((await merchant('DELETE', '')).status).toBeLessThan(300)
      await world.install(world.appId, locationId)
      expect(await caps()).toMatchObject([{ amount: 7 }])
    })

    it('makes one cap of wishes that arrive at once', async () => {
      const answers = await Promise.all([1, 2, 3, 4, 5].map((amount) => set({ amount })))
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 200, 200, 200, 201])
      expect((await caps()).length).toBe(1)
      const [cap] = await caps()
      const changes = (await merchant('GET', `/caps/${String(cap!['id'])}/changes`)).body
      expect(changes.map(({ revision }: { revision: number }) => revision)).toEqual([5, 4, 3, 2, 1])
      expect(changes[0].amount).toBe(cap!['amount'])
    })
  })

  describe('the application', () => {
    it('sees its caps and what is left, and what it asked for', async () => {
      await set({ amount: 10 })
      await world.charge({ units: 4, locationId }, token)
      const seen = await own('/caps')
      expect(seen.status).toBe(200)
      expect(seen.body).toEqual(await caps())
      expect(seen.body[0]).toMatchObject({ amount: 10, used: 2, left: 8 })
      const asked = await ask({ amount: 20 })
      expect((await own('/cap-requests')).body).toEqual([asked.body])
    })

    it('asks for more, and what it asks takes the place of what it asked before', async () => {
      await set({ amount: 10 })
      await set({ amount: 10, period: 'day' })
      const first = await ask({ amount: '20.5' })
      expect(first.status).toBe(201)
      expect(first.body).toEqual({
        id: expect.stringMatching(/^crq_/),
        applicationId: world.appId,
        meterId: null,
        period: 'month',
        currency: 'USD',
        amount: 20.5,
        exact: { amount: '20.5' },
        reason: 'We grow.',
        status: 'open',
        answer: null,
        decidedTime: null,
        createdTime: world.now(),
      })
      expect(await ask({ amount: 20.5 })).toMatchObject({ status: 200, body: { id: first.body.id } })
      const second = await ask({ amount: 30 })
      const daily = await ask({ amount: 30, period: 'day' })
      const list = (await merchant('GET', '/cap-requests')).body
      expect(list.map(({ id, status }: { id: string; status: string }) => [id, status])).toEqual([
        [daily.body.id, 'open'],
        [second.body.id, 'open'],
        [first.body.id, 'replaced'],
      ])
      expect((await merchant('GET', '/cap-requests?status=open&limit=1')).headers.get('pagination-total')).toBe('2')
      expect((await events('cap.requested')).map(({ amount }) => amount)).toEqual(['20.5', '30', '30'])
      expect(await caps()).toMatchObject([{ amount: 10 }, { amount: 10 }])
    })

    it('asks about a cap 10 times in any 24 hours at most, and is told when it can again', async () => {
      await set({ amount: 10 })
      await set({ amount: 10, period: 'day' })
      const first = world.now()
      const several = async (amounts: number[]) => {
        for (const amount of amounts) expect((await ask({ amount })).status).toBe(201)
      }
      await several([11, 12, 13])
      world.advance(1800)
      await several([14, 15, 16, 17, 18, 19, 20])
      const resetsAt = new Date(Date.parse(first) + 86_400_000).toISOString()
      expect(await ask({ amount: 21 })).toMatchObject({
        status: 409,
        body: { code: 'limit_reached', limit: 10, resetsAt, message: expect.stringContaining(resetsAt) },
      })
      // What is open stays so, and is answered as before; the other cap is asked about by itself.
      expect(await ask({ amount: 20 })).toMatchObject({ status: 200, body: { status: 'open' } })
      expect((await ask({ amount: 21, period: 'day' })).status).toBe(201)
      expect(await events('cap.requested')).toHaveLength(11)
      world.advance(Date.parse(resetsAt) / 1000 - Date.parse(world.now()) / 1000 - 0.001)
      const instance = `/applications/${world.appId}/instances/${locationId}`
      token = (await world.get(instance, world.publisher.token)).body.token
      expect((await ask({ amount: 21 })).status).toBe(409)
      world.advance(0.001)
      await several([21, 22, 23])
      expect((await ask({ amount: 24 })).status).toBe(409)
    })

    it('can raise nothing itself', async () => {
      const { id } = (await set({ amount: 10 })).body
      const request = (await ask({ amount: 20 })).body
      const calls: [string, string, object | undefined][] = [
        ['PUT', '/caps', { period: 'month', amount: 20 }],
        ['DELETE', `/caps/${id}`, undefined],
        ['POST', `/cap-requests/${request.id}/approve`, { amount: 20 }],
        ['POST', `/cap-requests/${request.id}/refuse`, undefined],
        ['GET', '/caps', undefined],
        ['GET', `/caps/${id}/changes`, undefined],
        ['GET', '/cap-requests', undefined],
      ]
      for (const [method, rest, body] of calls) {
        const answer = await merchant(method, rest, body, token)
        expect([method, rest, answer.status, answer.body.code]).toEqual([method, rest, 403, 'caller_not_allowed'])
      }
      expect(await caps()).toMatchObject([{ amount: 10 }])
    })

    it.each([
      ['as much as it has', { amount: 10 }, 422, 'validation_failed'],
      ['less', { amount: 9.999999 }, 422, 'validation_failed'],
      ['an amount that is none', { amount: 'more' }, 422, 'validation_failed'],
      ['what is not capped', { amount: 20, period: 'day' }, 409, 'wrong_state'],
      ['a meter nobody knows', { amount: 20, meterId: 'mtr_unknown' }, 422, 'meter_not_found'],
      ['without a reason', { amount: 20, reason: '' }, 422, 'validation_failed'],
    ])('is refused when it asks for %s', async (_what, body, status, code) => {
      await set({ amount: 10 })
      expect(await ask(body)).toMatchObject({ status, body: { code } })
    })

    it('knows no other application, and nothing without a token or the right', async () => {
      const other = await world.application()
      for (const rest of ['/caps', '/cap-requests']) {
        const foreign = await world.get(`/marketplace/app/${other}${rest}`, token)
        const unknown = await world.get(`/marketplace/app/app_unknown${rest}`, token)
        expect([foreign.status, foreign.body.message]).toEqual([404, unknown.body.message])
        expect((await world.get(ownPath(rest), '')).status).toBe(401)
        expect((await world.get(ownPath(rest), world.merchant.token)).body.code).toBe('caller_not_allowed')
        const poor = await world.application(['locations:show'])
        const theirs = await world.install(poor, locationId)
        const lacking = await world.get(`/marketplace/app/${poor}${rest}`, theirs)
        expect(lacking.body.code).toBe('missing_permission')
      }
    })
  })

  describe('what was asked for', () => {
    const asked = async (amount = 20) => {
      await set({ amount: 10 })
      return (await ask({ amount })).body.id as string
    }
    const decide = (id: string, how: string, body: object) => merchant('POST', `/cap-requests/${id}/${how}`, body)

    it('is approved: the cap is raised, with the request as its reason', async () => {
      const id = await asked()
      const answer = await decide(id, 'approve', { amount: '20', answer: 'Good luck.' })
      expect(answer).toMatchObject({
        status: 200,
        body: { id, status: 'approved', answer: 'Good luck.', decidedTime: world.now() },
      })
      const [cap] = await caps()
      expect(cap).toMatchObject({ amount: 20, revision: 2 })
      const changes = (await merchant('GET', `/caps/${String(cap!['id'])}/changes`)).body
      expect(changes[0]).toMatchObject({ amount: 20, reason: `asked for by ${id}: We grow.` })
      expect(await events('cap.request-decided')).toMatchObject([
        { requestId: id, status: 'approved', answer: 'Good luck.', amount: '20' },
      ])
      expect((await own('/cap-requests?status=approved')).body).toMatchObject([{ id, answer: 'Good luck.' }])
    })

    it('is refused: the cap stays', async () => {
      const id = await asked()
      expect((await decide(id, 'refuse', { answer: 'Not now.' })).body).toMatchObject({ status: 'refused' })
      expect(await caps()).toMatchObject([{ amount: 10, revision: 1 }])
      expect(await events('cap.request-decided')).toMatchObject([{ status: 'refused', answer: 'Not now.' }])
      expect((await ask({ amount: 20 })).status).toBe(201)
    })

    it('is decided once, and only as it was shown', async () => {
      const id = await asked()
      expect(await decide(id, 'approve', { amount: 19 })).toMatchObject({ status: 409, body: { code: 'wrong_state' } })
      const newer = (await ask({ amount: 500 })).body.id
      for (const how of ['approve', 'refuse']) {
        const late = await decide(id, how, how === 'approve' ? { amount: 20 } : {})
        expect(late).toMatchObject({ status: 409, body: { code: 'wrong_state' } })
      }
      expect(await caps()).toMatchObject([{ amount: 10 }])
      const both = await Promise.all([
        decide(newer, 'approve', { amount: 500 }),
        decide(newer, 'refuse', {}),
        decide(newer, 'approve', { amount: 500 }),
      ])
      expect(both.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409, 409])
    })

    it('is answered by a cap that is as high, or by none at all, and not by one below it', async () => {
      await asked(20)
      await set({ amount: 19.999999 })
      expect((await own('/cap-requests')).body).toMatchObject([{ status: 'open' }])
      const { body: raised } = await set({ amount: 25, reason: 'private' })
      expect((await own('/cap-requests')).body).toMatchObject([{ status: 'approved', answer: null }])
      await ask({ amount: 30 })
      await merchant('DELETE', `/caps/${raised.id}`)
      expect((await own('/cap-requests')).body).toMatchObject([{ status: 'approved' }, { status: 'approved' }])
    })
  })

  describe('who may', () => {
    const calls: [string, string, object | undefined][] = [
      ['GET', '/caps', undefined],
      ['PUT', '/caps', { period: 'month', amount: 1 }],
      ['DELETE', '/caps/:cap', undefined],
      ['GET', '/caps/:cap/changes', undefined],
      ['GET', '/cap-requests', undefined],
      ['POST', '/cap-requests/:request/approve', { amount: 20 }],
      ['POST', '/cap-requests/:request/refuse', undefined],
    ]
    it.each(calls)('%s %s: not without the right, and not a member who only reads', async (method, rest, body) => {
      const cap = (await set({ amount: 10 })).body.id
      const request = (await ask({ amount: 20 })).body.id
      const at = rest.replace(':cap', cap).replace(':request', request)
      expect((await merchant(method, at, body, '')).status).toBe(401)
      const poor = await world.merchant.key('production', ['wallet:read'])
      expect((await merchant(method, at, body, poor)).body.code).toBe('missing_permission')
      const reader = await world.merchant.key('production', ['caps:read'])
      const isRead = method === 'GET'
      expect((await merchant(method, at, body, reader)).status).toBe(isRead ? 200 : 403)
    })

    it('a cap and a request of another location are answered like unknown ones', async () => {
      const cap = (await set({ amount: 10 })).body.id
      const request = (await ask({ amount: 20 })).body.id
      locationId = await world.location()
      await world.install(world.appId, locationId)
      for (const [method, rest, body] of calls) {
        if (!rest.includes(':')) continue
        const foreign = await merchant(method, rest.replace(':cap', cap).replace(':request', request), body)
        const unknown = await merchant(method, rest.replace(/:\w+/, 'x_unknown'), body)
        expect([rest, foreign.status, foreign.body.message]).toEqual([rest, 404, unknown.body.message])
      }
    })
  })

  const renewed = async (): Promise<string> =>
    (await world.get(`/applications/${world.appId}/instances/${locationId}`, world.publisher.token)).body.token
  const tomorrow = () => new Date(Date.parse(world.now()) + 86_400_000).toISOString().slice(0, 10)
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
    await world.fund(world.locationId, 1000)
  })
  afterAll(() => world?.close())

  /** A location of its own, with the application and as much money as the test wants. */
  async function funded(amount: number | string) {
    const locationId = await world.location()
    const token = await world.install(world.appId, locationId)
    if (Number(amount) > 0) await world.fund(locationId, amount)
    const charge = (change: object = {}) => world.charge({ locationId, ...change }, token)
    return { locationId, token, charge }
  }

  describe('charging', () => {
    it('takes units × price and answers 201 with the charge', async () => {
      const { charge, locationId } = await funded(10)
      const answer = await charge({ units: 3, eventId: 'sms-1' })
      expect(answer.status).toBe(201)
      expect(answer.headers.get('idempotent-replayed')).toBeNull()
      expect(answer.body).toEqual({
        success: true,
        chargeId: expect.stringMatching(/^chg_[0-9a-f]{32}$/),
        amountCharged: 1.5,
        pricePerUnit: 0.5,
        units: 3,
        exact: { amountCharged: '1.5', pricePerUnit: '0.5', units: '3' },
        currency: 'USD',
        refunded: false,
        createdAt: world.now(),
      })
      expect(await world.balance(locationId)).toBe('8.5')
    })

    it('takes the price of each charge on a dynamic meter, and rounds once, half away from zero', async () => {
      const { charge, locationId } = await funded(10)
      const answer = await charge({ meterId: world.dynamic, units: 0.5, price: 0.012345 })
      // 0.0061725 becomes 0.006173.
      expect(answer.body.exact).toEqual({ amountCharged: '0.006173', pricePerUnit: '0.012345', units: '0.5' })
      expect(await world.balance(locationId)).toBe('9.993827')
    })

    it('accepts the own price of a fixed meter', async () => {
      expect((await world.charge({ price: 0.5 })).status).toBe(201)
    })

    it('takes null for absent optionals, and a blank eventTime for the time of booking', async () => {
      const { body, status } = await world.charge({ price: null, userId: null, eventTime: '' })
      expect(status).toBe(201)
      expect((await world.get(`${world.chargesPath}/${body.chargeId}`)).body.meta.eventTime).toBe(world.now())
    })

    it('ignores tenants named in headers', async () => {
      const body = world.chargeBody()
      const headers = { locationid: 'elsewhere', companyid: 'elsewhere', 'x-location-id': 'elsewhere' }
      const answer = await world.request('POST', world.chargesPath, { token: world.token, body, headers })
      expect(answer.status).toBe(201)
    })

    it('takes JSON that comes without a content type', async () => {
      const body = Buffer.from(JSON.stringify(world.chargeBody())) as unknown as string
      expect((await world.request('POST', world.chargesPath, { token: world.token, body })).status).toBe(201)
    })

    it('books what rounds to nothing without moving money, also on a wallet that never had any', async () => {
      const { charge, locationId, token } = await funded(0)
      const answer = await charge({ meterId: world.dynamic, units: 0.000001, price: 0.01 })
      expect(answer).toMatchObject({ status: 201, body: { amountCharged: 0 } })
      expect((await world.void(answer.body.chargeId, token)).status).toBe(200)
      expect(await world.balance(locationId)).toBe('0')
      expect(await world.checkLedger()).toEqual([])
    })

    it('publishes charge.created to the publisher, and tells the embedder after the commit', async () => {
      const told: unknown[] = []
      world.host.events.on('charge.created', (charge) => told.push(charge))
      const { body } = await world.charge({ userId: 'u1' })
      world.host.events.removeAllListeners('charge.created')
      const row = await world.db('stoa_events').where('payload', 'like', `%${body.chargeId}%`).first()
      expect(row).toMatchObject({
        type: 'charge.created',
        publisher_id: world.publisher.organizationId,
        application_id: world.appId,
        location_id: world.locationId,
        environment: 'production',
      })
      const payload = JSON.parse(row.payload)
      expect(payload).toMatchObject({ type: 'charge.created', timestamp: world.now() })
      expect(payload.data).toMatchObject({
        chargeId: body.chargeId,
        amount: '0.5',
        currency: 'USD',
        userId: 'u1',
        units: '1',
      })
      const { appId: applicationId, locationId } = world
      expect(told).toEqual([{ chargeId: body.chargeId, applicationId, locationId, amount: '0.5', currency: 'USD' }])
    })
  })

  describe('the same eventId again', () => {
    it('is answered 200 with the same body, marked, and takes nothing', async () => {
      const { charge, locationId } = await funded(10)
      const first = await charge({ eventId: 'again' })
      world.advance(60)
      const second = await charge({ eventId: 'again', description: 'told otherwise', userId: 'somebody' })
      expect(second.status).toBe(200)
      expect(second.headers.get('idempotent-replayed')).toBe('true')
      expect(second.body).toEqual(first.body)
      expect(await world.balance(locationId)).toBe('9.5')
    })

    it('takes other spellings of the same content for the same', async () => {
      const { charge } = await funded(10)
      const eventTime = world.now()
      await charge({ eventId: 'spelt', meterId: world.dynamic, price: 1.5, units: 2, eventTime })
      const again = await charge({
        eventId: 'spelt',
        meterId: world.dynamic,
        price: 1.5,
        units: 2,
        eventTime: eventTime.replace('.000', ''),
      })
      expect(again.status).toBe(200)
    })

    it.each([
      ['other units', { units: 2 }],
      ['a price that was not given before', { price: 0.5 }],
      ['an eventTime that was not given before', { eventTime: '2026-03-01T12:00:00Z' }],
    ])('with %s is refused and names the charge', async (_what, change) => {
      const { charge, locationId } = await funded(10)
      const first = await charge({ eventId: 'changed' })
      const second = await charge({ eventId: 'changed', ...change })
      expect(second).toMatchObject({ status: 422, body: { code: 'event_id_reused', chargeId: first.body.chargeId } })
      expect(await world.balance(locationId)).toBe('9.5')
    })

    it('with another meter is refused', async () => {
      await world.charge({ eventId: 'meter' })
      const other = await world.charge({ eventId: 'meter', meterId: world.dynamic, price: 0.5 })
      expect(other).toMatchObject({ status: 422, body: { code: 'event_id_reused' } })
    })

    it('returns the charge that was given back meanwhile, and charges nothing', async () => {
      const { charge, locationId, token } = await funded(10)
      const { body } = await charge({ eventId: 'voided' })
      await world.void(body.chargeId, token)
      const again = await charge({ eventId: 'voided' })
      expect(again).toMatchObject({ status: 200, body: { chargeId: body.chargeId, refunded: true } })
      expect(await world.balance(locationId)).toBe('10')
    })

    it('is answered also when it could not be charged any more', async () => {
      const meterId = await world.meter(world.appId, { name: 'Old', unit: 'piece', priceType: 'fixed', price: 10 })
      const { charge } = await funded(10)
      const eventTime = world.now()
      const { body } = await charge({ eventId: 'late', meterId, eventTime })
      const path = `/developers/applications/${world.appId}/meters/${meterId}`
      await world.request('PATCH', path, { token: world.publisher.token, body: { status: 'inactive', price: 20 } })
      expect(await charge({ eventId: 'late', meterId, eventTime })).toMatchObject({ status: 200, body })
      expect(await charge({ meterId })).toMatchObject({ status: 422, body: { code: 'meter_inactive' } })
    })

    it('is another charge on another location, by another application and in the other environment', async () => {
      const other = await funded(10)
      const eventId = 'everywhere'
      const otherApp = await world.application()
      const otherMeter = await world.meter(otherApp, { name: 'M', unit: 'x', priceType: 'fixed', price: 1 })
      const otherToken = await world.install(otherApp, world.locationId)
      const sandbox = await world.install(world.appId, world.locationId, 'sandbox')
      await world.fund(world.locationId, 5, 'sandbox')
      const answers = [
        await world.charge({ eventId }),
        await other.charge({ eventId }),
        await world.charge({ eventId, appId: otherApp, meterId: otherMeter }, otherToken),
        await world.charge({ eventId }, sandbox),
      ]
      expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201])
      expect(new Set(answers.map(({ body }) => body.chargeId)).size).toBe(4)
    })

    it('many times at once is one charge', async () => {
      const { charge, locationId } = await funded(100)
      const answers = await Promise.all(Array.from({ length: 40 }, () => charge({ eventId: 'at-once' })))
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(39)
      expect(new Set(answers.map(({ body }) => body.chargeId)).size).toBe(1)
      expect(await world.balance(locationId)).toBe('99.5')
    })
  })

  describe('a wallet that does not hold enough', () => {
    it('is kept as a charge that was declined: one line however often it is tried, told once', async () => {
      const { charge, token, locationId } = await funded('0.4')
      const declined = () => world.db('stoa_events').where({ type: 'charge.declined', location_id: locationId })
      for (let n = 0; n < 3; n++) await charge({ eventId: 'again', units: 2 })
      await charge({ eventId: 'other' })
      const { body } = await world.get('/marketplace/billing/charge-attempts', token)
      expect(body).toHaveLength(2)
      expect(body).toContainEqual({
        eventId: 'again',
        meterId: world.fixed,
        code: 'insufficient_funds',
        details: expect.objectContaining({ required: 1, available: 0.4, missing: 0.6, currency: 'USD' }),
        tries: 3,
        firstTime: world.now(),
        lastTime: world.now(),
      })
      const narrowed = await world.get('/marketplace/billing/charge-attempts?eventId=other', token)
      expect(narrowed.body).toMatchObject([{ eventId: 'other', tries: 1 }])
      expect(await declined()).toHaveLength(2)
      // What is merely wrong is nothing that a merchant could do something about.
      await charge({ eventId: 'wrong', meterId: 'mtr_none' })
      expect((await world.get('/marketplace/billing/charge-attempts', token)).body).toHaveLength(2)
    })

    it('refuses with 402, says what is missing, and books nothing; after a top-up the same eventId is charged', async () => {
      const { charge, locationId } = await funded('0.4')
      const tables = ['stoa_charges', 'stoa_ledger_transactions', 'stoa_ledger_entries']
      const before = await Promise.all(tables.map(world.count))
      const refused = await charge({ eventId: 'poor' })
      expect(refused).toMatchObject({
        status: 402,
        body: { code: 'insufficient_funds', statusCode: 402, required: 0.5, available: 0.4, currency: 'USD' },
      })
      expect(refused.body.exact).toEqual({ required: '0.5', available: '0.4', missing: '0.1' })
      expect(await Promise.all(tables.map(world.count))).toEqual(before)
      await world.fund(locationId, '0.1')
      expect((await charge({ eventId: 'poor' })).status).toBe(201)
      expect(await world.balance(locationId)).toBe('0')
    })

    it('never goes below zero, however many charges arrive at once', async () => {
      const { charge, locationId } = await funded(5)
      const answers = await Promise.all(Array.from({ length: 60 }, () => charge()))
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(10)
      expect(answers.filter(({ status }) => status === 402)).toHaveLength(50)
      expect(await world.balance(locationId)).toBe('0')
      expect(await world.checkLedger()).toEqual([])
    })

    it('lets a smaller charge through after a larger one was refused in the same batch', async () => {
      const { charge } = await funded(1)
      const [large, small] = await Promise.all([charge({ units: 3 }), charge({ units: 2 })])
      expect([large.status, small.status]).toEqual([402, 201])
    })
  })

  describe('what is refused', () => {
    it.each([
      ['0', 0],
      ['-1', -1],
      ['1e21', 1e21],
      ['0.0000001', 0.0000001],
      ['1e-7', 1e-7],
      ['-0', -0],
      ['16 digits', 1.234567890123456],
      ['7 decimals', 1.2345678],
      ['more than a thousand million', 1_000_000_001],
      ['the largest number there is', Number.MAX_VALUE],
    ])('units of %s: invalid_units', async (_name, units) => {
      expect(await world.charge({ units })).toMatchObject({
        status: 422,
        body: { code: 'invalid_units', invalidFields: [{ field: 'units' }] },
      })
    })

    it.each([
      ['units as text', { units: '1' }, 'units'],
      ['units of null', { units: null }, 'units'],
      ['a price as text', { price: '0.5' }, 'price'],
      ['an eventId as a number', { eventId: 7 }, 'eventId'],
      ['an eventTime that is none', { eventTime: 'yesterday' }, 'eventTime'],
      ['an eventId of 256 characters', { eventId: 'x'.repeat(256) }, 'eventId'],
      ['an eventId with a NUL', { eventId: 'a\u0000b' }, 'eventId'],
      ['an eventId with half a character', { eventId: 'a\ud800' }, 'eventId'],
      ['a member nobody knows', { Price: 3 }, 'Price'],
    ])('%s: validation_failed', async (_name, change, field) => {
      const answer = await world.charge(change)
      expect(answer).toMatchObject({ status: 422, body: { code: 'validation_failed' } })
      expect(answer.body.invalidFields.map((each: { field: string }) => each.field)).toEqual([field])
    })

    it.each(['appId', 'meterId', 'eventId', 'locationId', 'companyId', 'description', 'units'])(
      'a body without %s: invalid_request',
      async (member) => {
        expect(await world.charge({ [member]: undefined })).toMatchObject({
          status: 400,
          body: {
            code: 'invalid_request',
            statusCode: 400,
            invalidFields: [{ field: member, message: 'is required' }],
          },
        })
      },
    )

    it.each(['eventId', 'userId', 'description'])('a blank %s, as HighLevel does: 400', async (member) => {
      expect(await world.charge({ [member]: '  ' })).toMatchObject({
        status: 400,
        body: { message: `${member} should not be empty` },
      })
    })

    it.each([
      ['appId', 'app_0123456789'],
      ['locationId', 'loc_0123456789'],
      ['companyId', 'org_0123456789'],
    ])('another %s than the token’s: tenant_mismatch', async (member, value) => {
      expect(await world.charge({ [member]: value })).toMatchObject({ status: 403, body: { code: 'tenant_mismatch' } })
    })

    it('another location of the same organization: tenant_mismatch', async () => {
      const { locationId } = await funded(1)
      expect(await world.charge({ locationId })).toMatchObject({ status: 403, body: { code: 'tenant_mismatch' } })
    })

    it('an unknown meter and another application’s are the same: meter_not_found', async () => {
      const otherApp = await world.application()
      const foreign = await world.meter(otherApp, { name: 'M', unit: 'x', priceType: 'fixed', price: 1 })
      const answers = [await world.charge({ meterId: foreign }), await world.charge({ meterId: 'mtr_unknown' })]
      for (const { status, body } of answers) {
        expect([status, body.code, body.message]).toEqual([
          422,
          'meter_not_found',
          'The application has no meter with this id.',
        ])
      }
    })

    it.each([0.4, 0.500001, 0, -0.5, 1e-9])(
      'a price of %s on a fixed meter of 0.5: price_not_allowed',
      async (price) => {
        expect(await world.charge({ price })).toMatchObject({
          status: 422,
          body: { code: 'price_not_allowed', message: 'Custom price is not allowed for fixed price meters' },
        })
      },
    )

    it('no price on a dynamic meter: price_required', async () => {
      expect(await world.charge({ meterId: world.dynamic })).toMatchObject({
        status: 422,
        body: { code: 'price_required' },
      })
    })

    it.each([0.009999, 5.000001, -1, 0, 0.0100001, 1e21])(
      'a price of %s on a dynamic meter: price_out_of_range',
      async (price) => {
        expect(await world.charge({ meterId: world.dynamic, price })).toMatchObject({
          status: 422,
          body: { code: 'price_out_of_range', minPrice: 0.01, maxPrice: 5 },
        })
      },
    )

    it.each([0.01, 5])('but not the limits themselves (%s)', async (price) => {
      expect((await world.charge({ meterId: world.dynamic, price, units: 0.1 })).status).toBe(201)
    })

    it('an eventTime more than 5 minutes ahead or 35 days back: event_time_out_of_range', async () => {
      const day = 86_400
      const status = async (seconds: number) => (await world.charge({ eventTime: world.inSeconds(seconds) })).status
      expect(await status(300)).toBe(201)
      expect(await status(-35 * day)).toBe(201)
      const ahead = await world.charge({ eventTime: world.inSeconds(301) })
      const behind = await world.charge({ eventTime: world.inSeconds(-35 * day - 1) })
      for (const answer of [ahead, behind]) {
        expect(answer).toMatchObject({ status: 422, body: { code: 'event_time_out_of_range' } })
      }
    })

    it('not HighLevel’s own example of an eventTime, which is not ISO 8601', async () => {
      const eventTime = `${world.now().slice(0, 10)}T00:00:000Z`
      const { body } = await world.charge({ eventTime })
      const { meta } = (await world.get(`${world.chargesPath}/${body.chargeId}`)).body
      expect(meta.eventTime).toBe(`${world.now().slice(0, 10)}T00:00:00.000Z`)
    })

    it('another currency than the meter’s: currency_mismatch', async () => {
      expect(await world.charge({ currency: 'EUR' })).toMatchObject({
        status: 422,
        body: { code: 'currency_mismatch' },
      })
      expect((await world.charge({ currency: 'USD' })).status).toBe(201)
    })

    it('a wallet in another currency: currency_mismatch', async () => {
      const { charge, locationId } = await funded(1)
      const inEuro = { currency: 'EUR', id: `acc_of_${locationId}` }
      const accounts = world.db('stoa_ledger_accounts').where({ owner_id: locationId })
      const dollars = await accounts.clone().first()
      await accounts.clone().update(inEuro)
      expect(await charge()).toMatchObject({ status: 422, body: { code: 'currency_mismatch' } })
      await accounts.clone().update({ currency: 'USD', id: dollars.id })
      await world.db('stoa_ledger_accounts').where({ owner_id: locationId }).update({ currency: 'USD' })
    })

    it('a suspended wallet: wallet_suspended', async () => {
      const { charge, locationId, token } = await funded(1)
      await world.db('stoa_ledger_accounts').where({ owner_id: locationId }).update({ status: 'suspended' })
      expect(await charge()).toMatchObject({ status: 422, body: { code: 'wallet_suspended' } })
      expect((await world.get(`${world.chargesPath}/has-funds`, token)).body).toMatchObject({
        hasFunds: false,
        reason: 'wallet_suspended',
        available: 1,
      })
    })

    it('an installation that was disabled after the token was checked: not_installed', async () => {
      const { charge, token, locationId } = await funded(1)
      await world.get(`${world.chargesPath}/has-funds`, token)
      const of = () => world.db('stoa_installations').where({ location_id: locationId })
      await of().update({ status: 'disabled' })
      expect(await charge()).toMatchObject({ status: 422, body: { code: 'not_installed' } })
      await of().update({ status: 'enabled' })
      expect((await charge()).status).toBe(201)
    })

    it('malformed JSON: 400', async () => {
      const answer = await world.request('POST', world.chargesPath, {
        token: world.token,
        body: '{"units":',
        headers: { 'Content-Type': 'application/json' },
      })
      expect(answer).toMatchObject({ status: 400, body: { code: 'malformed_json' } })
    })
  })

  describe('who may', () => {
    const paths: [string, string][] = [
      ['POST', ''],
      ['GET', ''],
      ['GET', '/has-funds'],
      ['GET', '/chg_1'],
      ['DELETE', '/chg_1'],
    ]

    it.each(paths)('%s %s: not without a credential, nor with a wrong one', async (method, rest) => {
      const body = method === 'POST' ? world.chargeBody() : undefined
      const none = await world.request(method, world.chargesPath + rest, { body })
      const wrong = await world.request(method, world.chargesPath + rest, { body, token: 'stoa_it_wrong' })
      expect([none.status, wrong.status]).toEqual([401, 401])
    })

    it.each(paths)('%s %s: not an API key, nor an installation on the organization itself', async (method, rest) => {
      const applicationId = await world.application()
      const forOrganization = await world.install(applicationId, null)
      const body = method === 'POST' ? world.chargeBody({ appId: applicationId }) : undefined
      for (const token of [world.merchant.token, forOrganization]) {
        const answer = await world.request(method, world.chargesPath + rest, { body, token })
        expect(answer).toMatchObject({ status: 403, body: { code: 'caller_not_allowed' } })
      }
    })

    it.each(paths)('%s %s: not without the scope', async (method, rest) => {
      const applicationId = await world.application(['GetApplicationInstanceConfiguration'])
      const token = await world.install(applicationId, await world.location())
      const body = method === 'POST' ? world.chargeBody() : undefined
      const answer = await world.request(method, world.chargesPath + rest, { body, token })
      expect(answer).toMatchObject({ status: 403, body: { code: 'missing_permission' } })
    })

    it('takes charges.readonly for reading only', async () => {
      const applicationId = await world.application(['charges.readonly'])
      const token = await world.install(applicationId, await world.location())
      expect((await world.get(world.chargesPath, token)).status).toBe(200)
      const answer = await world.request('POST', world.chargesPath, { token, body: world.chargeBody() })
      expect(answer).toMatchObject({ status: 403, body: { code: 'missing_permission' } })
    })

    it('not after the application was uninstalled', async () => {
      const { charge, locationId } = await funded(1)
      const path = `${world.place(locationId)}/application-instances/${world.appId}`
      await world.request('DELETE', path, { token: world.merchant.token })
      expect((await charge()).status).not.toBe(201)
      expect(await world.balance(locationId)).toBe('1')
    })
  })

  describe('giving a charge back', () => {
    it('puts the money back, keeps the charge, adds a refund to the list, and tells of it', async () => {
      const { charge, locationId, token } = await funded(10)
      const { chargeId } = (await charge({ eventId: 'back', userId: 'u1' })).body
      world.advance(10)
      // HighLevel's client sends a JSON content type without a body.
      const headers = { 'Content-Type': 'application/json' }
      const answer = await world.request('DELETE', `${world.chargesPath}/${chargeId}`, { token, headers })
      expect(answer).toMatchObject({ status: 200, body: { success: true } })
      expect(await world.balance(locationId)).toBe('10')
      expect((await world.get(`${world.chargesPath}/${chargeId}`, token)).body).toMatchObject({
        refunded: true,
        transactionType: 'charge',
        updatedAt: world.now(),
      })
      const { charges, pagination } = (await world.get(`${world.chargesPath}?eventId=back`, token)).body
      expect(pagination.total).toBe(2)
      expect(charges.map((each: { transactionType: string }) => each.transactionType)).toEqual(['refund', 'charge'])
      expect(charges[0]).toMatchObject({
        chargeId,
        refunded: true,
        amountCharged: 0.5,
        meta: { eventId: 'back', userId: 'u1' },
      })
      const events = await world
        .db('stoa_events')
        .where({ type: 'charge.refunded' })
        .where('payload', 'like', `%${chargeId}%`)
      expect(events).toHaveLength(1)
    })

    it('again changes nothing and is answered alike, also at the same moment', async () => {
      const { charge, locationId, token } = await funded(10)
      const { chargeId } = (await charge()).body
      const at = await Promise.all(Array.from({ length: 8 }, () => world.void(chargeId, token)))
      expect(at.map(({ status }) => status)).toEqual(Array(8).fill(200))
      expect((await world.void(chargeId, token)).body).toEqual({ success: true })
      expect(await world.balance(locationId)).toBe('10')
      expect(await world.checkLedger()).toEqual([])
    })

    it('is done once for a charge that cost nothing on a location without a wallet, also at the same moment', async () => {
      const locationId = await world.location()
      const token = await world.install(world.appId, locationId)
      for (let round = 0; round < 5; round++) {
        const { body } = await world.charge({ locationId, meterId: world.dynamic, units: 0.000001, price: 0.01 }, token)
        const at = await Promise.all(Array.from({ length: 4 }, () => world.void(body.chargeId, token)))
        expect(at.map(({ status }) => status)).toEqual(Array(4).fill(200))
      }
      expect((await world.get(world.chargesPath, token)).body.pagination.total).toBe(10)
      expect(await world.checkLedger()).toEqual([])
    })

    it('refuses a body, so that nobody who asks for a part gets the whole', async () => {
      const { charge, locationId, token } = await funded(10)
      const { chargeId } = (await charge({ eventId: 'part' })).body
      const before = await world.balance(locationId)
      const body = { amount: 0.1 }
      const answer = await world.request('DELETE', `${world.chargesPath}/${chargeId}`, { token, body })
      expect(answer.status).toBe(422)
      expect(await world.balance(locationId)).toBe(before)
    })

    it('gives back what was taken, whatever the price is today', async () => {
      const meterId = await world.meter(world.appId, { name: 'P', unit: 'x', priceType: 'fixed', price: 2 })
      const { charge, locationId, token } = await funded(10)
      const { chargeId } = (await charge({ meterId })).body
      const path = `/developers/applications/${world.appId}/meters/${meterId}`
      await world.request('PATCH', path, { token: world.publisher.token, body: { price: 7 } })
      await world.void(chargeId, token)
      expect(await world.balance(locationId)).toBe('10')
    })

    it('is possible for 60 days, and stays answered afterwards', async () => {
      const { charge, token } = await funded(10)
      const [first, second] = [(await charge()).body.chargeId, (await charge()).body.chargeId]
      world.advance(60 * 86_400 - 1)
      expect((await world.void(first, token)).status).toBe(200)
      world.advance(1)
      expect(await world.void(second, token)).toMatchObject({ status: 422, body: { code: 'void_window_closed' } })
      expect((await world.void(first, token)).status).toBe(200)
    })

    it('of another location, another application, nobody, or no id at all: charge_not_found alike', async () => {
      const mine = await funded(10)
      const theirs = await funded(10)
      const { chargeId } = (await theirs.charge()).body
      const otherApp = await world.application()
      const otherToken = await world.install(otherApp, theirs.locationId)
      for (const method of ['GET', 'DELETE']) {
        const answers = [
          await world.request(method, `${world.chargesPath}/${chargeId}`, { token: mine.token }),
          await world.request(method, `${world.chargesPath}/${chargeId}`, { token: otherToken }),
          await world.request(method, `${world.chargesPath}/chg_unknown`, { token: mine.token }),
          await world.request(method, `${world.chargesPath}/%20odd`, { token: mine.token }),
          await world.request(method, `${world.chargesPath}/${'x'.repeat(300)}`, { token: mine.token }),
        ]
        for (const { status, body } of answers) {
          expect([status, body.code, body.message, body.statusCode]).toEqual([
            404,
            'charge_not_found',
            'Charge not found',
            404,
          ])
        }
      }
      expect(await world.balance(theirs.locationId)).toBe('9.5')
    })
  })

  describe('listing', () => {
    it('shows the documented members of each charge', async () => {
      const { charge, locationId, token } = await funded(10)
      const { chargeId } = (await charge({ eventId: 'shown', userId: 'u9', units: 2 })).body
      const expected = {
        refunded: false,
        currency: 'USD',
        appId: world.appId,
        meterId: world.fixed,
        chargeId,
        entityType: 'location',
        entityId: locationId,
        amountCharged: 1,
        pricePerUnit: 0.5,
        transactionType: 'charge',
        units: 2,
        exact: { amountCharged: '1', pricePerUnit: '0.5', units: '2' },
        meta: { eventId: 'shown', description: 'A message', eventTime: world.now(), userId: 'u9' },
        createdAt: world.now(),
        updatedAt: world.now(),
      }
      expect((await world.get(`${world.chargesPath}/${chargeId}`, token)).body).toEqual(expected)
      expect((await world.get(world.chargesPath, token)).body).toEqual({
        charges: [expected],
        count: 1,
        pagination: { total: 1, skip: 0, limit: 100 },
      })
    })

    it('filters, pages, and takes the word undefined for absent', async () => {
      const { charge, token } = await funded(100)
      const from = world.now()
      for (let n = 0; n < 5; n++) {
        await charge({ eventId: `n${n}`, userId: `u${n % 2}`, ...(n === 4 && { meterId: world.dynamic, price: 1 }) })
        world.advance(3600)
      }
      const list = async (query: string) => {
        const { body, status } = await world.get(`${world.chargesPath}?${query}`, token)
        expect(status, JSON.stringify(body)).toBe(200)
        return [
          body.charges.map((each: { meta: { eventId: string } }) => each.meta.eventId).join(),
          body.pagination.total,
        ]
      }
      expect(await list('')).toEqual(['n4,n3,n2,n1,n0', 5])
      expect(await list('skip=1&limit=2')).toEqual(['n3,n2', 5])
      expect(await list(`meterId=${world.dynamic}`)).toEqual(['n4', 1])
      expect(await list('eventId=n2')).toEqual(['n2', 1])
      expect(await list('userId=u1')).toEqual(['n3,n1', 2])
      const end = new Date(Date.parse(from) + 2 * 3_600_000).toISOString()
      expect(await list(`startDate=${from}&endDate=${end}`)).toEqual(['n1,n0', 2])
      expect(await list(`startDate=2020-01-01&endDate=2020-01-02`)).toEqual(['', 0])
      expect(
        await list(
          'meterId=undefined&eventId=undefined&userId=&startDate=undefined&endDate=null&skip=undefined&limit=undefined',
        ),
      ).toEqual(['n4,n3,n2,n1,n0', 5])
    })

    it.each([
      'skip=-1',
      'skip=100001',
      'limit=0',
      'limit=1001',
      'limit=ten',
      'skip=1.5',
      'startDate=soon',
      'endDate=2026-02-30',
    ])('refuses %s', async (query) => {
      const answer = await world.get(`${world.chargesPath}?${query}`)
      expect(answer).toMatchObject({ status: 422, body: { code: 'validation_failed' } })
      expect(answer.body.invalidFields[0].field).toBe(query.split('=')[0])
    })

    it('shows a charge and its refund for an eventId, and skips as far as it lets', async () => {
      const { charge, token } = await funded(100)
      const { chargeId } = (await charge({ eventId: 'one' })).body
      await charge({ eventId: 'two' })
      await world.void(chargeId, token)
      const { body } = await world.get(`${world.chargesPath}?eventId=one`, token)
      expect(body.charges.map((each: { transactionType: string }) => each.transactionType)).toEqual([
        'refund',
        'charge',
      ])
      expect(body.pagination.total).toBe(2)
      const beyond = await world.get(`${world.chargesPath}?skip=100000`, token)
      expect([beyond.status, beyond.body.charges, beyond.body.pagination.total]).toEqual([200, [], 3])
    })

    it('stops counting at 10,000', async () => {
      const locationId = await world.location()
      const token = await world.install(world.appId, locationId)
      // They come to less than there is money for, and cost nothing.
      const tiny = { locationId, meterId: world.dynamic, units: 0.000001, price: 0.01 }
      for (let n = 0; n < 11; n++) {
        const { body } = await world.batch(
          Array.from({ length: 1000 }, () => world.chargeBody(tiny)),
          {},
          token,
        )
        expect(body.charged).toBe(1000)
      }
      const answer = await world.get(`${world.chargesPath}?limit=1&skip=10004`, token)
      expect(answer.body.pagination.total).toBe(10_000)
      expect(answer.body.charges).toHaveLength(1)
    })

    it('refuses a filter that is not text of a database with a clear answer', async () => {
      expect((await world.get(`${world.chargesPath}?eventId=%00`)).status).toBe(400)
    })
  })

  describe('has-funds', () => {
    const ask = async (token: string, query = '') =>
      (await world.get(`${world.chargesPath}/has-funds${query}`, token)).body

    it('asks whether there is anything, without any parameter', async () => {
      const { token, locationId } = await funded(0)
      expect(await ask(token)).toEqual({
        hasFunds: false,
        available: 0,
        currency: 'USD',
        reason: 'insufficient_funds',
        exact: { available: '0' },
      })
      await world.fund(locationId, '0.000001')
      expect(await ask(token)).toMatchObject({ hasFunds: true, available: 0.000001, exact: { available: '0.000001' } })
    })

    it('asks for an amount, or for units of a meter', async () => {
      const { token } = await funded(10)
      expect(await ask(token, '?amount=10')).toMatchObject({ hasFunds: true, required: 10 })
      expect(await ask(token, '?amount=10.000001')).toMatchObject({ hasFunds: false, reason: 'insufficient_funds' })
      expect(await ask(token, `?meterId=${world.fixed}&units=20`)).toMatchObject({ hasFunds: true, required: 10 })
      expect(await ask(token, `?meterId=${world.dynamic}&units=3&price=4`)).toMatchObject({
        hasFunds: false,
        required: 12,
      })
    })

    it.each([
      ['?meterId=mtr_unknown&units=1', 'meter_not_found'],
      ['?amount=lots', 'validation_failed'],
    ])('refuses %s', async (query, code) => {
      expect(await ask(world.token, query)).toMatchObject({ statusCode: 422, code })
    })

    it('refuses units that cannot be charged', async () => {
      expect(await ask(world.token, `?meterId=${world.fixed}&units=0`)).toMatchObject({ code: 'invalid_units' })
      expect(await ask(world.token, `?meterId=${world.fixed}`)).toMatchObject({ code: 'invalid_units' })
    })
  })

  it('keeps production and sandbox apart', async () => {
    const { locationId, token, charge } = await funded(10)
    const sandbox = await world.install(world.appId, locationId, 'sandbox')
    const inSandbox = (change: object = {}) => world.charge({ locationId, ...change }, sandbox)
    expect(await inSandbox()).toMatchObject({ status: 402, body: { available: 0 } })
    await world.fund(locationId, 3, 'sandbox')
    const { chargeId } = (await inSandbox()).body
    expect((await world.get(`${world.chargesPath}/${chargeId}`, token)).status).toBe(404)
    expect((await world.void(chargeId, token)).status).toBe(404)
    expect((await world.get(world.chargesPath, token)).body.pagination.total).toBe(0)
    await charge()
    expect((await world.get(world.chargesPath, sandbox)).body.pagination.total).toBe(1)
    const wallet = async (by: string) => (await world.get(`${world.place(locationId)}/wallet`, by)).body
    expect(await wallet(world.merchant.token)).toMatchObject({ environment: 'production', balance: 9.5 })
    expect(await wallet(world.merchant.sandbox)).toMatchObject({ environment: 'sandbox', balance: 2.5 })
    expect(await world.checkLedger()).toEqual([])
  })

  it('leaves books that are right', async () => {
    expect(await world.checkLedger()).toEqual([])
  })
})

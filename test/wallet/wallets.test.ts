import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  afterAll(() => world?.close())

  let references = 0
  const topUp = (body: object, token = world.operator.token) =>
    world.request('POST', '/platform/top-ups', { token, body: { reference: `t-${++references}`, amount: 10, ...body } })

  describe('topping up', () => {
    it('puts money into a location’s wallet and answers 201', async () => {
      const locationId = await world.location()
      const answer = await topUp({ locationId, amount: '12.345678', reference: 'invoice 7', description: 'Card' })
      expect(answer.status).toBe(201)
      expect(answer.body).toEqual({
        id: expect.stringMatching(/^top_/),
        reference: 'invoice 7',
        organizationId: world.merchant.organizationId,
        locationId,
        environment: 'production',
        currency: 'USD',
        amount: 12.345678,
        exact: { amount: '12.345678' },
        description: 'Card',
        createdTime: world.now(),
        settledTime: world.now(),
        walletId: expect.stringMatching(/^acc_/),
        source: 'operator',
        status: 'succeeded',
        failure: null,
        givenUpBy: null,
        paymentMethod: null,
      })
      expect(await world.balance(locationId)).toBe('12.345678')
    })

    it('puts money into an organization’s own wallet, which is not its locations’', async () => {
      const tenant = await world.tenant('Other')
      const locationId = await world.location(tenant)
      await topUp({ organizationId: tenant.organizationId })
      const wallet = async (path: string) => (await world.request('GET', path, { token: tenant.token })).body
      expect(await wallet('/wallet')).toMatchObject({
        organizationId: tenant.organizationId,
        locationId: null,
        balance: 10,
      })
      expect(await wallet(`${world.place(locationId, tenant)}/wallet`)).toMatchObject({ locationId, balance: 0 })
    })

    it('adds nothing when the reference was used, and refuses it for another amount or wallet', async () => {
      const [one, two] = [await world.location(), await world.location()]
      const first = await topUp({ locationId: one, reference: 'same' })
      const again = await topUp({ locationId: one, reference: 'same', amount: '10.0' })
      expect(again.status).toBe(200)
      expect(again.headers.get('idempotent-replayed')).toBe('true')
      expect(again.body).toEqual(first.body)
      for (const change of [
        { locationId: one, amount: 11 },
        { locationId: two },
        { locationId: one, environment: 'sandbox' },
      ]) {
        const refused = await topUp({ reference: 'same', ...change })
        expect(refused).toMatchObject({ status: 422, body: { code: 'reference_reused', topUpId: first.body.id } })
      }
      expect([await world.balance(one), await world.balance(two)]).toEqual(['10', '0'])
    })

    it('adds once when the same reference arrives many times at once', async () => {
      const locationId = await world.location()
      const answers = await Promise.all(Array.from({ length: 20 }, () => topUp({ locationId, reference: 'together' })))
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(19)
      expect(await world.balance(locationId)).toBe('10')
    })

    it('makes one wallet when its first top-ups arrive at once', async () => {
      const locationId = await world.location()
      const answers = await Promise.all(Array.from({ length: 20 }, () => topUp({ locationId, amount: 1 })))
      expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(201))
      expect(await world.balance(locationId)).toBe('20')
      expect(await world.checkLedger()).toEqual([])
    })

    it.each([0, -1, '0', '-5', '1e3', 'ten', '', 0.0000001, '0.0000001', 1e21, 1_000_000_001])(
      'refuses an amount of %j',
      async (amount) => {
        const answer = await topUp({ locationId: world.locationId, amount })
        expect(answer).toMatchObject({
          status: 422,
          body: { code: 'validation_failed', invalidFields: [{ field: 'amount' }] },
        })
      },
    )

    it('refuses what would take a wallet beyond 64 bits, and books nothing of it', async () => {
      const locationId = await world.location()
      await topUp({ locationId })
      const near = (2n ** 63n - 1n - 5_000_000n).toString()
      await world.db('stoa_ledger_accounts').where({ owner_id: locationId }).update({ balance: near })
      expect(await topUp({ locationId })).toMatchObject({ status: 422, body: { invalidFields: [{ field: 'amount' }] } })
      await world.db('stoa_ledger_accounts').where({ owner_id: locationId }).update({ balance: 10_000_000 })
      expect(await world.checkLedger()).toEqual([])
    })

    it.each([
      ['both owners', () => ({ organizationId: world.merchant.organizationId, locationId: world.locationId }), 422],
      ['no owner', () => ({}), 422],
      ['an unknown organization', () => ({ organizationId: 'org_unknown' }), 404],
      ['an unknown location', () => ({ locationId: 'loc_unknown' }), 404],
      ['a location that is none', () => ({ locationId: 'a\u0000b' }), 422],
      ['no reference', () => ({ locationId: world.locationId, reference: undefined }), 422],
      ['an unknown environment', () => ({ locationId: world.locationId, environment: 'test' }), 422],
      ['a currency that is none', () => ({ locationId: world.locationId, currency: 'ZZZ' }), 422],
      ['a currency in small letters', () => ({ locationId: world.locationId, currency: 'eur' }), 422],
      ['a member nobody knows', () => ({ locationId: world.locationId, cents: 1 }), 422],
    ])('refuses %s', async (_what, body, status) => {
      expect((await topUp(body())).status).toBe(status)
    })

    it('is for operators only', async () => {
      const body = { locationId: world.locationId }
      expect((await topUp(body, '')).status).toBe(401)
      expect((await topUp(body, 'stoa_ak_wrong')).status).toBe(401)
      expect(await topUp(body, world.merchant.token)).toMatchObject({
        status: 403,
        body: { code: 'missing_permission' },
      })
      expect((await topUp(body, world.token)).status).toBe(403)
      const poor = await world.operator.key('production', ['meters:read'])
      expect((await topUp(body, poor)).status).toBe(403)
    })

    it('is not shown to a sandbox credential where it is of production', async () => {
      for (const path of ['/platform/wallets', '/platform/grants']) {
        expect((await world.get(`${path}?environment=production`, world.operator.sandbox)).status).toBe(403)
        expect((await world.get(`${path}?environment=sandbox`, world.operator.token)).status).toBe(200)
      }
      expect((await world.get('/platform/ledger/export', world.operator.sandbox)).status).toBe(403)
    })

    it('is done in the environment of the credential unless it says otherwise, and never from sandbox in production', async () => {
      const locationId = await world.location()
      expect((await topUp({ locationId }, world.operator.sandbox)).body.environment).toBe('sandbox')
      expect((await topUp({ locationId, environment: 'sandbox' })).body.environment).toBe('sandbox')
      const refused = await topUp({ locationId, environment: 'production' }, world.operator.sandbox)
      expect(refused).toMatchObject({ status: 403, body: { code: 'rights_exceeded' } })
      expect(await world.balance(locationId)).toBe('0')
    })
  })

  describe('the wallet and its statement', () => {
    it('shows an empty wallet before there is any', async () => {
      const locationId = await world.location()
      const path = `${world.place(locationId)}/wallet`
      expect((await world.get(path, world.merchant.token)).body).toEqual({
        organizationId: world.merchant.organizationId,
        locationId,
        environment: 'production',
        currency: 'USD',
        id: expect.stringMatching(/^acc_/),
        status: 'active',
        statusReason: null,
        level: 'ok',
        balance: 0,
        available: 0,
        held: 0,
        granted: 0,
        overdraft: 0,
        lowBalance: null,
        exact: { balance: '0', available: '0', held: '0', granted: '0', overdraft: '0', lowBalance: null },
      })
      const entries = await world.get(`${path}/entries`, world.merchant.token)
      expect(entries.body).toEqual([])
      expect(entries.headers.get('pagination-total')).toBe('0')
    })

    it('lists what went in and out, the latest first, with the balance after each', async () => {
      const locationId = await world.location()
      const token = await world.install(world.appId, locationId)
      const { id } = (await topUp({ locationId, description: 'Card' })).body
      const { chargeId } = (await world.charge({ locationId, units: 3 }, token)).body
      await world.void(chargeId, token)
      const path = `${world.place(locationId)}/wallet/entries`
      const { body, headers } = await world.get(path, world.merchant.token)
      expect(headers.get('pagination-total')).toBe('3')
      const application = { applicationId: world.appId, description: 'A message', referenceId: chargeId }
      expect(body).toEqual([
        line(3, 'refund', 1.5, 10, application),
        line(2, 'charge', -1.5, 8.5, application),
        line(1, 'top-up', 10, 10, { applicationId: null, description: 'Card', referenceId: id }),
      ])
      const page = await world.get(`${path}?limit=1&offset=1`, world.merchant.token)
      expect(page.body.map((each: { number: number }) => each.number)).toEqual([2])
      expect(page.headers.get('pagination-total')).toBe('3')
    })

    function line(number: number, kind: string, amount: number, balance: number, rest: object) {
      return {
        number,
        kind,
        amount,
        balance,
        exact: { amount: String(amount), balance: String(balance) },
        transactionId: expect.stringMatching(/^txn_/),
        eventTime: world.now(),
        bookedTime: world.now(),
        ...rest,
      }
    }

    it.each(['/wallet', '/wallet/entries'])(
      '%s is refused without a credential, without the right, and to applications',
      async (path) => {
        expect((await world.get(path, '')).status).toBe(401)
        expect((await world.get(path, 'stoa_ak_wrong')).status).toBe(401)
        const poor = await world.merchant.key('production', ['charges:read'])
        expect((await world.get(path, poor)).body.code).toBe('missing_permission')
        expect((await world.get(path, world.token)).body.code).toBe('caller_not_allowed')
      },
    )

    it.each(['/wallet', '/wallet/entries'])(
      '%s of another tenant’s location is answered like an unknown one',
      async (path) => {
        const other = await world.tenant('Nosy')
        const foreign = world.place(world.locationId, other)
        const answers = [
          await world.get(foreign + path, other.token),
          await world.get(world.place('loc_unknown', other) + path, other.token),
          await world.get(world.place(world.locationId) + path, other.token),
        ]
        for (const { status, body } of answers) {
          expect([status, body.code, body.message]).toEqual([404, 'not_found', answers[1]!.body.message])
        }
      },
    )
  })
})

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { eventsOf } from './workers.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  let locationId: string
  let token: string
  beforeAll(async () => {
    world = await openWorld(database, {}, { isStarted: false })
  })
  afterAll(() => world?.close())
  beforeEach(async () => {
    locationId = await world.location()
    token = await world.install(world.appId, locationId)
  })

  const place = () => world.place(locationId)
  const wallet = async () => (await world.get(`${place()}/wallet`, world.merchant.token)).body
  const settings = (body: object, query = '', by = world.merchant.token) =>
    world.request('PUT', `${place()}/wallet/settings${query}`, { token: by, body })
  const decide = async (what: string, body: object, by = world.operator.token) =>
    world.request(what === 'overdraft' ? 'PUT' : 'POST', `/platform/wallets/${(await wallet()).id}/${what}`, {
      token: by,
      body,
    })
  const spend = (amount: number) => world.charge({ locationId, units: amount * 2 }, token)
  const told = async (type: string) => {
    const { id } = await wallet()
    return (await eventsOf(world, type)).filter(({ walletId }) => walletId === id)
  }

  describe('a low balance', () => {
    it('is what the merchant says it is, and is announced once on the way down and once on the way up', async () => {
      await world.fund(locationId, 20)
      expect((await settings({ lowBalance: '10.5' })).body).toMatchObject({ lowBalance: 10.5, level: 'ok' })
      await spend(9)
      expect((await wallet()).level).toBe('ok')
      await spend(1)
      await spend(1)
      expect((await wallet()).level).toBe('low')
      await world.fund(locationId, 20)
      expect(await told('wallet.low-balance')).toMatchObject([{ balance: '10', lowBalance: '10.5' }])
      expect(await told('wallet.recovered')).toHaveLength(1)
    })

    it('is announced when it is set above what is there, and can be taken away', async () => {
      await world.fund(locationId, 5)
      expect((await settings({ lowBalance: 10 })).body.level).toBe('low')
      expect(await told('wallet.low-balance')).toHaveLength(1)
      expect((await settings({ lowBalance: null })).body).toMatchObject({ lowBalance: null, level: 'ok' })
    })

    it('can be set before there is anything, and for each currency', async () => {
      expect((await settings({ lowBalance: 3 })).body).toMatchObject({ balance: 0, lowBalance: 3 })
      expect((await settings({ lowBalance: 4 }, '?currency=EUR')).body).toMatchObject({
        currency: 'EUR',
        lowBalance: 4,
      })
      expect(await told('wallet.depleted')).toEqual([])
      expect((await wallet()).lowBalance).toBe(3)
    })

    it('is not lost, nor is a charge, when both happen at once', async () => {
      await world.fund(locationId, 100)
      const work = Array.from({ length: 15 }, (_, each) => [spend(1), settings({ lowBalance: each })]).flat()
      const answers = await Promise.all(work)
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
        ...Array(15).fill(200),
        ...Array(15).fill(201),
      ])
      expect(await wallet()).toMatchObject({ balance: 85 })
      expect(await world.checkLedger()).toEqual([])
    })

    it.each([-1, 'ten', 0.0000001, undefined])('cannot be %j', async (lowBalance) => {
      expect((await settings({ lowBalance })).status).toBe(422)
    })

    it('is for managers to set', async () => {
      const poor = await world.merchant.key('production', ['wallet:read'])
      expect((await settings({ lowBalance: 1 }, '', poor)).body.code).toBe('missing_permission')
      expect((await settings({ lowBalance: 1 }, '', token)).body.code).toBe('caller_not_allowed')
    })
  })

  describe('a suspended wallet', () => {
    it('pays for nothing until it is resumed, and says why', async () => {
      await world.fund(locationId, 20)
      const chargeId = (await spend(1)).body.chargeId as string
      expect((await decide('suspend', { reason: 'a dispute' })).body).toMatchObject({
        status: 'suspended',
        statusReason: 'a dispute',
      })
      expect(await spend(1)).toMatchObject({ status: 422, body: { code: 'wallet_suspended' } })
      expect((await world.get(`${world.chargesPath}/has-funds`, token)).body).toMatchObject({
        hasFunds: false,
        reason: 'wallet_suspended',
      })
      // Money can still come in and be given back.
      await world.fund(locationId, 5)
      expect((await world.void(chargeId, token)).status).toBe(200)
      expect(await wallet()).toMatchObject({ balance: 25, status: 'suspended', statusReason: 'a dispute' })
      expect((await decide('resume', { reason: 'settled' })).body).toMatchObject({
        status: 'active',
        statusReason: null,
      })
      expect((await spend(1)).status).toBe(201)
      expect(await told('wallet.suspended')).toMatchObject([{ reason: 'a dispute', status: 'suspended' }])
      expect(await told('wallet.resumed')).toMatchObject([{ reason: 'settled', status: 'active' }])
      expect(await world.checkLedger()).toEqual([])
    })

    it('is resumed only when it is suspended', async () => {
      await world.fund(locationId, 1)
      expect((await decide('resume', { reason: 'x' })).body.code).toBe('wrong_state')
    })

    it('charges that were under way are booked or refused, never lost', async () => {
      await world.fund(locationId, 100)
      const [suspended, ...charges] = await Promise.all([
        decide('suspend', { reason: 'x' }),
        ...Array.from({ length: 20 }, () => spend(1)),
      ])
      expect(suspended!.status).toBe(200)
      const made = charges.filter(({ status }) => status === 201).length
      expect(charges.filter(({ body }) => body.code === 'wallet_suspended')).toHaveLength(20 - made)
      expect(await wallet()).toMatchObject({ balance: 100 - made, status: 'suspended' })
    })
  })

  describe('an overdraft', () => {
    it('lets charges go below zero as far as it says', async () => {
      await world.fund(locationId, 1)
      const { body } = await decide('overdraft', { overdraft: '2.5', reason: 'agreed' })
      expect(body).toMatchObject({ overdraft: 2.5, balance: 1, available: 3.5, exact: { overdraft: '2.5' } })
      expect((await spend(3.5)).status).toBe(201)
      expect(await wallet()).toMatchObject({ balance: -2.5, available: 0, level: 'depleted' })
      expect((await spend(0.5)).body.code).toBe('insufficient_funds')
      expect(await told('wallet.overdraft-changed')).toMatchObject([{ overdraft: '2.5', reason: 'agreed' }])
      expect(await world.checkLedger()).toEqual([])
    })

    it('cannot be less than what the wallet is below zero', async () => {
      await world.fund(locationId, 1)
      await decide('overdraft', { overdraft: 5, reason: 'agreed' })
      await spend(4)
      // A grant that may end makes no difference.
      const grant = { locationId, amount: 50, kind: 'promotional', reference: `overdraft-${locationId}` }
      await world.request('POST', '/platform/grants', { token: world.operator.token, body: grant })
      expect((await decide('overdraft', { overdraft: '2.9', reason: 'x' })).body.code).toBe('wrong_state')
      expect((await decide('overdraft', { overdraft: 3, reason: 'x' })).status).toBe(200)
    })

    // SQLite lets nobody in between.
    it.runIf(database.kind === 'postgres')(
      'does not take what a hold reserves of a grant, made while it waited for the wallet, for the wallet’s own',
      async () => {
        await world.fund(locationId, 1)
        await decide('overdraft', { overdraft: 5, reason: 'agreed' })
        await spend(4)
        const { id } = await wallet()
        const other = await world.location()
        const grant = { locationId: other, amount: 50, kind: 'promotional', reference: `overdraft-${other}` }
        await world.request('POST', '/platform/grants', { token: world.operator.token, body: grant })
        const row = (await world.db('stoa_grants').where({ reference: grant.reference }).first()) as { amount: string }
        const trx = await world.db.transaction()
        await trx('stoa_ledger_accounts').where({ id }).forUpdate()
        const deciding = decide('overdraft', { overdraft: 3, reason: 'x' })
        const waiting = () =>
          world.db.raw(`select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)
        await expect
          .poll(async () => ((await waiting()) as { rows: unknown[] }).rows.length, { timeout: 10_000 })
          .toBe(1)
        await trx('stoa_grants').insert({
          ...row,
          id: 'grt_between',
          reference: 'between',
          account_id: id,
          held: row.amount,
        })
        await trx('stoa_ledger_accounts')
          .where({ id })
          .increment({ balance: row.amount, granted: row.amount, held: row.amount } as never)
        await trx.commit()
        expect((await deciding).status).toBe(200)
      },
    )

    it.each([
      { overdraft: -1 },
      { overdraft: 'much' },
      { overdraft: 1, reason: '' },
      { overdraft: 1, reason: undefined },
    ])('is refused as %j', async (body) => {
      await world.fund(locationId, 1)
      expect((await decide('overdraft', { reason: 'x', ...body })).status).toBe(422)
    })
  })

  it('what operators decided is on record for good', async () => {
    await world.fund(locationId, 1)
    const { id } = await wallet()
    await decide('suspend', { reason: 'one' })
    await decide('resume', { reason: 'two' })
    await decide('overdraft', { overdraft: 7, reason: 'three' })
    const { body } = await world.get(`/platform/wallets/${id}/changes`, world.operator.token)
    expect(body.map(({ kind, value, reason }: Record<string, string>) => [kind, value, reason])).toEqual([
      ['wallet.overdraft-changed', '7', 'three'],
      ['wallet.resumed', 'active', 'two'],
      ['wallet.suspended', 'suspended', 'one'],
    ])
    await expect(world.db('stoa_wallet_changes').where({ account_id: id }).delete()).rejects.toThrow('append-only')
  })

  it('only operators decide, and those of the sandbox not over production', async () => {
    await world.fund(locationId, 1)
    for (const [what, body] of [
      ['suspend', { reason: 'x' }],
      ['resume', { reason: 'x' }],
      ['overdraft', { overdraft: 1, reason: 'x' }],
    ] as const) {
      expect((await decide(what, body, world.merchant.token)).body.code).toBe('missing_permission')
    }
    expect((await decide('suspend', { reason: 'x' }, world.operator.sandbox)).body.code).toBe('rights_exceeded')
    expect((await wallet()).status).toBe('active')
    const unknown = await world.request('POST', '/platform/wallets/acc_unknown/suspend', {
      token: world.operator.token,
      body: { reason: 'x' },
    })
    expect(unknown.status).toBe(404)
  })

  it('wallets are listed for their organization: its own first, by location, currency and status, in pages', async () => {
    const tenant = await world.tenant('Many wallets')
    const [one, two] = [await world.location(tenant), await world.location(tenant)].toSorted() as [string, string]
    const fund = (body: object) =>
      world.request('POST', '/platform/top-ups', {
        token: world.operator.token,
        body: { amount: 1, reference: `list-${Math.random()}`, ...body },
      })
    for (const body of [
      { locationId: one },
      { locationId: one, currency: 'EUR' },
      { locationId: two },
      { organizationId: tenant.organizationId },
      { locationId: two, environment: 'sandbox' },
    ]) {
      expect((await fund(body)).status).toBe(201)
    }
    const list = async (query = '', by = tenant.token, base = '') => {
      const { body, headers } = await world.get(`${base}/wallets${query}`, by)
      const shown = body.map((each: { locationId: string | null; currency: string }) => [
        each.locationId,
        each.currency,
      ])
      return { shown, total: Number(headers.get('pagination-total')) }
    }
    const all = [
      [null, 'USD'],
      [one, 'EUR'],
      [one, 'USD'],
      [two, 'USD'],
    ]
    expect(await list()).toEqual({ shown: all, total: 4 })
    expect(await list('?limit=2&offset=1')).toEqual({ shown: all.slice(1, 3), total: 4 })
    expect((await list(`?locationId=${one}`)).shown).toEqual(all.slice(1, 3))
    expect((await list('?currency=EUR')).shown).toEqual([all[1]])
    expect((await list('?status=suspended')).total).toBe(0)
    expect((await list('', tenant.sandbox)).shown).toEqual([[two, 'USD']])
    expect((await list('', tenant.token, world.place(two, tenant))).shown).toEqual([[two, 'USD']])
    expect((await list(`?locationId=${one}`, tenant.token, world.place(two, tenant))).total).toBe(0)
    expect((await list(`?locationId=${world.locationId}`)).total).toBe(0)
    expect((await list('', world.merchant.token)).shown).not.toContainEqual([one, 'USD'])
    const operators = await list(`?organizationId=${tenant.organizationId}`, world.operator.token, '/platform')
    expect(operators).toEqual({ shown: all, total: 4 })
  })
})

import { afterAll, beforeAll, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openDirectWallet, type DirectWallet } from './direct.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  let direct: DirectWallet
  beforeAll(async () => {
    world = await openWorld(database)
    direct = await openDirectWallet(world)
  })
  afterAll(async () => {
    await direct?.close()
    await world?.close()
  })

  let references = 0
  const adjust = (body: object, token = world.operator.token) =>
    world.request('POST', '/platform/adjustments', {
      token,
      body: { reference: `adjustment-${++references}`, reason: 'Paid twice', ...body },
    })
  async function funded(amount = 10) {
    const locationId = await world.location()
    await world.fund(locationId, amount)
    const account = await world.db('stoa_ledger_accounts').where({ kind: 'wallet', owner_id: locationId }).first()
    return { locationId, walletId: account.id as string }
  }

  it('gives to a wallet and takes from it, with a reason and who did it', async () => {
    const { locationId, walletId } = await funded()
    const answer = await adjust({ walletId, amount: '2.500001', reference: 'first' })
    expect(answer.status).toBe(201)
    expect(answer.body).toEqual({
      id: expect.stringMatching(/^adj_/),
      reference: 'first',
      accountId: walletId,
      environment: 'production',
      currency: 'USD',
      amount: 2.500001,
      exact: { amount: '2.500001' },
      reason: 'Paid twice',
      actor: expect.stringMatching(/^user:usr_/),
      transactionId: expect.stringMatching(/^txn_/),
      createdTime: world.now(),
    })
    expect(await world.balance(locationId)).toBe('12.500001')
    expect((await adjust({ walletId, amount: -12.500001 })).status).toBe(201)
    expect(await world.balance(locationId)).toBe('0')
    const { body } = await world.request('GET', `${world.place(locationId)}/wallet/entries`, {
      token: world.merchant.token,
    })
    expect(body[1]).toMatchObject({ kind: 'adjustment', amount: 2.500001, description: 'Paid twice' })
    expect(await world.checkLedger()).toEqual([])
  })

  it('puts right what an application’s publisher or an organization has earned, also below nothing', async () => {
    for (const owner of [{ applicationId: world.appId }, { organizationId: world.merchant.organizationId }]) {
      const { status, body } = await adjust({ ...owner, amount: -3 })
      expect(status).toBe(201)
      const entries = await world.db('stoa_ledger_entries').where({ account_id: body.accountId })
      expect(entries.map(({ amount }) => BigInt(amount))).toEqual([-3_000_000n])
    }
    expect(await world.checkLedger()).toEqual([])
  })

  it('does it once, and refuses the reference for another account or amount', async () => {
    const [one, two] = [await funded(), await funded()]
    const body = { walletId: one.walletId, amount: 1, reference: 'same' }
    const answers = await Promise.all(Array.from({ length: 10 }, () => adjust(body)))
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1)
    expect((await adjust(body)).headers.get('idempotent-replayed')).toBe('true')
    for (const change of [{ amount: 2 }, { walletId: two.walletId }]) {
      const refused = await adjust({ ...body, ...change })
      expect(refused).toMatchObject({
        status: 422,
        body: { code: 'reference_reused', adjustmentId: answers[0]!.body.id },
      })
    }
    expect([await world.balance(one.locationId), await world.balance(two.locationId)]).toEqual(['11', '10'])
  })

  it('takes at most what the wallet has of its own, down to its limit', async () => {
    const { locationId, walletId } = await funded()
    await direct.books.grant({ organizationId: world.merchant.organizationId, locationId }, 5_000_000n)
    const refused = await adjust({ walletId, amount: -10.000001, reference: 'too much' })
    expect(refused).toMatchObject({ status: 402, body: { code: 'insufficient_funds', available: 10 } })
    expect(await world.balance(locationId)).toBe('15')
    expect((await adjust({ walletId, amount: -10, reference: 'too much' })).status).toBe(201)
    await world.db('stoa_ledger_accounts').where({ id: walletId }).update({ min_balance: -2_000_000 })
    expect((await adjust({ walletId, amount: -2 })).status).toBe(201)
    expect((await adjust({ walletId, amount: -0.000001 })).status).toBe(402)
    expect(await world.checkLedger()).toEqual([])
  })

  it('puts right what was earned in whichever currency, and a wallet in its own', async () => {
    const made = await adjust({ applicationId: world.appId, amount: 3, currency: 'EUR' })
    expect(made).toMatchObject({ status: 201, body: { currency: 'EUR', amount: 3 } })
    const { walletId } = await funded()
    expect((await adjust({ walletId, amount: 1, currency: 'USD' })).status).toBe(201)
    expect(await adjust({ walletId, amount: 1, currency: 'EUR' })).toMatchObject({ status: 422 })
    expect(await adjust({ applicationId: world.appId, amount: 1, currency: 'XYZ' })).toMatchObject({ status: 422 })
    expect(await world.checkLedger()).toEqual([])
  })

  it.each<[string, object, number, string]>([
    ['no account', { amount: 1 }, 422, 'validation_failed'],
    ['two accounts', { amount: 1, applicationId: 'app_1', organizationId: 'org_1' }, 422, 'validation_failed'],
    ['an unknown wallet', { amount: 1, walletId: 'acc_none' }, 404, 'not_found'],
    ['an unknown application', { amount: 1, applicationId: 'app_none' }, 404, 'not_found'],
    ['an unknown organization', { amount: 1, organizationId: 'org_none' }, 404, 'not_found'],
    ['nothing', { amount: 0, walletId: 'acc_none' }, 422, 'validation_failed'],
    ['less than a micro-unit', { amount: '0.0000001', walletId: 'acc_none' }, 422, 'validation_failed'],
    ['a word', { amount: 'much', walletId: 'acc_none' }, 422, 'validation_failed'],
    ['more than anybody has', { amount: '-1000000000.000001', walletId: 'acc_none' }, 422, 'validation_failed'],
    ['no reason', { amount: 1, walletId: 'acc_none', reason: '' }, 422, 'validation_failed'],
  ])('refuses %s', async (_what, body, status, code) => {
    const answer = await adjust(body)
    expect([answer.status, JSON.stringify(answer.body)]).toEqual([status, expect.stringContaining(code)])
  })

  it('is for operators, and from a sandbox only for the sandbox', async () => {
    const { walletId } = await funded()
    expect((await adjust({ walletId, amount: 1 }, world.merchant.token)).body.code).toBe('missing_permission')
    const { body } = await adjust({ walletId, amount: 1, environment: 'production' }, world.operator.sandbox)
    expect(body.code).toBe('rights_exceeded')
    // The wallet is of production, and is not there in the sandbox.
    expect(JSON.stringify((await adjust({ walletId, amount: 1 }, world.operator.sandbox)).body)).toContain('not_found')
  })

  it('lists them, the latest first, also of one account', async () => {
    const { walletId } = await funded()
    const made = [(await adjust({ walletId, amount: 1 })).body, (await adjust({ walletId, amount: 2 })).body]
    const list = async (query: string, token = world.operator.token) =>
      world.request('GET', `/platform/adjustments?${query}`, { token })
    expect((await list(`accountId=${walletId}`)).body).toEqual(made.toReversed())
    const page = await list('limit=1')
    expect(page.body).toEqual([made[1]])
    expect(Number(page.headers.get('pagination-total'))).toBeGreaterThan(2)
    expect((await list('', world.operator.sandbox)).body).toEqual([])
  })

  it('tells the organization, and nobody else', async () => {
    const { locationId, walletId } = await funded()
    const { body } = await adjust({ walletId, amount: -4, reason: 'A mistake' })
    const events = await world.db('stoa_events').where({ type: 'wallet.adjusted', location_id: locationId })
    expect(events.map(({ payload }) => JSON.parse(payload))).toEqual([
      {
        type: 'wallet.adjusted',
        timestamp: world.now(),
        data: expect.objectContaining({
          walletId,
          organizationId: world.merchant.organizationId,
          locationId,
          adjustmentId: body.id,
          amount: '-4',
          balance: '6',
          reason: 'A mistake',
        }),
      },
    ])
    // What an application or an organization earns is no wallet.
    const told = await world.count('stoa_events')
    await adjust({ applicationId: world.appId, amount: 1 })
    expect(await world.count('stoa_events')).toBe(told)
  })
})

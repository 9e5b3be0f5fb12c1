import type { Knex } from 'knex'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { createHost } from '@stoa/core'
import { listenOn } from '@stoa/core/testing'
import { checkLedger } from '../../core/src/wallet/index.ts'
import { eachDatabase, onPostgres } from '../support/databases.ts'
import { call, type Answer } from '../support/host.ts'
import { hostConfig } from './host-config.ts'
import { openWorld, type World } from './world.ts'

// Each test has a currency of its own, which no run of another one touches, so that they share a host.
const currencies =
  'EUR GBP CHF SEK NOK DKK PLN CZK RON AUD CAD NZD SGD HKD MXN BRL ZAR TRY ILS INR THB MYR PHP CNY'.split(' ')

eachDatabase((database) => {
  let world: World
  let count = 0
  let own: { currency: string; appId: string; meterId: string; locationId: string; token: string }
  beforeAll(async () => {
    world = await openWorld(database)
  })
  afterAll(() => world?.close())
  beforeEach(async () => {
    own = await begin(currencies[count++]!)
  })

  async function begin(currency: string): Promise<typeof own> {
    const appId = await world.application()
    const range = { priceType: 'dynamic', minPrice: 0.01, maxPrice: 5, currency }
    const meterId = await world.meter(appId, { name: 'Minutes', unit: 'minute', ...range })
    const locationId = await world.location()
    const token = await world.install(appId, locationId)
    const funds = { locationId, amount: 1000, currency, reference: currency }
    await world.request('POST', '/platform/top-ups', { token: world.operator.token, body: funds })
    return { currency, appId, meterId, locationId, token }
  }

  const charge = (price: number | string = '0.5', units = 1): Promise<Answer> => {
    const { appId, meterId, locationId, token } = own
    return world.charge({ appId, meterId, locationId, price: Number(price), units }, token)
  }
  const charged = async (price: number | string, units = 1): Promise<string> => {
    const answer = await charge(price, units)
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
    return answer.body.chargeId as string
  }
  const runNow = (body: object = {}, token = world.operator.token): Promise<Answer> =>
    world.payOut({ currency: own.currency, ...body }, token)
  const run = (body: object = {}): Promise<Answer> => {
    world.advance(120)
    return runNow(body)
  }
  const get = async (path: string, by = world.publisher.token) => (await world.get(path, by)).body
  const inCurrency = async (path: string, by: string): Promise<Answer['body']> =>
    (await get(path, by)).filter(({ currency }: { currency: string }) => currency === own.currency)
  const payouts = (by = world.publisher.token) => inCurrency('/payouts?limit=100', by)
  const runs = () => inCurrency('/platform/payout-runs?limit=100', world.operator.token)
  const earnings = () => get(`/earnings?currency=${own.currency}`)
  const settle = (id: string, how: 'paid' | 'failed', body: object) =>
    world.request('POST', `/platform/payouts/${id}/${how}`, { token: world.operator.token, body })

  it('pays what was earned down to the cent, and the rest with the next payout', async () => {
    await charged('1.234567')
    await charged('0.5')
    const made = await run()
    expect(made.body).toMatchObject({ status: 'finished', payouts: 1, amount: 1.73, currency: own.currency })
    const [payout] = await payouts()
    expect(payout).toMatchObject({
      runId: made.body.id,
      organizationId: world.publisher.organizationId,
      earned: 1.734567,
      carriedIn: 0,
      carriedOut: 0.004567,
      amount: 1.73,
      status: 'created',
    })
    expect(await get(`/payouts/${payout.id}`)).toMatchObject({
      parts: [{ kind: 'application', applicationId: own.appId, exact: { amount: '1.73', carriedOut: '0.004567' } }],
    })
    expect(await earnings()).toMatchObject({ exact: { due: '0.004567', payable: '0' } })

    await charged('0.02')
    expect((await run()).body).toMatchObject({ payouts: 1, amount: 0.02 })
    const [second] = await payouts()
    expect(second).toMatchObject({
      exact: { earned: '0.02', carriedIn: '0.004567', carriedOut: '0.004567', amount: '0.02' },
    })
    expect(await world.checkLedger()).toEqual([])
  })

  it('pays nothing twice, however often it runs', async () => {
    await charged(3)
    expect((await run()).body.payouts).toBe(1)
    expect((await run()).body).toMatchObject({ payouts: 0, amount: 0 })
    world.advance(40 * 86_400)
    expect((await run()).body).toMatchObject({ payouts: 0, amount: 0 })
    expect(await payouts()).toHaveLength(1)
  })

  it('leaves what is below the minimum for another run', async () => {
    await charged(3)
    expect((await run({ minimum: '3.01' })).body).toMatchObject({ payouts: 0, amount: 0 })
    expect(await payouts()).toEqual([])
    expect(await inCurrency('/platform/payouts', world.operator.token)).toEqual([])
    expect(await earnings()).toMatchObject({ due: 3, payable: 3, parts: [{ earned: 3, carried: 0 }] })
    expect(await world.checkLedger()).toEqual([])
    expect((await run({ minimum: 3 })).body.payouts).toBe(1)
    expect(await payouts()).toMatchObject([{ earned: 3, carriedIn: 0, amount: 3 }])
  })

  it('leaves what was booked at or after the cutoff, and what is less than a minute old', async () => {
    await charged(1)
    world.advance(600)
    const cutoffTime = world.now()
    await charged(2)
    expect((await run({ cutoffTime })).body.amount).toBe(1)
    await charged(4)
    const latest = await runNow()
    expect(latest.body.amount).toBe(2)
    const early = await run({ cutoffTime: world.inSeconds(61) })
    expect(early).toMatchObject({ status: 422, body: { invalidFields: [{ field: 'cutoffTime' }] } })
  })

  it('nets what was given back after it was paid', async () => {
    const first = await charged(5)
    await run()
    await world.void(first, own.token)
    await charged(2)
    expect(await earnings()).toMatchObject({ due: -3, payable: 0 })
    expect((await run()).body.payouts).toBe(0)
    await charged(4)
    expect((await run()).body.amount).toBe(1)
    expect(await earnings()).toMatchObject({ due: 0 })
    expect(await world.checkLedger()).toEqual([])
  })

  it('gives the money back when it failed, and pays it with the next run', async () => {
    await charged('2.505')
    await run()
    const [payout] = await payouts()
    const failed = await settle(payout.id, 'failed', { reason: 'The account is closed.' })
    expect(failed).toMatchObject({ status: 200, body: { status: 'failed', failure: 'The account is closed.' } })
    expect(await earnings()).toMatchObject({ due: 2.505, payable: 2.5 })
    expect((await settle(payout.id, 'failed', { reason: 'The account is closed.' })).body).toEqual(failed.body)
    expect((await settle(payout.id, 'paid', { reference: 'x' })).body.code).toBe('wrong_state')

    await charged('0.5', 0.01)
    expect((await run()).body.amount).toBe(2.51)
    const [second] = await payouts()
    expect(second.exact).toEqual({ earned: '0.005', carriedIn: '2.505', carriedOut: '0', amount: '2.51' })
    const paid = await settle(second.id, 'paid', { reference: 'SEPA 1' })
    expect(paid.body).toMatchObject({ status: 'paid', reference: 'SEPA 1', settledTime: world.now() })
    expect((await settle(second.id, 'paid', { reference: 'SEPA 1' })).status).toBe(200)
    expect((await settle(second.id, 'failed', { reason: 'x' })).body.code).toBe('wrong_state')
    expect(await clearing()).toBe(2_510_000n)
    expect(await world.checkLedger()).toEqual([])
  })

  it('pays a payout that failed after the next one was made, once', async () => {
    await charged('1.005')
    await run()
    const [first] = await payouts()
    await charged(2)
    await run()
    await settle(first.id, 'failed', { reason: 'late' })
    expect((await run()).body.amount).toBe(1)
    expect(await earnings()).toMatchObject({ exact: { due: '0.005' } })
  })

  it('pays the margin of organizations that resell', async () => {
    const { merchant } = world
    const path = `/rebilling/all/${own.appId}/all`
    await world.request('PUT', path, { token: merchant.token, body: { enabled: true, markupBps: 5000 } })
    await charged(2)
    expect((await run()).body).toMatchObject({ payouts: 2, amount: 3 })
    const [margin] = await payouts(merchant.token)
    expect(await get(`/payouts/${margin.id}`, merchant.token)).toMatchObject({
      amount: 1,
      parts: [{ kind: 'margin', applicationId: null, amount: 1 }],
    })
    expect(await get(`/payouts/${margin.id}/items`, merchant.token)).toMatchObject({
      items: [{ earnedWith: 'margin', kind: 'charge', applicationId: own.appId, amount: 1 }],
      next: null,
    })
  })

  it('lists items page by page, all of them once', async () => {
    for (let index = 0; index < 7; index++) await charged('0.5')
    await run()
    const [payout] = await payouts()
    const seen: string[] = []
    let next: string | null = null
    do {
      const after: string = next === null ? '' : `&after=${next}`
      const page = await get(`/payouts/${payout.id}/items?limit=3${after}`)
      seen.push(...page.items.map((item: { transactionId: string }) => item.transactionId))
      next = page.next
    } while (next !== null)
    expect(new Set(seen).size).toBe(7)
    expect(seen).toHaveLength(7)
    expect((await world.get(`/payouts/${payout.id}/items?after=x`, world.publisher.token)).status).toBe(422)
  })

  it('tells the organization that gets it', async () => {
    await charged(3)
    const endpoint = await world.request('POST', '/developers/webhooks/endpoints', {
      token: world.publisher.token,
      body: { url: 'https://example.com/hook', events: ['payout.*'] },
    })
    expect(endpoint.status).toBe(201)
    await run()
    const [payout] = await payouts()
    await settle(payout.id, 'paid', { reference: 'SEPA 9' })
    const events = await world
      .db('stoa_events')
      .whereLike('type', 'payout.%')
      .orderBy('id', 'desc')
      .limit(2)
      .select('type', 'organization_id')
    expect(events).toEqual([
      { type: 'payout.paid', organization_id: world.publisher.organizationId },
      { type: 'payout.created', organization_id: world.publisher.organizationId },
    ])
    // Later tests take events away, which deliveries refer to.
    const path = `/developers/webhooks/endpoints/${endpoint.body.id}`
    await world.request('DELETE', path, { token: world.publisher.token })
  })

  it('keeps environments apart, and the sandbox from paying out production', async () => {
    await charged(3)
    expect((await run({ environment: 'sandbox' })).body.payouts).toBe(0)
    const answer = await runNow({}, world.operator.sandbox)
    expect(answer.body.code).toBe('rights_exceeded')
    await run()
    const [payout] = await payouts()
    expect((await world.get(`/payouts/${payout.id}`, world.publisher.sandbox)).status).toBe(404)
    const fails = { token: world.operator.sandbox, body: { reason: 'x' } }
    expect((await world.request('POST', `/platform/payouts/${payout.id}/failed`, fails)).status).toBe(404)
  })

  it('is the operator’s to do, and every organization’s to see its own of', async () => {
    await charged(3)
    await run()
    const [payout] = await payouts()
    expect((await runNow({}, world.publisher.token)).status).toBe(403)
    expect((await world.get('/platform/payouts', world.publisher.token)).status).toBe(403)
    expect((await world.get(`/payouts/${payout.id}`, world.merchant.token)).status).toBe(404)
    expect((await world.get(`/payouts/${payout.id}/items`, world.merchant.token)).status).toBe(404)
    const waiting = await inCurrency('/platform/payouts?status=created&limit=100', world.operator.token)
    expect(waiting).toMatchObject([{ id: payout.id }])
    expect(await runs()).toMatchObject([{ status: 'finished', payouts: 1, amount: 3, finishedTime: world.now() }])
  })

  it('answers at once, and shows how far it got to operators of the environment', async () => {
    await charged(3)
    world.advance(120)
    const body = { environment: 'production', currency: own.currency }
    const started = await world.request('POST', '/platform/payout-runs', { token: world.operator.token, body })
    expect(started).toMatchObject({
      status: 202,
      body: { status: 'running', payouts: 0, amount: 0, finishedTime: null },
    })
    const path = `/platform/payout-runs/${started.body.id}`
    expect((await world.finishedRun(started.body.id)).body).toEqual({
      ...started.body,
      status: 'finished',
      payouts: 1,
      amount: 3,
      exact: { minimum: '0', amount: '3' },
      finishedTime: world.now(),
    })
    for (const [each, token, status] of [
      [path, world.operator.sandbox, 404],
      ['/platform/payout-runs/prn_unknown', world.operator.token, 404],
      [path, world.publisher.token, 403],
    ] as const) {
      expect([each, (await world.get(each, token)).status]).toEqual([each, status])
    }
  })

  it('refuses what it cannot run with, and starts nothing', async () => {
    const before = await world.count('stoa_payout_runs')
    for (const body of [
      {},
      { environment: 'production', currency: 'usd' },
      { environment: 'production', minimum: -1 },
      { environment: 'production', minimum: '0.0000001' },
      { environment: 'production', cutoffTime: 'yesterday' },
      { environment: 'production', max: 1 },
    ]) {
      const answer = await world.request('POST', '/platform/payout-runs', { token: world.operator.token, body })
      expect([body, answer.status]).toEqual([body, 422])
    }
    expect(await world.count('stoa_payout_runs')).toBe(before)
  })

  it('pays each entry once when runs and charges happen at the same time', async () => {
    for (let index = 0; index < 20; index++) await charged('0.5')
    world.advance(120)
    const answers = await Promise.all([
      ...Array.from({ length: 4 }, () => runNow()),
      ...Array.from({ length: 10 }, () => charge()),
    ])
    expect(answers.map(({ status }) => status)).toEqual([...Array(4).fill(200), ...Array(10).fill(201)])
    const all = await payouts()
    expect(all).toMatchObject([{ amount: 10 }])
    expect((await get(`/payouts/${all[0].id}/items`)).items).toHaveLength(20)
    expect(await world.checkLedger()).toEqual([])
  })

  it('pays a currency down to the smallest amount that can be transferred, not to what is displayed', async () => {
    own = await begin('HUF')
    await charged('1.234567')
    expect((await run()).body).toMatchObject({ payouts: 1, amount: 1.23 })
    expect(await earnings()).toMatchObject({ exact: { due: '0.004567' } })
  })

  it('tells of each payout once, so that the check of the ledger finds one that was not told, and an event of none', async () => {
    await charged(3)
    await run()
    const [first] = await payouts()
    await settle(first.id, 'failed', { reason: 'closed' })
    await run()
    const [second] = await payouts()
    await settle(second.id, 'paid', { reference: 'x' })
    expect(await world.checkLedger()).toEqual([])
    const told = [
      { type: 'payout.created', payout: second.id },
      { type: 'payout.failed', payout: first.id },
      { type: 'payout.paid', payout: second.id },
    ]
    const rows = await world.db('stoa_events').whereLike('type', 'payout.%').select('id', 'type', 'payload')
    for (const { type, payout } of told) {
      const event = rows.find((row) => row.type === type && JSON.stringify(row.payload).includes(payout))
      const lost = await checked((trx) => trx('stoa_events').where({ id: event.id }).delete())
      expect(lost).toEqual([expect.stringContaining(`payout ${payout} was not told: there is no ${type} ${event.id}`)])
      const id = `evt_${'0'.repeat(32)}`
      const made = await checked((trx) => trx('stoa_events').where({ id: event.id }).update({ id }))
      expect(made).toContainEqual(expect.stringContaining(`event ${id} is a ${type} of nothing`))
    }
  })

  // The two at the end make entries that belong to no transaction, which the check of the ledger would find.

  it('pays late what was booked before the cutoff of a run that had not seen it', async () => {
    await charged(1)
    await run()
    const before = new Date(Date.parse(world.now()) - 3600_000).toISOString()
    await bookLate(before, 7_000_000n)
    expect((await run()).body.amount).toBe(7)
  })

  it('collects in many steps what is too much for one', async () => {
    await charged(1)
    const entries = 4500
    const [payable] = await world.db('stoa_ledger_accounts').where({ kind: 'app_payable', owner_id: own.appId })
    const rows = Array.from({ length: entries }, (_, index) => ({
      transaction_id: `txn_many${String(index).padStart(6, '0')}`,
      seq: 1,
      account_id: payable.id,
      amount: 1000,
      // Many at the same moment, as batches are.
      booked_time: new Date(Date.parse(world.now()) + Math.floor(index / 1700)).toISOString(),
    }))
    for (let from = 0; from < entries; from += 300) {
      await world.db('stoa_ledger_entries').insert(rows.slice(from, from + 300))
    }
    expect((await run()).body).toMatchObject({ payouts: 1, amount: 5.5 })
    const [{ id: payout_id }] = await payouts()
    const items = await world.db('stoa_payout_items').where({ payout_id }).select('seq')
    expect(items).toHaveLength(entries + 1)
  })

  /** What the check finds after a change, which is then taken back. */
  async function checked(change: (trx: Knex.Transaction) => Promise<unknown>): Promise<string[]> {
    const trx = await world.db.transaction()
    try {
      await change(trx)
      return await checkLedger(trx, world.dialect, { eventsSince: world.inSeconds(-30 * 86_400) })
    } finally {
      await trx.rollback()
    }
  }

  /** An entry with an earlier time of booking than what is there, as a slow transaction leaves it. */
  async function bookLate(bookedTime: string, amount: bigint): Promise<void> {
    const account = await world
      .db('stoa_ledger_accounts')
      .where({ kind: 'app_payable', owner_id: own.appId })
      .first('id')
    await world.db('stoa_ledger_entries').insert({
      transaction_id: 'txn_late',
      seq: 0,
      account_id: account.id,
      amount,
      booked_time: bookedTime,
    })
  }

  async function clearing(): Promise<bigint> {
    const row = await world
      .db('stoa_ledger_accounts')
      .where({ kind: 'payout_clearing', currency: own.currency })
      .first('balance')
    return BigInt(row.balance)
  }
})

onPostgres((database) => {
  it('two hosts that run payouts at once pay each entry once', async () => {
    const world = await openWorld(database)
    const other = await createHost({
      ...hostConfig,
      database: world.opened.url,
      clock: { now: () => new Date(world.now()) },
    })
    other.start()
    const server = await listenOn(other)
    try {
      await world.fund(world.locationId, 1000)
      for (let index = 0; index < 30; index++) await world.charge()
      world.advance(120)
      const options = { token: world.operator.token, body: { environment: 'production' } }
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          call(index % 2 === 0 ? world.url : server.url, 'POST', '/platform/payout-runs', options),
        ),
      )
      expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(202))
      for (const { body } of answers) await world.finishedRun(body.id)
      expect((await world.get('/payouts', world.publisher.token)).body).toMatchObject([{ amount: 15 }])
      expect(await world.checkLedger()).toEqual([])
    } finally {
      await server.close()
      await other.stop()
      await world.close()
    }
  })
})

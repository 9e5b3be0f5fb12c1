import { inspectLedger } from '@stoa/core'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import type { Answer } from '../support/host.ts'
import { openWorkers, type Workers } from './workers.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  let workers: Workers
  beforeEach(async () => {
    world = await openWorld(database, {}, { isStarted: false })
    workers = await openWorkers(world)
    // So that two organizations earn: the publisher, and the merchant that resells at twice the price.
    const path = `/rebilling/all/${world.appId}/all`
    await world.request('PUT', path, { token: world.merchant.token, body: { enabled: true, markupBps: 10_000 } })
    await world.fund(world.locationId, 100)
  })
  afterEach(async () => {
    await workers?.close()
    await world?.close()
  })

  async function charge(): Promise<void> {
    expect((await world.charge()).status).toBe(201)
  }

  async function start(body: object = {}): Promise<string> {
    world.advance(120)
    const wish = { environment: 'production', ...body }
    const answer = await world.request('POST', '/platform/payout-runs', { token: world.operator.token, body: wish })
    expect(answer).toMatchObject({ status: 202, body: { skipped: 0, skippedOrganizationIds: [] } })
    return answer.body.id as string
  }

  async function run(body: object = {}): Promise<Answer['body']> {
    const id = await start(body)
    await workers.run()
    return (await world.get(`/platform/payout-runs/${id}`, world.operator.token)).body
  }

  const payoutsOf = async ({ token }: { token: string }): Promise<Answer['body']> =>
    (await world.get('/payouts', token)).body

  const account = async (kind: 'app_payable' | 'margin') =>
    (await world.db('stoa_ledger_accounts').where({ kind }).first('id')).id as string

  it('an organization that cannot be paid is skipped and named, the others are paid, and the next run pays it', async () => {
    await charge()
    await run({ minimum: 1000 })
    // A part that nobody earned: with it the parts do not come to the payout.
    const { id } = await world.db('stoa_payouts').where({ organization_id: world.publisher.organizationId }).first('id')
    const wrong = { payout_id: id, account_id: 'acc_nobody' }
    await world.db('stoa_payout_parts').insert({ ...wrong, earned: 1, carried_in: 0, carried_out: 1, amount: 0 })

    const { publisher, merchant, operator } = world
    const skipped = { skipped: 1, skippedOrganizationIds: [publisher.organizationId] }
    expect(await run()).toMatchObject({ status: 'finished', payouts: 1, amount: 0.5, ...skipped })
    expect(await payoutsOf(publisher)).toEqual([])
    expect(await payoutsOf(merchant)).toMatchObject([{ amount: 0.5 }])
    expect((await world.get('/platform/payout-runs', operator.token)).body[0]).toMatchObject(skipped)
    expect(await world.checkLedger()).toEqual([])

    await world.db('stoa_payout_parts').where(wrong).delete()
    expect(await run()).toMatchObject({ status: 'finished', payouts: 1, skipped: 0, skippedOrganizationIds: [] })
    expect(await payoutsOf(publisher)).toMatchObject([{ earned: 0.5, amount: 0.5 }])
    expect(await world.checkLedger()).toEqual([])
  })

  it('an organization of which an entry cannot be collected is skipped with all it has earned, and paid by the next run', async () => {
    await charge()
    await run({ minimum: 1000 })
    await charge()
    const margin = await account('margin')
    const { publisher, merchant } = world
    if (world.dialect.inProcess) {
      await world.db.raw(
        `create trigger broken before insert on stoa_payout_items when new.account_id = '${margin}'
           begin select raise(abort, 'broken'); end`,
      )
    } else {
      await world.db.raw(
        `alter table stoa_payout_items add constraint broken check (account_id <> '${margin}') not valid`,
      )
    }
    const skipped = { skipped: 1, skippedOrganizationIds: [merchant.organizationId] }
    expect(await run()).toMatchObject({ status: 'finished', payouts: 1, amount: 1, ...skipped })
    expect(await payoutsOf(merchant)).toEqual([])
    expect(await payoutsOf(publisher)).toMatchObject([{ amount: 1 }])

    await world.db.raw(
      world.dialect.inProcess ? 'drop trigger broken' : 'alter table stoa_payout_items drop constraint broken',
    )
    expect(await run()).toMatchObject({ payouts: 1, amount: 1, skipped: 0 })
    expect(await payoutsOf(merchant)).toMatchObject([{ earned: 1, amount: 1 }])
    expect(await world.checkLedger()).toEqual([])
  })

  if (database.kind === 'postgres') {
    it('skips nobody when the database is to blame: the run is gone on with later', async () => {
      await charge()
      await world.db.raw(
        `create function conflict() returns trigger language plpgsql as
           $$ begin raise exception 'conflict' using errcode = '40001'; end $$`,
      )
      await world.db.raw(
        `create trigger conflict before update on stoa_payout_parts for each row execute function conflict()`,
      )
      const before = await run()
      expect(before).toMatchObject({ status: 'running', skipped: 0, payouts: 0 })
      await world.db.raw('drop trigger conflict on stoa_payout_parts')
      world.advance(60)
      await workers.run()
      const after = (await world.get(`/platform/payout-runs/${before.id}`, world.operator.token)).body
      expect(after).toMatchObject({ status: 'finished', skipped: 0, payouts: 2 })
    })
  }

  // What it books belongs to no transaction, which the check of the ledger would find.
  it('pays what fits into 64 bits, leaves the rest for the next payout, and never lets it keep others from being paid', async () => {
    await charge()
    const huge = 6_000_000_000_000_000_000n
    const payable = await account('app_payable')
    for (const seq of [1, 2]) {
      const entry = { transaction_id: `txn_huge${seq}`, seq, account_id: payable, amount: huge }
      await world.db('stoa_ledger_entries').insert({ ...entry, booked_time: world.now() })
    }
    // The sums of the check are not bounded by what one number of the database holds.
    const { sums } = await inspectLedger(world.opened.url, { retentionDays: 0 })
    expect(sums.find(({ kind }) => kind === 'app_payable')).toMatchObject({ balance: '12000000000000.5' })
    expect(await run()).toMatchObject({ status: 'finished', payouts: 2, skipped: 0 })
    const { publisher, merchant } = world
    expect(await payoutsOf(publisher)).toMatchObject([{ exact: { amount: '6000000000000.5', carriedOut: '0' } }])
    expect(await payoutsOf(merchant)).toMatchObject([{ amount: 0.5 }])

    // The platform's own account would pass 64 bits too with the rest.
    await charge()
    expect(await run()).toMatchObject({
      status: 'finished',
      payouts: 1,
      amount: 0.5,
      skippedOrganizationIds: [publisher.organizationId],
    })
    expect(await payoutsOf(merchant)).toHaveLength(2)
    expect((await run()).skipped).toBe(1)
    const items = await world.db('stoa_payout_items').where({ account_id: payable }).orderBy('amount')
    expect(items.map(({ amount }) => BigInt(amount))).toEqual([500_000n, 500_000n, huge, huge])
  })

  it('goes on with the accounts after the one it was at when that one is not there any more', async () => {
    await charge()
    const id = await start()
    const entry = { transactionId: 'txn_gone', seq: 0, bookedTime: world.now() }
    const position = JSON.stringify({ organizationId: '', accountId: 'acc', entry, skipped: [] })
    await world.db('stoa_payout_runs').where({ id }).update({ position })
    await workers.run()
    expect(await payoutsOf(world.publisher)).toMatchObject([{ amount: 0.5 }])
    expect(await payoutsOf(world.merchant)).toMatchObject([{ amount: 0.5 }])
  })

  it('shows a credential of the sandbox runs and payouts of the sandbox alone', async () => {
    const { operator, publisher } = world
    const token = await world.install(world.appId, world.locationId, 'sandbox')
    await world.fund(world.locationId, 100, 'sandbox')
    await charge()
    expect((await world.charge({}, token)).status).toBe(201)
    await run()
    await run({ environment: 'sandbox' })
    const seen = async (path: string, by: string) => {
      const { status, body, headers } = await world.get(path, by)
      const environments = (body as { environment: string }[]).map(({ environment }) => environment)
      return [status, [...new Set(environments)].toSorted(), Number(headers.get('Pagination-Total'))]
    }
    const both = ['production', 'sandbox']
    const of = `organizationId=${publisher.organizationId}`
    for (const [path, count] of [
      ['/platform/payout-runs', 2],
      [`/platform/payouts?${of}`, 2],
    ] as const) {
      expect([path, ...(await seen(path, operator.token))]).toEqual([path, 200, both, count])
      expect([path, ...(await seen(path, operator.sandbox))]).toEqual([path, 200, ['sandbox'], count / 2])
    }
    expect(await seen(`/platform/payouts?${of}&environment=sandbox`, operator.sandbox)).toEqual([200, ['sandbox'], 1])
    expect(await world.get('/platform/payouts?environment=production', operator.sandbox)).toMatchObject({
      status: 403,
      body: { code: 'rights_exceeded' },
    })
    expect(await seen(`/platform/payouts?${of}&environment=production`, operator.token)).toEqual([
      200,
      ['production'],
      1,
    ])
  })

  it('refuses a cutoff before 1970, in whichever zone it is said', async () => {
    for (const cutoffTime of ['0000-01-01T00:00:00Z', '0001-01-01T00:00:00+10:00', '1970-01-01T00:59:59+01:00']) {
      const body = { environment: 'production', cutoffTime }
      const answer = await world.request('POST', '/platform/payout-runs', { token: world.operator.token, body })
      expect([cutoffTime, answer]).toMatchObject([
        cutoffTime,
        { status: 422, body: { code: 'validation_failed', invalidFields: [{ field: 'cutoffTime' }] } },
      ])
    }
    await charge()
    expect(await run({ cutoffTime: '1970-01-01T00:00:00Z' })).toMatchObject({ status: 'finished', payouts: 0 })
  })
})

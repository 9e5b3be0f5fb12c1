import { setTimeout } from 'node:timers/promises'
import type { Knex } from 'knex'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createHost, type Host } from '@stoa/core'
import { createPayoutWorker } from '../../core/src/wallet/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openDirectWallet, type DirectWallet } from './direct.ts'
import { hostConfig } from './host-config.ts'
import { openWorld, type World } from './world.ts'

const moreThanALease = 61

eachDatabase((database) => {
  let world: World
  let direct: DirectWallet
  const logged: string[] = []
  beforeAll(async () => {
    world = await openWorld(database, {}, { isStarted: false })
    direct = await openDirectWallet(world, {}, world.clock)
    await world.fund(world.locationId, 1000)
    const body = { enabled: true, markupBps: 5000 }
    await world.request('PUT', `/rebilling/all/${world.appId}/all`, { token: world.merchant.token, body })
  })
  afterAll(async () => {
    await direct?.close()
    await world?.close()
  })

  const log = (_details: unknown, message = '') => void logged.push(message)
  const logger = { debug() {}, info() {}, warn() {}, error: log }
  const workerOf = (db: Knex = direct.db) => createPayoutWorker({ ...direct.ctx, db, logger })
  async function start(body: object = {}): Promise<string> {
    world.advance(120)
    const answer = await world.request('POST', '/platform/payout-runs', {
      token: world.operator.token,
      body: { environment: 'production', ...body },
    })
    expect(answer.status).toBe(202)
    return answer.body.id as string
  }
  const runOf = async (id: string) => (await world.get(`/platform/payout-runs/${id}`, world.operator.token)).body
  const payoutsOf = async (runId: string) =>
    (await world.get(`/platform/payouts?runId=${runId}&limit=100`, world.operator.token)).body
  async function untilIdle(worker = workerOf()): Promise<number> {
    let steps = 0
    while ((await worker.runDue()) > 0) steps++
    return steps
  }

  it('does nothing in the request, and all of it step by step in a worker', async () => {
    await world.charge()
    const id = await start()
    expect(await runOf(id)).toMatchObject({ status: 'running', payouts: 0 })
    // Two accounts, the organizations that they are of, and the end.
    expect(await untilIdle()).toBe(4)
    expect(await runOf(id)).toMatchObject({ status: 'finished', payouts: 2, amount: 0.75 })
    expect(await untilIdle()).toBe(0)
  })

  it.each([
    ['before it commits', false],
    ['after it has committed', true],
  ])('is gone on with by another process, wherever a process dies %s, and pays nothing twice', async (_, commits) => {
    for (let step = 1; step <= 4; step++) {
      for (let index = 0; index < 2; index++) await world.charge()
      const id = await start()
      const dying = mortal(direct.db, { step, commits })
      const worker = workerOf(dying.db)
      while (!dying.isDead()) await worker.runDue()
      // What the dead one had claimed nobody takes until its lease is over; what it gave back is anybody's.
      if (!commits) expect(await untilIdle()).toBe(0)
      world.advance(moreThanALease)
      // Not from the beginning.
      expect(await untilIdle()).toBe(commits ? 4 - step : 5 - step)
      expect([step, await runOf(id)]).toMatchObject([step, { status: 'finished', payouts: 2, amount: 1.5 }])
      expect((await payoutsOf(id)).map(({ amount }: { amount: number }) => amount).toSorted()).toEqual([0.5, 1])
      expect(await world.checkLedger()).toEqual([])
    }
  })

  it('a worker whose lease ran out leaves the run as its successor has left it', async () => {
    await world.charge()
    const id = await start()
    const row = () => world.db('stoa_payout_runs').where({ id }).first()
    let left: unknown
    const late = workerOf(
      beforeTransaction(direct.db, async () => {
        world.advance(moreThanALease)
        await workerOf().runDue()
        left = await row()
        world.advance(1)
      }),
    )
    await late.runDue()
    expect(await row()).toEqual(left)
    // The other account, the organizations, the end.
    expect(await untilIdle()).toBe(3)
    expect(await runOf(id)).toMatchObject({ status: 'finished', payouts: 2, amount: 0.75 })
    expect(await world.checkLedger()).toEqual([])
  })

  it('tries again what failed, later each time, and keeps other runs from waiting for it', async () => {
    await world.charge()
    const failing = await start()
    const row = () => world.db('stoa_payout_runs').where({ id: failing })
    const { position } = await row().first()
    // A fault of one run, of whatever kind.
    await row().update({ position: 'nowhere' })
    const other = await start({ currency: 'EUR' })
    logged.length = 0
    await untilIdle()
    expect(logged).toEqual(['a step of a payout run failed; it is tried again later'])
    expect(await runOf(other)).toMatchObject({ status: 'finished', payouts: 0 })
    for (const [seconds, tried] of [
      [9, 1],
      [1, 2],
      [19, 2],
      [1, 3],
    ] as const) {
      world.advance(seconds)
      await untilIdle()
      expect(logged).toHaveLength(tried)
    }
    await row().update({ position })
    world.advance(3600)
    await untilIdle()
    expect(await runOf(failing)).toMatchObject({ status: 'finished', payouts: 2 })
  })

  it('pays more organizations than fit in one step, each once, by several processes in turn', async () => {
    await world.charge()
    const organizations = 130
    await earnAt(world, organizations)
    const id = await start()
    const workers = [workerOf(), workerOf(), workerOf()]
    while ((await runOf(id)).status === 'running') {
      for (const done of await Promise.allSettled(workers.map((worker) => worker.runDue()))) {
        expect(done.status).toBe('fulfilled')
      }
    }
    expect(await runOf(id)).toMatchObject({ payouts: organizations + 2, amount: organizations + 0.75 })
  })
})

eachDatabase((database) => {
  it('a host that is stopped ends with the step that is under way, and the next one finishes the run', async () => {
    const world = await openWorld(database)
    let next: Host | undefined
    try {
      await world.fund(world.locationId, 100)
      await world.charge()
      const organizations = 250
      await earnAt(world, organizations)
      world.advance(120)
      const body = { environment: 'production' }
      const { id } = (await world.request('POST', '/platform/payout-runs', { token: world.operator.token, body })).body
      await world.stopHost()
      next = await createHost({ ...hostConfig, database: world.opened.url, clock: world.clock })
      next.start()
      const row = () => world.db('stoa_payout_runs').where({ id }).first()
      while ((await row()).finished_time === null) await setTimeout(20)
      const [made] = await world.db('stoa_payouts').where({ run_id: id }).count({ count: '*' }).sum({ sum: 'amount' })
      expect([Number(made!.count), Number(made!.sum)]).toEqual([organizations + 1, organizations * 1_000_000 + 500_000])
    } finally {
      await next?.stop()
      await world.close()
    }
  })
})

/** So many more organizations that have each earned 1, as no charge could make them in a moment. */
async function earnAt({ db, now }: World, organizations: number): Promise<void> {
  const account = await db('stoa_ledger_accounts').where({ kind: 'app_payable', currency: 'USD' }).first()
  for (let index = 0; index < organizations; index++) {
    const id = `many${String(index).padStart(4, '0')}`
    const owner = { owner_id: `app_${id}`, organization_id: `org_${id}` }
    await db('stoa_ledger_accounts').insert({ ...account, id: `acc_${id}`, ...owner })
    const entry = { account_id: `acc_${id}`, amount: 1_000_000, booked_time: now() }
    await db('stoa_ledger_entries').insert({ transaction_id: `txn_${id}`, seq: 0, ...entry })
  }
}

/** A database of which the process dies in a transaction, before or after it commits: from then on it does nothing. */
function mortal(db: Knex, { step, commits }: { step: number; commits: boolean }): { db: Knex; isDead(): boolean } {
  let count = 0
  let isDead = false
  const dead = () => {
    isDead = true
    throw new Error('the process died')
  }
  const transaction = async (scope: (trx: Knex.Transaction) => Promise<unknown>) => {
    if (isDead || (++count === step && !commits)) dead()
    const result = await db.transaction(scope)
    if (count === step) dead()
    return result
  }
  return {
    isDead: () => isDead,
    db: new Proxy(db, {
      apply: (target, self, given): unknown => (isDead ? dead() : Reflect.apply(target, self, given)),
      get: (target, name): unknown => (name === 'transaction' ? transaction : Reflect.get(target, name)),
    }),
  }
}

/** The database, of which the first transaction begins after `work`. */
function beforeTransaction(db: Knex, work: () => Promise<void>): Knex {
  let isFirst = true
  const transaction = async (scope: (trx: Knex.Transaction) => Promise<unknown>) => {
    if (isFirst) {
      isFirst = false
      await work()
    }
    return db.transaction(scope)
  }
  return new Proxy(db, {
    get: (target, name): unknown => (name === 'transaction' ? transaction : Reflect.get(target, name)),
  })
}

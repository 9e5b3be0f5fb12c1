import { afterEach, beforeEach, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { createPlayProvider } from './play-provider.ts'
import { openWorkers, type Workers } from './workers.ts'
import { openWorld, type World } from './world.ts'

/** More than any worker takes at once, so that a batch of nothing but broken rows would starve the rest. */
const many = 110

eachDatabase((database) => {
  const provider = createPlayProvider()
  let world: World
  let workers: Workers
  beforeEach(async () => {
    world = await openWorld(database, { funding: provider.port }, { isStarted: false })
    workers = await openWorkers(world, provider.port)
  })
  afterEach(async () => {
    await workers?.close()
    await world?.close()
  })

  async function copies(table: string, row: Record<string, unknown>, change: (index: number) => object) {
    for (let index = 0; index < many; index++) await world.db(table).insert({ ...row, ...change(index) })
  }

  it('holds that cannot be read keep none of the others from being released, and are released once they can', async () => {
    await world.fund(world.locationId, 100)
    const first = (await world.hold({ units: 2, expiresIn: 10 })).body.holdId as string
    const row = (await world.db('stoa_holds').where({ id: first }).first()) as Record<string, unknown>
    const broken = { slices: '{broken', expires_time: world.inSeconds(1) }
    await copies('stoa_holds', row, (index) => ({ ...broken, id: `hld_broken${index}`, event_id: `broken-${index}` }))
    world.advance(10)
    await workers.run()
    const open = async () =>
      (await world.db('stoa_holds').where({ status: 'open' }).orderBy('id').select('id')).map(({ id }) => id as string)
    expect(await open()).toHaveLength(many)
    expect(await open()).not.toContain(first)

    await world.db('stoa_holds').whereNot({ id: 'hld_broken7' }).where({ status: 'open' }).delete()
    const mended = { slices: '[]', amount: 0 }
    await world.db('stoa_holds').where({ id: 'hld_broken7' }).update(mended)
    await workers.run()
    expect(await open()).toEqual(['hld_broken7'])
    world.advance(3600)
    await workers.run()
    expect(await open()).toEqual([])
  })

  it('grants that cannot be ended keep none of the others from ending', async () => {
    const body = { locationId: world.locationId, kind: 'promotional', amount: 10, reference: 'real' }
    const made = await world.request('POST', '/platform/grants', {
      token: world.operator.token,
      body: { ...body, expiresTime: world.inSeconds(10) },
    })
    const row = (await world.db('stoa_grants').where({ id: made.body.id }).first()) as Record<string, unknown>
    const broken = { account_id: 'acc_none', expires_time: world.inSeconds(1) }
    await copies('stoa_grants', row, (index) => ({ ...broken, id: `grt_broken${index}`, reference: `broken-${index}` }))
    world.advance(10)
    await workers.run()
    expect(await world.balance()).toBe('0')
  })

  it('rules that cannot be run keep neither other rules nor what is pending from being done', async () => {
    const path = `${world.place(world.locationId)}/wallet/top-up-rule`
    await world.request('PUT', path, { token: world.merchant.token, body: { threshold: 10, amount: 50 } })
    const account = (await world.db('stoa_top_up_rules').first()) as Record<string, unknown>
    const wallet = await world.db('stoa_ledger_accounts').where({ id: account.account_id }).first()
    const due_time = new Date(Date.parse(world.now()) - 1000).toISOString()
    for (let index = 0; index < many; index++) {
      const id = `acc_broken${index}`
      await world.db('stoa_ledger_accounts').insert({ ...wallet, id, owner_id: `loc_broken${index}` })
      // Neither an amount nor a target, which no operation lets in.
      await world.db('stoa_top_up_rules').insert({ ...account, account_id: id, due_time, amount: null, target: null })
    }
    await workers.run()
    expect(await world.balance()).toBe('50')
  })
})

import { afterAll, beforeAll, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  let payoutId: string
  beforeAll(async () => {
    world = await openWorld(database)
    await world.fund(world.locationId, 100)
    await world.charge()
    world.advance(120)
    await world.payOut()
    payoutId = (await world.get('/payouts', world.publisher.token)).body[0].id
  })
  afterAll(() => world?.close())

  it('what a payout pays cannot be updated, deleted, or emptied', async () => {
    expect(await world.count('stoa_payout_items')).toBe(1)
    await expect(world.db('stoa_payout_items').update({ amount: 1 })).rejects.toThrow(/append-only/)
    await expect(world.db('stoa_payout_items').delete()).rejects.toThrow(/append-only/)
    await expect(world.db('stoa_payout_items').truncate()).rejects.toThrow(/append-only/)
    expect(await world.count('stoa_payout_items')).toBe(1)
  })

  it('a payout that is booked only ends, once, and then stays as it is', async () => {
    const row = () => world.db('stoa_payouts').where({ id: payoutId })
    const before = await row().first()
    const changes = [
      { amount: 1 },
      { earned: 1 },
      { carried_in: 1 },
      { carried_out: 1 },
      { organization_id: 'org_x' },
      { environment: 'sandbox' },
      { currency: 'EUR' },
      { run_id: 'prn_x' },
      { transaction_id: 'txn_x' },
      { status: 'collecting' },
      { id: 'pay_x' },
    ]
    for (const change of changes) await expect(row().update(change), JSON.stringify(change)).rejects.toThrow(/settled/)
    await expect(row().delete()).rejects.toThrow(/settled/)
    await expect(world.db('stoa_payouts').truncate()).rejects.toThrow(/settled/)
    expect(await row().first()).toEqual(before)

    const paid = { token: world.operator.token, body: { reference: 'SEPA 1' } }
    expect((await world.request('POST', `/platform/payouts/${payoutId}/paid`, paid)).status).toBe(200)
    for (const change of [{ reference: 'SEPA 2' }, { status: 'failed' }, { status: 'created' }]) {
      await expect(row().update(change), JSON.stringify(change)).rejects.toThrow(/settled/)
    }
    expect(await world.checkLedger()).toEqual([])
  })

  it('a version of a rule to resell only ends, once', async () => {
    const { token } = world.merchant
    const path = `/rebilling/all/${world.appId}/all`
    await world.request('PUT', path, { token, body: { enabled: true, markupBps: 1000 } })
    const row = () => world.db('stoa_rebillings').where({ version: 1 })
    const changes = [
      { markup_bps: 1 },
      { enabled: false },
      { own_price: 1 },
      { location_key: 'loc_x' },
      { organization_id: 'org_x' },
      { version: 9 },
    ]
    for (const change of changes) await expect(row().update(change), JSON.stringify(change)).rejects.toThrow(/settled/)
    await expect(row().delete()).rejects.toThrow(/settled/)
    await expect(world.db('stoa_rebillings').truncate()).rejects.toThrow(/settled/)
    expect((await world.request('PUT', path, { token, body: { enabled: true, markupBps: 2000 } })).status).toBe(200)
    await expect(row().update({ ended_time: null })).rejects.toThrow(/settled/)
    await expect(row().update({ ended_time: world.now() })).rejects.toThrow(/settled/)
  })
})

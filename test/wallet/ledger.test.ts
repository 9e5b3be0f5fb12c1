import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
    await world.fund(world.locationId, 100)
    await world.fund(world.locationId, 1, 'sandbox')
    const { chargeId } = (await world.charge()).body
    await world.void(chargeId)
    await world.charge()
  })
  afterAll(() => world?.close())

  const columns = {
    stoa_ledger_entries: { amount: 1 },
    stoa_ledger_transactions: { kind: 'gift' },
    stoa_prices: { unit_price: 1 },
    stoa_charges: { amount: 1 },
  }

  describe.each(Object.entries(columns))('%s', (table, change) => {
    it('cannot be updated, deleted from, or emptied', async () => {
      const before = await world.count(table)
      expect(before).toBeGreaterThan(0)
      await expect(world.db(table).update(change)).rejects.toThrow(/append-only/)
      await expect(world.db(table).delete()).rejects.toThrow(/append-only/)
      await expect(world.db(table).truncate()).rejects.toThrow(/append-only/)
      expect(await world.count(table)).toBe(before)
      expect(await world.checkLedger()).toEqual([])
    })
  })

  it('credits the application what the wallet paid', async () => {
    const sums: { kind: string; total: unknown }[] = await world
      .db('stoa_ledger_entries as entry')
      .join('stoa_ledger_accounts as account', 'account.id', 'entry.account_id')
      .where({ environment: 'production' })
      .groupBy('kind')
      .select('kind', world.db.raw('sum(amount) as total'))
    expect(Object.fromEntries(sums.map(({ kind, total }) => [kind, Number(total)]))).toEqual({
      wallet: 99_500_000,
      app_payable: 500_000,
      topup_clearing: -100_000_000,
    })
  })
})

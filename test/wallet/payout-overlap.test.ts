import type { Knex } from 'knex'
import { expect, it } from 'vitest'
import { startPayouts } from '../../core/src/wallet/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openDirectWallet } from './direct.ts'
import { openWorld } from './world.ts'

eachDatabase((database) => {
  it('a run that another one overtakes pays also of the accounts that only the other one saw', async () => {
    const world = await openWorld(database)
    const direct = await openDirectWallet(world, {}, world.clock)
    try {
      await world.fund(world.locationId, 100)
      await world.charge()
      world.advance(120)
      // The first transaction collects, the second one pays.
      const slow = beforeTransaction(direct.db, 2, async () => {
        const appId = await world.application()
        const meterId = await world.meter(appId, { name: 'Late', unit: 'one', priceType: 'fixed', price: 2 })
        const token = await world.install(appId, world.locationId)
        expect((await world.charge({ appId, meterId }, token)).status).toBe(201)
        world.advance(120)
        // Collects of both accounts and leaves them to the next run.
        const body = { environment: 'production', minimum: 1000 }
        await world.request('POST', '/platform/payout-runs', { token: world.operator.token, body })
      })
      await startPayouts(direct.ctx, slow, { environment: 'production', actor: 'test:test' })

      const [payout] = (await world.get('/payouts', world.publisher.token)).body
      expect(payout).toMatchObject({ earned: 2.5, amount: 2.5 })
      const { parts } = (await world.get(`/payouts/${payout.id}`, world.publisher.token)).body
      expect(parts.map(({ amount }: { amount: number }) => amount).toSorted((a: number, b: number) => a - b)).toEqual([
        0.5, 2,
      ])
      expect((await world.get('/earnings', world.publisher.token)).body).toMatchObject({ due: 0 })
      expect(await world.checkLedger()).toEqual([])
    } finally {
      await direct.close()
      await world.close()
    }
  })
})

/** The database, of which one transaction begins after `work`. */
function beforeTransaction(db: Knex, number: number, work: () => Promise<void>): Knex {
  let count = 0
  const transaction = async (scope: (trx: Knex.Transaction) => Promise<unknown>) => {
    if (++count === number) await work()
    return db.transaction(scope)
  }
  return new Proxy(db, {
    get: (target, name): unknown => (name === 'transaction' ? transaction : Reflect.get(target, name)),
  })
}

import type { Knex } from 'knex'
import { expect, it } from 'vitest'
import { createPayoutWorker } from '../../core/src/wallet/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openDirectWallet } from './direct.ts'
import { openWorld } from './world.ts'

eachDatabase((database) => {
  it('a run that another one overtakes pays also of the accounts that only the other one saw', async () => {
    const world = await openWorld(database, {}, { isStarted: false })
    const direct = await openDirectWallet(world, {}, world.clock)
    try {
      await world.fund(world.locationId, 100)
      await world.charge()
      world.advance(120)
      const start = async (body: object = {}): Promise<string> => {
        const wish = { environment: 'production', ...body }
        const answer = await world.request('POST', '/platform/payout-runs', { token: world.operator.token, body: wish })
        return answer.body.id as string
      }
      const first = await start()
      // The first transaction collects, the second one pays.
      const slow = beforeTransaction(direct.db, 2, async () => {
        const appId = await world.application()
        const meterId = await world.meter(appId, { name: 'Late', unit: 'one', priceType: 'fixed', price: 2 })
        const token = await world.install(appId, world.locationId)
        expect((await world.charge({ appId, meterId }, token)).status).toBe(201)
        world.advance(120)
        // However long it takes: nobody else goes on with it.
        await world
          .db('stoa_payout_runs')
          .where({ id: first })
          .update({ lease_until: world.inSeconds(3600) })
        // Collects of both accounts and leaves them to the next run.
        await start({ minimum: 1000 })
        const other = createPayoutWorker(direct.ctx)
        while ((await other.runDue()) > 0);
      })
      const worker = createPayoutWorker({ ...direct.ctx, db: slow })
      while ((await worker.runDue()) > 0);

      const [payout] = (await world.get('/payouts', world.publisher.token)).body
      expect(payout).toMatchObject({ runId: first, earned: 2.5, amount: 2.5 })
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

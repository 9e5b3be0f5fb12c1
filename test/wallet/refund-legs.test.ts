import { expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld } from './world.ts'

eachDatabase((database) => {
  it('a refund in parts takes back of each who earned what it got, to the micro-unit, and all of it in the end', async () => {
    const world = await openWorld(database)
    try {
      await world.fund(world.locationId, 100)
      const fee = { token: world.operator.token, body: { feeBps: 1234 } }
      await world.request('PUT', `/platform/applications/${world.appId}/fee`, fee)
      const rule = { token: world.merchant.token, body: { enabled: true, markupBps: 1750 } }
      await world.request('PUT', `/rebilling/all/${world.appId}/all`, rule)
      const { chargeId } = (await world.charge({ meterId: world.dynamic, price: 1.000003 })).body

      const legs = async (refundId: string | null) => {
        const { transaction_id } = await world
          .db('stoa_charges')
          .where({ id: chargeId, ...(refundId === null ? { seq: 0 } : { refund_id: refundId }) })
          .first('transaction_id')
        const rows = await world
          .db('stoa_ledger_entries as entry')
          .join('stoa_ledger_accounts as account', 'account.id', 'entry.account_id')
          .where({ transaction_id })
          .select('account.kind', 'entry.amount')
        return Object.fromEntries(rows.map((row) => [row.kind, Number(row.amount)]))
      }
      const refund = async (refundId: string, amount?: string) => {
        const answer = await world.refund(chargeId, { refundId, ...(amount !== undefined && { amount }) })
        expect(answer.status).toBe(201)
        return legs(refundId)
      }

      // 12.34 % of 1.000003 is 0.123400(37), 17.5 % of it 0.175000(525): the fee is rounded down, the markup to the nearest.
      expect(await legs(null)).toEqual({
        wallet: -1_175_004,
        app_payable: 876_603,
        platform_fee: 123_400,
        margin: 175_001,
      })
      expect(await refund('a', '0.5')).toEqual({
        wallet: 500_000,
        app_payable: -373_021,
        platform_fee: -52_510,
        margin: -74_469,
      })
      expect(await refund('b', '0.000001')).toEqual({ wallet: 1, app_payable: -1 })
      expect(await refund('c', '0.333333')).toEqual({
        wallet: 333_333,
        app_payable: -248_681,
        platform_fee: -35_007,
        margin: -49_645,
      })
      expect(await refund('d')).toEqual({
        wallet: 341_670,
        app_payable: -254_900,
        platform_fee: -35_883,
        margin: -50_887,
      })

      const left: { kind: string; amount: unknown }[] = await world
        .db('stoa_ledger_entries as entry')
        .join('stoa_ledger_accounts as account', 'account.id', 'entry.account_id')
        .whereIn('kind', ['app_payable', 'platform_fee', 'margin'])
        .groupBy('kind')
        .select('kind')
        .sum({ amount: 'amount' })
      const sums = Object.fromEntries(left.map(({ kind, amount }) => [kind, Number(amount)]))
      expect(sums).toEqual({ app_payable: 0, margin: 0, platform_fee: 0 })
      expect(await world.balance()).toBe('100')
      expect(await world.checkLedger()).toEqual([])
    } finally {
      await world.close()
    }
  })
})

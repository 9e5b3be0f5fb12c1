import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkLedger } from '../../core/src/wallet/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

const chargeColumns =
  'id, seq, application_id, installation_id, publisher_id, organization_id, location_id, environment, meter_id, price_id, event_id, fingerprint, user_id, description, units, unit_price, amount, base_amount, fee_amount, currency, account_id, transaction_id, event_time, created_time'

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

  describe('checkLedger', () => {
    /** Wrecks the books in a transaction that is rolled back, and returns what is found off. */
    async function wreck(statement: (ids: Record<string, string>) => string): Promise<string[]> {
      let found: string[] = []
      const undo = new Error('undo')
      await world.db
        .transaction(async (trx) => {
          const wallet = await trx('stoa_ledger_accounts').where({ owner_id: world.locationId }).first()
          const charge = await trx('stoa_charges').orderBy('created_time', 'desc').orderBy('id', 'desc').first()
          const ids = { wallet: wallet.id, charge: charge.id, transaction: charge.transaction_id }
          await trx.raw(statement(ids))
          found = await checkLedger(trx, world.dialect, { eventsSince: world.inSeconds(-86_400) })
          throw undo
        })
        .catch((error: unknown) => {
          if (error !== undo) throw error
        })
      return found
    }

    // Its columns but for those that the test sets.
    const copyOf = (charge: string, changed: Record<string, string>) =>
      `insert into stoa_charges (${chargeColumns}) select ${chargeColumns
        .split(', ')
        .map((column) => changed[column] ?? column)
        .join(', ')} from stoa_charges where id = '${charge}' and seq = 0`

    const entry = (values: string) =>
      `insert into stoa_ledger_entries (transaction_id, seq, account_id, amount, balance_after, account_version, booked_time) values (${values}, '2026-03-01T12:00:00.000Z')`

    it.each<[string, (ids: Record<string, string>) => string, RegExp]>([
      [
        'a balance that is not its entries’',
        ({ wallet }) => `update stoa_ledger_accounts set balance = balance + 1 where id = '${wallet}'`,
        /wallet .* says 99500001 at version 4, its entries say 99500000 at 4/,
      ],
      [
        'a version that is not its entries’',
        ({ wallet }) => `update stoa_ledger_accounts set version = 7 where id = '${wallet}'`,
        /wallet .* at version 7/,
      ],
      [
        'a wallet below its limit',
        ({ wallet }) => `update stoa_ledger_accounts set min_balance = 100000000 where id = '${wallet}'`,
        /below its limit/,
      ],
      [
        'a transaction with a leg too many',
        ({ transaction }) =>
          entry(
            `'${transaction}', 9, (select id from stoa_ledger_accounts where kind = 'app_payable' and environment = 'production' and owner_id = '${world.appId}'), 5, null, null`,
          ),
        /transaction .* sums to 5/,
      ],
      [
        'a broken chain',
        ({ transaction, wallet }) => entry(`'${transaction}', 9, '${wallet}', 5, 7, 6`),
        /breaks its chain at version 6/,
      ],
      [
        'an entry of no transaction',
        ({ wallet }) => entry(`'txn_none', 0, '${wallet}', 5, 99500005, 5`),
        /belongs to no transaction/,
      ],
      [
        'an entry on no account',
        ({ transaction }) => entry(`'${transaction}', 9, 'acc_none', 5, null, null`),
        /is on no account/,
      ],
      [
        'an entry in the other environment',
        ({ transaction }) =>
          entry(
            `'${transaction}', 9, (select id from stoa_ledger_accounts where kind = 'topup_clearing' and environment = 'sandbox'), 5, null, null`,
          ),
        /mixes environments/,
      ],
      [
        'a charge that was never booked',
        ({ charge }) => copyOf(charge!, { id: `'chg_none'`, event_id: `'none'`, transaction_id: `'txn_none'` }),
        /charge chg_none.* has no transaction/,
      ],
      [
        'a charge that is not units × price',
        ({ charge }) => copyOf(charge!, { id: `'chg_none'`, event_id: `'none'`, base_amount: 'base_amount + 1' }),
        /charge chg_none is 0.500001, not 0.5/,
      ],
      [
        'a transaction of nothing',
        () =>
          `insert into stoa_ledger_transactions (id, kind, reference_id, environment, currency, actor, booked_time, event_time) values ('txn_x', 'charge', 'chg_none', 'production', 'USD', 'x', '2026-03-01T12:00:00.000Z', '2026-03-01T12:00:00.000Z')`,
        /transaction txn_x is a charge of nothing/,
      ],
    ])('finds %s', async (_what, statement, line) => {
      expect(await wreck(statement)).toEqual(expect.arrayContaining([expect.stringMatching(line)]))
    })

    it('finds nothing in books that are right', async () => {
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

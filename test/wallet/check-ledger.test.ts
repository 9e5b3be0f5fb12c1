import type { Knex } from 'knex'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkLedger } from '../../core/src/wallet/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { callerAt, openDirectWallet, type DirectWallet } from './direct.ts'
import { openWorld, type World } from './world.ts'

const one = 1_000_000n
const time = '2026-03-01T12:00:00.000Z'
const readOnly = [
  'stoa_ledger_transactions',
  'stoa_ledger_entries',
  'stoa_grant_moves',
  'stoa_prices',
  'stoa_charges',
  'stoa_subscription_items',
  'stoa_adjustments',
]

/** Ids of what is in the books, for statements that wreck them. */
type Ids = Record<
  'wallet' | 'charge' | 'transaction' | 'part' | 'grant' | 'topUp' | 'application' | 'free' | 'hold' | 'heldGrant',
  string
>

eachDatabase((database) => {
  let world: World
  let direct: DirectWallet
  let ids: Ids

  beforeAll(async () => {
    world = await openWorld(database)
    direct = await openDirectWallet(world, {}, { now: () => new Date(world.now()) })
    const { books } = direct
    const { locationId } = world
    const place = { organizationId: world.merchant.organizationId, locationId }
    await world.fund(locationId, 100)
    await world.fund(locationId, 1, 'sandbox')
    const grant = await books.grant(place, 3n * one)
    const ended = await books.grant(place, one, { priority: 1 })
    await books.expire(ended)
    const voided = await world.charge({ units: 2 })
    await world.void(voided.body.chargeId)
    const charge = await world.charge({ meterId: world.dynamic, units: 3, price: 1.333333 })
    const free = await world.charge({ meterId: world.dynamic, units: 0.000001, price: 0.01 })
    const caller = await callerAt(world, locationId)
    await books.refund(caller, charge.body.chargeId, { refundId: 'part', amount: 1_111_111n })
    const elsewhere = await world.location()
    const token = await world.install(world.appId, elsewhere)
    const heldGrant = await books.grant({ ...place, locationId: elsewhere }, one)
    const capped = await world.request('PUT', `${world.place(elsewhere)}/application-instances/${world.appId}/caps`, {
      token: world.merchant.token,
      body: { period: 'day', amount: 5 },
    })
    expect(capped.status).toBe(201)
    const limited = { name: 'Few', unit: 'x', priceType: 'fixed', price: 0.1, cycleLimit: 10 }
    const meterId = await world.meter(world.appId, limited)
    expect((await world.charge({ locationId: elsewhere, meterId, units: 3 }, token)).status).toBe(201)
    const hold = await world.hold({ locationId: elsewhere }, token)
    const row = await world.db('stoa_charges').where({ id: charge.body.chargeId, seq: 0 }).first()
    const part = await world.db('stoa_charges').where({ id: charge.body.chargeId, seq: 1 }).first()
    const freeRow = await world.db('stoa_charges').where({ id: free.body.chargeId }).first()
    ids = {
      wallet: row.account_id,
      charge: row.id,
      transaction: row.transaction_id,
      part: part.transaction_id,
      grant: grant.id,
      topUp: (await world.db('stoa_top_ups').where({ environment: 'production' }).first()).id,
      application: world.appId,
      free: freeRow.transaction_id,
      hold: hold.body.holdId,
      heldGrant: heldGrant.id,
    }
  })
  afterAll(async () => {
    await direct?.close()
    await world?.close()
  })

  /** Wrecks the books in a transaction that is rolled back, past the triggers, and returns what is found off. */
  async function wreck(statements: string[]): Promise<string[]> {
    let found: string[] = []
    const undo = new Error('undo')
    await world.db
      .transaction(async (trx) => {
        await allowChanges(trx)
        for (const statement of statements) await trx.raw(statement)
        found = await checkLedger(trx, world.dialect, { eventsSince: world.inSeconds(-86_400) })
        throw undo
      })
      .catch((error: unknown) => {
        if (error !== undo) throw error
      })
    return found
  }

  async function allowChanges(trx: Knex.Transaction): Promise<void> {
    for (const table of readOnly) {
      if (database.kind === 'postgres') await trx.raw(`alter table ${table} disable trigger user`)
      else for (const action of ['update', 'delete']) await trx.raw(`drop trigger ${table}_no_${action}`)
    }
  }

  /** A row that is there, once more, with other values. */
  const copy = async (table: string, where: object, changed: object): Promise<string> => {
    const row = { ...(await world.db(table).where(where).first()), ...changed } as Record<string, unknown>
    const plain = Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? String(value) : value])
    return world.db(table).insert(Object.fromEntries(plain)).toQuery()
  }
  const entry = (values: string) =>
    `insert into stoa_ledger_entries (transaction_id, seq, account_id, amount, balance_after, account_version, hash, booked_time) values (${values}, '${time}')`
  const account = (kind: string, environment = 'production') =>
    `(select id from stoa_ledger_accounts where kind = '${kind}' and environment = '${environment}')`
  const ofCharge = () => `id = '${ids.charge}' and seq = 0`

  it('finds nothing in books that are right', async () => {
    expect(await world.checkLedger()).toEqual([])
    expect(await wreck([])).toEqual([])
  })

  describe('finds', () => {
    it.each<[string, () => string[] | Promise<string[]>, RegExp]>([
      // Balances and chains.
      [
        'a balance that is not its entries’',
        () => [`update stoa_ledger_accounts set balance = balance + 1 where id = '${ids.wallet}'`],
        /wallet .* says 100111113 at version \d, its entries say 100111112 at \d/,
      ],
      [
        'a version that is not its entries’',
        () => [`update stoa_ledger_accounts set version = 77 where id = '${ids.wallet}'`],
        /wallet .* at version 77, its entries say/,
      ],
      [
        'a wallet below its limit',
        () => [`update stoa_ledger_accounts set min_balance = 200000000 where id = '${ids.wallet}'`],
        /wallet .* is below its limit/,
      ],
      [
        'an account that says something without an entry',
        async () => [
          await copy(
            'stoa_ledger_accounts',
            { id: ids.wallet },
            { id: 'acc_none', owner_id: 'nobody', held: 0, granted: 0 },
          ),
        ],
        /wallet acc_none says .* and has no entries/,
      ],
      [
        'a head that is not the last hash',
        () => [`update stoa_ledger_accounts set head = 'x' where id = '${ids.wallet}'`],
        /has another head than its last entry/,
      ],
      [
        'a chain with a gap',
        () => [entry(`'${ids.transaction}', 9, '${ids.wallet}', 5, 7, 99, 'x'`)],
        /breaks its chain at version 99/,
      ],
      [
        'an entry cut out of a chain',
        () => [
          `delete from stoa_ledger_entries where transaction_id = '${ids.transaction}' and account_version is not null`,
        ],
        /breaks its chain/,
      ],
      // What hashes stand for.
      [
        'a description that was changed',
        () => [`update stoa_ledger_transactions set description = 'x' where id = '${ids.transaction}'`],
        /is not what its hash stands for/,
      ],
      [
        'an actor that was changed',
        () => [`update stoa_ledger_transactions set actor = 'user:x' where kind = 'top-up'`],
        /is not what its hash stands for/,
      ],
      [
        'a time that was changed',
        () => [`update stoa_ledger_transactions set booked_time = '${world.inSeconds(5)}' where id = '${ids.part}'`],
        /is not what its hash stands for/,
      ],
      [
        'an account of an unchained leg that was changed',
        () => [
          `update stoa_ledger_entries set account_id = ${account('promotion')} where transaction_id = '${ids.transaction}' and account_version is null`,
        ],
        /is not what its hash stands for/,
      ],
      // Transactions.
      [
        'a transaction with a leg too many',
        () => [entry(`'${ids.transaction}', 9, ${account('promotion')}, 5, null, null, null`)],
        /transaction .* sums to 5/,
      ],
      [
        'entries of a currency that do not sum to nothing',
        () => [entry(`'${ids.transaction}', 9, ${account('promotion')}, 5, null, null, null`)],
        /all entries in USD in production sum to 5/,
      ],
      [
        'an entry of no transaction',
        () => [entry(`'txn_none', 0, '${ids.wallet}', 5, 5, 99, 'x'`)],
        /belongs to no transaction/,
      ],
      [
        'an entry on no account',
        () => [entry(`'${ids.transaction}', 9, 'acc_none', 5, null, null, null`)],
        /is on no account/,
      ],
      [
        'an entry of nothing',
        () => [entry(`'${ids.transaction}', 9, ${account('promotion')}, 0, null, null, null`)],
        /moves nothing/,
      ],
      [
        'an entry in the other environment',
        () => [entry(`'${ids.transaction}', 9, ${account('topup_clearing', 'sandbox')}, 5, null, null, null`)],
        /mixes environments/,
      ],
      [
        'an entry without its place in a chain',
        () => [entry(`'${ids.transaction}', 9, '${ids.wallet}', 5, null, null, null`)],
        /has a place in a chain and its account none, or the reverse/,
      ],
      [
        'a transaction on no chain',
        async () => [
          await copy('stoa_ledger_transactions', { id: ids.transaction }, { id: 'txn_x' }),
          entry(`'txn_x', 0, ${account('promotion')}, 5, null, null, null`),
          entry(`'txn_x', 1, ${account('promotion')}, -5, null, null, null`),
        ],
        /transaction txn_x is on no chain/,
      ],
      [
        'money that another organization’s margin gets',
        async () => [
          await copy(
            'stoa_ledger_accounts',
            { kind: 'promotion', environment: 'production' },
            { id: 'acc_margin', kind: 'margin', organization_id: 'org_other', owner_id: 'org_other' },
          ),
          entry(`'${ids.transaction}', 9, 'acc_margin', 5, null, null, null`),
        ],
        /moves money between organizations/,
      ],
      [
        'money that another application gets',
        () => [`update stoa_ledger_accounts set owner_id = 'app_other' where kind = 'app_payable'`],
        /pays another application/,
      ],
      [
        'a transaction that reverses nothing',
        () => [`update stoa_ledger_transactions set reverses_id = 'txn_none' where id = '${ids.part}'`],
        /reverses what does not exist/,
      ],
      [
        'a charge transaction of nothing',
        async () => [
          await copy('stoa_ledger_transactions', { id: ids.transaction }, { id: 'txn_x', reference_id: 'chg_none' }),
        ],
        /transaction txn_x is a charge of nothing/,
      ],
      ...(
        [
          'refund',
          'top-up',
          'grant',
          'grant-expiry',
          'subscription',
          'payout',
          'payout-reversal',
          'adjustment',
        ] as const
      ).map((kind): [string, () => Promise<string[]>, RegExp] => [
        `a ${kind} of nothing`,
        async () => [
          await copy('stoa_ledger_transactions', { id: ids.transaction }, { id: 'txn_x', kind, reference_id: 'none' }),
        ],
        new RegExp(`transaction txn_x is a ${kind} of nothing`),
      ]),
      // Charges.
      [
        'a charge that was never booked',
        async () => [
          await copy(
            'stoa_charges',
            { id: ids.charge, seq: 0 },
            { id: 'chg_none', event_id: 'none', transaction_id: 'txn_none' },
          ),
        ],
        /charge chg_none\/0 has no transaction/,
      ],
      [
        'a charge that is not units × price',
        () => [`update stoa_charges set units = units + 1 where ${ofCharge()}`],
        /charge .* is 3.999999, not 4/,
      ],
      [
        'a charge with a fee above its price',
        () => [`update stoa_charges set fee_amount = 9000000 where ${ofCharge()}`],
        /has a fee of 9/,
      ],
      [
        'a charge with a margin that nobody set',
        () => [`update stoa_charges set amount = amount + 1 where ${ofCharge()}`],
        /was resold at 4, not 3.999999/,
      ],
      [
        'a charge that was resold by no rule',
        () => [`update stoa_charges set rebilling_id = 'rbl_none' where ${ofCharge()}`],
        /by no rule/,
      ],
      [
        'a charge whose parts are not its legs',
        () => [`update stoa_charges set fee_amount = 1 where ${ofCharge()}`],
        /charge .*\/0 says 3.999999, and txn_.* has other legs/,
      ],
      [
        'a charge of another’s transaction',
        () => [`update stoa_charges set transaction_id = '${ids.free}' where ${ofCharge()}`],
        /has other legs/,
      ],
      [
        'charges of a batch that are not its legs',
        async () => [
          `update stoa_ledger_transactions set reference_id = 'batch' where id = '${ids.transaction}'`,
          await copy('stoa_charges', { id: ids.charge, seq: 0 }, { id: 'chg_more', event_id: 'more' }),
        ],
        /charges of txn_.* say -7999998, the ledger says -3999999/,
      ],
      [
        'a charge of a batch whose parts are not its legs',
        () => [
          `update stoa_ledger_transactions set reference_id = 'batch' where id = '${ids.transaction}'`,
          `update stoa_charges set fee_amount = 1 where ${ofCharge()}`,
        ],
        /transaction txn_.* has other legs than its charges/,
      ],
      [
        'entries of a charge that cost nothing',
        () => [entry(`'${ids.free}', 0, ${account('promotion')}, 5, null, null, null`)],
        /of charges that cost nothing has entries/,
      ],
      [
        'an event that was charged twice',
        async () => [
          'drop index stoa_charges_event',
          await copy('stoa_charges', { id: ids.charge, seq: 0 }, { id: 'chg_twice' }),
        ],
        /was charged 2 times/,
      ],
      [
        'a charge that another organization’s wallet paid',
        () => [`update stoa_ledger_accounts set owner_id = 'loc_other' where id = '${ids.wallet}'`],
        /was paid by another’s wallet/,
      ],
      // Refunds.
      [
        'more given back than was charged',
        () => [
          `update stoa_charges set amount = 5000000, base_amount = 5000000 where id = '${ids.charge}' and seq = 1`,
        ],
        /gives back more than was charged/,
      ],
      [
        'more units given back than were charged',
        () => [`update stoa_charges set units = 3000001 where id = '${ids.charge}' and seq = 1`],
        /gives back more than was charged/,
      ],
      [
        'a refund that is not each part’s share',
        () => [`update stoa_charges set base_amount = base_amount - 1 where id = '${ids.charge}' and seq = 1`],
        /does not give back each part in its proportion/,
      ],
      [
        'a refund that is missing',
        () => [`update stoa_charges set seq = 2 where id = '${ids.charge}' and seq = 1`],
        /is number 1 of its charge/,
      ],
      ['a refund of no charge', () => [`delete from stoa_charges where ${ofCharge()}`], /refund of .* is of no charge/],
      // Grants and holds.
      [
        'a grant that is not what its moves say',
        () => [`update stoa_grants set remaining = remaining - 1 where id = '${ids.grant}'`],
        /grant .* left, its moves say/,
      ],
      [
        'grants that are not what their wallet says',
        () => [`update stoa_ledger_accounts set granted = granted + 1 where id = '${ids.wallet}'`],
        /wallet .* granted, its grants say/,
      ],
      [
        'a grant that holds more than is left',
        () => [`update stoa_grants set held = amount + 1 where id = '${ids.grant}'`],
        /passes its limits/,
      ],
      [
        'a grant above its amount',
        () => [`update stoa_grants set amount = 1 where id = '${ids.grant}'`],
        /passes its limits/,
      ],
      [
        'a grant that was never booked',
        () => [`update stoa_grants set amount = amount + 1 where id = '${ids.grant}'`],
        /grant .* says 3000001, the ledger says 3000000/,
      ],
      ['a move of no grant', () => [`update stoa_grant_moves set grant_id = 'none'`], /is of no grant/],
      [
        'a move that its wallet did not make',
        () => [`update stoa_grant_moves set amount = amount * 1000`],
        /moves grants by -?\d+ and their wallet by/,
      ],
      [
        'a refund that gives more to a grant than was taken',
        () => [`update stoa_grant_moves set amount = -1 where reference_id <> grant_id and amount < 0`],
        /more back to grant .* than it took/,
      ],
      [
        'a wallet that holds what no hold reserves',
        () => [`update stoa_ledger_accounts set held = 7 where id = '${ids.wallet}'`],
        /says 7 held, its holds say 0/,
      ],
      [
        'grants that hold more than their wallet',
        () => [`update stoa_grants set held = 1 where id = '${ids.grant}'`],
        /holds 0, of its grants 1/,
      ],
      [
        'a hold that was captured of by no charge',
        () => [
          `insert into stoa_holds (id, account_id, application_id, installation_id, publisher_id, organization_id, location_id, environment, meter_id, event_id, fingerprint, description, currency, amount, captured, status, slices, expires_time, created_time)
           values ('hld_x', 'x', 'a', 'i', 'p', 'o', 'l', 'production', 'm', 'e', 'f', 'd', 'USD', 5, 3, 'captured', '[]', '${time}', '${time}')`,
        ],
        /hold hld_x of 5 says 3 captured, its charges say 0/,
      ],
      [
        'a grant that holds what no hold reserves',
        () => [`update stoa_grants set held = held - 1 where id = '${ids.heldGrant}'`],
        /grant .* says 499999 held, open holds say 500000/,
      ],
      [
        'a hold that reserves more of grants than it has',
        () => [`update stoa_holds set slices = '[["${ids.heldGrant}", "500001"]]' where id = '${ids.hold}'`],
        /reserves 500001 of grants, and in all 500000/,
      ],
      [
        'a hold that reserves of no grant',
        () => [`update stoa_holds set slices = '[["grt_x", "1"]]' where id = '${ids.hold}'`],
        /grant grt_x says 0 held, open holds say 1/,
      ],
      [
        'a cap’s counter that forgot a charge',
        () => [`update stoa_usage_counters set amount = amount - 1, units = 0 where key like 'cap:%'`],
        /counter cap:\S+ of 2026-03-01T00:00:00.000Z says 0 units for 0.299999, its charges say \d units for 0.3/,
      ],
      [
        'a limit’s counter that counts too much',
        () => [`update stoa_usage_counters set units = units + 1 where key like 'usage:%'`],
        /counter usage:\S+ of 2026-03-01T00:00:00.000Z says 3.000001 units for 0.3, its charges say 3 units for 0.3/,
      ],
      [
        'a counter of no period',
        () => [`update stoa_usage_counters set period_start = '2026-03-01T01:00:00.000Z' where key like 'cap:%'`],
        /counter cap:\S+ of 2026-03-01T01:00:00.000Z says/,
      ],
      [
        'a capture of no hold',
        () => [`update stoa_charges set hold_id = 'hld_none' where ${ofCharge()}`],
        /was captured of no hold/,
      ],
      // What was paid in and out.
      [
        'a top-up that is not what was booked',
        () => [`update stoa_top_ups set amount = 5 where id = '${ids.topUp}'`],
        /top-up .* says 5, the ledger says/,
      ],
      [
        'a top-up that failed and was booked',
        () => [`update stoa_top_ups set status = 'failed' where id = '${ids.topUp}'`],
        /is failed and was booked/,
      ],
      [
        'a subscription that was not booked',
        () => [
          `insert into stoa_subscription_items (id, subscription_id, revision, kind, plan_id, application_id, organization_id, environment, currency, amount, base_amount, fee_amount, account_id, transaction_id, period_start, created_time)
           values ('sbi_x', 's', 1, 'period', 'p', 'a', 'o', 'production', 'USD', 5, 5, 0, '${ids.wallet}', 'txn_none', '${time}', '${time}')`,
        ],
        /subscription items of txn_none say 5, the ledger says 0/,
      ],
      [
        'a payout of something else than what was earned',
        () => [
          `insert into stoa_payout_items (transaction_id, seq, payout_id, account_id, amount, booked_time)
           values ('${ids.transaction}', 1, 'pay_x', 'acc_none', 5, '${time}')`,
        ],
        /payout item .* is not what was earned/,
      ],
      [
        'a payout that is not the sum of its items, and one that makes money',
        () => [
          `insert into stoa_payouts (id, run_id, organization_id, environment, currency, earned, carried_in, carried_out, amount, status, created_time)
           values ('pay_x', 'run', 'o', 'production', 'USD', 5, 0, 0, 6, 'paid', '${time}')`,
        ],
        /payout pay_x (says 5 was earned, its items say 0|loses or makes money: 5 and 0 became 6 and 0)/,
      ],
      [
        'an adjustment that was not booked',
        () => [
          `insert into stoa_adjustments (id, reference, account_id, amount, currency, environment, reason, actor, transaction_id, created_time)
           values ('adj_x', 'r', '${ids.wallet}', 5, 'USD', 'production', 'r', 'a', 'txn_none', '${time}')`,
        ],
        /adjustment adj_x says 5, the ledger says 0/,
      ],
      // Events.
      [
        'a charge that was not told',
        () => [`delete from stoa_events where type = 'charge.created'`],
        /charge chg_.* was not told: there is no charge.created evt_/,
      ],
      [
        'a refund that was not told',
        () => [`delete from stoa_events where type = 'charge.refunded'`],
        /refund chg_.*\/1 was not told/,
      ],
      [
        'a charge that was told as something else',
        () => [`update stoa_events set type = 'wallet.depleted' where type = 'charge.created'`],
        /was not told/,
      ],
      [
        'an event of no charge',
        async () => [await copy('stoa_events', { type: 'charge.created' }, { id: 'evt_none' })],
        /event evt_none is a charge.created of nothing/,
      ],
      [
        'an event of no refund',
        async () => [await copy('stoa_events', { type: 'charge.refunded' }, { id: 'evt_none' })],
        /event evt_none is a charge.refunded of nothing/,
      ],
    ])('%s', async (_what, statements, line) => {
      expect(await wreck(await statements())).toEqual(expect.arrayContaining([expect.stringMatching(line)]))
    })
  })

  it('does not miss events that are older than what is kept, nor take examples for events', async () => {
    let found: string[] = ['nothing']
    const undo = new Error('undo')
    await world.db
      .transaction(async (trx) => {
        await trx('stoa_deliveries').delete()
        await trx('stoa_events').where({ type: 'charge.created' }).update({ test: true })
        found = await checkLedger(trx, world.dialect, { eventsSince: world.inSeconds(1) })
        throw undo
      })
      .catch((error: unknown) => expect(error).toBe(undo))
    expect(found).toEqual([])
  })

  it('tells a thousand things that are off, and counts the rest', async () => {
    const rows = Array.from({ length: 1500 }, (_, n) => `('txn_${n}', 0, 'acc_none', 5, null, null, null, '${time}')`)
    const lines = await wreck([
      `insert into stoa_ledger_entries (transaction_id, seq, account_id, amount, balance_after, account_version, hash, booked_time) values ${rows.join(', ')}`,
    ])
    expect(lines.filter((line) => line.endsWith('is on no account'))).toHaveLength(1000)
    expect(lines).toContainEqual(expect.stringMatching(/^and \d+ more of the entries on nothing$/))
  })

  it('tells each batch that is off once, however many there are', async () => {
    const many = Array.from({ length: 1100 }, (_, n) => n)
    const charge = { id: 'chg_x0', event_id: 'x0', transaction_id: 'txn_x0' }
    const ofBatch = [
      await copy('stoa_charges', { id: ids.charge, seq: 0 }, charge),
      await copy('stoa_ledger_transactions', { id: ids.transaction }, { id: 'txn_x0', reference_id: 'cbt_x' }),
    ]
    const lines = await wreck(
      ofBatch.flatMap((statement) =>
        many.map((n) => statement.replaceAll(/'(chg_|txn_|)x0'/g, (_, prefix: string) => `'${prefix}x${n}'`)),
      ),
    )
    const told = lines.filter((line) => /^transaction txn_x\d+ has other legs than its charges$/.test(line))
    expect([told.length, new Set(told).size]).toEqual([1000, 1000])
    expect(lines).toContain('and 100 more of the charges')
  })

  it('looks at one moment while others go on charging', async () => {
    const moments: string[][] = []
    let isCharging = true
    const charging = (async () => {
      while (isCharging) await Promise.all(Array.from({ length: 8 }, () => world.charge({ units: 0.01 })))
    })()
    for (let n = 0; n < 5; n++) moments.push(await world.checkLedger())
    isCharging = false
    await charging
    expect(moments).toEqual([[], [], [], [], []])
  })
})

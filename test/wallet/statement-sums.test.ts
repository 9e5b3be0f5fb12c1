import type { Knex } from 'knex'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  accountId,
  accountStatement,
  balanceAt,
  checkLedger,
  monthAt,
  readAtOnce,
} from '../../core/src/wallet/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openDirectWallet, type DirectWallet } from './direct.ts'
import { openWorld, type World } from './world.ts'

// Each test has an application of its own.
eachDatabase((database) => {
  let world: World
  let direct: DirectWallet
  beforeAll(async () => {
    world = await openWorld(database)
    direct = await openDirectWallet(world, {}, world.clock)
    await world.fund(world.locationId, 1000)
  })
  afterAll(async () => {
    await direct?.close()
    await world?.close()
  })

  async function begin() {
    const applicationId = await world.application()
    const meterId = await world.meter(applicationId, { name: 'One', unit: 'one', priceType: 'fixed', price: '0.5' })
    const token = await world.install(applicationId, world.locationId)
    const at = { environment: 'production' as const, currency: 'USD' }
    const id = accountId({ kind: 'app_payable', ownerType: 'application', ownerId: applicationId, ...at })
    const charge = async () => {
      const answer = await world.charge({ appId: applicationId, meterId }, token)
      if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
      return answer.body.chargeId as string
    }
    const statement = async (query: string) =>
      (await world.get(`/developers/applications/${applicationId}/statement?${query}`, world.publisher.token)).body
    return { applicationId, token, charge, statement, account: { id, applicationId, ...at } }
  }
  const month = () => world.now().slice(0, 7)
  const goTo = (time: string) => world.advance((Date.parse(time) - Date.parse(world.now())) / 1000)
  const goToNextMonth = () => goTo(monthAt(world.now()).to)

  it('the balance of a month is where the next one begins, also when nothing happened, and is what is owed', async () => {
    const { applicationId, token, charge, statement } = await begin()
    const months: string[] = []
    const fresh: string[] = []
    for (const [index, charges] of [2, 0, 3, 1].entries()) {
      goToNextMonth()
      months.push(month())
      for (let left = charges; left > 0; left--) await charge()
      if (index === 2) await world.void(await charge(), token)
      goTo(new Date(Date.parse(monthAt(world.now()).to) - 1000).toISOString())
      // Of the month that is not over.
      fresh.push(JSON.stringify({ ...(await statement(`month=${month()}`)), closed: true }))
    }
    world.advance(2 * 3600)
    const closed = []
    for (const each of months) closed.push(await statement(`month=${each}`))
    expect(closed.map((each) => JSON.stringify(each))).toEqual(fresh)
    expect(closed.map(({ openingBalance, closingBalance }) => [openingBalance, closingBalance])).toEqual([
      ['0', '1'],
      ['1', '1'],
      ['1', '2.5'],
      ['2.5', '3'],
    ])
    expect(closed[2]).toMatchObject({
      totals: [
        { kind: 'charge', count: 4, amount: '2' },
        { kind: 'refund', count: 1, amount: '-0.5' },
      ],
      meters: [
        { kind: 'charge', count: 4, earned: '2' },
        { kind: 'refund', count: 1, earned: '-0.5' },
      ],
    })
    // A range that is no month, across the end of one.
    const [from, to] = [`${months[2]}-20`, `${months[3]}-10`]
    expect(await statement(`from=${from}&to=${to}`)).toMatchObject({ openingBalance: '2.5', closingBalance: '3' })
    const { parts } = (await world.get('/earnings', world.publisher.token)).body
    expect(parts).toContainEqual(expect.objectContaining({ applicationId, due: 3, earned: 3, carried: 0 }))
    expect(await world.checkLedger()).toEqual([])
  })

  it('what is summed is of a month, or of 31 days at most', async () => {
    const { applicationId, statement } = await begin()
    const long = 'from=2026-03-01&to=2026-04-02'
    expect(await statement('from=2026-03-01&to=2026-04-01')).toMatchObject({ totals: [] })
    for (const [path, token] of [
      [`/developers/applications/${applicationId}/statement?${long}`, world.publisher.token],
      [`/earnings/statement?${long}`, world.merchant.token],
    ] as const) {
      expect(await world.get(path, token)).toMatchObject({ status: 422, body: { invalidFields: [{ field: 'to' }] } })
    }
  })

  it('the check of the ledger finds a month that is not what was booked in it', async () => {
    const { account, charge, statement } = await begin()
    await charge()
    const { from, to } = monthAt(world.now())
    goTo(to)
    world.advance(2 * 3600)
    await statement(`month=${from.slice(0, 7)}`)
    expect(await world.checkLedger()).toEqual([])
    const trx = await world.db.transaction()
    try {
      const next = { account_id: account.id, start_time: to, end_time: monthAt(to).to, balance: 500_001 }
      await trx('stoa_account_months').insert(next)
      expect(await checkLedger(trx, world.dialect)).toEqual([
        expect.stringContaining(`of account ${account.id} says 1 came, its entries say 0 and its parts 0`),
      ])
    } finally {
      await trx.rollback()
    }
    await expect(world.db('stoa_account_months').delete()).rejects.toThrow(/append-only/)
  })

  // At the end: what it makes belongs to no wallet, which the check of the ledger would find.
  it('a busy month is read page by page, and never again when it is over', async () => {
    const { account, charge } = await begin()
    goToNextMonth()
    const chargeId = await charge()
    const busy = monthAt(world.now())
    const [{ transaction_id: made }] = await world.db('stoa_charges').where({ id: chargeId })
    const many = readAtOnce + 100
    await copy(many, 'stoa_ledger_transactions', { id: made }, { id: 'txn_many' })
    await copy(
      many,
      'stoa_ledger_entries',
      { transaction_id: made, account_id: account.id },
      { transaction_id: 'txn_many' },
    )
    await copy(many, 'stoa_charges', { id: chargeId }, { id: 'chg_many', event_id: 'many', transaction_id: 'txn_many' })

    const look = () => accountStatement(direct.ctx, direct.db, account, busy)
    const open = await readsOf(look)
    expect(open.result).toMatchObject({
      totals: [{ kind: 'charge', count: many + 1, amount: BigInt(many + 1) * 500_000n }],
      meters: [{ count: many + 1, amount: BigInt(many + 1) * 500_000n }],
    })
    // Entries, and then charges.
    expect(open.reads.filter((rows) => rows > 1)).toEqual([readAtOnce, 101, readAtOnce, 101])
    expect(open.turns).toBeGreaterThan(2)

    goToNextMonth()
    world.advance(2 * 3600)
    const closing = await readsOf(look)
    expect(closing.result).toEqual(open.result)
    expect(closing.reads.filter((rows) => rows > 1)).toEqual([readAtOnce, 101, readAtOnce, 101])
    const closed = await readsOf(look)
    expect(closed.result).toEqual(open.result)
    expect(closed.reads.filter((rows) => rows > 1)).toEqual([])
    const owed = await readsOf(() => balanceAt(direct.ctx, direct.db, account, '9999-12-31T00:00:00.000Z'))
    expect(owed.result).toBe(BigInt(many + 1) * 500_000n)
    expect(owed.reads.filter((rows) => rows > 1)).toEqual([])
  })

  /** How many rows each query of entries and of charges read, and how many turns others had meanwhile. */
  async function readsOf<Result>(work: () => Promise<Result>) {
    const reads: number[] = []
    const listen = (rows: unknown, query: { sql: string }) => {
      if (!/stoa_ledger_entries|stoa_charges/.test(query.sql) || /exists/.test(query.sql)) return
      reads.push(Array.isArray(rows) ? rows.length : ((rows as { rows?: unknown[] })?.rows?.length ?? 0))
    }
    let turns = 0
    let isOver = false
    const count = () => {
      turns++
      if (!isOver) setImmediate(count)
    }
    direct.db.on('query-response', listen)
    setImmediate(count)
    try {
      return { result: await work(), reads, turns }
    } finally {
      isOver = true
      direct.db.removeListener('query-response', listen)
    }
  }

  /** Many copies of a row, with other ids that count up. */
  async function copy(times: number, table: string, where: object, ids: Record<string, string>): Promise<void> {
    const db: Knex = world.db
    const columns = Object.keys(await db(table).where(where).first())
    const values = columns.map((name) => (name in ids ? `'${ids[name]}' || number.value` : `original.${name}`))
    const conditions = Object.entries(where).map(([name, value]) => `original.${name} = '${value}'`)
    await db.raw(`insert into ${table} (${columns.join(', ')})
      with recursive number(value) as (select 1 union all select value + 1 from number where value < ${times})
      select ${values.join(', ')} from ${table} original cross join number where ${conditions.join(' and ')}`)
  }
})

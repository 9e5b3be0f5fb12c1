import { afterAll, beforeAll, expect, it } from 'vitest'
import fc from 'fast-check'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

type Step =
  | { kind: 'charge'; units: bigint; location: number }
  | { kind: 'void'; pick: number }
  | { kind: 'fee'; feeBps: number }
  | { kind: 'markup'; location: number; markupBps: number | null }
  | { kind: 'run'; minimum: bigint; together: number }
  | { kind: 'settle'; pick: number; how: 'paid' | 'failed' }
  | { kind: 'wait'; seconds: number }

const location = fc.integer({ min: 0, max: 1 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('charge' as const),
      units: fc.bigInt({ min: 1n, max: 3_000_000n }),
      location,
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('void' as const), pick: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('fee' as const), feeBps: fc.integer({ min: 0, max: 10_000 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('markup' as const),
      location,
      markupBps: fc.option(fc.integer({ min: 0, max: 20_000 })),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('run' as const),
      minimum: fc.constantFrom(0n, 0n, 500_000n),
      together: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('settle' as const),
      pick: fc.nat(),
      how: fc.constantFrom('paid' as const, 'failed' as const),
    }),
  },
  {
    weight: 2,
    // Beyond a day: what marks say is paid is passed over.
    arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.constantFrom(1, 61, 100_000, 300_000) }),
  },
)

eachDatabase((database) => {
  let world: World
  const locations: { locationId: string; token: string }[] = []
  beforeAll(async () => {
    world = await openWorld(database)
    await world.request('POST', '/platform/top-ups', {
      token: world.operator.token,
      body: { organizationId: world.merchant.organizationId, amount: 100_000, reference: 'organization' },
    })
    for (let index = 0; index < 2; index++) {
      const locationId = await world.location()
      locations.push({ locationId, token: await world.install(world.appId, locationId) })
      await world.fund(locationId, 100_000)
    }
  }, 60_000)
  afterAll(() => world?.close())

  const operator = (method: string, path: string, body?: object) =>
    world.request(method, path, { token: world.operator.token, ...(body && { body }) })
  const charges: { id: string; token: string }[] = []

  async function take(each: Step): Promise<number> {
    switch (each.kind) {
      case 'charge': {
        const { locationId, token } = locations[each.location]!
        const units = Number(each.units) / 1_000_000
        const answer = await world.charge({ locationId, units }, token)
        if (answer.status === 201) charges.push({ id: answer.body.chargeId, token })
        return answer.status
      }
      case 'void': {
        const charge = charges[each.pick % (charges.length || 1)]
        if (!charge) return 200
        // A clock that has gone far ahead closes the window.
        const { status, body } = await world.void(charge.id, charge.token)
        return body.code === 'void_window_closed' ? 200 : status
      }
      case 'fee':
        return (await operator('PUT', `/platform/applications/${world.appId}/fee`, { feeBps: each.feeBps })).status
      case 'markup': {
        const path = `/rebilling/${locations[each.location]!.locationId}/${world.appId}/all`
        const body = each.markupBps === null ? { enabled: false } : { enabled: true, markupBps: each.markupBps }
        return (await world.request('PUT', path, { token: world.merchant.token, body })).status
      }
      case 'run': {
        const body = { minimum: Number(each.minimum) / 1_000_000 }
        const runs = Array.from({ length: each.together }, () => world.payOut(body))
        return Math.max(...(await Promise.all(runs)).map(({ status }) => status))
      }
      case 'settle': {
        const { body } = await operator('GET', '/platform/payouts?status=created')
        const payout = body[each.pick % (body.length || 1)]
        if (!payout) return 200
        const how = each.how === 'paid' ? { reference: 'x' } : { reason: 'x' }
        return (await operator('POST', `/platform/payouts/${payout.id}/${each.how}`, how)).status
      }
      case 'wait':
        world.advance(each.seconds)
        return 200
    }
  }

  it('whatever is charged, given back, marked up, paid out and failed: nothing is paid twice, and nothing is lost', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        for (const each of steps) expect([each, (await take(each)) < 300]).toEqual([each, true])
        await assertBooks()
      }),
      { numRuns: 12 },
    )
    // In the end everything that has settled is paid but for what is less than a cent.
    world.advance(120)
    await world.payOut()
    await assertBooks()
    for (const { token } of [world.publisher, world.merchant]) {
      const { body } = await world.get('/earnings', token)
      expect([body.payable, body.due < 0.01]).toEqual([0, true])
    }
  }, 240_000)

  async function assertBooks(): Promise<void> {
    expect(await world.checkLedger()).toEqual([])
    const rows = async (sql: string) => {
      const result = await world.db.raw(sql)
      return (Array.isArray(result) ? result : result.rows) as Record<string, unknown>[]
    }
    const number = (value: unknown) => BigInt((value ?? 0) as string)

    // What was paid for a charge is the author's, the platform's and the reseller's, leg by leg.
    const shares = await rows(`
      select charge.id from stoa_charges charge
      join stoa_ledger_entries entry on entry.transaction_id = charge.transaction_id
      join stoa_ledger_accounts account on account.id = entry.account_id
      group by charge.id, charge.seq, charge.amount, charge.base_amount, charge.fee_amount
      having abs(sum(case when account.kind = 'app_payable' then entry.amount else 0 end)) <> charge.base_amount - charge.fee_amount
        or abs(sum(case when account.kind = 'platform_fee' then entry.amount else 0 end)) <> charge.fee_amount
        or abs(sum(case when account.kind = 'margin' then entry.amount else 0 end)) <> charge.amount - charge.base_amount`)
    expect(shares).toEqual([])

    // The items of a payout are what it says, and what payouts booked is never one.
    const sums = await rows(`
      select payout.id from stoa_payouts payout left join stoa_payout_items item on item.payout_id = payout.id
      group by payout.id, payout.earned, payout.amount, payout.carried_in, payout.carried_out
      having payout.earned <> coalesce(sum(item.amount), 0) or payout.earned + payout.carried_in <> payout.amount + payout.carried_out`)
    expect(sums).toEqual([])
    const own = await rows(`
      select item.transaction_id from stoa_payout_items item join stoa_ledger_transactions txn on txn.id = item.transaction_id
      where txn.kind in ('payout', 'payout-reversal')`)
    expect(own).toEqual([])

    // Account by account: all its entries are what no payout has yet, and what payouts that did not fail left over.
    const accounts = await rows(`
      select account.id,
        (select sum(amount) from stoa_ledger_entries entry where entry.account_id = account.id) as total,
        (select sum(entry.amount) from stoa_ledger_entries entry
          join stoa_ledger_transactions txn on txn.id = entry.transaction_id
          left join stoa_payout_items item on item.transaction_id = entry.transaction_id and item.seq = entry.seq
          where entry.account_id = account.id and item.payout_id is null and txn.kind not in ('payout', 'payout-reversal')) as unpaid,
        (select sum(part.earned - case when payout.status = 'failed' then 0 else part.amount end)
          from stoa_payout_parts part join stoa_payouts payout on payout.id = part.payout_id
          where part.account_id = account.id) as carried
      from stoa_ledger_accounts account where account.kind in ('app_payable', 'margin')`)
    for (const { id, total, unpaid, carried } of accounts) {
      expect([id, number(total)]).toEqual([id, number(unpaid) + number(carried)])
    }

    // No entry is passed over for good: what no payout has is not older than its account's mark.
    const lost = await rows(`
      select entry.transaction_id from stoa_ledger_entries entry
      join stoa_ledger_transactions txn on txn.id = entry.transaction_id
      join stoa_payout_marks mark on mark.account_id = entry.account_id
      left join stoa_payout_items item on item.transaction_id = entry.transaction_id and item.seq = entry.seq
      where item.payout_id is null and txn.kind not in ('payout', 'payout-reversal') and entry.booked_time < mark.paid_until`)
    expect(lost).toEqual([])

    const [paid] = await rows(`select sum(amount) as amount from stoa_payouts where status <> 'failed'`)
    const [clearing] = await rows(`select balance from stoa_ledger_accounts where kind = 'payout_clearing'`)
    expect(number(clearing?.balance)).toBe(number(paid?.amount))
  }
})

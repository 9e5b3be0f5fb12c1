import { exportLedger, replayLedger } from '@stoa/core'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { microsText } from '../../core/src/kernel/index.ts'
import { eachDatabase } from '../support/databases.ts'
import type { Answer } from '../support/host.ts'
import * as rules from './invariants-model.ts'
import { balanceOf, heldOf, usedOf, type MeterName, type Model, type Wish } from './invariants-model.ts'
import { openWorkers, type Workers } from './workers.ts'
import { openWorld, type World } from './world.ts'

/** Everything in micro-units and seconds; `which` is the how-manieth of those there are. */
type Step =
  | { kind: 'charge'; wish: Wish }
  | { kind: 'batch'; wishes: Wish[]; atomic: boolean }
  | { kind: 'void'; which: number }
  | { kind: 'refund'; which: number; id: number; wanted: rules.Wanted }
  | { kind: 'hold'; wish: Wish; seconds: number }
  | { kind: 'capture'; which: number; wish: Wish; isFinal: boolean; allowExcess: boolean }
  | { kind: 'release'; which: number }
  | { kind: 'top up'; payer: rules.Payer; amount: bigint }
  | { kind: 'adjust'; amount: bigint }
  | {
      kind: 'grant'
      paid: boolean
      amount: bigint
      priority: number
      begins: number
      ends: number | null
      meter: MeterName | null
    }
  | { kind: 'take back'; which: number }
  | { kind: 'price'; fixed: bigint; dailyLimit: bigint | null }
  | { kind: 'tiers'; tiers: rules.Prices['graduated'] }
  | { kind: 'rule'; rule: number | 'organization' }
  | { kind: 'fee'; feeBps: number }
  | { kind: 'cap'; cap: rules.Cap }
  | { kind: 'pay out' }
  | { kind: 'wait'; seconds: number }

const one = 1_000_000n
const day = 86_400
const meters = ['fixed', 'dynamic', 'graduated'] as const
const which = fc.nat(30)
const amount = fc.oneof(fc.constantFrom(1n, one), fc.bigInt({ min: 1n, max: 9n * one }))
const wish: fc.Arbitrary<Wish> = fc
  .record({
    event: fc.nat(40),
    meter: fc.constantFrom(...meters),
    units: fc.oneof(fc.constantFrom(1n, one, 3n * one), fc.bigInt({ min: 1n, max: 8n * one })),
    price: fc.bigInt({ min: 10_000n, max: 2n * one }),
  })
  .map(({ event, meter, units, price }) => ({
    event: String(event),
    meter,
    units,
    price: meter === 'dynamic' ? price : null,
  }))
const tiers = (a: bigint, b: bigint, c: bigint) => [
  { upTo: 3n * one, price: a },
  { upTo: 7_500_000n, price: b },
  { upTo: null, price: c },
]
const of = <Kind extends Step['kind']>(
  kind: Kind,
  weight: number,
  parts: { [Name in keyof Omit<Extract<Step, { kind: Kind }>, 'kind'>]: fc.Arbitrary<unknown> },
) => ({
  weight,
  arbitrary: fc.record({ kind: fc.constant(kind), ...parts }) as fc.Arbitrary<unknown> as fc.Arbitrary<Step>,
})
const step: fc.Arbitrary<Step> = fc.oneof(
  of('charge', 8, { wish }),
  of('batch', 3, { wishes: fc.array(wish, { minLength: 1, maxLength: 6 }), atomic: fc.boolean() }),
  of('void', 3, { which }),
  of('refund', 4, {
    which,
    id: fc.nat(2),
    wanted: fc.oneof(
      fc.record({ amount: fc.bigInt({ min: 1n, max: 2n * one }), units: fc.constant(null) }),
      fc.record({ amount: fc.constant(null), units: fc.bigInt({ min: 1n, max: 2n * one }) }),
    ),
  }),
  of('hold', 5, { wish, seconds: fc.constantFrom(60, 3600, day) }),
  of('capture', 5, { which, wish, isFinal: fc.boolean(), allowExcess: fc.boolean() }),
  of('release', 1, { which }),
  of('top up', 2, { payer: fc.constantFrom('location', 'location', 'organization'), amount }),
  of('adjust', 1, { amount: fc.bigInt({ min: -3n * one, max: 3n * one }).filter((value) => value !== 0n) }),
  of('grant', 6, {
    paid: fc.boolean(),
    // Small, so that many charges are paid by several.
    amount: fc.bigInt({ min: 1n, max: one }),
    priority: fc.nat(2),
    begins: fc.constantFrom(0, 0, 0, 100),
    ends: fc.constantFrom(null, 60, 3600, 2 * day),
    meter: fc.constantFrom(null, null, ...meters),
  }),
  of('take back', 1, { which }),
  of('price', 1, {
    fixed: fc.bigInt({ min: 0n, max: 2n * one }),
    dailyLimit: fc.constantFrom(null, null, 5n * one),
  }),
  of('tiers', 1, { tiers: fc.constantFrom(tiers(one, 500_000n, 1n), tiers(333_333n, 0n, 2n * one)) }),
  of('rule', 2, { rule: fc.constantFrom('organization', 0, 777, 15_000) }),
  of('fee', 1, { feeBps: fc.constantFrom(0, 333, 2000, 10_000) }),
  of('cap', 2, {
    cap: fc.record({
      period: fc.constantFrom('day', 'month'),
      meter: fc.constantFrom(null, ...meters),
      amount: fc.bigInt({ min: 0n, max: 20n * one }),
    }),
  }),
  of('pay out', 1, {}),
  of('wait', 4, { seconds: fc.constantFrom(1, 60, 3600, day, 2 * day, 20 * day, 61 * day) }),
)
const life = fc.record({
  overdraft: fc.constantFrom(0n, 0n, 2_500_000n),
  steps: fc.array(step, { minLength: 10, maxLength: 40, size: 'max' }),
})

/*
 * The invariants of a ledger, by number as the design lists them: after every step balances, holds, grants and caps are what the model
 * counts (4, 5, 6, 8, 10 to 14), at the end of a life the books prove themselves (1 to 3, 15, 16, 17 in part, 18) and each share is where it
 * belongs (9), and in the end the journal alone makes the same ledger (19). That what is acknowledged is durable (7) is for test/faults,
 * payouts (17) have properties of their own; the model computes with big.js (20).
 */
eachDatabase((database) => {
  let world: World
  let workers: Workers
  beforeAll(async () => {
    world = await openWorld(database, {}, { isStarted: false })
    workers = await openWorkers(world)
  })
  afterAll(async () => {
    await workers?.close()
    await world?.close()
  })

  const asOperator = (method: string, path: string, body: object) =>
    world.request(method, path, { token: world.operator.token, body })
  const text = microsText
  const number = (micros: bigint) => Number(microsText(micros))
  const answerOf = ({ status, body }: Answer): rules.Answer => (status < 300 ? status : body.code)
  const ok = (answer: Answer) => expect([answer.status < 300, answer.body]).toEqual([true, answer.body])

  let lives = 0
  async function begin(overdraft: bigint) {
    // What an earlier life left open ends, so that the organization's wallet, which they share, moves with this one alone.
    world.advance(2 * day)
    await workers.run()
    const name = `life-${++lives}`
    const appId = await world.application()
    const locationId = await world.location()
    const token = await world.install(appId, locationId)
    const prices = { fixed: 500_000n, graduated: tiers(one, 500_000n, 1n) }
    const meterIds: Record<MeterName, string> = {
      fixed: await world.meter(appId, { name: 'Fixed', unit: 'x', priceType: 'fixed', price: 0.5 }),
      dynamic: await world.meter(appId, {
        name: 'Dynamic',
        unit: 'x',
        priceType: 'dynamic',
        minPrice: 0.01,
        maxPrice: 2,
      }),
      graduated: await world.meter(appId, {
        name: 'Graduated',
        unit: 'x',
        priceType: 'graduated',
        tiers: wireTiers(prices.graduated),
      }),
    }
    const organizationId = world.merchant.organizationId
    ok(await asOperator('POST', '/platform/top-ups', { organizationId, amount: 5, reference: name }))
    const { id } = (await fundLocation(locationId, 20n * one, `${name}-first`)).body.wallet ?? {}
    const walletId = id ?? (await accountOf('location', locationId)).id
    const change = { overdraft: text(overdraft), reason: 'agreed' }
    if (overdraft > 0n) ok(await asOperator('PUT', `/platform/wallets/${walletId}/overdraft`, change))
    const organization = await accountOf('organization', organizationId)
    const model: Model = {
      now: Date.parse(world.now()),
      wallets: {
        location: { own: 20n * one, held: 0n, overdraft, grants: [] },
        organization: { own: BigInt(organization.balance), held: 0n, overdraft: 0n, grants: [] },
      },
      charges: [],
      holds: [],
      caps: [],
      prices,
      dailyLimit: null,
      rule: null,
      feeBps: 0,
      earned: { author: 0n, platform: await sumOf('platform_fee', 'platform'), margin: await marginOf() },
    }
    return { name, appId, locationId, token, walletId, meterIds, organizationId, model }
  }
  type Life = Awaited<ReturnType<typeof begin>>

  const fundLocation = (locationId: string, micros: bigint, reference: string) =>
    asOperator('POST', '/platform/top-ups', { locationId, amount: text(micros), reference })
  const wireTiers = (all: rules.Prices['graduated']) =>
    all.map(({ upTo, price }) => ({ upTo: upTo === null ? null : text(upTo), price: text(price) }))
  const accountOf = async (ownerType: rules.Payer, ownerId: string) =>
    world.db('stoa_ledger_accounts').where({ kind: 'wallet', owner_type: ownerType, owner_id: ownerId }).first()
  /** What was earned there, whether or not it was paid out since. */
  async function sumOf(kind: string, ownerId: string): Promise<bigint> {
    const entries = await world
      .db('stoa_ledger_entries as entry')
      .join('stoa_ledger_accounts as account', 'account.id', 'entry.account_id')
      .join('stoa_ledger_transactions as txn', 'txn.id', 'entry.transaction_id')
      .where({ 'account.kind': kind, 'account.owner_id': ownerId })
      .whereIn('txn.kind', ['charge', 'refund'])
      .sum({ amount: 'entry.amount' })
    return BigInt(entries[0]!.amount ?? 0)
  }
  const marginOf = () => sumOf('margin', world.merchant.organizationId)

  /** What `which` of a step is one of. */
  function listOf(kind: Step['kind'], { charges, holds, wallets }: Model): unknown[] {
    if (kind === 'void' || kind === 'refund') return charges
    return kind === 'take back' ? wallets.location.grants : holds
  }

  async function take(step: Step, { appId, locationId, token, meterIds, model, ...at }: Life, index: number) {
    const { length } = listOf(step.kind, model)
    const each = 'which' in step ? { ...step, which: step.which % (length || 1) } : step
    const reference = `${at.name}-${index}`
    const body = ({ event, meter, units, price }: Wish) => ({
      ...world.chargeBody({ appId, locationId, meterId: meterIds[meter], eventId: event, units: number(units) }),
      ...(price !== null && { price: number(price) }),
    })
    const reprice = (meter: MeterName, change: object) =>
      world.request('PATCH', `/developers/applications/${appId}/meters/${meterIds[meter]}`, {
        token: world.publisher.token,
        body: change,
      })
    /** The answer has the id that the model cannot know, and for what was charged before the one that it had. */
    const learn = (event: string, chargeId: string, to = model) => {
      const known = to.charges.find((charge) => charge.event === event)!
      known.id ||= chargeId
      expect(chargeId).toBe(known.id)
    }
    switch (each.kind) {
      case 'charge': {
        const answer = await world.charge(body(each.wish), token)
        expect(answerOf(answer)).toBe(rules.charge(model, each.wish))
        if (answer.status < 300) {
          learn(each.wish.event, answer.body.chargeId)
          const known = model.charges.find(({ event }) => event === each.wish.event)!
          expect(answer.body).toMatchObject({
            refunded: known.isRefunded,
            exact: { amountCharged: text(known.amount) },
          })
        }
        return
      }
      case 'batch': {
        const { body: answer, status } = await world.batch(each.wishes.map(body), { atomic: each.atomic }, token)
        // As one does it: tried on a copy, of which nothing stays when one is refused.
        const after = structuredClone(model)
        const expected = each.wishes.map((one) => rules.charge(after, one))
        const refused = expected.findIndex((one) => typeof one === 'string')
        if (each.atomic && refused >= 0) {
          expect(answer).toMatchObject({ code: expected[refused], index: refused })
          return
        }
        expect(status).toBe(200)
        const results = answer.results as { status: number; code?: string; chargeId: string }[]
        expect(results.map((one) => one.code ?? one.status)).toEqual(expected)
        results.forEach((one, place) => one.code ?? learn(each.wishes[place]!.event, one.chargeId, after))
        Object.assign(model, after)
        return
      }
      case 'void': {
        const charge = model.charges[each.which]
        if (!charge) return
        expect(answerOf(await world.void(charge.id, token))).toBe(
          rules.refund(model, each.which, null, { amount: null, units: null }),
        )
        return
      }
      case 'refund': {
        const charge = model.charges[each.which]
        if (!charge) return
        const refundId = `refund-${each.id}`
        const { amount: money, units } = each.wanted
        const body = money === null ? { units: text(units!) } : { amount: text(money) }
        const answer = await world.refund(charge.id, { refundId, ...body }, token)
        expect(answerOf(answer)).toBe(rules.refund(model, each.which, refundId, each.wanted))
        return
      }
      case 'hold': {
        const wish = { ...each.wish, event: reference }
        const answer = await world.hold({ ...body(wish), expiresIn: each.seconds }, token)
        expect(answerOf(answer)).toBe(rules.hold(model, wish, each.seconds))
        if (answer.status === 201) model.holds.at(-1)!.id = answer.body.holdId
        return
      }
      case 'capture': {
        const hold = model.holds[each.which]
        if (!hold) return
        const { isFinal, allowExcess } = each
        const wish = {
          ...each.wish,
          meter: hold.meter,
          price: hold.meter === 'dynamic' ? (each.wish.price ?? 100_000n) : null,
        }
        const answer = await world.capture(hold.id, { ...body(wish), final: isFinal, allowExcess }, token)
        const capture = { hold: model.holds.indexOf(hold), isFinal, allowExcess }
        expect(answerOf(answer)).toBe(rules.charge(model, wish, capture))
        if (answer.status < 300) learn(wish.event, answer.body.chargeId)
        return
      }
      case 'release': {
        const hold = model.holds[each.which]
        if (!hold) return
        expect(answerOf(await world.release(hold.id, token))).toBe(rules.release(model, each.which))
        return
      }
      case 'top up': {
        const owner = each.payer === 'location' ? { locationId } : { organizationId: at.organizationId }
        ok(await asOperator('POST', '/platform/top-ups', { ...owner, amount: text(each.amount), reference }))
        model.wallets[each.payer].own += each.amount
        return
      }
      case 'adjust': {
        const wanted = { walletId: at.walletId, amount: text(each.amount), reason: 'A mistake.', reference }
        expect(answerOf(await asOperator('POST', '/platform/adjustments', wanted))).toBe(
          rules.adjust(model, each.amount),
        )
        return
      }
      case 'grant': {
        const { paid, priority, meter, begins, ends } = each
        const answer = await asOperator('POST', '/platform/grants', {
          locationId,
          reference,
          kind: paid ? 'paid' : 'promotional',
          amount: text(each.amount),
          priority,
          effectiveTime: world.inSeconds(begins),
          expiresTime: ends === null ? null : world.inSeconds(ends + begins),
          ...(meter && { applicationId: appId, meterId: meterIds[meter] }),
        })
        ok(answer)
        const times = {
          begins: model.now + begins * 1000,
          ends: ends === null ? Infinity : model.now + (begins + ends) * 1000,
        }
        const { id } = answer.body
        model.wallets.location.grants.push({ id, paid, priority, meter, remaining: each.amount, held: 0n, ...times })
        return
      }
      case 'take back': {
        const grant = model.wallets.location.grants[each.which]
        if (!grant) return
        const answer = await asOperator('POST', `/platform/grants/${grant.id}/expire`, {})
        expect(answerOf(answer)).toBe(rules.takeBack(model, each.which))
        return
      }
      case 'price': {
        const { fixed, dailyLimit } = each
        ok(await reprice('fixed', { price: text(fixed), dailyLimit: dailyLimit === null ? null : text(dailyLimit) }))
        Object.assign(model, { dailyLimit, prices: { ...model.prices, fixed } })
        return
      }
      case 'tiers':
        ok(await reprice('graduated', { tiers: wireTiers(each.tiers) }))
        model.prices.graduated = each.tiers
        return
      case 'rule': {
        const { rule } = each
        const wanted = rule === 'organization' ? { enabled: false } : { enabled: true, markupBps: rule }
        const path = `/rebilling/${locationId}/${appId}/all`
        ok(await world.request('PUT', path, { token: world.merchant.token, body: wanted }))
        model.rule = rule
        return
      }
      case 'fee':
        ok(await asOperator('PUT', `/platform/applications/${appId}/fee`, { feeBps: each.feeBps }))
        model.feeBps = each.feeBps
        return
      case 'cap': {
        const { period, meter } = each.cap
        const path = `${world.place(locationId)}/application-instances/${appId}/caps`
        const wanted = { period, amount: text(each.cap.amount), ...(meter && { meterId: meterIds[meter] }) }
        ok(await world.request('PUT', path, { token: world.merchant.token, body: wanted }))
        const known = model.caps.find((cap) => cap.period === period && cap.meter === meter)
        if (known) known.amount = each.cap.amount
        else model.caps.push({ ...each.cap })
        return
      }
      case 'pay out':
        ok(await asOperator('POST', '/platform/payout-runs', { environment: 'production' }))
        await workers.run()
        return
      case 'wait':
        world.advance(each.seconds)
        await workers.run()
        rules.wait(model, each.seconds)
    }
  }

  async function compare({ appId, locationId, organizationId, token, model }: Life): Promise<void> {
    const owners = [
      ['location', locationId],
      ['organization', organizationId],
    ] as const
    for (const [payer, ownerId] of owners) {
      const account = await accountOf(payer, ownerId)
      const wallet = model.wallets[payer]
      const [balance, held] = [balanceOf(wallet), heldOf(wallet)]
      const seen = [payer, BigInt(account.balance), BigInt(account.held), BigInt(account.granted)]
      expect(seen).toEqual([payer, balance, held, balance - wallet.own])
      expect(balance - held >= -wallet.overdraft).toBe(true)
      if (payer === 'organization') continue
      const grants = await world.db('stoa_grants').where({ account_id: account.id }).orderBy('id')
      expect(grants.map((row) => [row.id, BigInt(row.remaining), BigInt(row.held)])).toEqual(
        wallet.grants.map((grant) => [grant.id, grant.remaining, grant.held]),
      )
    }
    const wallet = await world.get(`${world.place(locationId)}/wallet`, world.merchant.token)
    expect(wallet.body.exact.available).toBe(text(rules.availableToAll(model)))
    const holds = await world.db('stoa_holds').where({ application_id: appId }).orderBy('id')
    expect(holds.map((row) => [row.id, BigInt(row.amount), BigInt(row.captured), row.status])).toEqual(
      model.holds.map((hold) => [hold.id, hold.amount, hold.captured, hold.status]),
    )
    const caps = await world.get(`/marketplace/app/${appId}/caps`, token)
    expect(caps.body.map((cap: { exact: object }) => cap.exact)).toEqual(
      model.caps.map((cap) => {
        const used = usedOf(model, cap)
        return { amount: text(cap.amount), used: text(used), left: text(used < cap.amount ? cap.amount - used : 0n) }
      }),
    )
  }

  /** What a life leaves: every share where it belongs, and each charge once, whoever asks for it again. */
  async function close({ appId, locationId, token, meterIds, model }: Life): Promise<void> {
    expect({
      author: await sumOf('app_payable', appId),
      platform: await sumOf('platform_fee', 'platform'),
      margin: await marginOf(),
    }).toEqual(model.earned)
    for (const { event, meter, units, price, id, hold } of model.charges.slice(0, 5)) {
      if (hold !== null) continue
      const change = { appId, locationId, meterId: meterIds[meter], eventId: event, units: number(units) }
      const again = await world.charge({ ...change, ...(price !== null && { price: number(price) }) }, token)
      expect([again.status, again.body.chargeId]).toEqual([200, id])
    }
    const events = await world.db('stoa_events').where({ application_id: appId, type: 'charge.created' })
    expect(events).toHaveLength(model.charges.length)
    const stored = await world.db('stoa_charges').where({ application_id: appId })
    const refunds = stored.filter(({ seq }) => Number(seq) > 0)
    const told = await world.db('stoa_events').where({ application_id: appId, type: 'charge.refunded' })
    expect([stored.length - refunds.length, told.length]).toEqual([model.charges.length, refunds.length])
    expect(await world.checkLedger()).toEqual([])
  }

  it('every life goes as the model says, step by step, and leaves books that are right', async () => {
    await fc.assert(
      fc.asyncProperty(life, async ({ overdraft, steps }) => {
        const at = await begin(overdraft)
        for (const [index, each] of steps.entries()) {
          await take(each, at, index)
          await compare(at)
        }
        await close(at)
      }),
      { numRuns: Number(process.env.STOA_LIVES ?? 15) },
    )
  }, 240_000)

  it('the journal of all those lives makes the same ledger in an empty database', async () => {
    const lines: string[] = []
    await exportLedger(world.opened.url, {}, (page) => void lines.push(...page))
    async function* told() {
      yield* lines
    }
    const other = await database.create()
    try {
      const { transactions, differences } = await replayLedger(told(), other.url)
      expect([transactions, differences]).toEqual([await world.count('stoa_ledger_transactions'), []])
      const again: string[] = []
      await exportLedger(other.url, {}, (page) => void again.push(...page))
      expect(again).toEqual(lines)
    } finally {
      await other.drop()
    }
  })
})

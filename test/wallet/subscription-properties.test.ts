import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { microsText, toMicros } from '../../core/src/kernel/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openPlanWorld, type PlanWorld } from './plan-world.ts'

/* What happens to a subscription, beside a model of it in the simplest words. */

const prices = [
  { price: '30', months: 1 },
  { price: '70.000001', months: 1 },
  { price: '300.123457', months: 12 },
  { price: '0', months: 1 },
].map(({ price, months }) => ({ price: toMicros(price)!, months }))
const free = 3

const plan = fc.nat({ max: prices.length - 1 })
const step = fc.oneof(
  // Hours and a part of a second, so that shares are no round figures.
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('advance' as const),
      hours: fc.nat({ max: 1200 }),
      milliseconds: fc.nat({ max: 999 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('change' as const), plan }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('fund' as const), amount: fc.integer({ min: 1, max: 120 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('enable' as const) }) },
)
const life = fc.record({
  plan,
  funds: fc.integer({ min: 0, max: 400 }),
  steps: fc.array(step, { minLength: 1, maxLength: 12 }),
})
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

class Model {
  state: 'on' | 'unpaid' | 'ended' = 'on'
  balance: bigint
  plan: number
  anchor: number
  start: number
  end: number | null = null
  next: number | null = null
  tries = 0
  isCancelled = false
  /** What was paid last, and for how long. */
  item = { amount: 0n, start: 0, end: null as number | null }

  constructor(plan: number, balance: bigint, now: number) {
    this.plan = plan
    this.balance = balance
    this.anchor = this.start = now
  }

  /** Pays a period if the wallet can, with what comes back. */
  pay(plan: number, start: number, anchor: number, back = 0n): boolean {
    const { price, months } = prices[plan]!
    if (price - back > this.balance) return false
    this.balance += back - price
    this.plan = plan
    this.anchor = anchor
    this.start = start
    this.end = this.next = price === 0n ? null : endAfter(anchor, months, start)
    this.item = { amount: price, start, end: this.end }
    this.tries = 0
    return true
  }

  change(plan: number, now: number): number {
    if (this.state !== 'on') return 409
    if (plan === this.plan) {
      if (this.isCancelled && this.tries === 0) this.next = this.end
      this.isCancelled = false
      return 200
    }
    const isSame = prices[plan]!.months === prices[this.plan]!.months
    if (this.end !== null && this.end <= now) {
      if (!this.pay(plan, this.end, isSame ? this.anchor : this.end)) return 402
    } else {
      const { amount, start, end } = this.item
      const back = end === null ? 0n : share(amount, end - now, end - start)
      if (isSame && this.end !== null && plan !== free) {
        const rest = share(prices[plan]!.price, this.end - now, this.end - this.start)
        if (rest - back > this.balance) return 402
        this.balance += back - rest
        this.item = { amount: rest, start: now, end: this.end }
        this.plan = plan
        this.next = this.end
      } else if (!this.pay(plan, now, now, back)) return 402
    }
    this.isCancelled = false
    return 200
  }

  cancel(now: number): number {
    if (this.state === 'ended') return 404
    if (this.end === null) return 409
    this.isCancelled = true
    this.next = this.state === 'unpaid' || this.end <= now ? now : this.end
    return 200
  }

  enable(now: number): number {
    if (this.state === 'on') return 409
    if (this.state === 'ended') this.pay(free, now, now)
    else if (!this.pay(this.plan, now, now)) return 402
    this.isCancelled = false
    this.state = 'on'
    return 200
  }

  bill(now: number): void {
    while (this.next !== null && this.next <= now) {
      if (this.isCancelled) {
        this.state = 'ended'
        this.next = null
      } else if (!this.pay(this.plan, this.end!, this.anchor)) {
        const days = [1, 2, 2][this.tries++]
        this.next = days === undefined ? null : now + days * 86_400_000
        if (days === undefined) this.state = 'unpaid'
      }
    }
  }
}

interface Item {
  subscription_id: string
  revision: number | bigint
  kind: string
  amount: number | bigint | string
  period_start: string | Date
}

/** No period is begun before the one before, and none again at the same moment, unless that one was given back. */
function assertOnce(rows: Item[]): void {
  const items = rows.toSorted(
    (a, b) => a.subscription_id.localeCompare(b.subscription_id) || Number(a.revision) - Number(b.revision),
  )
  let last: Item | null = null
  for (const item of items) {
    if (item.kind === 'credit' || last?.subscription_id !== item.subscription_id) last = null
    if (item.kind !== 'period') continue
    if (last && BigInt(last.amount) > 0n) {
      expect(new Date(item.period_start).getTime()).toBeGreaterThan(new Date(last.period_start).getTime())
    }
    last = item
  }
}

const share = (amount: bigint, part: number, whole: number) =>
  (2n * amount * BigInt(part) + BigInt(whole)) / (2n * BigInt(whole))

function endAfter(anchor: number, months: number, start: number): number {
  for (let count = months; ; count += months) {
    const end = new Date(anchor)
    end.setUTCMonth(end.getUTCMonth() + count)
    // The day was beyond the month's last: the last of the month before.
    if (end.getUTCDate() !== new Date(anchor).getUTCDate()) end.setUTCDate(0)
    if (end.getTime() > start) return end.getTime()
  }
}

eachDatabase((database) => {
  let world: PlanWorld
  let app: string
  const plans: string[] = []
  beforeAll(async () => {
    world = await openPlanWorld(database)
    app = await world.application()
    for (const [index, { price, months }] of prices.entries()) {
      const members = { locationAmount: microsText(price), paymentTime: months === 1 ? 'month' : 'year' }
      plans.push(await world.plan(app, index === free ? world.free : members))
    }
  })
  afterAll(async () => {
    expect(await world?.checkLedger()).toEqual([])
    await world?.close()
  })

  const now = () => Date.parse(world.now())

  async function perform(place: string, model: Model, each: Step): Promise<[number, number]> {
    switch (each.kind) {
      case 'advance':
        world.advance(each.hours * 3600 + each.milliseconds / 1000)
        await world.bill()
        model.bill(now())
        return [0, 0]
      case 'fund':
        await world.fund(place, each.amount)
        model.balance += BigInt(each.amount) * 1_000_000n
        return [0, 0]
      case 'change':
        return [(await world.change(app, place, plans[each.plan]!)).status, model.change(each.plan, now())]
      case 'enable':
        return [(await world.switch(app, place, 'enable')).status, model.enable(now())]
      case 'cancel': {
        const outcome: [number, number] = [(await world.cancel(app, place)).status, model.cancel(now())]
        await world.bill()
        model.bill(now())
        return outcome
      }
    }
  }

  it(
    'pays, gives back, retries and ends as its model does, and never a period twice',
    { timeout: 200_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(life, async (lived) => {
          const place = await world.funded(lived.funds)
          const model = new Model(lived.plan, BigInt(lived.funds) * 1_000_000n, now())
          const installed = await world.put(app, place, { planId: plans[lived.plan]! })
          const couldPay = model.pay(lived.plan, now(), now())
          expect(installed.status).toBe(couldPay ? 201 : 402)
          if (!couldPay) return
          let funded = BigInt(lived.funds) * 1_000_000n
          for (const each of lived.steps) {
            const [was, should] = await perform(place, model, each)
            expect([each, was]).toEqual([each, should])
            if (each.kind === 'fund') funded += BigInt(each.amount) * 1_000_000n
            if (await world.db('stoa_ledger_accounts').where({ owner_id: place }).first()) {
              expect([each, await world.has(place)]).toEqual([each, microsText(model.balance)])
            }
          }
          const rows = await world
            .db('stoa_subscription_items as item')
            .join('stoa_subscriptions as s', 's.id', 'item.subscription_id')
            .where({ 's.location_id': place })
            .select('item.*')
          const paid = rows.reduce((sum: bigint, { amount }: { amount: bigint | string }) => sum + BigInt(amount), 0n)
          expect(paid).toBe(funded - model.balance)
          assertOnce(rows)
        }),
        { numRuns: database.kind === 'sqlite' ? 25 : 10 },
      )
    },
  )
})

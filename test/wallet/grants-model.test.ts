import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { microsText } from '../../core/src/kernel/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openWorkers, type Workers } from './workers.ts'
import { openWorld, type World } from './world.ts'

/** Everything in micro-units and seconds; `which` is the how-manieth of those there are. */
type Step =
  | {
      kind: 'grant'
      paid: boolean
      amount: bigint
      priority: number
      begins: number
      ends: number | null
      meter: Meter
    }
  | { kind: 'charge'; meter: 'fixed' | 'dynamic'; amount: bigint }
  | { kind: 'void'; which: number }
  | { kind: 'take back'; which: number }
  | { kind: 'wait'; seconds: number }
  | { kind: 'top up'; amount: bigint }
type Meter = 'fixed' | 'dynamic' | null

// The fixed meter costs 0.5 a unit, so that every amount of whole micro-units is twice as many units.
const amount = fc.bigInt({ min: 1n, max: 8_000_000n })
const which = fc.integer({ min: 0, max: 9 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('grant' as const),
      paid: fc.boolean(),
      amount,
      priority: fc.integer({ min: 0, max: 2 }),
      begins: fc.constantFrom(0, 0, 0, 50),
      ends: fc.constantFrom(null, 60, 100, 200),
      meter: fc.constantFrom<Meter>(null, null, 'fixed', 'dynamic'),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('charge' as const),
      meter: fc.constantFrom('fixed' as const, 'dynamic' as const),
      amount,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('void' as const), which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('take back' as const), which }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.constantFrom(1, 50, 60, 100) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('top up' as const), amount }) },
)

interface ModelGrant {
  id: string
  paid: boolean
  remaining: bigint
  priority: number
  begins: number
  ends: number
  meter: Meter
}

/** What should happen, in the simplest words. */
class Model {
  now = 0
  own = 0n
  readonly grants: ModelGrant[] = []
  readonly charges: { id: string; amount: bigint; parts: [ModelGrant, bigint][]; isVoided: boolean }[] = []

  /** What pays for it, in order; null when it is not enough. */
  charge(meter: Meter, wanted: bigint): [ModelGrant, bigint][] | null {
    const usable = this.grants
      .filter((grant) => grant.begins <= this.now && grant.ends > this.now && [null, meter].includes(grant.meter))
      .toSorted((a, b) => a.priority - b.priority || a.ends - b.ends || Number(a.paid) - Number(b.paid))
    const parts: [ModelGrant, bigint][] = []
    let missing = wanted
    for (const grant of usable) {
      const part = grant.remaining < missing ? grant.remaining : missing
      if (part > 0n) parts.push([grant, part])
      missing -= part
    }
    if (missing > this.own) return null
    this.own -= missing
    for (const [grant, part] of parts) grant.remaining -= part
    return parts
  }

  void(charge: Model['charges'][number]): void {
    if (charge.isVoided) return
    charge.isVoided = true
    this.own += charge.amount
    for (const [grant, part] of charge.parts) {
      grant.remaining += part
      this.own -= part
    }
  }

  sweep(): void {
    for (const grant of this.grants) if (grant.ends <= this.now) grant.remaining = 0n
  }
}

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

  let lives = 0
  it('every life of grants, charges, voids and ends goes as the model says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), async (steps) => {
        const name = `life-${++lives}`
        const locationId = await world.location()
        const token = await world.install(world.appId, locationId)
        const model = new Model()
        for (const [index, each] of steps.entries()) {
          await take(each, `${name}-${index}`, { locationId, token, model })
          await compare(locationId, model)
        }
        expect(await world.checkLedger()).toEqual([])
      }),
      { numRuns: 15 },
    )
  }, 240_000)

  type Life = { locationId: string; token: string; model: Model }
  const far = Number.MAX_SAFE_INTEGER

  async function take(each: Step, reference: string, { locationId, token, model }: Life): Promise<void> {
    const asOperator = (path: string, body: object) =>
      world.request('POST', path, { token: world.operator.token, body })
    if (each.kind === 'grant') {
      const answer = await asOperator('/platform/grants', {
        locationId,
        reference,
        kind: each.paid ? 'paid' : 'promotional',
        amount: microsText(each.amount),
        priority: each.priority,
        effectiveTime: world.inSeconds(each.begins),
        expiresTime: each.ends === null ? null : world.inSeconds(each.ends),
        ...(each.meter && { applicationId: world.appId, meterId: world[each.meter] }),
      })
      expect(answer.status).toBe(201)
      const { paid, amount: remaining, priority, meter } = each
      const times = { begins: model.now + each.begins, ends: each.ends === null ? far : model.now + each.ends }
      model.grants.push({ id: answer.body.id, paid, remaining, priority, meter, ...times })
    } else if (each.kind === 'charge') {
      const wanted = each.meter === 'fixed' ? { units: 2 } : { meterId: world.dynamic, price: 1 }
      const units = Number(microsText(each.meter === 'fixed' ? each.amount * 2n : each.amount))
      const body = { locationId, eventId: reference, ...wanted, units }
      const answer = await world.charge(body, token)
      const parts = model.charge(each.meter, each.amount)
      expect(answer.status).toBe(parts ? 201 : 402)
      if (parts) model.charges.push({ id: answer.body.chargeId, amount: each.amount, parts, isVoided: false })
    } else if (each.kind === 'void') {
      const charge = model.charges[each.which]
      if (!charge) return
      expect((await world.void(charge.id, token)).status).toBe(200)
      model.void(charge)
    } else if (each.kind === 'take back') {
      const grant = model.grants[each.which]
      if (!grant) return
      expect((await asOperator(`/platform/grants/${grant.id}/expire`, {})).status).toBe(200)
      if (grant.ends > model.now) grant.ends = model.now
      grant.remaining = 0n
    } else if (each.kind === 'wait') {
      world.advance(each.seconds)
      model.now += each.seconds
      await workers.run()
      model.sweep()
    } else {
      const body = { locationId, reference, amount: microsText(each.amount) }
      expect((await asOperator('/platform/top-ups', body)).status).toBe(201)
      model.own += each.amount
    }
  }

  async function compare(locationId: string, model: Model): Promise<void> {
    const account = await world.db('stoa_ledger_accounts').where({ kind: 'wallet', owner_id: locationId }).first()
    const rows = account ? await world.db('stoa_grants').where({ account_id: account.id }).orderBy('id') : []
    expect(rows.map((row) => BigInt(row.remaining))).toEqual(model.grants.map(({ remaining }) => remaining))
    for (const row of rows) {
      expect(BigInt(row.remaining) >= 0n && BigInt(row.remaining) <= BigInt(row.amount)).toBe(true)
      const moved = await world.db('stoa_grant_moves').where({ grant_id: row.id })
      const sum = moved.reduce((total: bigint, move) => total + BigInt(move.amount), 0n)
      expect(BigInt(row.amount) + sum).toBe(BigInt(row.remaining))
    }
    const granted = model.grants.reduce((sum, { remaining }) => sum + remaining, 0n)
    expect(BigInt(account?.granted ?? 0)).toBe(granted)
    expect(BigInt(account?.balance ?? 0)).toBe(model.own + granted)
  }
})

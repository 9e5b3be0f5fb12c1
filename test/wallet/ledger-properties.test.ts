import { afterAll, beforeAll, expect, it } from 'vitest'
import fc from 'fast-check'
import type { Caller } from '../../core/src/http/index.ts'
import { microsText } from '../../core/src/kernel/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { callerAt, openDirectWallet, type DirectWallet, type Outcome } from './direct.ts'
import { openWorld, type World } from './world.ts'

/** Everything in micro-units. */
interface ChargeStep {
  event: number
  units: bigint
  /** Per unit on the dynamic meter; null for the fixed one of 0.5. */
  price: bigint | null
}

type Step =
  | { kind: 'charges'; together: ChargeStep[] }
  | { kind: 'void'; event: number }
  | { kind: 'top-up'; reference: number; amount: bigint }

const one = 1_000_000n
const chargeStep: fc.Arbitrary<ChargeStep> = fc.record({
  event: fc.integer({ min: 0, max: 11 }),
  units: fc.oneof(fc.constantFrom(1n, one, 2n * one, 500_000n), fc.bigInt({ min: 1n, max: 20n * one })),
  price: fc.oneof(fc.constant(null), fc.bigInt({ min: 10_000n, max: 5n * one })),
})
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('charges' as const),
      together: fc.array(chargeStep, { minLength: 1, maxLength: 12 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('void' as const), event: fc.integer({ min: 0, max: 11 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('top-up' as const),
      reference: fc.integer({ min: 0, max: 4 }),
      amount: fc.bigInt({ min: 1n, max: 30n * one }),
    }),
  },
)
const life = fc.record({
  overdraft: fc.constantFrom(0n, 0n, 2_500_000n),
  steps: fc.array(step, { minLength: 1, maxLength: 25 }),
})

/** What should happen, in the simplest words. */
class Model {
  balance = one
  readonly charges = new Map<number, { wanted: string; id: string; amount: bigint; isVoided: boolean }>()
  readonly topUps = new Map<number, bigint>()
  readonly overdraft: bigint
  constructor(overdraft: bigint) {
    this.overdraft = overdraft
  }

  charge({ event, units, price }: ChargeStep, outcome: Outcome): string | number {
    const wanted = `${units}|${price}`
    const known = this.charges.get(event)
    if (known) {
      if (known.wanted !== wanted) return 'event_id_reused'
      expect(outcome.body).toMatchObject({ chargeId: known.id, refunded: known.isVoided })
      return 200
    }
    const product = units * (price ?? 500_000n)
    const amount = product / one + (product % one >= one / 2n ? 1n : 0n)
    if (amount > this.balance + this.overdraft) return 'insufficient_funds'
    this.balance -= amount
    expect(outcome.body?.exact?.amountCharged).toBe(microsText(amount))
    this.charges.set(event, { wanted, id: outcome.body.chargeId, amount, isVoided: false })
    return 201
  }

  void(event: number): string | number {
    const charge = this.charges.get(event)
    if (!charge) return 'charge_not_found'
    if (!charge.isVoided) this.balance += charge.amount
    charge.isVoided = true
    return 200
  }

  topUp(reference: number, amount: bigint): string | number {
    const known = this.topUps.get(reference)
    if (known !== undefined) return known === amount ? 200 : 'reference_reused'
    this.topUps.set(reference, amount)
    this.balance += amount
    return 201
  }
}

eachDatabase((database) => {
  let world: World
  let wallet: DirectWallet
  beforeAll(async () => {
    world = await openWorld(database)
    wallet = await openDirectWallet(world)
  })
  afterAll(async () => {
    await wallet?.close()
    await world?.close()
  })

  let lives = 0
  async function begin(overdraft: bigint) {
    const name = `life-${++lives}`
    const locationId = await world.location()
    await world.install(world.appId, locationId)
    await wallet.topUp(locationId, '1', `${name}-first`)
    await world.db('stoa_ledger_accounts').where({ owner_id: locationId }).update({ min_balance: -overdraft })
    const caller = await callerAt(world, locationId)
    const charge = ({ event, units, price }: ChargeStep) =>
      wallet.charge(caller, {
        ...world.chargeBody({ locationId, eventId: `${name}-${event}` }),
        units: Number(microsText(units)),
        ...(price !== null && { meterId: world.dynamic, price: Number(microsText(price)) }),
      })
    return { name, locationId, caller, charge }
  }

  it('every life of a wallet goes as the model says, and leaves books that are right', async () => {
    await fc.assert(
      fc.asyncProperty(life, async ({ overdraft, steps }) => {
        const model = new Model(overdraft)
        const { name, locationId, caller, charge } = await begin(overdraft)
        for (const each of steps) {
          if (each.kind === 'charges') {
            const outcomes = await Promise.all(each.together.map(charge))
            const expected = each.together.map((one, index) => model.charge(one, outcomes[index]!))
            expect(outcomes.map(answerOf)).toEqual(expected)
          } else if (each.kind === 'void') {
            const outcome = await wallet.void(caller, model.charges.get(each.event)?.id ?? 'chg_none')
            expect(answerOf(outcome)).toBe(model.void(each.event))
          } else {
            const outcome = await wallet.topUp(locationId, microsText(each.amount), `${name}-${each.reference}`)
            expect(answerOf(outcome)).toBe(model.topUp(each.reference, each.amount))
          }
          expect(await balanceOf(locationId)).toBe(model.balance)
        }
        expect(await world.checkLedger()).toEqual([])
      }),
      { numRuns: 30 },
    )
  })

  it('whatever happens at the same time, the books are right and nothing is below its limit', async () => {
    await fc.assert(
      fc.asyncProperty(life, async ({ overdraft, steps }) => {
        const { name, locationId, caller, charge } = await begin(overdraft)
        const ids = new Map<number, string>()
        const answers: (string | number)[] = []
        await Promise.all(
          steps.map(async (each) => {
            if (each.kind === 'charges') {
              const outcomes = await Promise.all(each.together.map(charge))
              outcomes.forEach((outcome, index) => {
                answers.push(answerOf(outcome))
                const id = outcome.body?.chargeId as string | undefined
                const { event } = each.together[index]!
                if (id === undefined) return
                expect(ids.get(event) ?? id).toBe(id)
                ids.set(event, id)
              })
            } else if (each.kind === 'void') {
              answers.push(answerOf(await voidWhenKnown(ids, each.event, caller)))
            } else {
              answers.push(
                answerOf(await wallet.topUp(locationId, microsText(each.amount), `${name}-${each.reference}`)),
              )
            }
          }),
        )
        const possible = [200, 201, 'insufficient_funds', 'event_id_reused', 'charge_not_found', 'reference_reused']
        expect(answers.filter((answer) => !possible.includes(answer))).toEqual([])
        expect(await world.checkLedger()).toEqual([])
        const stored = await world.db('stoa_charges').where({ location_id: locationId, seq: 0 })
        expect(stored).toHaveLength(new Set(stored.map((row) => row.event_id)).size)
      }),
      { numRuns: 20 },
    )
  })

  async function voidWhenKnown(ids: Map<number, string>, event: number, caller: Caller): Promise<Outcome> {
    for (let turn = 0; turn < 20 && !ids.has(event); turn++) await new Promise((resolve) => setImmediate(resolve))
    return wallet.void(caller, ids.get(event) ?? 'chg_none')
  }

  async function balanceOf(locationId: string): Promise<bigint> {
    const row = await world.db('stoa_ledger_accounts').where({ kind: 'wallet', owner_id: locationId }).first()
    return BigInt(row.balance)
  }
})

const answerOf = ({ status, code }: Outcome): string | number => code ?? status

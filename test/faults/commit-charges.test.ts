import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Caller } from '../../core/src/http/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { callerAt, openDirectWallet, type DirectWallet } from '../wallet/direct.ts'
import { openWorld, type World } from '../wallet/world.ts'
import { failCommits, type CommitFault } from './fail-commits.ts'

const one = 1_000_000n
const points: CommitFault[] = ['before', 'after']

eachDatabase((database) => {
  let world: World
  let direct: DirectWallet
  let commits: Awaited<ReturnType<typeof failCommits>>
  beforeAll(async () => {
    world = await openWorld(database)
    // Small batches, so that one step has many COMMITs.
    direct = await openDirectWallet(world, { batchSize: 3 })
    commits = await failCommits(direct.db)
  })
  afterAll(async () => {
    await direct?.close()
    await world?.close()
  })

  async function place() {
    const locationId = await world.location()
    await world.install(world.appId, locationId)
    await world.fund(locationId, 100)
    return { locationId, organizationId: world.merchant.organizationId, caller: await callerAt(world, locationId) }
  }

  const exactBalance = async (locationId: string) =>
    BigInt((await world.db('stoa_ledger_accounts').where({ kind: 'wallet', owner_id: locationId }).first()).balance)

  describe.each(points)('a connection that is lost %s COMMIT', (point) => {
    it('leaves no charge of a batch half done, and a retry makes each once', async () => {
      const { locationId, caller } = await place()
      const bodies = Array.from({ length: 12 }, () => world.chargeBody({ locationId }))
      const send = (body: object) => direct.charge(caller, body)
      let passage = 0
      let hits = 0
      // From the first COMMIT on to the one that there is not any more.
      for (let armed = false; !armed;) {
        commits.arm(point, ++passage)
        const round = bodies.map((body) => ({ ...body, eventId: `${body.eventId}-${point}-${passage}` }))
        const first = await Promise.all(round.map(send))
        armed = commits.disarm()
        const unanswered = first.filter(({ status }) => status !== 201)
        expect(unanswered.every(({ status }) => status === 500)).toBe(true)
        expect(unanswered.length > 0).toBe(!armed)
        if (!armed) hits++
        const stored = new Map(
          (await world.db('stoa_charges').where({ location_id: locationId, seq: 0 })).map((row) => [
            row.event_id,
            row.id,
          ]),
        )
        const known = round.map(({ eventId }) => stored.get(eventId) as string | undefined)
        const unheard = known.filter((id, index) => id !== undefined && first[index]!.status !== 201)
        // Three are a batch; those that got the lost connection after it have left nothing.
        expect(unheard).toHaveLength(armed || point === 'before' ? 0 : 3)
        expect(await world.checkLedger()).toEqual([])
        const again = await Promise.all(round.map(send))
        expect(again.map(({ status }) => status)).toEqual(known.map((id) => (id === undefined ? 201 : 200)))
        for (const [index, { status, body }] of first.entries()) {
          if (status === 201) expect(known[index]).toBe(body.chargeId)
          expect(again[index]!.body.chargeId).toBe(known[index] ?? again[index]!.body.chargeId)
        }
        expect(await exactBalance(locationId)).toBe(100n * one - BigInt(passage * 12) * 500_000n)
      }
      expect(hits).toBeGreaterThan(2)
      expect(await world.checkLedger()).toEqual([])
    })

    const steps: Record<
      string,
      (at: Awaited<ReturnType<typeof place>>) => Promise<{ act: () => Promise<unknown>; change: bigint }>
    > = {
      'a void': async ({ caller, locationId }) => {
        const { body } = await direct.charge(caller, world.chargeBody({ locationId }))
        return { act: () => okay(direct.void(caller, body.chargeId)), change: 500_000n }
      },
      'a partial refund': async ({ caller, locationId }) => {
        const { body } = await direct.charge(caller, world.chargeBody({ locationId }))
        const wish = { refundId: 'part', amount: 123n }
        return { act: () => direct.books.refund(caller, body.chargeId, wish), change: 123n }
      },
      'a top-up': ({ locationId }) => {
        const reference = `commit-${point}`
        return Promise.resolve({ act: () => okay(direct.topUp(locationId, '7', reference)), change: 7n * one })
      },
    }

    it.each(Object.keys(steps))('leaves nothing of %s half done, and a retry does it once', async (name) => {
      const at = await place()
      const { act, change } = await steps[name]!(at)
      const before = await exactBalance(at.locationId)
      commits.arm(point, 1)
      await expect(act()).rejects.toThrow(/Connection terminated|disk I\/O error/)
      expect(commits.disarm()).toBe(false)
      expect(await exactBalance(at.locationId)).toBe(point === 'before' ? before : before + change)
      expect(await world.checkLedger()).toEqual([])
      await act()
      await act()
      expect(await exactBalance(at.locationId)).toBe(before + change)
      expect(await world.checkLedger()).toEqual([])
    })

    it('leaves nothing of a grant half done, and its reference grants once', async () => {
      const at = await place()
      const act = () => direct.books.grant(at, 3n * one, { reference: `commit-grant-${point}` })
      commits.arm(point, 1)
      await expect(act()).rejects.toThrow(/Connection terminated|disk I\/O error/)
      expect(await exactBalance(at.locationId)).toBe((point === 'before' ? 100n : 103n) * one)
      expect(await world.checkLedger()).toEqual([])
      await act().catch((error: unknown) => expect(point, String(error)).toBe('after'))
      expect(await exactBalance(at.locationId)).toBe(103n * one)
      expect(await world.checkLedger()).toEqual([])
    })
  })

  /** What it answered; throws what it refused. */
  async function okay(outcome: ReturnType<DirectWallet['void']>): Promise<void> {
    const { status, error } = await outcome
    if (error !== undefined) throw error
    expect([200, 201]).toContain(status)
  }

  it('a clock that jumps changes nothing that is booked, and charges no eventId twice', async () => {
    const { locationId, caller } = await place()
    let now = Date.parse(world.now())
    const jumping = await openDirectWallet(world, {}, { now: () => new Date(now) })
    const by: Caller = caller
    const bodies = Array.from({ length: 6 }, () => world.chargeBody({ locationId }))
    for (const hours of [0, 5, -48, 1000, -3, 0]) {
      now = Date.parse(world.now()) + hours * 3_600_000
      const outcomes = await Promise.all(bodies.map((body) => jumping.charge(by, body)))
      expect(new Set(outcomes.map(({ status }) => status))).toEqual(
        new Set([hours === 0 && outcomes[0]!.status === 201 ? 201 : 200]),
      )
      expect(await exactBalance(locationId)).toBe(97n * one)
      const fresh = await jumping.charge(by, world.chargeBody({ locationId }))
      // Before the meter had a price, nothing can be charged.
      if (fresh.status === 201) await jumping.void(by, fresh.body.chargeId)
    }
    await jumping.close()
    expect(await world.checkLedger()).toEqual([])
  })
})

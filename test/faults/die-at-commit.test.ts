import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { callerAt, openDirectWallet } from '../wallet/direct.ts'
import { openWorld, type World } from '../wallet/world.ts'
import type { CommitOrders } from './commit-process.ts'
import type { CommitFault } from './fail-commits.ts'

const script = fileURLToPath(new URL('commit-process.ts', import.meta.url))
const one = 1_000_000n
const points: CommitFault[] = ['before', 'after']

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  afterAll(() => world?.close())

  /** A process that charges until it ends itself. */
  async function chargeAndDie(orders: Omit<CommitOrders, 'url'>): Promise<void> {
    const child = fork(script, {
      execArgv: ['--conditions=@stoa/source', '--import', 'tsx'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child, 'message')
    const exited = once(child, 'exit')
    child.send({ ...orders, url: world.opened.url })
    expect(await exited).toEqual([null, 'SIGKILL'])
  }

  describe.each(points)('a process that ends right %s COMMIT', (point) => {
    it.each<[string, boolean, number]>([
      ['the first of four transactions', false, 1],
      ['the third of four transactions', false, 3],
      ['the transaction of a batch', true, 1],
    ])(
      'of %s leaves it whole or not at all, and a retry makes each charge once',
      { timeout: 60_000 },
      async (_what, isBatch, passage) => {
        const locationId = await world.location()
        await world.install(world.appId, locationId)
        await world.fund(locationId, 100)
        const { permissions, ...caller } = await callerAt(world, locationId)
        const bodies = Array.from({ length: 12 }, () => world.chargeBody({ locationId }))
        const stored = async () =>
          (await world.db('stoa_charges').where({ location_id: locationId })).map(({ event_id: eventId }) => eventId)

        await chargeAndDie({ caller, bodies, isBatch, point, passage })
        const transactions = point === 'before' ? passage - 1 : passage
        const known = await stored()
        expect(known).toHaveLength(transactions * (isBatch ? 12 : 3))
        expect(await world.checkLedger()).toEqual([])

        const direct = await openDirectWallet(world)
        onTestFinished(direct.close)
        const again = await Promise.all(bodies.map((body) => direct.charge({ ...caller, permissions }, body)))
        expect(again.map(({ status }) => status)).toEqual(
          bodies.map(({ eventId }) => (known.includes(eventId) ? 200 : 201)),
        )
        const all = await stored()
        expect([all.length, new Set(all).size]).toEqual([12, 12])
        const account = await world.db('stoa_ledger_accounts').where({ kind: 'wallet', owner_id: locationId }).first()
        expect(BigInt(account.balance)).toBe(94n * one)
        const events = await world.db('stoa_events').where({ type: 'charge.created', location_id: locationId })
        expect(events).toHaveLength(12)
        expect(await world.checkLedger()).toEqual([])
      },
    )
  })
})

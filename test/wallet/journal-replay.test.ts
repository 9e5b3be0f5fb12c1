import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { exportLedger, inspectLedger, replayLedger } from '@stoa/core'
import { microsText } from '../../core/src/kernel/index.ts'
import { eachDatabase, sqliteUrl } from '../support/databases.ts'
import { makeHome, patient, runStoa } from '../support/run-stoa.ts'
import { callerAt, openDirectWallet, type DirectWallet } from './direct.ts'
import { openWorld, type World } from './world.ts'

const one = 1_000_000n
const amount = fc.bigInt({ min: 1n, max: 20n * one })
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('charges' as const),
      units: fc.array(fc.bigInt({ min: 1n, max: 9n * one }), { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('void' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('part' as const), which: fc.nat(), amount }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('top-up' as const), amount }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('grant' as const), amount, priority: fc.nat(100) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('expire' as const), which: fc.nat() }) },
)
const history = fc.array(fc.tuple(fc.nat(2), step), { minLength: 3, maxLength: 30 })

async function* each(lines: string[]): AsyncGenerator<string> {
  yield* lines
}

eachDatabase((database) => {
  let world: World
  let direct: DirectWallet
  let places: { organizationId: string; locationId: string }[]
  beforeAll(async () => {
    world = await openWorld(database)
    direct = await openDirectWallet(world)
    places = await Promise.all(
      [0, 1, 2].map(async () => {
        const locationId = await world.location()
        await world.install(world.appId, locationId)
        await world.fund(locationId, 5)
        return { organizationId: world.merchant.organizationId, locationId }
      }),
    )
  })
  afterAll(async () => {
    await direct?.close()
    await world?.close()
  })

  const exported = async (options: { after?: string } = {}): Promise<string[]> => {
    const lines: string[] = []
    await exportLedger(world.opened.url, options, (page) => void lines.push(...page))
    return lines
  }

  const charges: { id: string; place: number }[] = []
  const grants: { id: string }[] = []
  let references = 0

  /** Does all of it at once, so that transactions are committed in another order than they were asked for. */
  async function live(steps: [number, typeof step extends fc.Arbitrary<infer S> ? S : never][]): Promise<void> {
    await Promise.all(
      steps.map(async ([place, each]) => {
        const { locationId } = places[place]!
        const caller = await callerAt(world, locationId)
        const chosen = 'which' in each ? charges[each.which % Math.max(charges.length, 1)] : undefined
        if (each.kind === 'charges') {
          const outcomes = await Promise.all(
            each.units.map((units) =>
              direct.charge(caller, world.chargeBody({ locationId, units: Number(microsText(units)) })),
            ),
          )
          for (const { body, status } of outcomes) if (status === 201) charges.push({ id: body.chargeId, place })
        } else if (each.kind === 'top-up') {
          await direct.topUp(locationId, microsText(each.amount), `replay-${++references}`)
        } else if (each.kind === 'grant') {
          grants.push(await direct.books.grant(places[place]!, each.amount, { priority: each.priority }))
        } else if (each.kind === 'expire') {
          const grant = grants[each.which % Math.max(grants.length, 1)]
          if (grant) await direct.books.expire(grant)
        } else if (chosen) {
          const by = await callerAt(world, places[chosen.place]!.locationId)
          const wish = each.kind === 'part' ? { refundId: `part-${++references}`, amount: each.amount } : {}
          // More than is left is refused, which is no matter here.
          await direct.books.refund(by, chosen.id, wish).catch(() => undefined)
        }
      }),
    )
  }

  it('every history, told by its journal alone, comes to the same balances, versions and hashes', async () => {
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        await live(steps)
        const { transactions, differences } = await replayLedger(each(await exported()))
        expect(differences).toEqual([])
        expect(transactions).toBe(await world.count('stoa_ledger_transactions'))
        expect(await world.checkLedger()).toEqual([])
      }),
      { numRuns: 15 },
    )
  })

  it('makes the same ledger in an empty database', async () => {
    const other = await database.create()
    onTestFinished(() => other.drop())
    const lines = await exported()
    const replayed = await replayLedger(each(lines), other.url)
    expect(replayed.differences).toEqual([])
    const again: string[] = []
    await exportLedger(other.url, {}, (page) => void again.push(...page))
    expect(again).toEqual(lines)
    await expect(replayLedger(each(lines), other.url)).rejects.toThrow(/has a ledger already/)
  })

  it('takes transactions in any order in which their ids may have been committed', async () => {
    const lines = await exported()
    const accounts = lines.filter((line) => line.includes('"type":"account"'))
    const transactions = lines.filter((line) => line.includes('"type":"transaction"'))
    expect(transactions.length).toBeGreaterThan(5)
    const { differences } = await replayLedger(each([...accounts, ...transactions.toReversed()]))
    expect(differences).toEqual([])
  })

  it('gives only what came after a transaction', async () => {
    const lines = await exported()
    const ids = lines
      .map((line) => JSON.parse(line))
      .filter(({ type }) => type === 'transaction')
      .map(({ id }) => id)
    const rest = (await exported({ after: ids.at(-3)! })).map((line) => JSON.parse(line))
    expect(rest.filter(({ type }) => type === 'transaction').map(({ id }) => id)).toEqual(ids.slice(-2))
  })

  describe('tells what is not as it was', () => {
    type Line = Record<string, any> // eslint-disable-line -- lines of two shapes, to be wrecked
    const ofCharge = (line: Line) => line.type === 'transaction' && line.kind === 'charge' && line.entries.length > 1

    it.each<[string, (lines: Line[]) => Line[], RegExp]>([
      ['a transaction left out', (lines) => lines.filter((line) => line !== lines.find(ofCharge)), /which never comes/],
      [
        'an amount that was changed in both legs',
        (lines) => {
          const [from, to] = lines.find(ofCharge)!.entries as [Line, Line]
          for (const leg of [from, to]) leg.amount = microsText(BigInt(Math.round(Number(leg.amount) * 2e6)))
          return lines
        },
        /entry txn_.* was .* and is now/,
      ],
      [
        'a leg that was changed alone',
        (lines) => {
          lines.find(ofCharge)!.entries[1].amount = '123'
          return lines
        },
        /cannot be booked: The legs of a charge sum to/,
      ],
      [
        'a description that was changed',
        (lines) => {
          lines.find(ofCharge)!.description = 'changed'
          return lines
        },
        /entry txn_.* was .* and is now/,
      ],
      [
        'a balance that was changed',
        (lines) => {
          lines.find((line) => line.kind === 'topup_clearing')!.balance = '1'
          return lines
        },
        /topup_clearing acc_.* was 1000000/,
      ],
      [
        'an account whose owner was changed',
        (lines) => {
          lines.find((line) => line.kind === 'wallet')!.ownerId = 'somebody'
          return lines
        },
        /is not the one that its owner has/,
      ],
      ['an account left out', (lines) => lines.filter((line) => line.kind !== 'topup_clearing'), /is on no account/],
    ])('%s', async (_what, change, line) => {
      const lines = (await exported()).map((text) => JSON.parse(text) as Line)
      const { differences } = await replayLedger(each(change(lines).map((changed) => JSON.stringify(changed))))
      expect(differences).toEqual(expect.arrayContaining([expect.stringMatching(line)]))
    })

    it.each([
      ['no JSON', '{', /Line 1 of the journal is no JSON/],
      ['another thing', '{"type":"gift"}', /is neither an account nor a transaction/],
      ['a transaction without members', '{"type":"transaction"}', /Line 1 of the journal is no transaction/],
    ])('%s is no journal', async (_what, line, message) => {
      await expect(replayLedger(each([line]))).rejects.toThrow(message)
    })

    it('nothing is no journal', async () => {
      await expect(replayLedger(each([]))).rejects.toThrow('The journal is empty.')
    })
  })

  describe('heads', () => {
    const heads = async (): Promise<string[]> => {
      const lines: string[] = []
      await inspectLedger(world.opened.url, { retentionDays: 0, onHead: (line) => void lines.push(line) })
      return lines
    }
    const problems = async (kept: string[]) =>
      (await inspectLedger(world.opened.url, { retentionDays: 0, against: each(kept) })).problems

    it('that were kept are still in their chains, however much came after them', async () => {
      const kept = await heads()
      expect(kept.length).toBeGreaterThan(2)
      await live([[0, { kind: 'top-up', amount: one }]])
      expect(await heads()).not.toEqual(kept)
      expect(await problems(kept)).toEqual([])
    })

    it('show that the end of a chain was cut off, or a chain rewritten', async () => {
      const [first, ...rest] = (await heads()).map((line) => JSON.parse(line) as { version: number; hash: string })
      const cut = { ...first!, version: first!.version + 1 }
      const rewritten = { ...rest[0]!, hash: 'another' }
      expect(await problems([cut, rewritten].map((head) => JSON.stringify(head)))).toEqual([
        expect.stringMatching(/^the chain of acc_.* is cut off: it has no entry at version/),
        expect.stringMatching(/^the chain of acc_.* was rewritten: it has another entry at version/),
      ])
      await expect(problems(['{}'])).rejects.toThrow('Line 1 of the heads is no head.')
    })

    it('prove nothing when there are none: that is refused, and how many were compared is told', async () => {
      await expect(problems([])).rejects.toThrow('There is no head to compare with.')
      const kept = await heads()
      const report = await inspectLedger(world.opened.url, { retentionDays: 0, against: each(kept) })
      expect(report.headsCompared).toBe(kept.length)
      expect((await inspectLedger(world.opened.url, { retentionDays: 0 })).headsCompared).toBeNull()
    })
  })

  it(
    'stoa ledger checks, exports and replays from the command line',
    async () => {
      const home = await makeHome()
      const env = { STOA_HOME: home, STOA_DATABASE: world.opened.url }
      const file = join(home, 'heads.ndjson')
      const [checked, journal] = await Promise.all([
        runStoa(['ledger', 'check', '--heads', file], env),
        runStoa(['ledger', 'export'], env),
      ])
      expect(checked.stderr).toBe('')
      expect(checked.stdout).toMatch(/production +USD wallet +3 /)
      expect(checked.stdout).toContain('The books are right.')
      expect(checked.code).toBe(0)

      const exportedTo = join(home, 'journal.ndjson')
      await writeFile(exportedTo, journal.stdout)
      await writeFile(file, (await readFile(file, 'utf8')).replace(/"hash":"./, '"hash":"_'))
      const [against, replayed] = await Promise.all([
        runStoa(['ledger', 'check', '--json', '--against', file], env),
        runStoa(['ledger', 'replay', exportedTo, '--database', sqliteUrl()], env),
      ])
      expect(JSON.parse(against.stdout)).toMatchObject({
        problems: [expect.stringMatching(/^the chain of acc_/)],
        counts: { charges: await world.count('stoa_charges'), entries: await world.count('stoa_ledger_entries') },
      })
      expect(against.code).toBe(1)
      expect(replayed).toMatchObject({ stdout: expect.stringContaining('The same balances, chains'), code: 0 })
    },
    patient,
  )

  it('stoa ledger check makes no database where there is none', async () => {
    const home = await makeHome()
    const path = join(home, 'mistyped.db')
    const { code, stderr } = await runStoa(['ledger', 'check'], { STOA_HOME: home, STOA_DATABASE: path })
    expect(code).not.toBe(0)
    expect(stderr).toContain(`There is no database at ${path}.`)
    await expect(readFile(path)).rejects.toThrow('ENOENT')
  })
})

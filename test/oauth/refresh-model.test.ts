import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import type { Browser } from './browser.ts'
import { movableClock } from './clock.ts'
import { clientForm, openOAuthWorld, type App, type OAuthWorld } from './world.ts'

const graceSeconds = 30

/** What RFC 9700 section 4.14 asks of a family of refresh tokens, with our window: tokens are numbered in their order. */
function createModel() {
  const rotatedAt: number[] = []
  let newest = 0
  let isAlive = true
  return {
    get isAlive() {
      return isAlive
    },
    get newest() {
      return newest
    },
    end: () => void (isAlive = false),
    /** The number of the successor, or null for a refusal. */
    refresh(token: number, now: number): number | null {
      if (!isAlive) return null
      if (token === newest) {
        rotatedAt[token] = now
        return ++newest
      }
      const isLost = token === newest - 1 && now - rotatedAt[token]! <= graceSeconds
      if (!isLost) isAlive = false
      return isLost ? newest : null
    },
  }
}

type Step = { refresh: number; times: number } | { wait: number } | { revoke: number }

const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      // Counted back from the newest token, so that most are the last one or the one before.
      arbitrary: fc.record({
        refresh: fc.oneof({ weight: 8, arbitrary: fc.nat(1) }, fc.nat(5)),
        times: fc.constantFrom(1, 1, 1, 3),
      }),
    },
    { weight: 3, arbitrary: fc.record({ wait: fc.constantFrom(1, 20, 45) }) },
    { weight: 1, arbitrary: fc.record({ revoke: fc.nat(3) }) },
  ),
  { minLength: 1, maxLength: 12 },
)

eachDatabase((database) => {
  const time = movableClock()
  let world: OAuthWorld
  let browser: Browser
  let app: App
  beforeAll(async () => {
    world = await openOAuthWorld(database, { clock: time.clock })
    browser = await world.signedIn()
    app = await world.app()
  })

  describe('a family of refresh tokens', () => {
    it('does what its model does, whichever of its tokens come in which order', async () => {
      await fc.assert(
        fc.asyncProperty(steps, async (list: Step[]) => {
          const model = createModel()
          const first = (await world.tokens(app, { browser })).body
          const known: string[] = [first.refresh_token]
          const access: string[] = [first.access_token]
          let now = 0
          for (const step of list) {
            if ('wait' in step) {
              time.advance(step.wait)
              now += step.wait
            } else if ('revoke' in step) {
              const token = known[Math.max(0, known.length - 1 - step.revoke)]!
              expect((await world.post('/oauth/revoke', { token, ...clientForm(app) })).status).toBe(200)
              model.end()
            } else {
              const number = Math.max(0, known.length - 1 - step.refresh)
              const expected = model.refresh(number, now)
              // At once, so that they meet; once refused, all are.
              const ask = () => world.refresh(app, known[number]!)
              const answers = await Promise.all(Array.from({ length: step.times }, ask))
              for (const { status, body } of answers) {
                expect([status, body.error]).toEqual(expected === null ? [400, 'invalid_grant'] : [200, undefined])
                if (expected === null) continue
                expect(body.refresh_token).toBe((known[expected] ??= body.refresh_token as string))
                access.push(body.access_token)
              }
            }
            const path = '/marketplace/billing/charges/has-funds'
            const statuses = await Promise.all(
              access.map(async (token) => (await world.call('GET', path, { token })).status === 200),
            )
            expect(new Set(statuses)).toEqual(new Set([model.isAlive]))
          }
          expect(new Set(known).size).toBe(model.newest + 1)
        }),
        { numRuns: database.kind === 'sqlite' ? 40 : 25 },
      )
    }, 120_000)
  })
})

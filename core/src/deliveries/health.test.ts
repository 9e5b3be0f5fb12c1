import fc from 'fast-check'
import { expect, it } from 'vitest'
import { healthy, type EndpointHealth } from '../events/index.ts'
import { afterTry, type Finding } from './health.ts'

const thresholds = { breaker: { failures: 3, seconds: 30, mostSeconds: 100 }, disableAfter: { days: 5, messages: 2 } }
const start = Date.UTC(2026, 0, 1)
const at = (seconds: number) => new Date(start + seconds * 1000)
const failure = (seconds: number, more: Partial<Finding> = {}): Finding => ({
  outcome: 'failure',
  time: at(seconds),
  first: true,
  probe: false,
  ...more,
})

/** The verdict on the last of several failures, one a second. */
function failTimes(times: number, from: EndpointHealth = healthy) {
  let verdict = { health: from, hopeless: false }
  for (let n = 0; n < times; n++) verdict = afterTry(verdict.health, failure(n), at(n), thresholds)
  return verdict
}

it('opens the breaker after so many failures in a row, and for longer each time the probe fails', () => {
  expect(failTimes(2).health.breaker).toBe('closed')
  const { health: opened } = failTimes(3)
  expect(opened).toMatchObject({ breaker: 'open', breakerUntil: at(2 + 30).toISOString(), failures: 3 })
  const { health: again } = afterTry(opened, failure(40, { probe: true }), at(40), thresholds)
  expect(again).toMatchObject({ breaker: 'open', breakerUntil: at(40 + 60).toISOString() })
  const { health: longest } = afterTry(again, failure(110, { probe: true }), at(110), thresholds)
  expect(longest.breakerUntil).toBe(at(110 + 100).toISOString())
})

it('does not stay open for longer because of what was under way when it opened', () => {
  const { health: opened } = failTimes(3)
  const { health } = afterTry(opened, failure(5), at(5), thresholds)
  expect(health).toMatchObject({ breakerUntil: opened.breakerUntil, breakerTrips: opened.breakerTrips, failures: 4 })
})

it('gives up only after days, and over several events', () => {
  const day = 24 * 3600
  const soon = failTimes(50)
  expect(soon.hopeless).toBe(false)
  expect(afterTry(soon.health, failure(5 * day), at(5 * day), thresholds).hopeless).toBe(true)
  expect(afterTry(soon.health, failure(5 * day - 1), at(5 * day - 1), thresholds).hopeless).toBe(false)

  const rare = failTimes(2)
  expect(
    afterTry(rare.health, failure(20 * day), at(20 * day), {
      ...thresholds,
      breaker: { failures: 4, seconds: 30, mostSeconds: 100 },
    }).hopeless,
  ).toBe(false)

  let one = afterTry(healthy, failure(0), at(0), thresholds)
  for (let days = 1; days < 10; days++) {
    one = afterTry(one.health, failure(days * day, { first: false }), at(days * day), thresholds)
  }
  expect(one).toMatchObject({ hopeless: false, health: { failedEvents: 1 } })
})

it('is well again after one success, whatever was before', () => {
  const finding = fc.record({
    outcome: fc.constantFrom<Finding['outcome'][]>('success', 'failure', 'failure', 'failure'),
    first: fc.boolean(),
    probe: fc.boolean(),
    after: fc.integer({ min: 0, max: 200_000 }),
  })
  fc.assert(
    fc.property(fc.array(finding, { maxLength: 60 }), (findings) => {
      let health = healthy
      let now = 0
      let inARow = 0
      let firstFailure: number | null = null
      for (const { after, ...each } of findings) {
        now += after
        const before = health
        const verdict = afterTry(before, { ...each, time: at(now) }, at(now), thresholds)
        health = verdict.health
        if (each.outcome === 'success') {
          inARow = 0
          firstFailure = null
          expect(health).toEqual(healthy)
          expect(verdict.hopeless).toBe(false)
          continue
        }
        inARow++
        firstFailure ??= now
        expect(health.failures).toBe(inARow)
        expect(health.failingSince).toBe(at(firstFailure).toISOString())
        expect(health.breaker).toBe(inARow >= 3 ? 'open' : 'closed')
        if (verdict.hopeless) expect(now - firstFailure).toBeGreaterThanOrEqual(5 * 24 * 3600)
        // Never longer than the longest, and never shortened by a failure.
        if (health.breakerUntil) {
          expect(Date.parse(health.breakerUntil) - start).toBeLessThanOrEqual((now + 100) * 1000)
        }
        if (before.breaker === 'open' && !each.probe) expect(health.breakerUntil).toBe(before.breakerUntil)
      }
    }),
  )
})

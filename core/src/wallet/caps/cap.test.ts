import { expect, it } from 'vitest'
import { periodAt } from './cap.ts'

it.each([
  ['day', '2026-03-01T00:00:00.000Z', '2026-03-01', '2026-03-02'],
  ['day', '2026-12-31T23:59:59.999Z', '2026-12-31', '2027-01-01'],
  ['day', '2028-02-28T12:00:00.000Z', '2028-02-28', '2028-02-29'],
  ['month', '2026-03-01T00:00:00.000Z', '2026-03-01', '2026-04-01'],
  ['month', '2026-03-31T23:59:59.999Z', '2026-03-01', '2026-04-01'],
  ['month', '2026-12-31T23:59:59.999Z', '2026-12-01', '2027-01-01'],
  ['month', '2028-02-29T00:00:00.000Z', '2028-02-01', '2028-03-01'],
] as const)('the %s of %s begins on %s and the next on %s', (period, now, start, next) => {
  expect(periodAt(period, { now: () => new Date(now) })).toEqual({
    startTime: `${start}T00:00:00.000Z`,
    resetsTime: `${next}T00:00:00.000Z`,
  })
})

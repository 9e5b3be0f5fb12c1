import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { periodEndAfter } from './period-end-after.ts'

const at = (day: string) => `${day}T10:30:00.250Z`

describe('the end of a period', () => {
  it.each([
    ['2026-01-31', 'month', ['2026-02-28', '2026-03-31', '2026-04-30', '2026-05-31']],
    ['2028-01-30', 'month', ['2028-02-29', '2028-03-30']],
    ['2026-12-15', 'month', ['2027-01-15', '2027-02-15']],
    ['2028-02-29', 'year', ['2029-02-28', '2030-02-28', '2031-02-28', '2032-02-29']],
    ['2026-03-01', 'year', ['2027-03-01', '2028-03-01']],
  ] as const)('from %s by the %s', (anchor, time, ends) => {
    let start = at(anchor)
    for (const end of ends) {
      expect(periodEndAfter(at(anchor), time, start)).toBe(at(end))
      start = at(end)
    }
  })

  it('is none for what is paid once', () => {
    expect(periodEndAfter(at('2026-01-31'), 'life_time', at('2026-01-31'))).toBeNull()
  })

  it('is the one after the present, however long ago the anchor was', () => {
    expect(periodEndAfter(at('2020-01-31'), 'month', at('2026-02-28'))).toBe(at('2026-03-31'))
    expect(periodEndAfter(at('2020-02-29'), 'year', at('2026-02-27'))).toBe(at('2026-02-28'))
  })

  it('follows the start by at most a period, and never skips one', () => {
    const time = fc.date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
    fc.assert(
      fc.property(
        time,
        fc.nat({ max: 400 }),
        fc.constantFrom('month' as const, 'year' as const),
        (anchor, days, by) => {
          const start = new Date(anchor.getTime() + days * 86_400_000).toISOString()
          const end = periodEndAfter(anchor.toISOString(), by, start)!
          expect(end > start).toBe(true)
          const length = (Date.parse(end) - Date.parse(start)) / 86_400_000
          expect(length).toBeLessThanOrEqual(by === 'month' ? 31 : 366)
        },
      ),
    )
  })
})

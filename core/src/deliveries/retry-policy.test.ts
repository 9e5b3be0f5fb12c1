import { expect, it } from 'vitest'
import { readRetryAfter, retryDelay } from './retry-policy.ts'

const day = 86_400
const asked = (retryAfter: number | null) => ({ retryAfter, tired: false })

it('follows the schedule, within a fifth more or less', () => {
  expect(retryDelay([10, 100], 1, asked(null), () => 0)).toBeCloseTo(8)
  expect(retryDelay([10, 100], 1, asked(null), () => 0.5)).toBeCloseTo(10)
  expect(retryDelay([10, 100], 2, asked(null), () => 1)).toBeCloseTo(120)
  const delays = Array.from({ length: 200 }, () => retryDelay([100], 1, asked(null))!)
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(80)
  expect(Math.max(...delays)).toBeLessThanOrEqual(120)
  expect(new Set(delays).size).toBeGreaterThan(100)
})

it('ends with the schedule, whatever the receiver asks for', () => {
  expect(retryDelay([10, 100], 3, asked(null))).toBeNull()
  expect(retryDelay([], 1, asked(60))).toBeNull()
})

it('waits longer when the receiver asks for it, never shorter, and a day at most', () => {
  expect(retryDelay([10], 1, asked(3600), () => 0.5)).toBe(3600)
  expect(retryDelay([10], 1, asked(1), () => 0.5)).toBe(10)
  expect(retryDelay([10], 1, asked(10 * 365 * day), () => 0.5)).toBe(day)
  expect(retryDelay([2 * day], 1, asked(10 * 365 * day), () => 0.5)).toBe(2 * day)
})

it('gives a receiver that is tired a minute at least, or the longest wait there is', () => {
  const tired = { retryAfter: null, tired: true }
  expect(retryDelay([5, 300], 1, tired, () => 0.5)).toBe(60)
  expect(retryDelay([5, 300], 2, tired, () => 0.5)).toBe(300)
  expect(retryDelay([5, 20], 1, tired, () => 0.5)).toBe(20)
  expect(retryDelay([5, 300], 1, { retryAfter: 100, tired: true }, () => 0.5)).toBe(100)
})

it('reads Retry-After in seconds and as an HTTP date, and nothing else', () => {
  const now = new Date('2026-01-01T00:00:00Z')
  expect(readRetryAfter('120', now)).toBe(120)
  expect(readRetryAfter('0', now)).toBe(0)
  expect(readRetryAfter('Thu, 01 Jan 2026 00:01:00 GMT', now)).toBe(60)
  expect(readRetryAfter(['5', '6'], now)).toBe(5)
  for (const other of ['-5', '1.5', '1e9', 'soon', '', 'Thu, 01 Jan 2015 00:01:00 GMT', 'Monday', undefined]) {
    expect(readRetryAfter(other, now)).toBeNull()
  }
})

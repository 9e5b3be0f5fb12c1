import { invalidField } from './errors.ts'

const pattern =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?|:(\d{3}))?\s?(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i

/** What both databases keep, and what sorts as text: PostgreSQL has no year 0, and ISO text of later years begins with a sign. */
const earliest = '0001-01-01T00:00:00.000Z'
const latest = '9999-12-31T23:59:59.999Z'

/**
 * Reads an ISO 8601 date or time as clients of HighLevel send it and returns it as ISO UTC text of the years 1 to 9999, or null when
 * it is none. Without a zone it is UTC; a date alone is its first instant. `2025-03-26T00:00:000Z`, HighLevel's own example, has no
 * seconds and three digits in their place: the milliseconds of a common formatter's `HH:mm:SSS`, so it is read as that.
 */
export function readTime(given: string): string | null {
  const match = pattern.exec(given.trim())
  if (!match) return null
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', bare, zone] = match
  const milliseconds = bare ?? fraction.slice(0, 3).padEnd(3, '0')
  const fields = [year, month, day, hour, minute, second, milliseconds].map(Number)
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0, ms = 0] = fields
  const local = new Date(0)
  // Not Date.UTC, which takes years before 100 for those of the last century.
  local.setUTCFullYear(y, mo - 1, d)
  local.setUTCHours(h, mi, s, ms)
  // A field that is too large moves its neighbours: 30 February becomes March.
  const whole = [
    local.getUTCFullYear(),
    local.getUTCMonth() + 1,
    local.getUTCDate(),
    local.getUTCHours(),
    local.getUTCMinutes(),
  ]
  if (whole.some((value, index) => value !== fields[index]) || local.getUTCSeconds() !== s) return null
  const offset = offsetMinutes(zone)
  return offset === null ? null : timeText(local.getTime() - offset * 60_000)
}

/** A time of a caller's as it is stored and compared. Throws `validation_failed` with the field. */
export function utcTime(field: string, given: string): string {
  const time = readTime(given)
  if (time === null) throw invalidField(field, notATime)
  return time
}

export const notATime = 'must be a time such as 2026-03-01T12:00:00Z, of the years 1 to 9999'

/** A time (ISO) later by so many milliseconds, or earlier; where that would leave the years 1 to 9999, their first or last moment. */
export function shiftTime(time: string, milliseconds: number): string {
  return timeText(Date.parse(time) + milliseconds) ?? (milliseconds < 0 ? earliest : latest)
}

// Compared as numbers: the text of what lies outside sorts anywhere.
function timeText(milliseconds: number): string | null {
  if (milliseconds < Date.parse(earliest) || milliseconds > Date.parse(latest)) return null
  return new Date(milliseconds).toISOString()
}

function offsetMinutes(zone: string | undefined): number | null {
  const match = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone ?? '')
  if (!match) return 0
  const [hours, rest] = [Number(match[2]), Number(match[3] ?? 0)]
  if (hours > 23 || rest > 59) return null
  const minutes = hours * 60 + rest
  return match[1] === '-' ? -minutes : minutes
}

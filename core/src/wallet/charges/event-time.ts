const pattern =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?|:(\d{3}))?\s?(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i

/**
 * Reads an ISO 8601 date or time as clients of HighLevel send it and returns it as ISO UTC text, or null when it is none.
 * Without a zone it is UTC; a date alone is its first instant. `2025-03-26T00:00:000Z`, HighLevel's own example, has no seconds
 * and three digits in their place: the milliseconds of a common formatter's `HH:mm:SSS`, so it is read as that.
 */
export function readTime(given: string): string | null {
  const match = pattern.exec(given.trim())
  if (!match) return null
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', bare, zone] = match
  const milliseconds = bare ?? fraction.slice(0, 3).padEnd(3, '0')
  const fields = [year, month, day, hour, minute, second, milliseconds].map(Number)
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0, ms = 0] = fields
  const local = new Date(Date.UTC(y, mo - 1, d, h, mi, s, ms))
  // A field that is too large moves its neighbours: 30 February becomes March.
  const whole = [
    local.getUTCFullYear(),
    local.getUTCMonth() + 1,
    local.getUTCDate(),
    local.getUTCHours(),
    local.getUTCMinutes(),
  ]
  if (whole.some((value, index) => value !== fields[index]) || local.getUTCSeconds() !== s) return null
  const read = new Date(local.getTime() - offsetMinutes(zone) * 60_000).toISOString()
  return read.length === '0000-00-00T00:00:00.000Z'.length ? read : null
}

function offsetMinutes(zone: string | undefined): number {
  const match = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone ?? '')
  if (!match) return 0
  const minutes = Number(match[2]) * 60 + Number(match[3] ?? 0)
  return match[1] === '-' ? -minutes : minutes
}

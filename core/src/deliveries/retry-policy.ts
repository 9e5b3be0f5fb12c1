const longestRetryAfter = 24 * 3600
const jitter = 0.2
/** A receiver that has too much to do, or did not answer in time, is not helped by being asked again in five seconds. Never longer than the schedule’s own longest wait. */
const leastPatience = 60

/**
 * Seconds until the next try, or null when the schedule is at its end.
 * `attempt` counts from 1. A receiver's own wish is followed when it asks for more patience than the schedule has, up to a
 * day; asking for less would let it draw a storm upon itself. `tired` receivers, overloaded or too slow, get a minute at least.
 */
export function retryDelay(
  schedule: number[],
  attempt: number,
  { retryAfter, tired }: { retryAfter: number | null; tired: boolean },
  random: () => number = Math.random,
): number | null {
  const planned = schedule[attempt - 1]
  if (planned === undefined) return null
  const patient = tired ? Math.max(planned, Math.min(leastPatience, Math.max(...schedule))) : planned
  const jittered = patient * (1 - jitter + 2 * jitter * random())
  return Math.max(jittered, cappedRetryAfter(retryAfter))
}

/** Seconds for which a receiver's wish to be left alone is followed: a day at most. */
export function cappedRetryAfter(retryAfter: number | null): number {
  return Math.min(retryAfter ?? 0, longestRetryAfter)
}

/** Seconds that a `Retry-After` header asks for: a number of seconds or an HTTP date. Null for what is neither. */
export function readRetryAfter(header: string | string[] | undefined, now: Date): number | null {
  const value = (Array.isArray(header) ? header[0] : header)?.trim()
  if (!value) return null
  if (/^\d+$/.test(value)) return Number(value)
  // HTTP dates begin with a weekday; Date.parse alone would take "-5" and "1.5" for years.
  if (!/^[A-Z][a-z]+,? /.test(value)) return null
  const seconds = (Date.parse(value) - now.getTime()) / 1000
  return Number.isFinite(seconds) && seconds > 0 ? seconds : null
}

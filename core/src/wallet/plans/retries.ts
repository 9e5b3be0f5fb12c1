/** What could not be paid is tried again on these days after the first time. */
export const retryDays = [1, 3, 5] as const

/** After so many tries, the next one that fails is the last. */
export const mostTries = retryDays.length

const day = 86_400_000

/** When a period that could not be paid for the `tries`-th time is tried again; null after the last. */
export function nextTry(tries: number, now: string): string | null {
  const next = retryDays[tries - 1]
  if (next === undefined) return null
  // Counted from the try before: after an outage of the host, they keep their distance.
  return new Date(Date.parse(now) + (next - (retryDays[tries - 2] ?? 0)) * day).toISOString()
}

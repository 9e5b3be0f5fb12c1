/** Where every time in the host comes from, so that tests can move it. */
export interface Clock {
  now(): Date
}

export const systemClock: Clock = { now: () => new Date() }

/** The present as ISO-8601 UTC text, the form in which times are stored and answered. */
export function nowIso(clock: Clock): string {
  return clock.now().toISOString()
}

/** ISO time `seconds` from now; negative for the past. */
export function isoIn(clock: Clock, seconds: number): string {
  return new Date(clock.now().getTime() + seconds * 1000).toISOString()
}

import { nowIso, type Clock } from '../kernel/index.ts'

/**
 * The present, or a millisecond after `before` if that is later. For `updatedTime` where what was opened is remembered by it: two
 * changes within a millisecond must not look like one.
 */
export function laterThan(before: string, clock: Clock): string {
  const now = nowIso(clock)
  return now > before ? now : new Date(Date.parse(before) + 1).toISOString()
}

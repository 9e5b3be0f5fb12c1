import type { NewEvent } from '../../events/index.ts'
import { capEvent } from './cap-events.ts'
import { percentPassed, type Limit } from './limits.ts'
import { counterName, type UsageCounter } from './usage-counters.ts'

/**
 * What is told of caps that have come to 80, 90 or 100 percent: the highest that was not told in this period. Notes it in the counters,
 * and their keys in `changed`, for whoever writes them.
 */
export function announceCaps(
  limits: ReadonlyMap<unknown, Limit[]>,
  counters: ReadonlyMap<string, UsageCounter>,
  changed: Set<string>,
  now: string,
): NewEvent[] {
  const caps = new Map<string, Limit>()
  for (const limit of [...limits.values()].flat()) if (limit.cap) caps.set(counterName(limit.counter), limit)
  return [...caps].flatMap(([name, { cap, publisherId, counter }]) => {
    const counted = counters.get(name)!
    const percent = percentPassed(cap!, counted)
    if (percent <= counted.announced) return []
    counted.announced = percent
    changed.add(counted.key)
    const type = percent === 100 ? ('cap.reached' as const) : ('cap.approaching' as const)
    const level = { percent, used: counted.amount, resetsTime: counter.periodEnd }
    return [capEvent(type, cap!, level, { publisherId, now })]
  })
}

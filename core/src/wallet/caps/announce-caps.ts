import type { NewEvent } from '../../events/index.ts'
import { capEvent } from './cap-events.ts'
import { percentPassed, type Limit } from './limits.ts'
import { counterName, type UsageCounter } from './usage-counters.ts'

interface Counted {
  limits: ReadonlyMap<unknown, Limit[]>
  counters: ReadonlyMap<string, UsageCounter>
  /** Keys of those that have to be written. */
  changedCounters: Set<string>
}

/**
 * What is told of caps that have come to 80, 90 or 100 percent: each once in a period. Marks the counters, which are written after: also
 * those that no charge was added to, because a cap that is set may be used up from the beginning.
 */
export function announceCaps({ limits, counters, changedCounters }: Counted, now: string): NewEvent[] {
  const caps = new Map(
    [...limits.values()].flat().flatMap((limit) => (limit.cap ? [[counterName(limit.counter), limit]] : [])) as [
      string,
      Limit,
    ][],
  )
  return [...caps].flatMap(([name, { cap, publisherId, counter }]) => {
    const counted = counters.get(name)!
    const percent = percentPassed(cap!, counted)
    if (percent <= counted.announced) return []
    counted.announced = percent
    changedCounters.add(counted.key)
    const type = percent === 100 ? ('cap.reached' as const) : ('cap.approaching' as const)
    const level = { percent, used: counted.amount, resetsTime: counter.periodEnd }
    return [capEvent(type, cap!, level, { publisherId, now })]
  })
}

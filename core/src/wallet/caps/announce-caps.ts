import type { NewEvent } from '../../events/index.ts'
import { capEvent } from './cap-events.ts'
import { percentToAnnounce, type Limit } from './limits.ts'
import { counterName, type UsageCounter } from './usage-counters.ts'

/** What is told of caps that have come to 80, 90 or 100 percent: each once in a period. Marks the counters, which are written after. */
export function announceCaps(
  limits: ReadonlyMap<unknown, Limit[]>,
  counters: ReadonlyMap<string, UsageCounter>,
  now: string,
): NewEvent[] {
  const caps = new Map(
    [...limits.values()].flat().flatMap((limit) => (limit.cap ? [[counterName(limit.counter), limit]] : [])) as [
      string,
      Limit,
    ][],
  )
  return [...caps].flatMap(([name, { cap, publisherId, counter }]) => {
    const counted = counters.get(name)!
    const percent = percentToAnnounce(cap!, counted)
    if (percent === null) return []
    counted.announced = percent
    const type = percent === 100 ? ('cap.reached' as const) : ('cap.approaching' as const)
    return [
      capEvent(type, cap!, { percent, used: counted.amount, resetsTime: counter.periodEnd }, { publisherId, now }),
    ]
  })
}

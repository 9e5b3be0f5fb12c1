import { isoIn, nowIso, type Clock } from './clock.ts'
import type { Logger } from './ports.ts'

const firstRestSeconds = 10
const longestRestSeconds = 3600
/** More are not remembered: whoever has that many that fail has another trouble than that they are in the way. */
const mostResting = 1000

/** Items of background work, each done by itself, so that one that fails keeps none of the others from being done. */
export interface EachByItself {
  /** Ids of those that failed lately, for the query for what is due to leave out: they would stay the first in it for ever. */
  resting(): string[]
  /**
   * Does them one after the other. One that fails is logged and rests, twice as long each time, up to an hour. Returns how many there
   * were.
   */
  run<Item>(items: Item[], idOf: (item: Item) => string, work: (item: Item) => Promise<unknown>): Promise<number>
}

/** Rests are remembered in memory: another process finds out for itself, which costs it one try. `what` is not done, for the log. */
export function createEachByItself({ logger, clock }: { logger: Logger; clock: Clock }, what: string): EachByItself {
  const failures = new Map<string, { times: number; until: string }>()

  function failed(id: string, err: unknown): void {
    const times = (failures.get(id)?.times ?? 0) + 1
    const seconds = Math.min(firstRestSeconds * 2 ** Math.min(times - 1, 20), longestRestSeconds)
    failures.delete(id)
    failures.set(id, { times, until: isoIn(clock, seconds) })
    for (const oldest of failures.keys()) {
      if (failures.size <= mostResting) break
      failures.delete(oldest)
    }
    logger.error({ err, id, times }, `${what} not done; the others go on`)
  }

  return {
    resting() {
      const now = nowIso(clock)
      return [...failures].filter(([, { until }]) => until > now).map(([id]) => id)
    },
    async run(items, idOf, work) {
      for (const item of items) {
        const id = idOf(item)
        try {
          await work(item)
          failures.delete(id)
        } catch (err) {
          failed(id, err)
        }
      }
      return items.length
    },
  }
}

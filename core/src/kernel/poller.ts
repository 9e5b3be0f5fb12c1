import type { Logger } from './ports.ts'

/** Background work that looks for what is due, again and again. */
export interface Poller {
  start(): void
  /** Looks at once rather than when it is time; does nothing before `start`. */
  wake(): void
  /** Resolves when what was under way is done. */
  stop(): Promise<void>
  /** Does what is due now; returns how much that was. `start` does this again and again. */
  runDue(): Promise<number>
}

/**
 * Runs `runDue` until it finds nothing, then waits and looks again. A round that fails is logged, and the next one comes all the same.
 * `what` is due, for the log.
 */
export function createPoller(
  { logger }: { logger: Logger },
  what: string,
  runDue: () => Promise<number>,
  { pollMilliseconds = 1000 }: { pollMilliseconds?: number } = {},
): Poller {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<unknown> = Promise.resolve()
  let isStarted = false
  let isLooking = false
  let isWoken = false

  async function round(): Promise<void> {
    isLooking = true
    do {
      isWoken = false
      let done = 1
      try {
        while (isStarted && done > 0) done = await runDue()
      } catch (err) {
        logger.error({ err }, `${what} not done`)
      }
      // What woke it may have come just after the last look.
    } while (isStarted && isWoken)
    isLooking = false
    if (isStarted) schedule()
  }

  function begin(): void {
    running = round()
  }

  function schedule(): void {
    timer = setTimeout(begin, pollMilliseconds)
    timer.unref()
  }

  return {
    start() {
      if (isStarted) return
      isStarted = true
      schedule()
    },
    wake() {
      isWoken = true
      if (!isStarted || isLooking) return
      clearTimeout(timer)
      begin()
    },
    async stop() {
      isStarted = false
      clearTimeout(timer)
      await running
    },
    runDue,
  }
}

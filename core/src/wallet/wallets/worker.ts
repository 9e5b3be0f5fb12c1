import type { WalletContext } from '../context.ts'

export interface Worker {
  start(): void
  /** Resolves when what was under way is done. */
  stop(): Promise<void>
  /** Does what is due now; returns how much that was. `start` does this again and again. */
  runDue(): Promise<number>
}

/** Background work that is looked for every so often. Nothing of it is lost by stopping: what is due is in the database. */
export function createWorker(
  ctx: WalletContext,
  what: string,
  runDue: () => Promise<number>,
  { pollMilliseconds = 1000 }: { pollMilliseconds?: number } = {},
): Worker {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<unknown> = Promise.resolve()
  let isStarted = false

  async function round(): Promise<void> {
    let done = 1
    try {
      while (isStarted && done > 0) done = await runDue()
    } catch (err) {
      ctx.logger.error({ err }, `due ${what} not read`)
    }
    if (isStarted) schedule()
  }

  function schedule(): void {
    timer = setTimeout(() => {
      running = round()
    }, pollMilliseconds)
    timer.unref()
  }

  return {
    start() {
      if (isStarted) return
      isStarted = true
      schedule()
    },
    async stop() {
      isStarted = false
      clearTimeout(timer)
      await running
    },
    runDue,
  }
}

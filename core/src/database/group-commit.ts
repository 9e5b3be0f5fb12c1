import type { Knex } from 'knex'

export interface GroupCommit<Item, Result> {
  /** Resolves after the transaction that holds the item has committed; rejects with the item's own refusal. */
  submit(item: Item): Promise<Result>
  /** How many items wait or are under way. */
  readonly size: number
  /** Resolves when everything submitted so far has been answered. */
  drain(): Promise<void>
}

export interface GroupCommitOptions<Item, Result> {
  db: Knex
  maxBatch: number
  /** Batches that may be under way at once. */
  writers: number
  /**
   * Does the whole batch in one transaction and answers item by item. An Error as an answer refuses that item alone and must
   * have left nothing behind; a throw rolls the batch back and refuses them all.
   */
  run: (trx: Knex.Transaction, items: Item[]) => Promise<(Result | Error)[]>
}

const mostGatheringMilliseconds = 5
const mostPatienceMilliseconds = 20

/**
 * Puts the writes of many clients into one transaction, so that they share one flush to disk: natural group commit, in which
 * whatever arrived while the last batch was being written is the next batch. When idle, nothing waits.
 */
export function createGroupCommit<Item, Result>(options: GroupCommitOptions<Item, Result>): GroupCommit<Item, Result> {
  type Waiting = { item: Item; resolve: (result: Result) => void; reject: (error: unknown) => void }
  let queue: Waiting[] = []
  let running = 0
  let pending = 0
  let isGathering = false
  let patience: NodeJS.Timeout | undefined
  const idle: (() => void)[] = []

  const mayBegin = () => queue.length > 0 && running < options.writers

  // A transaction costs much more than an item. Beside one that is under way another is begun when it will have as many, or after a
  // while: the one under way may be waiting for a lock that these do not need.
  function schedule(): void {
    if (isGathering || !mayBegin()) return
    const underWay = pending - queue.length
    if (queue.length >= Math.min(underWay, options.maxBatch)) begin()
    else patience ??= setTimeout(begin, mostPatienceMilliseconds)
  }

  function begin(): void {
    clearTimeout(patience)
    patience = undefined
    if (isGathering || !mayBegin()) return
    isGathering = true
    gather(0, performance.now())
  }

  // Turns of the event loop let every request that is already readable join the batch. Nothing is waited for: the first turn that
  // brings nothing is the last, and so is the one after which the oldest has stood for long enough.
  function gather(before: number, since: number): void {
    setImmediate(() => {
      const hasGrown = queue.length > before && queue.length < options.maxBatch
      if (hasGrown && performance.now() - since < mostGatheringMilliseconds) return gather(queue.length, since)
      isGathering = false
      if (mayBegin()) void flush()
      schedule()
    })
  }

  async function flush(): Promise<void> {
    const batch = queue.slice(0, options.maxBatch)
    queue = queue.slice(options.maxBatch)
    running++
    try {
      const answers = await options.db.transaction((trx) =>
        options.run(
          trx,
          batch.map(({ item }) => item),
        ),
      )
      batch.forEach(({ resolve, reject }, index) => {
        const answer = answers[index]
        if (answer instanceof Error) reject(answer)
        else resolve(answer as Result)
      })
    } catch (error) {
      for (const { reject } of batch) reject(error)
    } finally {
      running--
      pending -= batch.length
      if (pending === 0) for (const done of idle.splice(0)) done()
      schedule()
    }
  }

  return {
    submit(item) {
      pending++
      return new Promise<Result>((resolve, reject) => {
        queue.push({ item, resolve, reject })
        schedule()
      })
    },
    get size() {
      return pending
    },
    drain: () => (pending === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
  }
}

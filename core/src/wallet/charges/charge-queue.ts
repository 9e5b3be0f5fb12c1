import { createGroupCommit, isDatabaseUnavailable, isUniqueViolation } from '../../database/index.ts'
import { StoaError } from '../../kernel/index.ts'
import { bookCharges } from './charge-batch.ts'
import type { ChargeOutcome, ChargeRequest } from './charge.ts'
import type { WalletContext } from '../context.ts'

export interface ChargeQueue {
  /**
   * Resolves once the charge is on disk. Throws what the rules refuse, and `unavailable` when too many wait: then nothing of
   * it has been done.
   */
  submit(request: ChargeRequest): Promise<ChargeOutcome>
  /** Resolves when everything submitted so far has been answered. */
  drain(): Promise<void>
}

const mostTries = 5

/** Charges of many clients share transactions: whatever arrives while one is being written is the next one. */
export function createChargeQueue(ctx: WalletContext): ChargeQueue {
  const { db, dialect, config } = ctx
  const openGroup = (maxBatch: number) =>
    createGroupCommit<ChargeRequest, ChargeOutcome>({
      db,
      maxBatch,
      writers: dialect.batchWriters,
      run: (trx, requests) => bookCharges(ctx, trx, requests),
    })
  const together = openGroup(config.wallet.batchSize)
  // Bounded like the other, so that a batch which falls apart does not ask for a connection for each of its charges.
  const alone = openGroup(1)
  // Whole calls, not what the groups hold: a charge that is tried again is in neither of them for a moment.
  let underWay = 0
  const idle: (() => void)[] = []

  // A batch that failed for one request's sake must not fail the others: after a conflict they go into another batch, after
  // anything unforeseen each into a transaction of its own, where only the guilty one fails. Trying again is safe, also
  // when the commit was lost on the way, because an eventId is never charged twice.
  async function submit(request: ChargeRequest): Promise<ChargeOutcome> {
    let group = together
    for (let tries = 1; ; tries++) {
      try {
        return await group.submit(request)
      } catch (error) {
        if (error instanceof StoaError) throw error
        if (isConflict(error)) {
          if (tries < mostTries) continue
          throw new StoaError('unavailable', { retryAfter: 1, cause: error })
        }
        if (group === alone || isDatabaseUnavailable(error)) throw error
        group = alone
      }
    }
  }

  return {
    async submit(request) {
      if (underWay >= config.wallet.queueLimit) {
        const message = 'Too many charges are waiting to be written; send it again after the time in Retry-After.'
        throw new StoaError('unavailable', { message, retryAfter: 1 })
      }
      underWay++
      try {
        return await submit(request)
      } finally {
        underWay--
        if (underWay === 0) for (const done of idle.splice(0)) done()
      }
    },
    drain: () => (underWay === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
  }
}

// Serialization failure, deadlock, or a charge of the same eventId by another process on a location that has no wallet to lock.
function isConflict(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return code === '40001' || code === '40P01' || isUniqueViolation(error)
}

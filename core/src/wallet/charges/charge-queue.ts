import type { Knex } from 'knex'
import { afterCommit, createGroupCommit, isDatabaseUnavailable, isUniqueViolation } from '../../database/index.ts'
import { StoaError, type ErrorCode } from '../../kernel/index.ts'
import { bookCharges } from './charge-batch.ts'
import type { ChargeOutcome, ChargeRequest } from './charge.ts'
import { keepDeclined } from './keep-declined.ts'
import { createKnownEarners } from './known-earners.ts'
import type { WalletContext } from '../context.ts'

export interface ChargeQueue {
  /**
   * Resolves once the charge is on disk. Throws what the rules refuse, and `unavailable` when too many wait, or too many of its
   * application: then nothing of it has been done.
   */
  submit(request: ChargeRequest): Promise<ChargeOutcome>
  /**
   * As many submits, in one transaction of their own, with an answer for each. With `atomic` the first that is refused refuses all of
   * them: it is thrown as a RefusedBatch, and nothing is booked. All are of one application.
   */
  submitBatch(requests: ChargeRequest[], by: { atomic: boolean }): Promise<(ChargeOutcome | StoaError)[]>
  /** Resolves when everything submitted so far has been answered. */
  drain(): Promise<void>
}

const mostTries = 5

/** Charges of many clients share transactions: whatever arrives while one is being written is the next one. */
export function createChargeQueue(ctx: WalletContext): ChargeQueue {
  const { db, dialect, config, metrics } = ctx
  const earners = createKnownEarners()
  async function book(trx: Knex.Transaction, requests: ChargeRequest[]): Promise<(ChargeOutcome | Error)[]> {
    const outcomes = await bookCharges(ctx, trx, requests, earners)
    afterCommit(trx, () => metrics.chargeBatch(requests.length))
    return outcomes
  }
  const openGroup = (maxBatch: number) =>
    createGroupCommit<ChargeRequest, ChargeOutcome>({
      db,
      maxBatch,
      writers: dialect.batchWriters,
      run: book,
    })
  const together = openGroup(config.wallet.batchSize)
  // Bounded like the other, so that a batch which falls apart does not ask for a connection for each of its charges.
  const alone = openGroup(1)
  const whole = createGroupCommit<ChargeRequest[], (ChargeOutcome | Error)[]>({
    db,
    maxBatch: 1,
    writers: dialect.batchWriters,
    run: async (trx, [requests]) => [await book(trx, requests!)],
  })
  const allOrNothing = createGroupCommit<ChargeRequest[], (ChargeOutcome | Error)[]>({
    db,
    maxBatch: 1,
    writers: dialect.batchWriters,
    run: async (trx, [requests]) => {
      const outcomes = await book(trx, requests!)
      const index = outcomes.findIndex((outcome) => outcome instanceof Error)
      if (index >= 0) throw new RefusedBatch(index, outcomes[index] as StoaError)
      return [outcomes]
    },
  })
  // Whole calls, not what the groups hold: a charge that is tried again is in neither of them for a moment.
  let underWay = 0
  const underWayOf = new Map<string, number>()
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

  async function submitBatch(requests: ChargeRequest[], atomic: boolean): Promise<(ChargeOutcome | StoaError)[]> {
    for (let tries = 1; ; tries++) {
      try {
        return (await (atomic ? allOrNothing : whole).submit(requests)) as (ChargeOutcome | StoaError)[]
      } catch (error) {
        if (error instanceof RefusedBatch) {
          await keepDeclined(ctx, requests[error.index]!, error.refusal)
          throw error
        }
        if (isConflict(error) && tries < mostTries) continue
        if (isConflict(error)) throw new StoaError('unavailable', { retryAfter: 1, cause: error })
        if (atomic || isDatabaseUnavailable(error)) throw error
        return submitEach(requests)
      }
    }
  }

  // In their order, and each by itself: only the guilty one is answered with a fault.
  async function submitEach(requests: ChargeRequest[]): Promise<(ChargeOutcome | StoaError)[]> {
    const outcomes: (ChargeOutcome | StoaError)[] = []
    for (const request of requests) {
      try {
        outcomes.push(await submit(request))
      } catch (error) {
        if (!(error instanceof StoaError)) ctx.logger.error({ err: error }, 'a charge of a batch failed')
        outcomes.push(error instanceof StoaError ? error : new StoaError('internal_error', { cause: error }))
      }
    }
    return outcomes
  }

  /**
   * Counts what is under way, and refuses what would be too much before anything of it is done: no application may have more waiting
   * than there is room left. So one alone fills half of the queue, two a third each, and whoever has nothing in it still finds room.
   * A fixed share would let a few applications fill it together. This also bounds batches: they count as one request for the rate
   * limit, since who may send them only as fast as single charges has no reason to send them.
   */
  async function admit<Answer>(applicationId: string, count: number, work: () => Promise<Answer>): Promise<Answer> {
    const own = underWayOf.get(applicationId) ?? 0
    const room = config.wallet.queueLimit - underWay
    // One that is larger than all that may wait is let in when nothing does.
    if (underWay > 0 && own + count > room) {
      const whose = count > room ? 'charges' : 'charges of this application'
      const message = `Too many ${whose} are waiting to be written; send it again after the time in Retry-After.`
      throw new StoaError('unavailable', { message, retryAfter: 1 })
    }
    underWay += count
    underWayOf.set(applicationId, own + count)
    try {
      return await work()
    } finally {
      underWay -= count
      const left = underWayOf.get(applicationId)! - count
      if (left > 0) underWayOf.set(applicationId, left)
      else underWayOf.delete(applicationId)
      if (underWay === 0) for (const done of idle.splice(0)) done()
    }
  }

  /** Tells the metrics what came of it, once, however often it was tried. Of what is refused together, all are refused. */
  async function told<Answer extends (ChargeOutcome | StoaError)[]>(
    applicationId: string,
    count: number,
    work: () => Promise<Answer>,
  ): Promise<Answer> {
    try {
      const outcomes = await admit(applicationId, count, work)
      for (const outcome of outcomes) {
        if (outcome instanceof StoaError) metrics.chargesRefused(outcome.code, 1)
        else metrics.charged(outcome.replayed ? 'replayed' : 'booked')
      }
      return outcomes
    } catch (error) {
      metrics.chargesRefused(codeOf(error), count)
      throw error
    }
  }

  metrics.watchChargeQueue(() => underWay)
  return {
    submit: async (request) => {
      const work = async (): Promise<[ChargeOutcome]> => [await submit(request)]
      return (await told(request.applicationId, 1, work))[0]
    },
    submitBatch: (requests, { atomic }) =>
      told(requests[0]!.applicationId, requests.length, () => submitBatch(requests, atomic)),
    drain: () => (underWay === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
  }
}

/** A batch of which nothing was booked, because of one of its charges. */
export class RefusedBatch extends Error {
  override name = 'RefusedBatch'
  readonly index: number
  readonly refusal: StoaError

  constructor(index: number, refusal: StoaError) {
    super(`charge ${index} of the batch was refused`)
    this.index = index
    this.refusal = refusal
  }
}

/** As the answer will say it. */
function codeOf(error: unknown): ErrorCode {
  if (error instanceof RefusedBatch) return error.refusal.code
  if (error instanceof StoaError) return error.code
  return isDatabaseUnavailable(error) ? 'unavailable' : 'internal_error'
}

// Serialization failure, deadlock, or a charge of the same eventId by another process on a location that has no wallet to lock.
function isConflict(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return code === '40001' || code === '40P01' || isUniqueViolation(error)
}

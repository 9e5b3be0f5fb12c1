import type { Environment } from '../../context.ts'
import type { Micros } from '../../kernel/index.ts'

/** `created`: booked, and to be transferred. `paid`: it was. `failed`: the money was given back and is paid out next time. */
export const payoutStatuses = ['created', 'paid', 'failed'] as const
export type PayoutStatus = (typeof payoutStatuses)[number]

/** What an operator set off: payouts to all organizations that something is due to. */
export interface PayoutRun {
  id: string
  environment: Environment
  currency: string
  /** What was booked before this is paid out. */
  cutoffTime: string
  /** Less than this is left for another time. */
  minimum: Micros
  actor: string
  createdTime: string
  /** Null while it is under way. */
  finishedTime: string | null
  position: RunPosition
  skipped: Skipped
}

/** How far a run has got, which is kept with what it did. Organizations and accounts are taken in the order of their ids. */
export interface RunPosition {
  /** Organizations up to this one are paid; '' at first. */
  organizationId: string
  /** Of those that are paid next, the account that was collected last; '' when none was. */
  accountId: string
  /** Where on it to go on; null when all of it is collected. */
  entry: EntryPosition | null
  /** Organizations after `organizationId` that are not paid, because collecting of them failed. */
  skipped: string[]
}

/** Organizations that a run could not pay, for a fault of their own. */
export interface Skipped {
  count: number
  /** The first `mostNamed`. */
  organizationIds: string[]
}

/** They are kept with the run, which is written with every step; the log names all of them. */
const mostNamed = 100

export function withSkipped({ count, organizationIds }: Skipped, more: string[]): Skipped {
  return { count: count + more.length, organizationIds: [...organizationIds, ...more].slice(0, mostNamed) }
}

/** Where an entry stands among those of its account. */
export interface EntryPosition {
  transactionId: string
  seq: number
  bookedTime: string
}

/** Sums of a payout, or of one account's part of it: `carriedIn + earned = amount + carriedOut`. */
export interface PayoutSums {
  /** Of the items. */
  earned: Micros
  /** Owed from former payouts: what they left over, and what failed. */
  carriedIn: Micros
  /** What this payout leaves over. */
  carriedOut: Micros
  /** What is paid. */
  amount: Micros
}

export interface PayoutPart extends PayoutSums {
  accountId: string
}

export interface Payout extends PayoutSums {
  id: string
  runId: string
  organizationId: string
  environment: Environment
  currency: string
  status: PayoutStatus
  transactionId: string
  reversalId: string | null
  /** The operator's own number of the transfer. */
  reference: string | null
  failure: string | null
  settledBy: string | null
  /** Given when it ended, for the event that tells of it. */
  settlementId: string | null
  createdTime: string
  settledTime: string | null
}

/** What an account is owed before a payout. */
export interface Due {
  accountId: string
  earned: Micros
  carriedIn: Micros
}

/**
 * What is paid of these accounts of one organization: all they are owed together, negative ones netted, down to the whole minor unit.
 * What is left of it stays with the accounts that are owed most. Null when it is nothing, or less than the minimum.
 */
export function planPayout(
  dues: Due[],
  { minimum, minorUnit }: { minimum: Micros; minorUnit: Micros },
): (PayoutSums & { parts: PayoutPart[] }) | null {
  const earned = sumOf(dues.map((due) => due.earned))
  const carriedIn = sumOf(dues.map((due) => due.carriedIn))
  const total = earned + carriedIn
  if (total <= 0n || total < minimum) return null
  let rest = total % minorUnit
  if (rest === total) return null
  const sums = { earned, carriedIn, carriedOut: rest, amount: total - rest }
  const parts = dues
    .map((due) => ({ ...due, owed: due.earned + due.carriedIn }))
    .toSorted((a, b) => (a.owed === b.owed ? (a.accountId < b.accountId ? -1 : 1) : a.owed > b.owed ? -1 : 1))
    .map(({ owed, ...due }) => {
      // Together those above 0 are owed at least the total, so all of the rest finds a place.
      const carriedOut = owed <= 0n ? 0n : owed < rest ? owed : rest
      rest -= carriedOut
      return { ...due, carriedOut, amount: owed - carriedOut }
    })
  return { ...sums, parts }
}

const sumOf = (amounts: Micros[]): Micros => amounts.reduce((sum, each) => sum + each, 0n)

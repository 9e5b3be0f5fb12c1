import type { Environment } from '../../context.ts'
import type { Micros } from '../../kernel/index.ts'

/**
 * - `trialing`: nothing is paid until the trial ends. `active`: paid, or about to be in a moment.
 * - `past_due`: the wallet could not pay the period that began; tried again on the days of `retryDays`.
 * - `unpaid`: it never could, and the installation was switched off. `paused`: somebody switched the installation off and the period is
 *   over. Both begin a new period when it is switched on again, and not before.
 * - `ended`: for good.
 */
export const subscriptionStatuses = ['trialing', 'active', 'past_due', 'unpaid', 'paused', 'ended'] as const
type SubscriptionStatus = (typeof subscriptionStatuses)[number]

/** An installation's plan, from when it was chosen to when the installation or the plan ends. One is live at a time. */
export interface Subscription {
  id: string
  installationId: string
  applicationId: string
  publisherId: string
  organizationId: string
  locationId: string | null
  environment: Environment
  planId: string
  status: SubscriptionStatus
  /** The day and time that periods count from. */
  anchorTime: string
  periodStart: string
  /** Null for what is free or paid once: nothing has to be paid again. */
  periodEnd: string | null
  trialEnd: string | null
  /** Cancelled: it ends with the period. */
  endsWithPeriod: boolean
  /** How often the present period could not be paid. */
  tries: number
  /** When the worker looks at it; null while nothing is awaited. */
  nextTime: string | null
  leaseToken: string | null
  /** The number of its items. */
  revision: number
  createdTime: string
  updatedTime: string
  endedTime: string | null
}

/**
 * - `trial`: a time for which nothing is paid. `period`: a whole period. `change`: the rest of a period, on another plan.
 * - `credit`: what was not used of the item before, given back, as negative amounts.
 */
export const itemKinds = ['trial', 'period', 'change', 'credit'] as const

/** What a subscription cost. Never changes; `revision` counts a subscription's items, so that none is booked twice. */
export interface SubscriptionItem {
  id: string
  subscriptionId: string
  revision: number
  kind: (typeof itemKinds)[number]
  planId: string
  applicationId: string
  organizationId: string
  locationId: string | null
  environment: Environment
  currency: string
  amount: Micros
  /** Of it, what the application asks, and of that what the platform keeps. */
  baseAmount: Micros
  feeAmount: Micros
  /** The rule by which it was resold. */
  rebillingId: string | null
  /** The wallet, and the transaction; null where nothing was paid. */
  accountId: string | null
  transactionId: string | null
  periodStart: string
  periodEnd: string | null
  createdTime: string
}

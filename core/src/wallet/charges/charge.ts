import type { Environment } from '../../context.ts'
import { divideMicros, type Micros } from '../../kernel/index.ts'
import type { PriceLine } from '../meters/price-charge.ts'

/**
 * Money taken once, and never changed: record 0 of an id is the charge, the records after it are what was given back of it.
 */
export interface ChargeRecord {
  id: string
  seq: number
  applicationId: string
  /** One application on one location in one environment, for ever. */
  installationId: string
  /** The organization that earns it. */
  publisherId: string
  organizationId: string
  locationId: string
  environment: Environment
  meterId: string
  priceId: string
  /** The application's own number of what it charged for; unique for ever per installation. */
  eventId: string
  /** What a repeated request must agree with. */
  fingerprint: string
  userId: string | null
  description: string
  units: Micros
  unitPrice: Micros
  /** How the amount came about; null where it is units x unitPrice. */
  lines: PriceLine[] | null
  /** What was paid, or given back. */
  amount: Micros
  /** Of it, what the application asks; the rest is the margin of the organization that resells it. */
  baseAmount: Micros
  /** Of the base, what the platform keeps. */
  feeAmount: Micros
  /** The rule by which it was resold. */
  rebillingId: string | null
  currency: string
  /** The wallet that paid; null when nothing had to be paid and there was none. */
  accountId: string | null
  transactionId: string
  /** The hold it was captured of. */
  holdId: string | null
  /** Of a refund: the application's own number of it; null when the charge was given back whole. */
  refundId: string | null
  eventTime: string
  createdTime: string
}

/** A charge with what was given back of it so far. */
export interface Charge extends ChargeRecord {
  refundedAmount: Micros
  refundedUnits: Micros
  /** When the last of it was given back; null while it stands. */
  refundedTime: string | null
  /** Whether all of it was given back. */
  isRefunded: boolean
}

/** What the payer pays for a unit: where the charge was resold, more than the application asks. */
export function paidPerUnit({ amount, baseAmount, unitPrice, units }: ChargeRecord): Micros {
  return amount === baseAmount || units === 0n ? unitPrice : divideMicros(amount, units)
}

/** What names a charge before it has an id. */
export type ChargeKey = Pick<ChargeRecord, 'installationId' | 'eventId'>

/** A charge as its request asks for it, judged as far as that is possible without the database. */
export interface ChargeRequest extends ChargeKey {
  applicationId: string
  organizationId: string
  locationId: string
  environment: Environment
  meterId: string
  userId: string | null
  description: string
  units: Micros
  /** The price as it was given; null when it was not. */
  price: number | null
  /** ISO UTC text, or null for the time of booking. */
  eventTime: string | null
  currency: string | null
  fingerprint: string
  /** Whether the caller may charge for what is older than 35 days. */
  isBackfill: boolean
  /** Requests of the same batch are booked together, as one transaction for each wallet. Null for one by itself. */
  batchId: string | null
  /** The hold it is captured of, or null. */
  capture: Capture | null
}

export interface Capture {
  holdId: string
  /** Whether what the hold has left after it is released. */
  isFinal: boolean
  /** Whether what goes beyond the hold may be taken of the wallet. */
  allowExcess: boolean
}

/** A charge, and whether it was there before this request. */
export interface ChargeOutcome {
  charge: Charge
  replayed: boolean
}

/** One text for what is unique about a charge. */
export const keyOf = ({ installationId, eventId }: ChargeKey): string => `${installationId} ${eventId}`

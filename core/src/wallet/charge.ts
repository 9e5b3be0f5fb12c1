import type { Environment } from '../context.ts'
import type { Micros } from '../kernel/index.ts'

/**
 * Money taken once, and never changed: record 0 of an id is the charge, the records after it are what was given back of it.
 */
export interface ChargeRecord {
  id: string
  seq: number
  applicationId: string
  installationId: string
  /** The organization that earns it. */
  publisherId: string
  organizationId: string
  locationId: string
  environment: Environment
  meterId: string
  priceId: string
  /** The application's own number of what it charged for; unique for ever per application, location and environment. */
  eventId: string
  /** What a repeated request must agree with. */
  fingerprint: string
  userId: string | null
  description: string
  units: Micros
  unitPrice: Micros
  amount: Micros
  currency: string
  /** The wallet that paid; null when nothing had to be paid and there was none. */
  accountId: string | null
  transactionId: string
  eventTime: string
  createdTime: string
  /** When it was given back; null while it stands. Read from the records after it. */
  refundedTime: string | null
}

/** What names a charge before it has an id. */
export type ChargeKey = Pick<ChargeRecord, 'applicationId' | 'locationId' | 'environment' | 'eventId'>

/** A charge as its request asks for it, judged as far as that is possible without the database. */
export interface ChargeRequest extends ChargeKey {
  installationId: string
  organizationId: string
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
}

/** A charge, and whether it was there before this request. */
export interface ChargeOutcome {
  charge: ChargeRecord
  replayed: boolean
}

/** One text for what is unique about a charge. */
export function keyOf({ applicationId, locationId, environment, eventId }: ChargeKey): string {
  return JSON.stringify([applicationId, locationId, environment, eventId])
}

import type { Environment } from '../../context.ts'
import type { Micros } from '../../kernel/index.ts'
import type { Period } from './period.ts'

/** What is capped: all that an installation costs, or one of its meters, in a period and a currency. At most one cap is in force for each. */
export interface CapScope {
  /** Null: all meters together. Plans are not counted: what they cost was agreed to. */
  meterId: string | null
  period: Period
  currency: string
}

/** The most that a merchant lets an installation on a location cost in a period. Only the merchant changes it. */
export interface Cap extends CapScope {
  id: string
  installationId: string
  applicationId: string
  organizationId: string
  locationId: string
  environment: Environment
  amount: Micros
  /** Counts the decisions about it; each is a row of stoa_cap_changes. */
  revision: number
  createdTime: string
  updatedTime: string
  /** When it was taken away; null while it is in force. */
  endedTime: string | null
}

/** An application asks for a cap of this amount; a person decides. */
export const capRequestStatuses = ['open', 'approved', 'refused', 'replaced'] as const

export interface CapRequest extends CapScope {
  id: string
  installationId: string
  applicationId: string
  organizationId: string
  locationId: string
  environment: Environment
  amount: Micros
  reason: string
  status: (typeof capRequestStatuses)[number]
  /** What the merchant says to it. */
  answer: string | null
  decidedBy: string | null
  decidedTime: string | null
  createdTime: string
}

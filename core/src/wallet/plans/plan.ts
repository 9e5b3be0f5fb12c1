import type { Micros } from '../../kernel/index.ts'
import type { PaymentTime } from './period-end-after.ts'

export const paymentTypes = ['recurring', 'one_time'] as const
/** A `retired` plan takes no new subscribers; those who have it keep it. */
export const planStatuses = ['active', 'retired'] as const

/** What an application costs for a period, or once for all, beside what its meters count. After HighLevel's manifests. */
export interface Plan {
  id: string
  applicationId: string
  publisherId: string
  name: string
  features: string[]
  paymentType: (typeof paymentTypes)[number]
  paymentTime: PaymentTime
  currency: string
  /** What an organization pays for itself, and what each location pays, for a period. 0 where it is free. */
  amount: Micros
  locationAmount: Micros
  freePlan: boolean
  freeForOrganization: boolean
  freeForLocation: boolean
  trialDays: number
  status: (typeof planStatuses)[number]
  /** The order in which they are offered. */
  position: number
  createdTime: string
  updatedTime: string
}

/** What the application asks of an organization or a location for a period. */
export function baseOf(plan: Plan, place: { locationId: string | null }): Micros {
  if (plan.freePlan) return 0n
  if (place.locationId === null) return plan.freeForOrganization ? 0n : plan.amount
  return plan.freeForLocation ? 0n : plan.locationAmount
}

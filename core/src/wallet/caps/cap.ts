import type { Environment } from '../../context.ts'
import { nowIso, type Clock, type Micros } from '../../kernel/index.ts'

/** A calendar day or month, UTC. */
export const capPeriods = ['day', 'month'] as const
export type CapPeriod = (typeof capPeriods)[number]

/** What is capped: all that an installation costs, or one of its meters, in a period and a currency. At most one cap is in force for each. */
export interface CapScope {
  /** Null: all meters together. Plans are not counted: what they cost was agreed to. */
  meterId: string | null
  period: CapPeriod
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

/** The period that is going on: its first moment, and the first one after it, when counting starts anew. */
export function periodAt(period: CapPeriod, clock: Clock): { startTime: string; resetsTime: string } {
  const now = nowIso(clock)
  const [year, month, day] = [Number(now.slice(0, 4)), Number(now.slice(5, 7)) - 1, Number(now.slice(8, 10))]
  const [start, next] =
    period === 'day'
      ? [Date.UTC(year, month, day), Date.UTC(year, month, day + 1)]
      : [Date.UTC(year, month, 1), Date.UTC(year, month + 1, 1)]
  return { startTime: new Date(start).toISOString(), resetsTime: new Date(next).toISOString() }
}

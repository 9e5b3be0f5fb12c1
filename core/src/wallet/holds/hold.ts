import type { Environment } from '../../context.ts'
import type { Micros } from '../../kernel/index.ts'
import type { Slice } from '../ledger/grant.ts'

export const holdStatuses = ['open', 'captured', 'released', 'expired'] as const
export type HoldStatus = (typeof holdStatuses)[number]

/** Money reserved for charges that will be made of it. It stays in the wallet, and nobody else can spend it. */
export interface Hold {
  id: string
  accountId: string
  applicationId: string
  installationId: string
  publisherId: string
  organizationId: string
  locationId: string
  environment: Environment
  meterId: string
  /** The application's own number of it; unique for ever per installation, among its holds. */
  eventId: string
  fingerprint: string
  userId: string | null
  description: string
  currency: string
  amount: Micros
  /** What was charged of it; never more than the amount. */
  captured: Micros
  status: HoldStatus
  /** Which grants the rest is reserved of, in the order in which they are spent; what they do not cover is the wallet's own money. */
  slices: Slice[]
  expiresTime: string
  createdTime: string
  closedTime: string | null
}

/** What is reserved of a hold now. */
export const reservedBy = ({ status, amount, captured }: Hold): Micros => (status === 'open' ? amount - captured : 0n)

/** The first `amount` of slices, and what is left of them. */
export function splitSlices(slices: Slice[], amount: Micros): { taken: Slice[]; left: Slice[] } {
  const taken: Slice[] = []
  const left: Slice[] = []
  let wanted = amount
  for (const slice of slices) {
    const part = slice.amount < wanted ? slice.amount : wanted
    if (part > 0n) taken.push({ ...slice, amount: part })
    if (part < slice.amount) left.push({ ...slice, amount: slice.amount - part })
    wanted -= part
  }
  return { taken, left }
}

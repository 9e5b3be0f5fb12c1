import type { CoreMembers } from './application.ts'
import type { Price } from './context.ts'

export const versionStatuses = ['draft', 'submitted', 'approved', 'released', 'yanked', 'rejected'] as const
/** `draft -> submitted -> approved -> released -> yanked`; `rejected` is another end of a submitted one. */
export type VersionStatus = (typeof versionStatuses)[number]

export const releaseModes = ['automatic', 'manual'] as const
/** Whether the approval releases it, or its author does afterwards. */
export type ReleaseMode = (typeof releaseModes)[number]

/**
 * What an application asks for and offers, as one snapshot with a number. Immutable once submitted. Releasing copies its
 * content to the application, which is what is in force.
 */
export interface Version {
  applicationId: string
  /** Counts from 1. The number of a deleted draft is given again, because nobody but its author ever saw it. */
  number: number
  status: VersionStatus
  content: CoreMembers
  /** What the meters cost when it was submitted; null for a draft. */
  prices: Price[] | null
  releaseMode: ReleaseMode
  /** What is new, for merchants to read. */
  notes: string | null
  /** Why it was rejected or yanked. */
  reason: string | null
  /** The person who made it; null when an application's own key without a person did. */
  createdBy: string | null
  createdTime: string
  submittedTime: string | null
  /** When a reviewer approved or rejected it. */
  decidedTime: string | null
  releasedTime: string | null
  yankedTime: string | null
}

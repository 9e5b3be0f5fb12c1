import type { CallerKind } from '../http/index.ts'

export const applicationStatuses = ['draft', 'pending-approval', 'available', 'rejected', 'disabled'] as const
export type ApplicationStatus = (typeof applicationStatuses)[number]

export const clientStatuses = ['ACTIVE', 'DISABLED'] as const
export type ClientStatus = (typeof clientStatuses)[number]

/** The members that a reviewer vouches for: once approved they change only through a reviewed revision. */
export interface CoreMembers {
  /** As the author gave them: names or aliases of the permission catalogue. */
  permissions: string[]
  /** The settings schema, vetted; null when the application has no settings. */
  properties: object | null
  /** The application's own settings page. */
  configurationUrl: string | null
  /** Where the consent page may return to. */
  redirectUri: string | null
}

/** The members that may change at any time, without review. */
export interface CosmeticMembers {
  name: string
  authorName: string | null
  tagline: string | null
  /** Markdown or plain text. */
  description: string | null
  logoId: string | null
  authorLogoId: string | null
  website: string | null
  acknowledges: boolean
  /** Requests per second for the application's tokens; null for the host's default. */
  rateLimit: number | null
  clientStatus: ClientStatus
}

/** One registered application: its listing in the store and its client are two views of it. */
export interface Application extends CoreMembers, CosmeticMembers {
  id: string
  publisherId: string
  /** The person who registered it; null when an application or a seed did. */
  createdBy: string | null
  status: ApplicationStatus
  /** Why it was rejected or disabled. */
  statusReason: string | null
  /** Derived: an application with its own settings page writes its settings itself. */
  configuredBy: 'user' | 'application'
  /** `<applicationId>-<8 characters>`. */
  clientId: string
  /** Core members that wait for review while the approved ones stay in force. */
  revision: Revision | null
  createdTime: string
  updatedTime: string
}

export interface Revision {
  changes: Partial<CoreMembers>
  submittedTime: string
}

export type ApplicationChanges = Partial<CoreMembers & CosmeticMembers>

export const coreMembers = ['permissions', 'properties', 'configurationUrl', 'redirectUri'] as const

export const applicationActions = [
  'created',
  'submitted',
  'approved',
  'rejected',
  'disabled',
  'enabled',
  'deleted',
] as const
export type ApplicationAction = (typeof applicationActions)[number]

/** One line of an application's history; never changed or removed. */
export interface ApplicationHistoryEntry {
  id: string
  action: ApplicationAction
  from: ApplicationStatus | null
  to: ApplicationStatus
  reason: string | null
  actor: { kind: CallerKind; id: string; organizationId: string }
  time: string
}

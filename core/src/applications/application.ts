import type { CallerKind } from '../http/index.ts'

export const applicationStatuses = ['draft', 'pending-approval', 'available', 'rejected', 'disabled'] as const
export type ApplicationStatus = (typeof applicationStatuses)[number]

export const clientStatuses = ['ACTIVE', 'DISABLED'] as const
export type ClientStatus = (typeof clientStatuses)[number]

export const installsOnChoices = ['any', 'organization', 'location'] as const
export type InstallsOn = (typeof installsOnChoices)[number]

/** RFC 6749 section 2.1; `native` is a public client on a person's device, whose loopback redirect has a free port (RFC 8252). */
export const clientTypes = ['confidential', 'public', 'native'] as const
export type ClientType = (typeof clientTypes)[number]

/** The members that a reviewer vouches for: once approved they change only through a version, which is reviewed. */
export interface CoreMembers {
  /** What it cannot do without, as the author gave it: names or aliases of the permission catalogue. */
  permissions: string[]
  /** What the merchant may leave out, or grant later. */
  optionalPermissions: string[]
  /** The settings schema, vetted; null when the application has no settings. */
  properties: object | null
  /** The application's own settings page. */
  configurationUrl: string | null
  /** Where the consent page may return to, each compared exactly. */
  redirectUris: string[]
  /** What it is installed on; `any` leaves the choice to the merchant. */
  installsOn: InstallsOn
  clientType: ClientType
  /** False only for confidential clients that cannot do PKCE; reviewers see it. */
  requiresPkce: boolean
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
  /** Public keys for `private_key_jwt`: a JSON Web Key Set (RFC 7517). */
  jwks: { keys: object[] } | null
  /** Whether its tokens are always bound to a key of its own (DPoP, RFC 9449). */
  requiresDpop: boolean
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
  /** The number of the version in force, of which the core members here are a copy; 0 before the first release. */
  version: number
  /** Since when a version waits for review while the one in force stays; null when none does. */
  revisionSubmittedTime: string | null
  createdTime: string
  updatedTime: string
}

/**
 * Whether its publisher switched the client off, or an operator took the listing out of the store. Then its installations
 * stay as they are, and none of them has or gets a token until it is switched on again.
 */
export function isSwitchedOff({ status, clientStatus }: Pick<Application, 'status' | 'clientStatus'>): boolean {
  return status === 'disabled' || clientStatus === 'DISABLED'
}

export type ApplicationChanges = Partial<CoreMembers & CosmeticMembers>

export const coreMembers = [
  'permissions',
  'optionalPermissions',
  'properties',
  'configurationUrl',
  'redirectUris',
  'installsOn',
  'clientType',
  'requiresPkce',
] as const

export const applicationActions = [
  'created',
  'submitted',
  'approved',
  'rejected',
  'disabled',
  'enabled',
  'released',
  'yanked',
  'secret-rotated',
  'secret-ended',
  'deleted',
] as const
export type ApplicationAction = (typeof applicationActions)[number]

/** A copy of the core members alone. */
export function coreOf(application: CoreMembers): CoreMembers {
  const { permissions, optionalPermissions, properties, configurationUrl } = application
  const { redirectUris, installsOn, clientType, requiresPkce } = application
  return {
    permissions,
    optionalPermissions,
    properties,
    configurationUrl,
    redirectUris,
    installsOn,
    clientType,
    requiresPkce,
  }
}

/** Who took a step. */
export interface Actor {
  kind: CallerKind
  /** The person, or the credential when no person stands behind it. */
  id: string
  organizationId: string
}

/** The platform's own people, to a publisher: which of them it was is no business of the publisher's. */
export interface SomeOperator {
  kind: 'operator'
  id: null
  organizationId: null
}

/** One line of an application's history; never changed or removed. */
export interface ApplicationHistoryEntry {
  id: string
  action: ApplicationAction
  from: ApplicationStatus | null
  to: ApplicationStatus
  reason: string | null
  /** Of which version; null for what concerns none. */
  version: number | null
  /** Of which client secret; null for what concerns none. */
  secretId: string | null
  actor: Actor
  time: string
}

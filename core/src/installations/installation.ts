import type { Environment } from '../context.ts'

export const statuses = ['enabling', 'enabled', 'disabling', 'disabled'] as const
export type Status = (typeof statuses)[number]

/** Why an installation that should be acknowledged is not. */
export type ProblemCode = 'not_acknowledged' | 'nobody_subscribed'

/** Where an application is installed: an organization, or one of its locations, in one environment. */
export interface Target {
  organizationId: string
  locationId: string | null
  environment: Environment
}

/** What may be said about sealed settings without opening them; written together with them. */
export interface ShownSecrets {
  /** A mask in the place of every secret. */
  masks: Record<string, unknown>
  /** Whether the settings, secrets included, were complete when written, and by which schema (its fingerprint). */
  isConfigured: boolean
  schema: string
}

/** Where an organization's installation of an application for locations goes on to. */
export interface FanOut {
  /** Chosen ones by id, or every location there is. */
  locations: string[] | 'all'
  /** Whether locations that are added later get it too. */
  future: boolean
}

export interface Installation extends Target {
  id: string
  applicationId: string
  status: Status
  /** Why it is not enabled; null while it is. */
  statusReason: string | null
  /** The version of the application it was last brought to. */
  version: number
  /** The version whose access request the target refused; a later one asks again. */
  refusedVersion: number | null
  /** The last version whose pending access the publisher was told of. */
  pendingVersion: number | null
  /** Of an installation on an organization: the locations it is passed on to. */
  fanOut: FanOut | null
  /** Of an installation that was passed on: the organization's installation. */
  parentId: string | null
  /** Canonical names of the permissions that the target approved. */
  grant: string[]
  /** As entered, without defaults and secrets. */
  settings: Record<string, unknown>
  /** Sealed JSON of the secret settings. */
  secrets: string | null
  /** Null when there are no secrets. */
  shownSecrets: ShownSecrets | null
  /** When settings were first written; null before. */
  configuredTime: string | null
  /** The person who installed it last. */
  installedBy: string | null
  installedTime: string
  uninstalledTime: string | null
  revision: number
  episode: number
  /** How often the event of this time was published. */
  tries: number
  /** When the worker looks at it next; null when nothing is awaited. */
  deadlineTime: string | null
  problemCode: ProblemCode | null
  problemTime: string | null
  leaseToken: string | null
  createdTime: string
  updatedTime: string
}

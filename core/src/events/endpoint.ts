import type { Environment } from '../context.ts'
import type { Credential } from './credential.ts'
import type { EndpointFormat } from './highlevel.ts'

export type EndpointStatus = 'ACTIVE' | 'DISABLED'
/** Who or what turned it off: its owner, a receiver that answered 410 or asked for it, or days of failure. */
export type StatusCause = 'owner' | 'gone' | 'asked' | 'failing'
/** `http`: posted to an address. `stream`: read from a connection that the author opened (`stoa listen`). */
export type Transport = 'http' | 'stream'
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
export type SigningVersion = 'v1' | 'v1a'

/** A signing key, sealed. While a rotation overlaps, the old ones sign too, until they expire. */
export interface EndpointSecret {
  id: string
  version: SigningVersion
  sealed: string
  /** Of a v1 secret, so that people tell which one they have; null of v1a. */
  lastFour: string | null
  /** Of v1a: `whpk_` and the base64 of the public key, for whoever verifies. */
  publicKey: string | null
  createdTime: string
  expiresTime: string | null
}

/** A header that the owner wants to be sent. Its value may be a password of theirs, and is sealed. */
export interface EndpointHeader {
  name: string
  sealed: string
  status: 'active' | 'inactive'
}

export interface Endpoint {
  id: string
  /** The id that its owner gave it, as Rebilly lets them; null when the host did. */
  givenId: string | null
  organizationId: string
  /** Receives the events of this application alone; null for those of all applications of the organization. */
  applicationId: string | null
  /** Of an application that made it where it is installed; null when the organization itself did. */
  installationId: string | null
  environment: Environment
  transport: Transport
  url: string
  method: Method
  /** Event types; `*` stands for any part of one. */
  events: string[]
  description: string | null
  /** Of the events from now on: what is waiting already is sent as it was when it happened. */
  format: EndpointFormat
  signing: SigningVersion[]
  secrets: EndpointSecret[]
  headers: EndpointHeader[]
  /** Rebilly's: the body to send, with `{{placeholders}}`; null for that of the format. */
  bodyTemplate: string | null
  credentialId: string | null
  /** One at a time, in the order in which they were published. */
  fifo: boolean
  /** Deliveries per second, on all processes together. */
  rateLimit: number | null
  /** Tries under way at once, on all processes together. */
  concurrency: number | null
  timeoutMilliseconds: number | null
  status: EndpointStatus
  statusCause: StatusCause | null
  /** Why it is disabled, for people. */
  statusReason: string | null
  health: EndpointHealth
  createdTime: string
  updatedTime: string
}

/** What the dispatcher knows of a receiver; kept in the database, so that every process knows it. */
export interface EndpointHealth {
  /** `open`: nothing is sent until `breakerUntil`; then one try tells whether it closes. */
  breaker: 'closed' | 'open'
  breakerUntil: string | null
  /** How often in a row it opened: each time it stays open for longer. */
  breakerTrips: number
  /** Failed tries since the last one that succeeded. */
  failures: number
  /** Events whose first try is among them. */
  failedEvents: number
  failingSince: string | null
}

export const healthy: EndpointHealth = {
  breaker: 'closed',
  breakerUntil: null,
  breakerTrips: 0,
  failures: 0,
  failedEvents: 0,
  failingSince: null,
}

/** Whose endpoints are meant. An application's own API key sees that application's alone, an installation its own. */
export interface EndpointScope {
  organizationId: string
  environment: Environment
  applicationId: string | null
  installationId: string | null
}

/** What fan-out needs to know of an endpoint. */
export type Receiver = Pick<
  Endpoint,
  'id' | 'organizationId' | 'applicationId' | 'installationId' | 'environment' | 'events' | 'format' | 'fifo'
>

/** What sending needs to know of one. */
export type Target = Pick<
  Endpoint,
  | 'id'
  | 'organizationId'
  | 'applicationId'
  | 'environment'
  | 'transport'
  | 'url'
  | 'method'
  | 'signing'
  | 'secrets'
  | 'headers'
  | 'bodyTemplate'
  | 'credentialId'
  | 'fifo'
  | 'timeoutMilliseconds'
  | 'status'
  | 'statusCause'
  | 'statusReason'
  | 'health'
  | 'createdTime'
  | 'updatedTime'
> & { credential: Credential | null }

import type { Environment } from '../context.ts'
import type { RequestFacts } from './request-facts.ts'

export const roles = ['owner', 'admin', 'author', 'member', 'operator'] as const
/** What a person is in an organization; `operator` is the platform's own staff. */
export type Role = (typeof roles)[number]

export type CallerKind = 'user' | 'api-key' | 'application'

/** Who a request is from and in which scope it acts, after authentication. The only source of authority there is. */
export interface Caller {
  kind: CallerKind
  /** Id of the credential: session, key or token. Rate limits count by it. */
  credentialId: string
  /** The person behind it: who is signed in, or who made the key. Null for applications. */
  userId: string | null
  /**
   * The organization the request acts in or, for an application, the one it is installed in. Empty for a person who belongs
   * to none: such a caller has no permission that needs one.
   */
  organizationId: string
  /** Set when the path chose a location, or the token was issued for one. */
  locationId: string | null
  environment: Environment
  /** Canonical permission names (`resource:verb`) in this scope. */
  permissions: ReadonlySet<string>
  /** An application's own API key acts for that application alone, in its publisher's organization. */
  onlyApplicationId: string | null
  /** Only for applications. */
  application: { applicationId: string; installationId: string; rateLimit: number | null } | null
}

/** What authentication gets to see of a request. */
export interface CredentialRequest extends Pick<RequestFacts, 'headers' | 'method' | 'url'> {
  ip: string
  /** The tenant named by the path, or by the deprecated Organization-Id header. */
  scope: { organizationId: string | null; locationId: string | null }
}

/** Turns a request's credential into a Caller. Throws 401 for the credential, 404 for a scope it has no right to. */
export type Authenticate = (request: CredentialRequest) => Promise<Caller>

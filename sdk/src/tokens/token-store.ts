/**
 * Where an app keeps the tokens of its customers. A store is shared by all processes of the app, so that they refresh a
 * token once and not once each: a refresh token is good for one use, and two processes that use the same one are, to the
 * host, a thief and a victim.
 *
 * Test your own with `tokenStoreContract` of `@stoa/sdk/testing`.
 */
export interface TokenStore {
  /** What was last written under this key, or null. Never waits for a lock. */
  get(key: string): Promise<Session | null>
  /** Writes under the key's lock. For moving sessions in from elsewhere; the SDK writes through `withLock`. */
  set(key: string, session: Session): Promise<void>
  /** Deletes under the key's lock; nothing there is no error. */
  delete(key: string): Promise<void>
  /** The sessions that have all of these members. Asked rarely: at an uninstall, and at the first use of a location. */
  list(filter: SessionFilter): Promise<StoredSession[]>
  /**
   * Runs `work` while nobody else, in any process, runs one under the same key; others wait. Locks of different keys do
   * not meet, so `work` may take another one.
   *
   * A lock is a lease: a holder that died, or hangs for longer than the lease, loses it to whoever waits. That is why
   * `work` writes through `locked`: what somebody writes who has lost the lease is refused (fencing), never mixed in.
   * @throws LockTimeoutError when the lock did not become free within the waiting time.
   */
  withLock<T>(key: string, work: (locked: LockedSession) => Promise<T>): Promise<T>
}

/** The session of the key whose lock is held. All that is read and written through it is of the holder alone. */
export interface LockedSession {
  get(): Promise<Session | null>
  /** @throws LockLostError when the lease ended in the meantime; nothing is written then. */
  set(session: Session): Promise<void>
  /** @throws LockLostError when the lease ended in the meantime; nothing is deleted then. */
  delete(): Promise<void>
}

/** What a token was given for, and until when. JSON, so that any store can keep it. */
export interface Session {
  userType: UserType
  accessToken: string
  /** Absent for what the app can get anew without one: tokens of the app itself and of the enabled event. */
  refreshToken?: string
  /** ISO-8601 UTC. */
  obtainedTime: string
  /** ISO-8601 UTC; the host may refuse the token earlier. */
  expiresTime: string
  /** Granted permissions. */
  scopes: string[]
  environment: Environment
  /** The organization; of a location, the one it belongs to. */
  companyId?: string
  locationId?: string
  /** Who installed. */
  userId?: string
  /** Of a company's token: the locations it may be exchanged for. */
  approvedLocations?: string[]
  /** Exchanged from the company's token: goes when that goes. */
  isExchanged?: boolean
}

export interface StoredSession {
  key: string
  session: Session
}

export type SessionFilter = Partial<Pick<Session, 'userType' | 'companyId' | 'environment'>>

/** `Company` is HighLevel's word for an organization, as the host's token answers have it. */
export type UserType = 'Company' | 'Location' | 'Application'

export type Environment = 'production' | 'sandbox'

export interface LockTimes {
  /**
   * After how long a holder counts as dead; default 15,000. Longer than a token request may take (10,000), or two
   * processes use one refresh token.
   */
  leaseMilliseconds?: number
  /** How long to wait for a lock; default 20,000. Longer than the lease, or nobody outwaits a dead holder. */
  waitMilliseconds?: number
}

/** The lock stayed taken for longer than a caller may wait. */
export class LockTimeoutError extends Error {
  constructor(key: string) {
    super(`The lock of ${key} did not become free in time. Try again; another process holds it.`)
    this.name = 'LockTimeoutError'
  }
}

/** The lease ended while the work went on, and somebody else may hold the lock by now: nothing was written. */
export class LockLostError extends Error {
  constructor(key: string) {
    super(`The lock of ${key} was lost: its work took longer than the lease. Read the session again.`)
    this.name = 'LockLostError'
  }
}

export function matches(session: Session, filter: SessionFilter): boolean {
  return (Object.keys(filter) as (keyof SessionFilter)[]).every(
    (name) => filter[name] === undefined || session[name] === filter[name],
  )
}

import type { Environment, Session, UserType } from '../tokens/index.ts'
import type { TokenAnswer } from './authorization-server.ts'

/** What a token is for. */
export interface Target {
  userType: UserType
  /** Of the location or the organization; empty for the app itself. */
  id: string
  environment: Environment
  /** Of a location, when it is known: the organization whose token may be exchanged for one of the location. */
  companyId?: string
}

/** The key of a target's session. Begins with the client id, so that several apps can share a store. */
export function keyOf(clientId: string, { userType, id, environment }: Target): string {
  return [clientId, environment, userType.toLowerCase(), ...(id ? [id] : [])].join(':')
}

/**
 * Installed by a code: where the host says it is, whatever was suggested. Null when the answer does not say. The
 * environment is the one that was asked for; an answer that names another was refused before.
 */
export function targetOf(answer: TokenAnswer, environment: Environment): Target | null {
  const userType = answer['userType']
  const id = text(userType === 'Location' ? answer['locationId'] : answer['companyId'])
  if ((userType !== 'Location' && userType !== 'Company') || id === undefined) return null
  return { userType, id, environment }
}

/**
 * A token answer as it is stored. What the answer leaves out stays as it was before: the refresh token, above all, which
 * a server need not send again (RFC 6749, section 6).
 */
export function sessionOf(target: Target, answer: TokenAnswer, before: Session | null, now: Date): Session {
  const seconds = answer.expires_in ?? 3_600
  const scopes = answer.scope === undefined ? (before?.scopes ?? []) : answer.scope.split(' ').filter(Boolean)
  const session = {
    userType: target.userType,
    accessToken: answer.access_token,
    refreshToken: answer.refresh_token ?? before?.refreshToken,
    obtainedTime: now.toISOString(),
    expiresTime: new Date(now.getTime() + seconds * 1_000).toISOString(),
    scopes,
    environment: target.environment,
    companyId: target.userType === 'Company' ? target.id : (text(answer['companyId']) ?? before?.companyId),
    locationId: target.userType === 'Location' ? target.id : undefined,
    userId: text(answer['userId']) ?? before?.userId,
    approvedLocations: texts(answer['approvedLocations']) ?? before?.approvedLocations,
    isExchanged: before?.isExchanged,
  }
  // Not members that are undefined: a stored session comes back without them.
  return Object.fromEntries(Object.entries(session).filter(([, value]) => value !== undefined)) as unknown as Session
}

/**
 * Whether to get another token before this one ends: in the last tenth of its life, at most five minutes, so that neither
 * a slow request nor clocks that differ a little meet its end.
 */
export function isDue(session: Session, now: Date): boolean {
  const end = Date.parse(session.expiresTime)
  const life = end - Date.parse(session.obtainedTime)
  return now.getTime() >= end - Math.min(300_000, life / 10)
}

export function isExpired(session: Session, now: Date): boolean {
  return now.getTime() >= Date.parse(session.expiresTime)
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function texts(value: unknown): string[] | undefined {
  return Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === 'string') : undefined
}

import { LRUCache } from 'lru-cache'
import { findLocation, findMembership, isSessionToken, listMemberships } from '../accounts/index.ts'
import { environments, type Environment } from '../context.ts'
import type { Authenticate, Caller, CredentialRequest, Role } from '../http/index.ts'
import { hashToken, isoIn, nowIso, StoaError, tokenKind } from '../kernel/index.ts'
import type { AccessContext } from './context.ts'
import { createIdentityMirror } from './mirror-identity.ts'
import { findApiKeyByHash, findInstallationToken, markApiKeyUsed, type ApiKey } from './store.ts'

type Headers = CredentialRequest['headers']
type Scope = CredentialRequest['scope']
interface Verified {
  caller: Caller
  expiresTime: string | null
}

const mostCallers = 20_000
const lastUsedSeconds = 60

/**
 * Turns a request's credential into a Caller: user session, API key or installation token. The result is kept in memory for
 * `config.tokens.cacheMilliseconds` and forgotten at once when anything changes in this process; on other nodes a revocation
 * is noticed when that time is over.
 */
export function createAuthenticate(ctx: AccessContext): Authenticate {
  const callers = new LRUCache<string, { verified: Verified; until: number }>({ max: mostCallers })
  let generation = 0
  const mirror = createIdentityMirror(ctx)
  ctx.signals.on('credentials-changed', () => {
    generation++
    callers.clear()
  })

  return async ({ headers, scope }) => {
    const credential = credentialOf(headers)
    const environment = environmentOf(headers)
    if (credential === null || (ctx.identity && isForeign(credential))) {
      const identity = await ctx.identity?.identify(headers)
      if (!identity) throw new StoaError(credential === null ? 'unauthenticated' : 'invalid_token')
      const { userId, memberships } = await mirror(identity)
      return callerOfUser(ctx, { credentialId: userId, userId, memberships }, scope, environment)
    }
    const key = `${hashToken(credential)}|${scope.organizationId ?? ''}|${scope.locationId ?? ''}|${environment ?? ''}`
    const now = ctx.clock.now()
    const known = callers.get(key)
    if (known && known.until > now.getTime()) {
      assertAlive(known.verified, now)
      return known.verified.caller
    }
    const before = generation
    const verified = await verify(ctx, credential, scope, environment)
    // What changed while this one was being read may be what it has just read.
    if (generation === before)
      callers.set(key, { verified, until: now.getTime() + ctx.config.tokens.cacheMilliseconds })
    return verified.caller
  }
}

/** A Bearer that is present decides, also when it is wrong: there is no falling back to a key beside it. */
function credentialOf(headers: Headers): string | null {
  const bearer = /^Bearer(?:\s+(.*))?$/is.exec(single(headers.authorization) ?? '')
  if (bearer) return bearer[1] ?? ''
  return single(headers['reb-apikey']) ?? single(headers['x-api-key']) ?? null
}

function environmentOf(headers: Headers): Environment | null {
  const value = single(headers['x-environment'])?.toLowerCase()
  if (value === undefined) return null
  const environment = environments.find((each) => each === value)
  if (!environment) {
    const message = 'X-Environment must be production or sandbox.'
    throw new StoaError('invalid_request', { message, invalidFields: [{ field: 'X-Environment', message }] })
  }
  return environment
}

async function verify(
  ctx: AccessContext,
  credential: string,
  scope: Scope,
  environment: Environment | null,
): Promise<Verified> {
  switch (tokenKind(credential)) {
    case 'ak':
      return verifyApiKey(ctx, credential, scope, environment)
    case 'at':
    case 'it':
      return verifyInstallationToken(ctx, credential, scope, environment)
    case 'cs':
    case 'rt':
    case 'ac':
    case 'pr':
      throw new StoaError('invalid_token', { message: 'This is a secret of the authorization server, not a token.' })
    case null:
      return verifySession(ctx, credential, scope, environment)
  }
}

async function verifyApiKey(
  ctx: AccessContext,
  secret: string,
  scope: Scope,
  environment: Environment | null,
): Promise<Verified> {
  const { db, clock } = ctx
  const key = await findApiKeyByHash(db, hashToken(secret))
  if (!key) throw new StoaError('invalid_token')
  if (key.revokedTime !== null) throw new StoaError('revoked_token')
  if (key.expiresTime !== null && key.expiresTime <= nowIso(clock)) throw new StoaError('expired_token')
  assertEnvironment(environment, key.environment)
  const locationId = await chosenLocation(ctx, scope, key.organizationId)
  const role =
    key.createdBy === null ? null : ((await findMembership(db, key.organizationId, key.createdBy))?.role ?? null)
  if (key.lastUsedTime === null || key.lastUsedTime < isoIn(clock, -lastUsedSeconds)) {
    // Not worth failing a request for: the database may be read-only.
    await markApiKeyUsed(db, key.id, nowIso(clock)).catch((err: unknown) =>
      ctx.logger.warn({ err }, 'last use of a key not recorded'),
    )
  }
  return {
    expiresTime: key.expiresTime,
    caller: {
      kind: 'api-key',
      credentialId: key.id,
      userId: key.createdBy,
      organizationId: key.organizationId,
      locationId,
      environment: key.environment,
      permissions: rightsOfKey(ctx, key, role),
      onlyApplicationId: key.applicationId,
      application: null,
    },
  }
}

/** What a key may do: what it was given, as far as its maker may do it today. A maker who left takes the key's rights along. */
function rightsOfKey(ctx: AccessContext, key: ApiKey, role: Role | null): ReadonlySet<string> {
  if (role === null) return new Set()
  const ofRole = ctx.catalogue.ofRole(role)
  const names = ctx.catalogue.resolve(key.permissions).names.filter((name) => ofRole.has(name))
  // An application's own key gets only what is limited to that application wherever it is used.
  return new Set(key.applicationId === null ? names : names.filter((name) => ctx.catalogue.find(name)?.ownKeys))
}

async function verifyInstallationToken(
  ctx: AccessContext,
  secret: string,
  scope: Scope,
  environment: Environment | null,
): Promise<Verified> {
  const token = await findInstallationToken(ctx.db, hashToken(secret))
  if (!token) throw new StoaError('invalid_token')
  if (token.revokedTime !== null) throw new StoaError('revoked_token')
  if (token.expiresTime <= nowIso(ctx.clock)) throw new StoaError('expired_token')
  assertEnvironment(environment, token.environment)
  if (scope.organizationId !== null && scope.organizationId !== token.organizationId) throw new StoaError('not_found')
  if (scope.locationId !== null && scope.locationId !== token.locationId) throw new StoaError('not_found')
  return {
    expiresTime: token.expiresTime,
    caller: {
      kind: 'application',
      credentialId: token.installationId,
      userId: null,
      organizationId: token.organizationId,
      locationId: token.locationId,
      environment: token.environment,
      permissions: new Set(ctx.catalogue.resolve(token.permissions).names),
      onlyApplicationId: null,
      application: {
        applicationId: token.applicationId,
        installationId: token.installationId,
        rateLimit: token.rateLimit,
      },
    },
  }
}

async function verifySession(
  ctx: AccessContext,
  token: string,
  scope: Scope,
  environment: Environment | null,
): Promise<Verified> {
  const session = await ctx.sessions.verify(ctx.db, token)
  const memberships = await listMemberships(ctx.db, session.userId)
  const caller = await callerOfUser(
    ctx,
    { credentialId: session.id, userId: session.userId, memberships },
    scope,
    environment,
  )
  return { expiresTime: session.expiresTime, caller }
}

interface SignedIn {
  credentialId: string
  userId: string
  memberships: { organizationId: string; role: Role }[]
}

async function callerOfUser(
  ctx: AccessContext,
  user: SignedIn,
  scope: Scope,
  environment: Environment | null,
): Promise<Caller> {
  const membership =
    scope.organizationId === null
      ? user.memberships[0]
      : user.memberships.find(({ organizationId }) => organizationId === scope.organizationId)
  if (!membership) {
    if (scope.organizationId !== null) throw new StoaError('not_found')
    return callerWithoutOrganization(user, environment)
  }
  return {
    kind: 'user',
    credentialId: user.credentialId,
    userId: user.userId,
    organizationId: membership.organizationId,
    locationId: await chosenLocation(ctx, scope, membership.organizationId),
    environment: environment ?? 'production',
    permissions: ctx.catalogue.ofRole(membership.role),
    onlyApplicationId: null,
    application: null,
  }
}

/** Somebody who belongs nowhere yet, or any more, can still see that, sign out, and found an organization. */
function callerWithoutOrganization(user: SignedIn, environment: Environment | null): Caller {
  return {
    kind: 'user',
    credentialId: user.credentialId,
    userId: user.userId,
    organizationId: '',
    locationId: null,
    environment: environment ?? 'production',
    permissions: new Set(['account:show', 'organizations:create']),
    onlyApplicationId: null,
    application: null,
  }
}

/** The location that the path chose. A tenant the caller has no right to is answered like one that does not exist. */
async function chosenLocation(ctx: AccessContext, scope: Scope, organizationId: string): Promise<string | null> {
  if (scope.organizationId !== null && scope.organizationId !== organizationId) throw new StoaError('not_found')
  if (scope.locationId === null) return null
  const location = await findLocation(ctx.db, scope.locationId)
  if (location?.organizationId !== organizationId) throw new StoaError('not_found')
  return location.id
}

function assertEnvironment(asked: Environment | null, own: Environment): void {
  if (asked !== null && asked !== own) {
    throw new StoaError('tenant_mismatch', {
      message: `X-Environment asks for ${asked}, but the credential is for ${own}.`,
    })
  }
}

function assertAlive(verified: Verified, now: Date): void {
  if (verified.expiresTime !== null && verified.expiresTime <= now.toISOString()) throw new StoaError('expired_token')
}

/** Neither one of our opaque tokens nor a JWT that says it is ours: possibly a token of the embedder's own. */
function isForeign(credential: string): boolean {
  return !credential.startsWith('stoa_') && !isSessionToken(credential)
}

function single(value: string | string[] | undefined): string | undefined {
  const text = Array.isArray(value) ? value[0] : value
  return text === undefined || text.trim() === '' ? undefined : text.trim()
}

import { LRUCache } from 'lru-cache'
import { findLocation, findMembership, isSessionToken, listMemberships } from '../accounts/index.ts'
import { environments, type Environment } from '../context.ts'
import type { Authenticate, Caller, CredentialRequest, Role } from '../http/index.ts'
import { hashToken, isoIn, nowIso, StoaError, tokenKind } from '../kernel/index.ts'
import { assertEnvironment } from './assert-environment.ts'
import type { AccessContext } from './context.ts'
import { verifyDpopProof, type DpopProof } from './dpop.ts'
import { createIdentityMirror } from './mirror-identity.ts'
import { findApiKeyByHash, markApiKeyUsed, type ApiKey } from './store.ts'
import { verifyApplicationToken } from './verify-application-token.ts'

type Headers = CredentialRequest['headers']
type Scope = CredentialRequest['scope']
type Scheme = 'bearer' | 'dpop' | 'key'
/** What a credential turned out to be. */
export interface Verified {
  caller: Caller
  expiresTime: string | null
  /** RFC 9449: the key whose possession every request has to prove. */
  keyThumbprint: string | null
}

const mostCallers = 20_000
const lastUsedSeconds = 60

/**
 * Turns a request's credential into a Caller: user session, API key, installation token or
 * OAuth access token. The result is kept in memory for
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

  return async ({ headers, scope, method, url }) => {
    const { scheme, credential } = credentialOf(headers)
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
    const isKnown = known !== undefined && known.until > now.getTime()
    const before = generation
    const verified = isKnown ? known.verified : await verify(ctx, credential, scope, environment)
    if (isKnown) assertAlive(verified, now)
    // What changed while this one was being read may be what it has just read.
    else if (generation === before)
      callers.set(key, { verified, until: now.getTime() + ctx.config.tokens.cacheMilliseconds })
    await assertPossession(ctx, verified, scheme, { proof: headers.dpop, method, url, token: credential })
    return verified.caller
  }
}

/** A token that is bound to a key is worth nothing without it, also as a plain Bearer; one that is not needs no proof. */
async function assertPossession(
  ctx: AccessContext,
  { keyThumbprint }: Verified,
  scheme: Scheme,
  proof: DpopProof,
): Promise<void> {
  if (keyThumbprint === null && scheme !== 'dpop') return
  if (keyThumbprint === null)
    throw new StoaError('invalid_token', { message: 'This token is not bound to a DPoP key.' })
  if (scheme !== 'dpop') {
    throw new StoaError('invalid_token', { message: 'This token is bound to a key: send it as DPoP, with a proof.' })
  }
  let proven: string
  try {
    proven = await verifyDpopProof(ctx, ctx.db, proof)
  } catch (cause) {
    // At a resource it is the token that is not accepted: RFC 9449 section 7.1.
    if (cause instanceof StoaError && cause.code === 'invalid_dpop_proof') {
      throw new StoaError('invalid_token', { message: cause.message, details: { reason: cause.code }, cause })
    }
    throw cause
  }
  if (proven !== keyThumbprint) {
    throw new StoaError('invalid_token', {
      message: 'The DPoP proof was made with another key than the token is bound to.',
    })
  }
}

/** A Bearer that is present decides, also when it is wrong: there is no falling back to a key beside it. */
function credentialOf(headers: Headers): { scheme: Scheme; credential: string | null } {
  const given = /^(Bearer|DPoP)(?:\s+(.*))?$/is.exec(single(headers.authorization) ?? '')
  if (given) return { scheme: given[1]!.toLowerCase() as Scheme, credential: given[2] ?? '' }
  return { scheme: 'key', credential: single(headers['reb-apikey']) ?? single(headers['x-api-key']) ?? null }
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
      return verifyApplicationToken(ctx, credential, scope, environment)
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
    keyThumbprint: null,
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
  return { expiresTime: session.expiresTime, keyThumbprint: null, caller }
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

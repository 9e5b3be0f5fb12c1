import { mintAccessToken, openFamily, type TokenFamily } from '../access/index.ts'
import {
  askedPermissions,
  isLiveCredential,
  isSwitchedOff,
  shareApplication,
  type Application,
} from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import { isPresent, type Installation } from '../installations/index.ts'
import { StoaError } from '../kernel/index.ts'
import type { OAuthContext } from './context.ts'
import { exchangeTokens, ofCompanies } from './permissions.ts'
import { grantedScope, permissionsIn, scopeNames } from './scope.ts'
import { tokenAnswer, type TokenAnswer } from './token-answer.ts'

/** Throws `invalid_grant` for an installation that may have no tokens now; when it is switched on again they work again. */
export function assertActive(installation: Installation | null): asserts installation is Installation {
  if (!installation || !isPresent(installation) || installation.uninstalledTime !== null) {
    throw new StoaError('invalid_grant', { message: 'The application is no longer installed there.' })
  }
  if (installation.status === 'disabled' || installation.status === 'disabling') {
    const place = installation.locationId === null ? 'Company' : 'Location'
    throw new StoaError('invalid_grant', {
      message: `${place} is not active: the application is switched off there.`,
      details: { reason: 'not_active' },
    })
  }
}

/**
 * The client's application as it is now, kept from changing: whoever switches it off, or ends the secret that the client came
 * with, either comes first, or waits and then ends the token that is about to be made. Throws `invalid_client`.
 */
export async function shareActive(
  ctx: OAuthContext,
  db: Db,
  { application: { id }, secretId }: { application: Application; secretId: string | null },
): Promise<Application> {
  const application = await shareApplication(db, id, ctx.dialect.rowLocks)
  if (!application || isSwitchedOff(application)) throw new StoaError('invalid_client')
  if (secretId !== null && !(await isLiveCredential(ctx, db, application, secretId)))
    throw new StoaError('invalid_client')
  return application
}

export interface Holder {
  application: Application
  installation: Installation
  /** Names that were asked for, in the words of the client. */
  scope: string[]
  userId: string | null
  keyThumbprint: string | null
  secretId: string | null
  traceId: string
}

/** A new authorization: an access token and the first refresh token of a family, which ends with its parent if it has one. */
export async function issueTokens(
  ctx: OAuthContext,
  db: Db,
  { parentId, authorized, ...holder }: Holder & { parentId: string | null; authorized: string },
): Promise<{ answer: TokenAnswer; familyId: string }> {
  const granted = effective(ctx, holder)
  const scope = grantedScope(ctx.catalogue, holder.scope, granted)
  const { family, refreshToken } = await openFamily(ctx, db, {
    applicationId: holder.application.id,
    installationId: holder.installation.id,
    parentId,
    userId: holder.userId,
    // What was asked for: what is granted of it may grow and shrink while the family lives.
    scope: authorized,
    keyThumbprint: holder.keyThumbprint,
  })
  const answer = await issueAccess(ctx, db, holder, { family, scope, refreshToken })
  return { answer, familyId: family.id }
}

/** An access token of a family, for what is asked, granted and still requested by the application. */
export async function issueAccess(
  ctx: OAuthContext,
  db: Db,
  holder: Holder,
  { family, scope, refreshToken }: { family: TokenFamily; scope: string[]; refreshToken: string },
): Promise<TokenAnswer> {
  const { application, installation, userId, keyThumbprint, secretId } = holder
  const granted = effective(ctx, holder)
  const asked = new Set(permissionsIn(ctx.catalogue, scope))
  const permissions = [...granted].filter((name) => asked.has(name))
  const { token, seconds } = await mintAccessToken(ctx, db, {
    applicationId: application.id,
    installationId: installation.id,
    organizationId: installation.organizationId,
    locationId: installation.locationId,
    environment: installation.environment,
    permissions: ofPlace(installation, permissions),
    scope: scope.join(' '),
    rateLimit: application.rateLimit,
    familyId: family.id,
    userId,
    secretId,
    keyThumbprint,
  })
  const refresh = { token: refreshToken, familyId: family.id }
  const { environment } = installation
  return tokenAnswer(db, { ...holder, environment, token, seconds, refresh, scope: scope.join(' ') })
}

/** What of a family's scope is granted now: the intersection of request, application and grant. */
export function scopeNow(
  ctx: OAuthContext,
  holder: Pick<Holder, 'application' | 'installation'>,
  scope: string,
): string[] {
  return grantedScope(ctx.catalogue, scopeNames(holder.application, scope), effective(ctx, holder))
}

function effective(
  ctx: OAuthContext,
  { application, installation }: Pick<Holder, 'application' | 'installation'>,
): ReadonlySet<string> {
  const { required, optional } = askedPermissions(ctx.catalogue, application)
  const asked = new Set([...required, ...optional])
  return new Set(installation.grant.filter((name) => asked.has(name)))
}

/**
 * The token of an organization whose locations have the application acts for none of them; it can get theirs, whether or not
 * the application asked for that by name, because choosing the locations was the grant of it.
 */
function ofPlace({ fanOut }: Installation, permissions: string[]): string[] {
  if (fanOut === null) return permissions
  return [...new Set([...permissions.filter((name) => ofCompanies.has(name)), exchangeTokens.name])]
}

import type { Environment } from '../context.ts'
import type { Caller, CredentialRequest } from '../http/index.ts'
import { hashToken, nowIso, StoaError } from '../kernel/index.ts'
import { assertEnvironment } from './assert-environment.ts'
import type { Verified } from './authenticate.ts'
import type { AccessContext } from './context.ts'
import { findApplicationToken, type ApplicationToken } from './store.ts'

/** An installation token or an OAuth access token, as a Caller. Throws 401 when it is dead, 404 for a scope it has no right to. */
export async function verifyApplicationToken(
  ctx: AccessContext,
  secret: string,
  scope: CredentialRequest['scope'],
  environment: Environment | null,
): Promise<Verified> {
  const token = await findApplicationToken(ctx.db, hashToken(secret))
  if (!token) throw new StoaError('invalid_token')
  if (token.revokedTime !== null) throw new StoaError('revoked_token')
  if (token.expiresTime <= nowIso(ctx.clock)) throw new StoaError('expired_token')
  assertEnvironment(environment, token.environment)
  if (scope.organizationId !== null && scope.organizationId !== token.organizationId) throw new StoaError('not_found')
  if (scope.locationId !== null && scope.locationId !== token.locationId) throw new StoaError('not_found')
  return { expiresTime: token.expiresTime, keyThumbprint: token.keyThumbprint, caller: callerOf(ctx, token) }
}

function callerOf(ctx: AccessContext, token: ApplicationToken): Caller {
  const { applicationId, installationId, organizationId, locationId, environment } = token
  const common = {
    userId: null,
    organizationId,
    locationId,
    environment,
    permissions: new Set(ctx.catalogue.resolve(token.permissions).names),
  }
  // By its client credentials an application acts for itself, in its publisher's organization: as its own API key does.
  if (installationId === null) {
    return {
      ...common,
      kind: 'api-key',
      credentialId: applicationId,
      onlyApplicationId: applicationId,
      application: null,
    }
  }
  return {
    ...common,
    kind: 'application',
    credentialId: installationId,
    onlyApplicationId: null,
    application: { applicationId, installationId, rateLimit: token.rateLimit },
  }
}

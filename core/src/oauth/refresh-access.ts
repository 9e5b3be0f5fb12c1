import { familyOfRefreshToken, rotateRefreshToken } from '../access/index.ts'
import { inTransaction } from '../database/index.ts'
import { lockInstallationById } from '../installations/index.ts'
import { StoaError, tokenKind } from '../kernel/index.ts'
import { assertActive, issueAccess, scopeNow, shareActive } from './issue-tokens.ts'
import { namesIn, scopeNames } from './scope.ts'
import type { Grant } from './token-request.ts'

/**
 * `refresh_token` (RFC 6749 section 6, RFC 9700 section 4.14). What can be wrong without anybody's guilt (another client, a
 * wider scope, an installation that is switched off) is found out before the token is used up.
 */
export const refreshAccess: Grant = async (ctx, client, form, proof) => {
  const { refresh_token: refreshToken = '' } = form
  if (tokenKind(refreshToken) !== 'rt') throw unknown()
  const outcome = await inTransaction(ctx.db, async (trx) => {
    const family = await familyOfRefreshToken(ctx, trx, refreshToken)
    if (family?.applicationId !== client.application.id) throw unknown()
    if (family.keyThumbprint !== null && family.keyThumbprint !== proof.keyThumbprint) {
      throw new StoaError('invalid_dpop_proof', { message: 'The refresh token is bound to another DPoP key.' })
    }
    const installation = await lockInstallationById(trx, ctx.dialect, family.installationId)
    assertActive(installation)
    const application = await shareActive(ctx, trx, client)
    const { secretId } = client
    const present = scopeNow(ctx, { application, installation }, family.scope)
    const scope = narrowed(present, scopeNames(application, family.scope), form.scope)
    const rotation = await rotateRefreshToken(ctx, trx, refreshToken)
    if (rotation.outcome !== 'rotated') return rotation.outcome
    const holder = {
      application,
      installation,
      scope,
      userId: family.userId,
      secretId,
      traceId: proof.traceId,
      // RFC 9449 section 5: an authorization that is older than the client's key gives tokens that are bound to it now.
      keyThumbprint: family.keyThumbprint ?? proof.keyThumbprint,
    }
    return issueAccess(ctx, trx, holder, { family, scope, refreshToken: rotation.refreshToken })
  })
  // Thrown out here, so that the end of the family is not rolled back.
  if (outcome === 'reused') {
    throw new StoaError('invalid_grant', {
      message: 'The refresh token was used before; somebody else may have it, so the whole authorization has ended.',
    })
  }
  if (outcome === 'unknown') throw unknown()
  return outcome
}

/** The scope asked for, which may be narrower than what was authorized and never wider. */
function narrowed(present: string[], authorized: string[], asked: string | undefined): string[] {
  if (asked === undefined) return present
  const names = namesIn(asked)
  const wider = names.filter((name) => !authorized.includes(name))
  if (wider.length > 0) {
    throw new StoaError('invalid_scope', { message: `${wider.join(' ')} was not part of what was authorized.` })
  }
  return present.filter((name) => names.includes(name))
}

function unknown(): StoaError {
  return new StoaError('invalid_grant', { message: 'The refresh token is invalid, expired or revoked.' })
}

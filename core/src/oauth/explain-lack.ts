import type { ExplainLack } from '../http/index.ts'
import { findInstallationById, pendingAccessOf } from '../installations/index.ts'
import { StoaError } from '../kernel/index.ts'
import type { OAuthContext } from './context.ts'

/**
 * An application that lacks what its merchant has only not approved yet is told so, and where that is done. One that asks with
 * the token of an organization, for what was granted to it in the locations, is told that it has the wrong token.
 */
export function createExplainLack(ctx: OAuthContext): ExplainLack {
  return async ({ application }, permission) => {
    if (!application) return null
    const installation = await findInstallationById(ctx.db, application.installationId)
    if (installation?.fanOut && installation.grant.includes(permission.name)) {
      return new StoaError('missing_permission', {
        message: `This is the token of an organization; ${permission.name} needs the token of a location, from POST /oauth/locationToken.`,
        details: { requiredPermission: permission.name },
      })
    }
    const pending = await pendingAccessOf(ctx, ctx.db, application.installationId)
    if (!pending?.missing.includes(permission.name)) return null
    return new StoaError('access_pending', {
      message: `The merchant has not approved ${permission.name} yet (${permission.sentence}); send them to approvalUrl.`,
      details: {
        requiredPermission: permission.name,
        version: pending.version,
        approvalUrl: pending.approvalUrl,
      },
    })
  }
}

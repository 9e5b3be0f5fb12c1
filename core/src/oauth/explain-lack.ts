import type { ExplainLack } from '../http/index.ts'
import { pendingAccessOf } from '../installations/index.ts'
import { StoaError } from '../kernel/index.ts'
import type { OAuthContext } from './context.ts'

/** An application that lacks what its merchant has only not approved yet is told so, and where that is done. */
export function createExplainLack(ctx: OAuthContext): ExplainLack {
  return async ({ application }, permission) => {
    if (!application) return null
    const pending = await pendingAccessOf(ctx, ctx.db, application.installationId)
    if (!pending?.missing.includes(permission.name)) return null
    return new StoaError('access_pending', {
      message: `The merchant has not approved ${permission.name} yet (${permission.sentence}); send them to approvalUrl.`,
      details: {
        requiredPermission: permission.name,
        version: pending.version,
        approvalUrl: `${ctx.config.baseUrl}/oauth/access/${pending.deciderId}`,
      },
    })
  }
}

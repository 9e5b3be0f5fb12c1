import type { Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import type { Installation } from '../installations/index.ts'
import { hashToken, isoIn, mintToken, nowIso } from '../kernel/index.ts'
import type { AuthorizeRequest } from './authorize-request.ts'
import { insertCode } from './code-store.ts'
import type { OAuthContext } from './context.ts'
import { scopeText } from './scope.ts'

/** An authorization code for what a person has just allowed. */
export async function issueCode(
  ctx: OAuthContext,
  db: Db,
  installation: Installation,
  { application, request, userId }: { application: Application; request: AuthorizeRequest; userId: string },
): Promise<string> {
  const code = mintToken('ac')
  await insertCode(db, hashToken(code), {
    applicationId: installation.applicationId,
    installationId: installation.id,
    redirectUri: request.redirectUri,
    codeChallenge: request.codeChallenge,
    scope: scopeText(application, request.scope),
    userId,
    keyThumbprint: request.keyThumbprint,
    createdTime: nowIso(ctx.clock),
    expiresTime: isoIn(ctx.clock, ctx.config.tokens.codeSeconds),
    consumedTime: null,
    familyId: null,
  })
  return code
}

import { randomUUID } from 'node:crypto'
import jwt from 'jsonwebtoken'
import { findMembership } from '../accounts/index.ts'
import { findApplication, isSwitchedOff } from '../applications/index.ts'
import { defineOperation, type Operation } from '../http/index.ts'
import { findInstallation } from '../installations/index.ts'
import { Id, Nullable, StoaError, Time, Type } from '../kernel/index.ts'
import type { OAuthContext } from './context.ts'
import { embedApplication } from './permissions.ts'

/**
 * A short-lived JWT that tells an application's page, embedded in the platform's own, who looks at it and where (the pattern of
 * Shopify's session tokens). Signed with ES256, so that the page's server verifies it offline by /oauth/jwks. It opens nothing
 * here: it is no credential of this API.
 */
export function contextOperations(ctx: OAuthContext): Operation[] {
  return [
    defineOperation({
      id: 'createContextToken',
      method: 'POST',
      path: '/application-instances/:applicationId/context-token',
      surface: 'store',
      tag: 'Application instances',
      scope: 'target',
      summary: 'Get the token to open a page of an installed application with',
      description:
        'An ES256 JWT (`typ` context+jwt, `aud` the client id) that says who looks at the page and where. It lives one minute: get one for every page, and again from the page that embeds it.',
      permission: embedApplication,
      callers: ['user'],
      params: Type.Object({ applicationId: Id() }),
      responses: {
        200: Type.Object({
          token: Type.String(),
          expiresTime: Time(),
          configurationUrl: Nullable(
            Type.String({ description: 'The application’s own settings page, to open with it.' }),
          ),
        }),
      },
      errors: ['not_found', 'not_installed'],
      transaction: false,
      handler: async ({ db, caller, params }) => {
        const { organizationId, locationId, environment } = caller
        const at = { applicationId: params.applicationId, organizationId, locationId, environment }
        const installation = await findInstallation(db, at)
        const application = await findApplication(db, params.applicationId)
        if (!application || !installation || installation.uninstalledTime !== null) throw new StoaError('not_found')
        if (installation.status !== 'enabled' || isSwitchedOff(application)) throw new StoaError('not_installed')
        const membership = await findMembership(db, organizationId, caller.userId ?? '')
        const { contextSeconds } = ctx.config.tokens
        const now = Math.floor(ctx.clock.now().getTime() / 1000)
        const { kid, privateKey } = ctx.signingKeys.es256.current
        const claims = {
          sub: caller.userId,
          companyId: organizationId,
          ...(locationId !== null && { locationId }),
          installationId: installation.id,
          role: membership?.role ?? 'member',
          environment,
          jti: randomUUID(),
          iat: now,
          nbf: now,
          exp: now + contextSeconds,
        }
        const token = jwt.sign(claims, privateKey, {
          algorithm: 'ES256',
          issuer: ctx.config.baseUrl,
          audience: application.clientId,
          header: { alg: 'ES256', typ: 'context+jwt', kid },
        })
        return {
          token,
          expiresTime: new Date((now + contextSeconds) * 1000).toISOString(),
          configurationUrl: application.configurationUrl,
        }
      },
    }),
  ]
}

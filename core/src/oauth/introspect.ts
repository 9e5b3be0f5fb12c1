import { familyOfRefreshToken, findApplicationToken, findRefreshToken } from '../access/index.ts'
import type { Application } from '../applications/index.ts'
import { findInstallationById } from '../installations/index.ts'
import { hashToken, nowIso, tokenKind, Type, type Static } from '../kernel/index.ts'
import type { OAuthContext } from './context.ts'
import { scopeNow } from './issue-tokens.ts'
import { grantedScope, namesIn } from './scope.ts'

/** RFC 7662 section 2.2, with where the token acts. */
export const Introspection = Type.Object({
  active: Type.Boolean(),
  scope: Type.Optional(Type.String()),
  client_id: Type.Optional(Type.String()),
  token_type: Type.Optional(Type.String()),
  exp: Type.Optional(Type.Integer()),
  iat: Type.Optional(Type.Integer()),
  sub: Type.Optional(
    Type.String({ description: 'The installation; of a token of the application itself, its client_id.' }),
  ),
  aud: Type.Optional(Type.String()),
  iss: Type.Optional(Type.String()),
  companyId: Type.Optional(Type.String()),
  locationId: Type.Optional(Type.String()),
  environment: Type.Optional(Type.String()),
  cnf: Type.Optional(Type.Object({ jkt: Type.String() })),
})

export async function introspect(
  ctx: OAuthContext,
  application: Application,
  token: string,
): Promise<Static<typeof Introspection>> {
  const kind = tokenKind(token)
  const found = kind === 'rt' ? await refreshFacts(ctx, application, token) : await accessFacts(ctx, application, token)
  if (!found) return { active: false }
  const { baseUrl } = ctx.config
  return { active: true, client_id: application.clientId, iss: baseUrl, aud: baseUrl, ...found }
}

type Facts = Omit<Static<typeof Introspection>, 'active'> | null

async function accessFacts(ctx: OAuthContext, application: Application, token: string): Promise<Facts> {
  const found = await findApplicationToken(ctx.db, hashToken(token))
  const isLive = found && found.revokedTime === null && found.expiresTime > nowIso(ctx.clock)
  if (!isLive || found.applicationId !== application.id) return null
  return {
    scope:
      found.scope === null
        ? found.permissions.join(' ')
        : grantedScope(ctx.catalogue, namesIn(found.scope), new Set(found.permissions)).join(' '),
    token_type: found.keyThumbprint === null ? 'Bearer' : 'DPoP',
    exp: seconds(found.expiresTime),
    iat: seconds(found.createdTime),
    sub: found.installationId ?? application.clientId,
    ...(found.installationId !== null && { companyId: found.organizationId }),
    ...(found.locationId !== null && { locationId: found.locationId }),
    environment: found.environment,
    ...(found.keyThumbprint !== null && { cnf: { jkt: found.keyThumbprint } }),
  }
}

async function refreshFacts(ctx: OAuthContext, application: Application, token: string): Promise<Facts> {
  const family = await familyOfRefreshToken(ctx, ctx.db, token)
  // A used one still answers for a while, to its client alone; it is no longer what gives access.
  if ((await findRefreshToken(ctx.db, hashToken(token)))?.rotatedTime !== null) return null
  const installation = family && (await findInstallationById(ctx.db, family.installationId))
  if (family?.applicationId !== application.id || !installation) return null
  // Of what is switched off it gives nothing until that is switched on again.
  if (installation.status !== 'enabled' && installation.status !== 'enabling') return null
  return {
    scope: scopeNow(ctx, { application, installation }, family.scope).join(' '),
    exp: seconds(family.expiresTime),
    iat: seconds(family.createdTime),
    sub: installation.id,
    companyId: installation.organizationId,
    ...(installation.locationId !== null && { locationId: installation.locationId }),
    environment: installation.environment,
  }
}

const seconds = (time: string) => Math.floor(Date.parse(time) / 1000)

import type { Environment } from '../context.ts'
import type { Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import { listApprovedLocations, type Installation } from '../installations/index.ts'
import { Type, versionIdOf, type Static } from '../kernel/index.ts'
import { planOf } from '../wallet/index.ts'

const mostLocations = 1000

/** RFC 6749 section 5.1, with HighLevel's members: what it says of the company and the location behind the token. */
export const TokenAnswer = Type.Object(
  {
    access_token: Type.String(),
    token_type: Type.String({ description: '`Bearer`, or `DPoP` for a token that is bound to a key.' }),
    expires_in: Type.Integer({ description: 'Seconds.' }),
    refresh_token: Type.Optional(Type.String()),
    refreshTokenId: Type.Optional(
      Type.String({ description: 'Of the authorization that the refresh token belongs to.' }),
    ),
    issued_token_type: Type.Optional(Type.String({ description: 'After a token exchange (RFC 8693).' })),
    scope: Type.String(),
    userType: Type.Optional(Type.String({ description: '`Company`, `Location` or `Application`.' })),
    companyId: Type.Optional(Type.String()),
    locationId: Type.Optional(Type.String()),
    userId: Type.Optional(Type.String({ description: 'Who allowed it; empty when nobody in person did.' })),
    environment: Type.String({ description: '`production` or `sandbox`.' }),
    appId: Type.String(),
    versionId: Type.Optional(Type.String()),
    approvedLocations: Type.Optional(
      Type.Array(Type.String(), {
        maxItems: mostLocations,
        description:
          'The locations that have the application by this installation, at most 1000; see /oauth/installedLocations for all. ' +
          'Of chosen ones, those that are still to get it in the next moments are listed as well, and those from which it was ' +
          'uninstalled since are not.',
      }),
    ),
    isBulkInstallation: Type.Optional(Type.Boolean()),
    approveAllLocations: Type.Optional(Type.Boolean()),
    installToFutureLocations: Type.Optional(Type.Boolean()),
    planId: Type.Optional(Type.String({ description: 'The plan of the application; absent where it has none.' })),
    traceId: Type.String(),
  },
  { title: 'TokenAnswer' },
)
export type TokenAnswer = Static<typeof TokenAnswer>

export interface Issued {
  application: Application
  /** Null for a token of the application itself. */
  installation: Installation | null
  token: string
  seconds: number
  keyThumbprint: string | null
  refresh: { token: string; familyId: string } | null
  scope: string
  environment: Environment
  userId: string | null
  traceId: string
}

export async function tokenAnswer(db: Db, issued: Issued): Promise<TokenAnswer> {
  const { application, installation, refresh } = issued
  const plan = installation && (await planOf(db, installation.id))
  return {
    access_token: issued.token,
    token_type: issued.keyThumbprint === null ? 'Bearer' : 'DPoP',
    expires_in: issued.seconds,
    ...(refresh && { refresh_token: refresh.token, refreshTokenId: refresh.familyId }),
    scope: issued.scope,
    appId: application.id,
    environment: issued.environment,
    ...(installation === null ? { userType: 'Application' } : await placeOf(db, application, installation)),
    ...(installation && { userId: issued.userId ?? installation.installedBy ?? '' }),
    ...(plan && { planId: plan.planId }),
    traceId: issued.traceId,
  }
}

async function placeOf(db: Db, application: Application, installation: Installation): Promise<Partial<TokenAnswer>> {
  const { organizationId, locationId, fanOut } = installation
  const common = { companyId: organizationId, versionId: versionIdOf(application.id, installation.version) }
  if (locationId !== null) return { ...common, userType: 'Location', locationId, isBulkInstallation: false }
  const company = { ...common, userType: 'Company', isBulkInstallation: fanOut !== null }
  if (fanOut === null) return company
  return {
    ...company,
    approvedLocations: await listApprovedLocations(db, installation, mostLocations),
    approveAllLocations: fanOut.locations === 'all',
    installToFutureLocations: fanOut.future,
  }
}

/** The names of version 3 of HighLevel's API: the same in camel case. */
export function inCamelCase(answer: TokenAnswer): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(answer).map(([name, value]) => [
      name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  )
}

import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import type { Application, ApplicationHistoryEntry, SomeOperator } from './application.ts'
import type { ApplicationsContext } from './context.ts'
import { changesAgainst } from './core-changes.ts'
import type { DeveloperApplicationWire } from './developer-schemas.ts'
import type { ApplicationWire } from './schemas.ts'
import type { Version } from './version.ts'
import { findSubmitted } from './version-store.ts'

type LinkContext = { config: { baseUrl: string } }

/**
 * An application as Rebilly shows it, the same for everybody; events carry it. Texts a draft lacks are absent rather than
 * null, because Rebilly's PHP SDK takes no null for them.
 */
export function applicationShape({ config }: LinkContext, application: Application): ApplicationWire {
  const { id, logoId, authorName, authorLogoId, tagline, description, properties, statusReason } = application
  const fileUrl = (fileId: string) => `${config.baseUrl}/files/${fileId}/download`
  return {
    id,
    name: application.name,
    ...(logoId !== null && { logoId }),
    ...(authorName !== null && { authorName }),
    authorLogoId,
    ...(tagline !== null && { tagline }),
    ...(description !== null && { description }),
    status: application.status,
    ...(statusReason !== null && { statusReason }),
    permissions: application.permissions,
    optionalPermissions: application.optionalPermissions,
    installsOn: application.installsOn,
    configurationUrl: application.configurationUrl,
    configuredBy: application.configuredBy,
    ...(properties !== null && { properties: properties as Record<string, unknown> }),
    acknowledges: application.acknowledges,
    createdTime: application.createdTime,
    updatedTime: application.updatedTime,
    _links: [
      { rel: 'self', href: `${config.baseUrl}/applications/${id}` },
      { rel: 'applicationInstance', href: `${config.baseUrl}/application-instances/${id}` },
      ...(logoId === null ? [] : [{ rel: 'logoUrl', href: fileUrl(logoId) }]),
      ...(authorLogoId === null ? [] : [{ rel: 'authorLogoUrl', href: fileUrl(authorLogoId) }]),
    ],
  }
}

/** Whether the caller acts for the publisher. An application's own API key is nobody to the publisher's other ones. */
export function isOwner(caller: Caller, application: Application): boolean {
  const { onlyApplicationId, organizationId } = caller
  return (
    application.publisherId === organizationId && (onlyApplicationId === null || onlyApplicationId === application.id)
  )
}

/** Whether the caller belongs to those who review, and hence sees every application in any state. */
export function isReviewer(caller: Caller): boolean {
  return caller.permissions.has('applications:review')
}

/**
 * Applications as this caller sees them: its client and the version that waits for review for publisher and reviewers, and what
 * was to be expanded.
 */
export async function applicationsFor(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  applications: Application[],
  expand: ReadonlySet<string>,
): Promise<ApplicationWire[]> {
  const ids = applications.map(({ id }) => id)
  const instances = expand.has('applicationInstance') ? await ctx.instancesOf(db, caller, ids) : null
  const managed = applications.filter((each) => isOwner(caller, each) || isReviewer(caller))
  const reviewed = managed.filter(({ revisionSubmittedTime }) => revisionSubmittedTime !== null)
  const submitted = await findSubmitted(
    db,
    reviewed.map(({ id }) => id),
  )
  return applications.map((application) => {
    const instance = instances?.get(application.id) as Record<string, unknown> | undefined
    const { redirectUris, clientType, requiresPkce } = application
    const version = submitted.get(application.id)
    return {
      ...applicationShape(ctx, application),
      ...(managed.includes(application) && { redirectUris, clientType, requiresPkce }),
      ...(version && { revision: revisionOf(application, version) }),
      ...(instances && { _embedded: instance ? { applicationInstance: instance } : {} }),
    }
  })
}

function revisionOf(application: Application, version: Version): NonNullable<ApplicationWire['revision']> {
  const { number, content, submittedTime, releaseMode, notes } = version
  return {
    version: number,
    changes: changesAgainst(application, content) as Record<string, unknown>,
    submittedTime: submittedTime!,
    release: releaseMode,
    notes,
  }
}

export async function applicationFor(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  application: Application,
  expand: ReadonlySet<string> = new Set(),
): Promise<ApplicationWire> {
  const [shown] = await applicationsFor(ctx, db, caller, [application], expand)
  return shown!
}

/** A line of history as this caller sees it: reviewers see everybody, others their own people, and of operators only that. */
export function historyEntryFor(
  caller: Caller,
  entry: ApplicationHistoryEntry,
): Omit<ApplicationHistoryEntry, 'actor'> & { actor: ApplicationHistoryEntry['actor'] | SomeOperator } {
  if (isReviewer(caller) || entry.actor.organizationId === caller.organizationId) return entry
  return { ...entry, actor: { kind: 'operator', id: null, organizationId: null } }
}

/** The same application as its author manages it: Baloom's shape. */
export function developerApplicationShape(application: Application): DeveloperApplicationWire {
  return {
    id: application.id,
    organizationId: application.publisherId,
    userId: application.createdBy,
    name: application.name,
    description: application.description,
    website: application.website,
    permissions: application.permissions,
    optionalPermissions: application.optionalPermissions,
    installsOn: application.installsOn,
    redirectUri: application.redirectUris[0] ?? null,
    redirectUris: application.redirectUris,
    status: application.clientStatus,
    listingStatus: application.status,
    version: application.version === 0 ? null : application.version,
    clientId: application.clientId,
    clientType: application.clientType,
    requiresPkce: application.requiresPkce,
    requiresDpop: application.requiresDpop,
    jwks: application.jwks as DeveloperApplicationWire['jwks'],
    rateLimit: application.rateLimit,
    acknowledges: application.acknowledges,
    createdAt: application.createdTime,
    updatedAt: application.updatedTime,
  }
}

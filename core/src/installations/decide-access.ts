import { findApplication, shareApplication, type Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { StoaError, type Static } from '../kernel/index.ts'
import { accessRequestOf, assertMayGrant, chosenOptional, isPending, union, without } from './access-request.ts'
import { announceAccess } from './announce-access.ts'
import { assertShown } from './consent.ts'
import type { InstallationsContext } from './context.ts'
import { assertDecidedHere, letChildrenFollow } from './family.ts'
import { grantAccess } from './grant-access.ts'
import { actorOf } from './history.ts'
import { lockLocated, type Located } from './locate.ts'
import { remarkInstallation } from './move-installation.ts'
import { narrowTo } from './narrow.ts'
import { rollForward } from './roll-forward.ts'
import type { Access } from './schemas.ts'
import { approvalUrl } from './shapes.ts'
import type { Installation } from './installation.ts'
import { findInstallationById } from './store.ts'

/** What the merchant reads: what is granted, what waits, and what could be granted, each in a sentence. */
export function accessShape(ctx: InstallationsContext, { application, installation }: Located): Static<typeof Access> {
  const { version, optional, granted, missing } = accessRequestOf(ctx, application, installation)
  const named = (name: string) => {
    const { ofApplications, risk } = ctx.catalogue.find(name)!
    return { name, sentence: ofApplications, risk }
  }
  const status = missing.length === 0 ? 'complete' : installation.refusedVersion === version ? 'refused' : 'pending'
  return {
    version,
    installedVersion: installation.version,
    status,
    granted: granted.map(named),
    pending: missing.map(named),
    optional: optional.map((name) => ({ ...named(name), granted: granted.includes(name) })),
    ...(status === 'pending' && { approvalUrl: approvalUrl(ctx, installation.parentId ?? installation.id) }),
  }
}

/** The merchant grants what the version they were shown requires, and chosen optional permissions. Doing it again does nothing. */
export async function approveAccess(
  ctx: InstallationsContext,
  db: Db,
  caller: Caller,
  applicationId: string,
  { version, optionalPermissions = [] }: { version: number; optionalPermissions?: string[] | undefined },
): Promise<Located> {
  const { application, installation, before } = await lockDecision(ctx, db, caller, applicationId, version)
  const { required, granted } = accessRequestOf(ctx, application, installation)
  const grant = union(granted, required, chosenOptional(ctx, application, optionalPermissions))
  assertMayGrant(ctx, caller, without(grant, installation.grant))
  const actor = actorOf(caller)
  const approved = await grantAccess(ctx, db, application, installation, { actor, grant })
  await letChildrenFollow(ctx, db, { application, parent: approved, actor }, before)
  return { application, installation: approved }
}

/**
 * The merchant refuses what the version they were shown asks for beyond the grant: the installation stays as it is, and is
 * asked again by a later version. Throws `wrong_state` when nothing waits. Doing it again does nothing.
 */
export async function refuseAccess(
  ctx: InstallationsContext,
  db: Db,
  caller: Caller,
  applicationId: string,
  { version, reason }: { version: number; reason?: string | undefined },
): Promise<Located> {
  const { application, installation, before } = await lockDecision(ctx, db, caller, applicationId, version)
  if (accessRequestOf(ctx, application, installation).missing.length === 0) {
    throw new StoaError('wrong_state', { message: 'Everything the application requires is granted.' })
  }
  if (installation.refusedVersion === version) return { application, installation }
  const actor = actorOf(caller)
  const refused = await remarkInstallation(ctx, db, installation, {
    actor,
    reason: `access refused for version ${version}${reason === undefined ? '' : `: ${reason}`}`,
    set: { refusedVersion: version },
  })
  await announceAccess(ctx, db, application, refused, {
    type: 'installation.access-refused',
    previousVersion: installation.version,
  })
  await letChildrenFollow(ctx, db, { application, parent: refused, actor }, before)
  return { application, installation: refused }
}

/**
 * Grants exactly these of the optional permissions, and withdraws the others, from live tokens too. What is required stays as
 * it was, granted or pending.
 */
export async function chooseOptional(
  ctx: InstallationsContext,
  db: Db,
  caller: Caller,
  applicationId: string,
  names: string[],
): Promise<Located> {
  const { application, installation, before } = await lockDecision(ctx, db, caller, applicationId, null)
  const { optional } = accessRequestOf(ctx, application, installation)
  const grant = union(without(installation.grant, optional), chosenOptional(ctx, application, names))
  if (grant.join() === installation.grant.join()) return { application, installation }
  assertMayGrant(ctx, caller, without(grant, installation.grant))
  const actor = actorOf(caller)
  const reason = 'optional permissions changed'
  const changed = await remarkInstallation(ctx, db, installation, { actor, reason, set: { grant } })
  await narrowTo(ctx, db, installation, changed)
  await announceAccess(ctx, db, application, changed, {
    type: 'installation.updated',
    previousVersion: changed.version,
  })
  await letChildrenFollow(ctx, db, { application, parent: changed, actor }, before)
  return { application, installation: changed }
}

export interface PendingAccess {
  /** Required by the version in force and not granted yet. Canonical names. */
  missing: string[]
  version: number
  /** Where a person decides: about the organization's installation, when that was passed on to this one. */
  approvalUrl: string
}

/** What an installation could still be granted, for the refusal of a request that lacks it. Null when nothing waits. */
export async function pendingAccessOf(
  ctx: InstallationsContext,
  db: Db,
  installationId: string,
): Promise<PendingAccess | null> {
  const installation = await findInstallationById(db, installationId)
  const application = installation && (await findApplication(db, installation.applicationId))
  if (!application) return null
  const request = accessRequestOf(ctx, application, installation)
  if (!isPending(request, installation)) return null
  const deciderId = installation.parentId ?? installation.id
  return { missing: request.missing, version: request.version, approvalUrl: approvalUrl(ctx, deciderId) }
}

/** The caller's installation, to be decided about here and now, with what it may have without any decision; `before`: without that. */
async function lockDecision(
  ctx: InstallationsContext,
  db: Db,
  caller: Caller,
  applicationId: string,
  shown: number | null,
): Promise<{ application: Application; installation: Installation; before: Installation }> {
  const located = await lockLocated(ctx, db, caller, applicationId)
  // Read again, and kept from changing: what is granted must be what was shown.
  const application = await shareApplication(db, applicationId, ctx.dialect.rowLocks)
  if (!application || located.installation.uninstalledTime !== null) throw new StoaError('not_found')
  assertDecidedHere(located.installation)
  if (shown !== null) assertShown(application, shown)
  const before = located.installation
  return { application, before, installation: await rollForward(ctx, db, application, before) }
}

import type { Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import { nowIso, StoaError } from '../kernel/index.ts'
import { without } from './access-request.ts'
import { announceEnabled } from './announce.ts'
import { announceAccess } from './announce-access.ts'
import type { InstallationsContext } from './context.ts'
import type { Actor } from './history.ts'
import { queueJob, resumeJobsOf } from './job-store.ts'
import { remarkInstallation } from './move-installation.ts'
import { narrowTo } from './narrow.ts'
import { canPassOn } from './place.ts'
import { startInstallation } from './start.ts'
import type { Installation } from './installation.ts'
import { findInstallationById, lockChildren } from './store.ts'

/** An organization's installation that is passed on to locations, locked, and who acts on it. */
export interface Family {
  application: Application
  parent: Installation
  actor: Actor
}

/** How many locations a request serves itself; the rest is the worker's. */
export const servedAtOnce = 100

/** The reason of what was switched off with the organization's installation: that alone is switched on with it again. */
export const offWithParent = 'disabled with the organization’s installation'

export function isLive({ status, uninstalledTime }: Installation): boolean {
  return uninstalledTime === null && (status === 'enabled' || status === 'enabling')
}

/** What was passed on is decided about where it came from. Throws `wrong_state`. */
export function assertDecidedHere(installation: Installation): void {
  if (installation.parentId === null || installation.uninstalledTime !== null) return
  throw new StoaError('wrong_state', {
    message: 'The organization installed this for its locations; what it may do is decided there.',
    details: { organizationId: installation.organizationId },
  })
}

/** Nothing that was passed on is enabled while the organization's installation is not. Throws `wrong_state`. */
export async function assertParentLive(db: Db, { parentId }: Installation): Promise<void> {
  const parent = parentId === null ? null : await findInstallationById(db, parentId)
  if (!parent || isLive(parent)) return
  throw new StoaError('wrong_state', { message: 'The organization’s installation is disabled; enable that one.' })
}

/**
 * Lets what was passed on follow a change of the organization's installation: the first hundred now, the rest by the worker.
 * What takes away is done at once, however many they are. Which of both it is, is told by the grant of `before` rather than by
 * the caller: an approval gives what a version asks for, and takes what it asks for no more.
 */
export async function letChildrenFollow(
  ctx: InstallationsContext,
  db: Db,
  family: Family,
  before: Installation,
): Promise<void> {
  const { parent, actor } = family
  if (parent.fanOut === null) return
  const isTaking = without(before.grant, parent.grant).length > 0
  let cursor: string | null = ''
  do cursor = await followParent(ctx, db, family, { after: cursor, limit: servedAtOnce })
  while (isTaking && cursor !== null)
  const now = nowIso(ctx.clock)
  if (cursor !== null) {
    const { applicationId, id: installationId } = parent
    await queueJob(db, { kind: 'follow', applicationId, installationId, detail: { actor }, cursor, dueTime: now, now })
  }
  if (isLive(parent)) await resumeJobsOf(db, parent.id, now)
}

/** One page of that. Returns where it got to, or null at the end. Doing it again does nothing. */
export async function followParent(
  ctx: InstallationsContext,
  db: Db,
  family: Family,
  page: { after: string; limit: number },
): Promise<string | null> {
  const children = await lockChildren(db, ctx.dialect, family.parent.id, page)
  for (const child of children) {
    const adopted = await adopt(ctx, db, family, child)
    await enableWithParent(ctx, db, family, adopted)
  }
  return children.length < page.limit ? null : children.at(-1)!.id
}

async function adopt(
  ctx: InstallationsContext,
  db: Db,
  { application, parent, actor }: Family,
  child: Installation,
): Promise<Installation> {
  const { grant, version, refusedVersion, pendingVersion } = parent
  const isUpdated = child.version !== version || child.grant.join() !== grant.join()
  const isRefused = refusedVersion !== null && child.refusedVersion !== refusedVersion
  if (!isUpdated && !isRefused) return child
  const adopted = await remarkInstallation(ctx, db, child, {
    actor,
    reason: 'as decided for the organization',
    set: { grant, version, refusedVersion, pendingVersion },
  })
  await narrowTo(ctx, db, child, adopted)
  const previousVersion = child.version
  const types = isRefused
    ? (['installation.access-refused'] as const)
    : child.version === version
      ? (['installation.updated'] as const)
      : (['installation.access-approved', 'installation.updated'] as const)
  for (const type of types) await announceAccess(ctx, db, application, adopted, { type, previousVersion })
  return adopted
}

async function enableWithParent(
  ctx: InstallationsContext,
  db: Db,
  { application, parent, actor }: Family,
  child: Installation,
): Promise<void> {
  const isOff = child.status === 'disabled' || child.status === 'disabling'
  if (!isOff || child.statusReason !== offWithParent || !isLive(parent) || !canPassOn(application, parent)) return
  const choice = { planId: null, withParent: true }
  await announceEnabled(ctx, db, application, await startInstallation(ctx, db, application, child, { actor, choice }))
}

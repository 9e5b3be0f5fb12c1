import { findApplication, isSwitchedOff, shareApplication, type Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { newId, nowIso, StoaError } from '../kernel/index.ts'
import type { InstallationsContext } from './context.ts'
import type { Installation, Target } from './installation.ts'
import { isPresent, targetOf } from './locate.ts'
import { findInstallation, insertInstallation, lockInstallation } from './store.ts'

/**
 * The installation's row on a target, locked; made when the target never had the application. The application is read after
 * that and cannot change before the transaction ends: a version that is released meanwhile finds this installation when it is
 * rolled out. Throws `not_found` when the application is gone.
 */
export async function lockPlace(
  ctx: InstallationsContext,
  db: Db,
  applicationId: string,
  target: Target,
): Promise<{ application: Application; installation: Installation }> {
  const at = { applicationId, ...target }
  let installation = await lockInstallation(db, ctx.dialect, at)
  if (!installation) {
    await insertInstallation(db, newInstallation(ctx, applicationId, target))
    installation = await lockInstallation(db, ctx.dialect, at)
  }
  const application = await shareApplication(db, applicationId, ctx.dialect.rowLocks)
  if (!application || !installation) throw new StoaError('not_found')
  return { application, installation }
}

/** Throws `not_found` for what the caller cannot see, and `application_unavailable` for what can be seen and not installed. */
export async function assertMayInstall(db: Db, caller: Caller, applicationId: string): Promise<void> {
  const application = await findApplication(db, applicationId)
  const known = application && (await findInstallation(db, { applicationId, ...targetOf(caller) }))
  if (!application || !isVisible(application, caller, known)) throw new StoaError('not_found')
  if (!known) assertInstallable(application, caller)
}

function isVisible(application: Application, caller: Caller, known: Installation | null): boolean {
  if (caller.onlyApplicationId !== null && caller.onlyApplicationId !== application.id) return false
  return (
    application.status === 'available' ||
    application.publisherId === caller.organizationId ||
    (known !== null && isPresent(known))
  )
}

/** Whether it can be installed, or enabled again, here: it is in the store, or its publisher tries it in the sandbox. */
function isInstallable(application: Application, { organizationId, environment }: Omit<Target, 'locationId'>): boolean {
  if (application.status === 'available') return true
  const isTrial = application.publisherId === organizationId && environment === 'sandbox'
  return isTrial && application.status !== 'disabled'
}

export function assertInstallable(application: Application, target: Omit<Target, 'locationId'>): void {
  if (isInstallable(application, target)) return
  throw new StoaError('application_unavailable', { details: { applicationStatus: application.status } })
}

/** Whether an organization's installation may go on to a location now. Nobody is there to be told why not. */
export function canPassOn(application: Application, parent: Installation): boolean {
  return isInstallable(application, parent) && !isSwitchedOff(application) && application.installsOn !== 'organization'
}

/** Throws `application_unavailable` with a sentence that says where it can be installed. */
export function assertInstallsOn(application: Application, target: Target, isPassedOn: boolean): void {
  const wanted = target.locationId === null && !isPassedOn ? 'organization' : 'location'
  if (application.installsOn === 'any' || application.installsOn === wanted) return
  throw new StoaError('application_unavailable', {
    message:
      wanted === 'organization'
        ? 'This application is installed on locations: put /organizations/{organizationId}/locations/{locationId} before the path.'
        : 'This application is installed on whole organizations: leave the location out.',
    details: { installsOn: application.installsOn },
  })
}

/** A place to install in: as if it had been uninstalled, so that the first installation is like every later one. */
function newInstallation(ctx: InstallationsContext, applicationId: string, target: Target): Installation {
  const now = nowIso(ctx.clock)
  return {
    ...target,
    id: newId('ins'),
    applicationId,
    status: 'disabled',
    statusReason: null,
    version: 0,
    refusedVersion: null,
    pendingVersion: null,
    fanOut: null,
    parentId: null,
    grant: [],
    settings: {},
    secrets: null,
    shownSecrets: null,
    configuredTime: null,
    installedBy: null,
    installedTime: now,
    uninstalledTime: now,
    revision: 0,
    episode: 0,
    tries: 0,
    deadlineTime: null,
    problemCode: null,
    problemTime: null,
    leaseToken: null,
    createdTime: now,
    updatedTime: now,
  }
}

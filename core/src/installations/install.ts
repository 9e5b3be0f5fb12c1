import { findApplication, type Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { isoIn, newId, nowIso, StoaError } from '../kernel/index.ts'
import { announceEnabled } from './announce.ts'
import { retryEnabling } from './acknowledge.ts'
import type { InstallationsContext } from './context.ts'
import { actorOf, type Actor } from './history.ts'
import { isPresent, targetOf } from './locate.ts'
import { moveInstallation } from './move-installation.ts'
import { isSettingsChange, prepareSettings, saveSettings } from './settings.ts'
import { settleDisabling } from './stop.ts'
import type { Installation } from './installation.ts'
import { insertInstallation, lockInstallation } from './store.ts'

export interface Installed {
  application: Application
  installation: Installation
  /** True when it was not installed before. */
  isNew: boolean
}

/**
 * Installs an application on the caller's target, or brings what is installed to `enabled` again: what is disabled is
 * enabled, a stuck acknowledgement is tried again. Also stores settings when some are given.
 *
 * Throws `not_found` for what the caller cannot see, `application_unavailable`, `rights_exceeded`, `invalid_settings`.
 */
export async function installApplication(
  ctx: InstallationsContext,
  db: Db,
  caller: Caller,
  applicationId: string,
  settings: unknown,
): Promise<Installed> {
  const found = await lockPlace(ctx, db, caller, applicationId)
  const { application } = found
  const isNew = found.installation.uninstalledTime !== null
  const actor = actorOf(caller)
  let installation = await enableAnew(ctx, db, caller, application, found.installation, actor)
  if (settings !== undefined && !isEmptyContainer(settings)) {
    installation = await writeSettings(ctx, db, application, installation, settings)
  }
  // Announced last, so that the event shows the settings it was installed with.
  if (installation.episode !== found.installation.episode) {
    await announceEnabled(ctx, db, application, installation)
  }
  return { application, installation, isNew }
}

/**
 * Switches a disabled installation on again, or tries a stuck one again. Throws `wrong_state` when there is nothing to do, and
 * `not_found` while it is being uninstalled: to bring that back is to install.
 */
export async function enableInstallation(
  ctx: InstallationsContext,
  db: Db,
  caller: Caller,
  { application, installation }: { application: Application; installation: Installation },
): Promise<Installation> {
  if (installation.uninstalledTime !== null) throw new StoaError('not_found')
  const isStuck = installation.status === 'enabling' && installation.problemCode !== null
  if (installation.status === 'enabled' || (installation.status === 'enabling' && !isStuck)) {
    throw new StoaError('wrong_state', { message: `The installation is ${installation.status} already.` })
  }
  const enabled = await enableAnew(ctx, db, caller, application, installation, actorOf(caller))
  if (enabled.episode !== installation.episode) await announceEnabled(ctx, db, application, enabled)
  return enabled
}

/** The installation's row, locked; made when the target never had the application. */
async function lockPlace(ctx: InstallationsContext, db: Db, caller: Caller, applicationId: string) {
  const target = targetOf(caller)
  const application = await findApplication(db, applicationId)
  const known = application && (await lockInstallation(db, ctx.dialect, { applicationId, ...target }))
  if (!application || !isVisible(application, caller, known)) throw new StoaError('not_found')
  if (known) return { application, installation: known }
  assertInstallable(application, caller)
  await insertInstallation(db, newInstallation(ctx, application.id, target))
  // Only from here on does the row keep the application from being deleted, so look again.
  const present = await findApplication(db, applicationId)
  const installation = await lockInstallation(db, ctx.dialect, { applicationId, ...target })
  if (!present || !installation) throw new StoaError('not_found')
  return { application: present, installation }
}

async function enableAnew(
  ctx: InstallationsContext,
  db: Db,
  caller: Caller,
  application: Application,
  found: Installation,
  actor: Actor,
): Promise<Installation> {
  if (found.status === 'enabled') return found
  if (found.status === 'enabling') {
    return found.problemCode === null ? found : retryEnabling(ctx, db, application, found, actor)
  }
  assertInstallable(application, caller)
  const isReinstall = found.uninstalledTime !== null
  const grant = isReinstall ? grantOf(ctx, application, caller) : found.grant
  const settled =
    found.status === 'disabling'
      ? await settleDisabling(ctx, db, found, { actor, reason: 'enabled again before the cleanup was over' })
      : found
  const { acknowledgeSeconds } = ctx.config.installations
  const enabling = await moveInstallation(ctx, db, settled, {
    to: 'enabling',
    actor,
    reason: isReinstall ? 'installed' : 'enabled',
    set: {
      statusReason: null,
      problemCode: null,
      problemTime: null,
      grant,
      tries: 1,
      deadlineTime: application.acknowledges ? isoIn(ctx.clock, acknowledgeSeconds) : null,
      ...(isReinstall && { uninstalledTime: null, installedTime: nowIso(ctx.clock), installedBy: caller.userId }),
    },
  })
  if (application.acknowledges) return enabling
  return moveInstallation(ctx, db, enabling, {
    to: 'enabled',
    actor: { type: 'host', id: null },
    reason: null,
    set: { tries: 0 },
  })
}

async function writeSettings(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
  settings: unknown,
): Promise<Installation> {
  // Clients send back what they read. That alone is no attempt to change what is not theirs to change.
  if (!isSettingsChange(ctx, application, installation, settings)) return installation
  if (application.configuredBy === 'application') {
    throw new StoaError('caller_not_allowed', { message: 'Only the application itself may change these settings.' })
  }
  const values = await prepareSettings(ctx, application, installation, settings)
  return (await saveSettings(ctx, db, application, installation, values)).installation
}

/**
 * What the installation grants: all that the application asks for. Throws `rights_exceeded` for what the installer may not
 * do themselves. Permissions that no role has belong to the embedder's own API: nobody could ever grant them otherwise.
 */
function grantOf(ctx: InstallationsContext, application: Application, caller: Caller): string[] {
  const grant: string[] = []
  const lacking: string[] = []
  for (const name of ctx.catalogue.resolve(application.permissions).names) {
    const permission = ctx.catalogue.find(name)
    if (!permission?.applications) continue
    grant.push(name)
    if (permission.roles.length > 0 && !caller.permissions.has(name)) lacking.push(name)
  }
  if (lacking.length === 0) return grant.sort()
  throw new StoaError('rights_exceeded', {
    message: `The application asks for rights you do not have yourself: ${lacking.join(', ')}.`,
    details: { missingPermissions: lacking },
  })
}

function isVisible(application: Application, caller: Caller, known: Installation | null): boolean {
  if (caller.onlyApplicationId !== null && caller.onlyApplicationId !== application.id) return false
  return (
    application.status === 'available' ||
    application.publisherId === caller.organizationId ||
    (known !== null && isPresent(known))
  )
}

function assertInstallable(application: Application, caller: Caller): void {
  if (application.status === 'available') return
  const isTrial = application.publisherId === caller.organizationId && caller.environment === 'sandbox'
  if (isTrial && application.status !== 'disabled') return
  throw new StoaError('application_unavailable', { details: { applicationStatus: application.status } })
}

/** A place to install in: as if it had been uninstalled, so that the first installation is like every later one. */
function newInstallation(
  ctx: InstallationsContext,
  applicationId: string,
  target: ReturnType<typeof targetOf>,
): Installation {
  const now = nowIso(ctx.clock)
  return {
    ...target,
    id: newId('ins'),
    applicationId,
    status: 'disabled',
    statusReason: null,
    version: 0,
    refusedVersion: null,
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

/** `{}` and PHP's `[]` in an instance's body: the client's model has the member, its user said nothing. */
function isEmptyContainer(value: unknown): boolean {
  return value === null || (typeof value === 'object' && Object.keys(value).length === 0)
}

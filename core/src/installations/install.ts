import { askedPermissions, type Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { StoaError } from '../kernel/index.ts'
import { assertMayGrant, chosenOptional, union } from './access-request.ts'
import { retryEnabling } from './acknowledge.ts'
import { announceEnabled } from './announce.ts'
import type { InstallationsContext } from './context.ts'
import { assertParentLive, isLive, letChildrenFollow } from './family.ts'
import { actorOf } from './history.ts'
import { targetOf } from './locate.ts'
import { assertInstallable, assertInstallsOn, assertMayInstall, lockPlace } from './place.ts'
import { isSettingsChange, prepareSettings, saveSettings } from './settings.ts'
import { startInstallation } from './start.ts'
import type { FanOut, Installation } from './installation.ts'

export interface Installed {
  application: Application
  installation: Installation
  /** True when it was not installed before. */
  isNew: boolean
}

export interface InstallOptions {
  settings?: unknown
  /** Names or aliases. */
  optionalPermissions?: string[] | undefined
  /** Of the application's plans; needed where it has some and none is free. */
  planId?: string | null | undefined
}

/**
 * Installs an application on the caller's target, or brings what is installed to `enabled` again: what is disabled is
 * enabled, a stuck acknowledgement is tried again. Also stores settings when some are given.
 *
 * An installation grants what the version in force requires, and of its optional permissions the chosen ones. To choose others
 * for what is installed already is refused (`wrong_state`): that is a decision of its own.
 *
 * So it is with another plan than that of what is installed.
 *
 * Throws `not_found` for what the caller cannot see, `application_unavailable`, `rights_exceeded`, `invalid_settings`, and what
 * `onStarted` throws.
 */
export async function installApplication(
  ctx: InstallationsContext,
  db: Db,
  caller: Caller,
  applicationId: string,
  { settings, optionalPermissions, planId = null }: InstallOptions,
): Promise<Installed> {
  await assertMayInstall(db, caller, applicationId)
  const { application, installation: found } = await lockPlace(ctx, db, applicationId, targetOf(caller))
  const isNew = found.uninstalledTime !== null
  const chosen = optionalPermissions && chosenOptional(ctx, application, optionalPermissions)
  if (!isNew && chosen) assertSameChoice(ctx, application, found, chosen)
  if (isLive(found) && planId !== null) await assertSamePlan(ctx, db, found, planId)
  let installation = isNew
    ? await installAnew(ctx, db, caller, application, found, { chosen: chosen ?? [], fanOut: null, planId })
    : await enableAgain(ctx, db, caller, application, found, planId)
  if (settings !== undefined && !isEmptyContainer(settings)) {
    installation = await writeSettings(ctx, db, application, installation, settings)
  }
  // Announced last, so that the event shows the settings it was installed with.
  if (installation.episode !== found.episode) await announceEnabled(ctx, db, application, installation)
  if (!isNew && installation.episode !== found.episode)
    await letChildrenFollow(ctx, db, { application, parent: installation, actor: actorOf(caller) }, found)
  return { application, installation, isNew }
}

/**
 * Switches a disabled installation on again, and what it was passed on to, or tries a stuck one again. Throws `wrong_state` when
 * there is nothing to do, and `not_found` while it is being uninstalled: to bring that back is to install.
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
  const enabled = await enableAgain(ctx, db, caller, application, installation)
  if (enabled.episode !== installation.episode) await announceEnabled(ctx, db, application, enabled)
  await letChildrenFollow(ctx, db, { application, parent: enabled, actor: actorOf(caller) }, installation)
  return enabled
}

/** Of what is not installed: with a new grant, at the version in force, by itself and no part of another's. */
export async function installAnew(
  ctx: InstallationsContext,
  db: Db,
  caller: Caller,
  application: Application,
  found: Installation,
  { chosen, fanOut, planId }: { chosen: string[]; fanOut: FanOut | null; planId: string | null },
): Promise<Installation> {
  assertInstallable(application, caller)
  assertInstallsOn(application, found, fanOut !== null)
  const grant = union(askedPermissions(ctx.catalogue, application).required, chosen)
  assertMayGrant(ctx, caller, grant)
  const { version } = application
  const beginning = { grant, version, installedBy: caller.userId, fanOut, parentId: null }
  return startInstallation(ctx, db, application, found, {
    actor: actorOf(caller),
    beginning,
    choice: { planId, withParent: false },
  })
}

/** Of what is installed, and keeps its grant. */
export async function enableAgain(
  ctx: InstallationsContext,
  db: Db,
  caller: Caller,
  application: Application,
  found: Installation,
  planId: string | null = null,
): Promise<Installation> {
  const actor = actorOf(caller)
  if (found.status === 'enabled') return found
  if (found.status === 'enabling') {
    return found.problemCode === null ? found : retryEnabling(ctx, db, application, found, actor)
  }
  assertInstallable(application, caller)
  await assertParentLive(db, found)
  return startInstallation(ctx, db, application, found, { actor, choice: { planId, withParent: false } })
}

/** A request that is sent again, because its answer was lost, names what was granted by the first. */
function assertSameChoice(
  ctx: InstallationsContext,
  application: Application,
  { grant }: Installation,
  chosen: string[],
): void {
  const { optional } = askedPermissions(ctx.catalogue, application)
  if (optional.filter((name) => grant.includes(name)).join() === chosen.join()) return
  throw new StoaError('wrong_state', {
    message: 'The application is installed already; change its optional permissions with PUT …/access/optional.',
  })
}

async function assertSamePlan(ctx: InstallationsContext, db: Db, found: Installation, planId: string): Promise<void> {
  if ((await ctx.planOf(db, found.id))?.planId === planId) return
  throw new StoaError('wrong_state', {
    message: 'The application is installed already; change its plan with PUT …/plan.',
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

/** `{}` and PHP's `[]` in an instance's body: the client's model has the member, its user said nothing. */
function isEmptyContainer(value: unknown): boolean {
  return value === null || (typeof value === 'object' && Object.keys(value).length === 0)
}

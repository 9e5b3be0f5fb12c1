import { revokeInstallationFamilies, revokeInstallationTokens } from '../access/index.ts'
import type { Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import { removeEndpointsOf } from '../events/index.ts'
import { isoIn, nowIso, StoaError } from '../kernel/index.ts'
import { announceDisabled, hasAudience } from './announce.ts'
import type { InstallationsContext } from './context.ts'
import { theHost, type Actor } from './history.ts'
import { moveInstallation, remarkInstallation } from './move-installation.ts'
import type { Installation } from './installation.ts'

export interface Cause {
  actor: Actor
  reason: string | null
}

/** Switches this one installation off without uninstalling it. Throws `wrong_state` when it is off already. */
export async function disableOne(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
  cause: Cause,
): Promise<Installation> {
  if (installation.status === 'disabled' || installation.status === 'disabling') {
    throw new StoaError('wrong_state', { message: `The installation is ${installation.status} already.` })
  }
  return beginDisabling(ctx, db, application, installation, cause, null)
}

/**
 * Uninstalls this one for good: the row stays, with its history and settings, for a later installation. Its refresh tokens end,
 * which they do not when it is only disabled. Throws `not_found`.
 */
export async function uninstallOne(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
  { actor, reason }: Cause,
): Promise<Installation> {
  if (installation.uninstalledTime !== null) throw new StoaError('not_found')
  const uninstalledTime = nowIso(ctx.clock)
  const cause = { actor, reason: reason ?? 'uninstalled' }
  await revokeInstallationFamilies(ctx, db, installation.id)
  await removeEndpointsOf(db, ctx.dialect, installation.id, uninstalledTime)
  if (installation.status === 'disabled' || installation.status === 'disabling') {
    const set = { uninstalledTime, statusReason: cause.reason }
    const uninstalled = await remarkInstallation(ctx, db, installation, { ...cause, set })
    await ctx.onUninstalled(db, uninstalled, actor)
    // Told again: that it was switched off is not that it is gone, and HighLevel's format tells only the latter.
    await announceDisabled(ctx, db, application, uninstalled)
    return uninstalled
  }
  const disabling = await beginDisabling(ctx, db, application, installation, cause, uninstalledTime)
  await ctx.onUninstalled(db, disabling, actor)
  return disabling
}

/** The end of `disabling`: whatever token was left for the cleanup ends too. */
export async function settleDisabling(
  ctx: InstallationsContext,
  db: Db,
  installation: Installation,
  { actor, reason }: Cause,
): Promise<Installation> {
  await revokeInstallationTokens(ctx, db, installation.id)
  return moveInstallation(ctx, db, installation, { to: 'disabled', actor, reason, set: { deadlineTime: null } })
}

// Access ends with this transaction. What remains is to tell the application; when nobody listens, that is over at once.
async function beginDisabling(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
  { actor, reason }: Cause,
  uninstalledTime: string | null,
): Promise<Installation> {
  const disabling = await moveInstallation(ctx, db, installation, {
    to: 'disabling',
    actor,
    reason: reason ?? 'disabled',
    set: {
      statusReason: reason ?? 'disabled',
      uninstalledTime,
      tries: 0,
      problemCode: null,
      problemTime: null,
      deadlineTime: isoIn(ctx.clock, ctx.config.installations.cleanupSeconds),
    },
  })
  await revokeInstallationTokens(ctx, db, installation.id)
  await announceDisabled(ctx, db, application, disabling)
  if (await hasAudience(ctx, db, application, disabling, 'application-instance-disabled')) return disabling
  return settleDisabling(ctx, db, disabling, { actor: theHost, reason: 'nobody was subscribed to be told' })
}

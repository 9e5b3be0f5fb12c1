import type { Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import { nowIso, StoaError } from '../kernel/index.ts'
import { accessRequestOf } from './access-request.ts'
import { announceAccess } from './announce-access.ts'
import type { InstallationsContext } from './context.ts'
import { theHost } from './history.ts'
import { remarkInstallation } from './move-installation.ts'
import { narrowTo } from './narrow.ts'
import type { Installation } from './installation.ts'
import { swapInstallation } from './store.ts'

/**
 * Brings an installation to the version in force, when that requires no more than was granted: what it no longer asks for
 * leaves the grant, and the tokens. Otherwise the installation stays at its version and grant, and its publisher is told, once
 * for each version, that access is pending. Both rows are locked. Doing it again does nothing.
 */
export async function rollForward(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
): Promise<Installation> {
  const { version } = application
  if (installation.uninstalledTime !== null || installation.version === version) return installation
  const { granted, missing } = accessRequestOf(ctx, application, installation)
  if (missing.length > 0) return markPending(ctx, db, application, installation)
  const updated = await remarkInstallation(ctx, db, installation, {
    actor: theHost,
    reason: `brought to version ${version}`,
    set: { version, grant: granted, refusedVersion: null },
  })
  await narrowTo(ctx, db, installation, updated)
  await announceAccess(ctx, db, application, updated, {
    type: 'installation.updated',
    previousVersion: installation.version,
  })
  return updated
}

async function markPending(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
): Promise<Installation> {
  const { version } = application
  if (installation.pendingVersion === version || installation.refusedVersion === version) return installation
  const pending = await swapInstallation(db, installation, { pendingVersion: version, updatedTime: nowIso(ctx.clock) })
  if (!pending) throw new StoaError('wrong_state')
  await announceAccess(ctx, db, application, pending, {
    type: 'installation.access-pending',
    previousVersion: installation.version,
  })
  return pending
}

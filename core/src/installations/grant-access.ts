import type { Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import { announceAccess } from './announce-access.ts'
import type { InstallationsContext } from './context.ts'
import type { Actor } from './history.ts'
import { remarkInstallation } from './move-installation.ts'
import { narrowTo } from './narrow.ts'
import type { Installation } from './installation.ts'

/**
 * Gives an installation this grant, at the version in force, which it then satisfies: nothing is pending or refused any more.
 * Both rows are locked. Writes nothing when that is so already.
 */
export async function grantAccess(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
  { actor, grant }: { actor: Actor; grant: string[] },
): Promise<Installation> {
  const { version } = application
  const isSame = installation.version === version && installation.grant.join() === grant.join()
  if (isSame && installation.refusedVersion === null) return installation
  const granted = await remarkInstallation(ctx, db, installation, {
    actor,
    reason: `access approved for version ${version}`,
    set: { grant, version, refusedVersion: null },
  })
  await narrowTo(ctx, db, installation, granted)
  const previousVersion = installation.version
  for (const type of ['installation.access-approved', 'installation.updated'] as const) {
    await announceAccess(ctx, db, application, granted, { type, previousVersion })
  }
  return granted
}

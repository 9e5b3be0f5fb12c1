import { mintInstallationToken } from '../access/index.ts'
import { askedPermissions, isSwitchedOff, shareApplication, type Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import type { InstallationsContext } from './context.ts'
import { readConfiguration } from './permissions.ts'
import type { Installation } from './installation.ts'

/**
 * A token for an installation, or null where it may have none. `db` is a transaction that holds the installation's lock,
 * so that no token is made behind the back of whoever is revoking them.
 *
 * - `enabling`, `enabled`: the grant, as far as the application still asks for it. Already while `enabling`, because an
 *   application that acknowledges sets itself up before it does.
 * - `disabling`: the right to read the configuration, if it was granted, until the cleanup time is over.
 * - `disabled`: none.
 *
 * None at all while the application is switched off, by its publisher (`clientStatus`) or by an operator (`status`).
 */
export async function mintToken(ctx: InstallationsContext, db: Db, installation: Installation): Promise<string | null> {
  const { status } = installation
  if (status === 'disabled') return null
  // Read again, and kept from changing: whoever switches it off either comes first, or waits and then revokes this token too.
  const application = await shareApplication(db, installation.applicationId, ctx.dialect.rowLocks)
  if (!application || isSwitchedOff(application)) return null
  // Its tokens are always bound to a key, and nobody proves one here.
  if (application.requiresDpop) return null
  const granted = grantStillAskedFor(ctx, application, installation)
  const isCleanup = status === 'disabling'
  const permissions = isCleanup ? granted.filter((name) => name === readConfiguration.name) : granted
  const seconds = isCleanup ? cleanupSecondsLeft(ctx, installation) : ctx.config.tokens.installationSeconds
  if (isCleanup && (permissions.length === 0 || seconds < 1)) return null
  const { token } = await mintInstallationToken(ctx, db, {
    applicationId: application.id,
    installationId: installation.id,
    organizationId: installation.organizationId,
    locationId: installation.locationId,
    environment: installation.environment,
    permissions,
    rateLimit: application.rateLimit,
    seconds,
  })
  return token
}

// Not accessRequestOf: what is being uninstalled has its grant until the cleanup is over.
function grantStillAskedFor(ctx: InstallationsContext, application: Application, { grant }: Installation): string[] {
  const { required, optional } = askedPermissions(ctx.catalogue, application)
  const asked = new Set([...required, ...optional])
  return grant.filter((name) => asked.has(name))
}

function cleanupSecondsLeft(ctx: InstallationsContext, { deadlineTime }: Installation): number {
  const left = deadlineTime === null ? 0 : Date.parse(deadlineTime) - ctx.clock.now().getTime()
  return Math.floor(left / 1000)
}

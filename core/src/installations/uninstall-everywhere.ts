import { findLocation } from '../accounts/index.ts'
import { findApplication, type Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { StoaError } from '../kernel/index.ts'
import type { InstallationsContext } from './context.ts'
import { actorOf, type Actor } from './history.ts'
import { applicationOf, assertOwnApplication } from './locate.ts'
import { uninstallInstallation } from './stop-family.ts'
import { lockInstallation, lockInstallationById, lockInstalledIn } from './store.ts'

export interface Uninstall {
  companyId?: string | undefined
  locationId?: string | undefined
  reason?: string | undefined
}

/**
 * HighLevel's uninstallation, for three kinds of caller: the application ends its own installation; the merchant those of its
 * organization; the developer, who publishes the application, those of any company, and has to say why.
 */
export async function uninstallEverywhere(
  ctx: InstallationsContext,
  db: Db,
  caller: Caller,
  applicationId: string,
  body: Uninstall,
): Promise<void> {
  assertOwnApplication(caller, applicationId)
  const reason = body.reason?.trim() || null
  if (caller.application) return uninstallOwn(ctx, db, caller, caller.application.installationId, body, reason)

  const application = await findApplication(db, applicationId)
  const isDeveloper = application?.publisherId === caller.organizationId && !(await namesOwn(db, caller, body))
  if (application && isDeveloper) {
    if (reason === null) throw missing('reason', 'is required from the developer: the merchant will read it')
    if (!body.companyId && !body.locationId) throw missing('companyId', 'is required, or locationId')
    const organizationId = await developerTarget(db, body)
    const actor: Actor = { type: 'publisher', id: caller.organizationId }
    return uninstallAt(ctx, db, application, { organizationId, body, caller }, { actor, reason })
  }
  if (!body.companyId && !body.locationId) throw missing('companyId', 'is required, or locationId')
  await assertOwnTenant(db, caller, body)
  if (!application) throw new StoaError('not_found')
  const where = { organizationId: caller.organizationId, body, caller }
  return uninstallAt(ctx, db, application, where, { actor: actorOf(caller), reason })
}

async function uninstallOwn(
  ctx: InstallationsContext,
  db: Db,
  caller: Caller,
  installationId: string,
  body: Uninstall,
  reason: string | null,
): Promise<void> {
  const isOther =
    (body.companyId !== undefined && body.companyId !== caller.organizationId) ||
    (body.locationId !== undefined && body.locationId !== caller.locationId)
  if (isOther) throw new StoaError('tenant_mismatch')
  const installation = await lockInstallationById(db, ctx.dialect, installationId)
  if (!installation) throw new StoaError('not_found')
  const cause = { actor: actorOf(caller), reason }
  await uninstallInstallation(ctx, db, await applicationOf(db, installation), installation, cause)
}

async function uninstallAt(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  where: { organizationId: string; body: Uninstall; caller: Caller },
  cause: { actor: Actor; reason: string | null },
): Promise<void> {
  const at = {
    applicationId: application.id,
    organizationId: where.organizationId,
    environment: where.caller.environment,
  }
  const { locationId } = where.body
  if (locationId) {
    const installation = await lockInstallation(db, ctx.dialect, { ...at, locationId })
    if (!installation) throw new StoaError('not_found')
    await uninstallInstallation(ctx, db, application, installation, cause)
    return
  }
  // The organization's own first, with what it was passed on to: whoever locks both locks it first.
  const own = await lockInstallation(db, ctx.dialect, { ...at, locationId: null })
  const isOwn = own !== null && own.uninstalledTime === null
  if (isOwn) await uninstallInstallation(ctx, db, application, own, cause)
  // All or nothing, however many they are; but never all of them in memory.
  let page = await lockInstalledIn(db, ctx.dialect, at, { after: '', limit: atOnce })
  if (page.length === 0 && !isOwn) throw new StoaError('not_found')
  while (page.length > 0) {
    for (const installation of page) await uninstallInstallation(ctx, db, application, installation, cause)
    page = await lockInstalledIn(db, ctx.dialect, at, { after: page.at(-1)!.id, limit: atOnce })
  }
}

const atOnce = 50

/** The organization that a developer names; one that contradicts the location is answered like an unknown one. */
async function developerTarget(db: Db, body: Uninstall): Promise<string> {
  if (!body.locationId) return body.companyId!
  const location = await findLocation(db, body.locationId)
  if (!location || (body.companyId && body.companyId !== location.organizationId)) throw new StoaError('not_found')
  return location.organizationId
}

/** Whether a publisher acts on its own organization: then it is an ordinary merchant. */
async function namesOwn(db: Db, caller: Caller, body: Uninstall): Promise<boolean> {
  if (body.companyId !== undefined) return body.companyId === caller.organizationId
  if (body.locationId === undefined) return false
  return (await findLocation(db, body.locationId))?.organizationId === caller.organizationId
}

// Any organization or location but the caller's own gets this one answer, whether it exists or not.
async function assertOwnTenant(db: Db, caller: Caller, body: Uninstall): Promise<void> {
  if (body.companyId !== undefined && body.companyId !== caller.organizationId) throw new StoaError('tenant_mismatch')
  if (body.locationId === undefined) return
  const location = await findLocation(db, body.locationId)
  if (location?.organizationId !== caller.organizationId) throw new StoaError('tenant_mismatch')
}

function missing(field: string, message: string): StoaError {
  return new StoaError('invalid_request', { message: `${field} ${message}`, invalidFields: [{ field, message }] })
}

import { findApplications, type Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { StoaError } from '../kernel/index.ts'
import type { InstallationsContext } from './context.ts'
import type { Installation, Target } from './installation.ts'
import { findInstallation, lockInstallation } from './store.ts'

/** What the caller acts on: its organization, or the location that the path chose or the token was issued for. */
export function targetOf(caller: Caller): Target {
  const { organizationId, locationId, environment } = caller
  return { organizationId, locationId, environment }
}

/** Installed, or being removed. What was uninstalled for good is answered like what never was there. */
export function isPresent(installation: Installation): boolean {
  return installation.uninstalledTime === null || installation.status === 'disabling'
}

export interface Located {
  application: Application
  installation: Installation
}

/** What the caller's target has of this application. Throws `not_found` when it has none. */
export async function locateInstallation(db: Db, caller: Caller, applicationId: string): Promise<Located> {
  assertOwnApplication(caller, applicationId)
  return located(db, await findInstallation(db, { applicationId, ...targetOf(caller) }))
}

/** As locateInstallation, locked until the end of the transaction. */
export async function lockLocated(
  ctx: InstallationsContext,
  db: Db,
  caller: Caller,
  applicationId: string,
): Promise<Located> {
  assertOwnApplication(caller, applicationId)
  return located(db, await lockInstallation(db, ctx.dialect, { applicationId, ...targetOf(caller) }))
}

/** Also what was uninstalled: its history stays readable. */
export async function locateHistory(db: Db, caller: Caller, applicationId: string): Promise<Installation> {
  assertOwnApplication(caller, applicationId)
  const installation = await findInstallation(db, { applicationId, ...targetOf(caller) })
  if (!installation) throw new StoaError('not_found')
  return installation
}

/** The application of an installation; it may have been deleted since. */
export async function applicationOf(db: Db, installation: Installation): Promise<Application> {
  const application = (await findApplications(db, [installation.applicationId])).get(installation.applicationId)
  if (!application) throw new Error(`The application ${installation.applicationId} of an installation is gone`)
  return application
}

async function located(db: Db, installation: Installation | null): Promise<Located> {
  if (!installation || !isPresent(installation)) throw new StoaError('not_found')
  return { application: await applicationOf(db, installation), installation }
}

/** Credentials that are bound to one application know no other. */
export function assertOwnApplication(caller: Caller, applicationId: string): void {
  const own = caller.application?.applicationId ?? caller.onlyApplicationId
  if (own !== null && own !== applicationId) throw new StoaError('not_found')
}

import type { Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { nowIso, StoaError } from '../kernel/index.ts'
import { accessRequestOf, assertMayGrant, chosenOptional, union, without } from './access-request.ts'
import { announceEnabled } from './announce.ts'
import type { InstallationsContext } from './context.ts'
import { assertDecidedHere, letChildrenFollow } from './family.ts'
import { actorOf } from './history.ts'
import { enableAgain, installAnew, type Installed } from './install.ts'
import { targetOf } from './locate.ts'
import { chosenLocations, lockLocations } from './locations.ts'
import { mergeFanOut, passOn } from './pass-on.ts'
import { installInstances } from './permissions.ts'
import { assertInstallsOn, assertMayInstall, lockPlace } from './place.ts'
import { grantAccess } from './grant-access.ts'
import type { FanOut, Installation } from './installation.ts'
import { swapInstallation } from './store.ts'

/** What a person agreed to: the version they were shown, and which of its optional permissions (canonical names). */
export interface Consent {
  applicationId: string
  version: number
  optional: string[]
  /** Of what is not installed yet: its plan. What is installed keeps the one it has. */
  planId?: string | null
}

/**
 * What the consent page does. Installs what is not installed; of what is, the grant becomes what the version requires, with
 * the optional permissions of before and those chosen now, and what was pending or refused is over. What was disabled is
 * enabled: whoever reads that an application wants in, and lets it, wants it to work.
 *
 * With a fan-out the organization's installation is passed on to locations, to each as an installation of its own; a second
 * consent adds locations. The first hundred are there when this returns, the rest are the worker's.
 *
 * `db` is a transaction. Throws `missing_permission`, `not_found` (also for another organization's location),
 * `application_unavailable`, `rights_exceeded`, `unknown_permission`, `validation_failed`; and `wrong_state` when another
 * version is in force than was shown (`details.version`), and for a location whose organization decides; and what `onStarted` throws.
 */
export async function installWithConsent(
  ctx: InstallationsContext,
  db: Db,
  caller: Caller,
  consent: Consent,
  fanOut: FanOut | null,
): Promise<Installed> {
  if (!caller.permissions.has(installInstances.name)) {
    throw new StoaError('missing_permission', { details: { missingPermission: installInstances.name } })
  }
  if (fanOut !== null && caller.locationId !== null) {
    throw new StoaError('invalid_request', { message: 'Only an organization’s installation goes on to locations.' })
  }
  const { applicationId } = consent
  await assertMayInstall(db, caller, applicationId)
  // Before any installation: adding a location locks in this order too.
  if (fanOut !== null) await lockLocations(db, ctx.dialect, caller.organizationId)
  const locations = fanOut === null ? [] : await chosenLocations(db, caller.organizationId, fanOut)
  const { application, installation: found } = await lockPlace(ctx, db, applicationId, targetOf(caller))
  assertShown(application, consent.version)
  const chosen = chosenOptional(ctx, application, consent.optional)
  const isNew = found.uninstalledTime !== null
  const installation = isNew
    ? await installAnew(ctx, db, caller, application, found, {
        chosen,
        fanOut: fanOut && mergeFanOut(null, fanOut),
        planId: consent.planId ?? null,
      })
    : await renew(ctx, db, caller, application, found, { chosen, fanOut, planId: consent.planId ?? null })
  if (installation.episode !== found.episode) await announceEnabled(ctx, db, application, installation)
  const family = { application, parent: installation, actor: actorOf(caller) }
  if (!isNew) await letChildrenFollow(ctx, db, family, found)
  await passOn(ctx, db, family, locations)
  return { application, installation, isNew }
}

/** Compare-and-swap on what a person was shown. Throws `wrong_state`. */
export function assertShown({ version }: Application, shown: number): void {
  if (version === shown) return
  throw new StoaError('wrong_state', {
    message: `Version ${shown} is no longer what the application asks for, version ${version} is; read it again.`,
    details: { version },
  })
}

async function renew(
  ctx: InstallationsContext,
  db: Db,
  caller: Caller,
  application: Application,
  found: Installation,
  { chosen, fanOut, planId }: { chosen: string[]; fanOut: FanOut | null; planId: string | null },
): Promise<Installation> {
  const { required, granted } = accessRequestOf(ctx, application, found)
  const grant = union(granted, required, chosen)
  const added = without(grant, found.grant)
  if (added.length > 0) assertDecidedHere(found)
  if (fanOut !== null) assertInstallsOn(application, found, true)
  assertMayGrant(ctx, caller, added)
  let installation = found
  if (found.parentId === null)
    installation = await grantAccess(ctx, db, application, found, { actor: actorOf(caller), grant })
  if (fanOut !== null) {
    const merged = mergeFanOut(found.fanOut, fanOut)
    const changed = await swapInstallation(db, installation, { fanOut: merged, updatedTime: nowIso(ctx.clock) })
    if (!changed) throw new StoaError('wrong_state')
    installation = changed
  }
  // A page that offers plans anew, to whoever signs in again, must not change what is paid: with a plan it goes on.
  const current = await ctx.planOf(db, installation.id)
  return enableAgain(ctx, db, caller, application, installation, current ? null : planId)
}

import type { Location } from '../accounts/index.ts'
import { shareApplication } from '../applications/index.ts'
import { inSavepoint, inTransaction, type Db } from '../database/index.ts'
import { nowIso } from '../kernel/index.ts'
import { announceEnabled } from './announce.ts'
import type { InstallationsContext } from './context.ts'
import { isLive, servedAtOnce, type Family } from './family.ts'
import { theHost, type Actor } from './history.ts'
import { queueJob } from './job-store.ts'
import { pageOfFanOut, shareOrganization, type FanOutLocations } from './locations.ts'
import { canPassOn, lockPlace } from './place.ts'
import { rollForward } from './roll-forward.ts'
import { startInstallation } from './start.ts'
import type { FanOut, Installation } from './installation.ts'
import { findPassedOn, lockInstallationById } from './store.ts'

/**
 * Passes an organization's installation on to locations: the first hundred now, the rest by the worker. What has the
 * application already keeps its own.
 */
export async function passOn(
  ctx: InstallationsContext,
  db: Db,
  family: Family,
  locations: FanOutLocations,
): Promise<void> {
  const { parent, actor } = family
  const cursor = await passOnPage(ctx, db, family, locations, { after: '', limit: servedAtOnce })
  if (cursor !== null) await queueFanOut(ctx, db, parent, { locations, actor, cursor })
}

/**
 * One page of that, in a transaction that holds the organization's installation. Returns where it got to, or null at the end.
 * Doing it again does nothing.
 */
export async function passOnPage(
  ctx: InstallationsContext,
  db: Db,
  family: Family,
  locations: FanOutLocations,
  page: { after: string; limit: number },
): Promise<string | null> {
  const { ids, cursor } = await pageOfFanOut(db, family.parent.organizationId, locations, page)
  for (const locationId of ids) await passOnTo(ctx, db, family, locationId)
  return cursor
}

async function passOnTo(
  ctx: InstallationsContext,
  db: Db,
  { application, parent, actor }: Family,
  locationId: string,
): Promise<void> {
  const { organizationId, environment, grant, version, installedBy, refusedVersion, pendingVersion } = parent
  const { installation } = await lockPlace(ctx, db, application.id, { organizationId, locationId, environment })
  if (installation.uninstalledTime === null) return
  const beginning = {
    grant,
    version,
    installedBy,
    fanOut: null,
    parentId: parent.id,
    refusedVersion,
    pendingVersion,
  }
  await announceEnabled(
    ctx,
    db,
    application,
    await startInstallation(ctx, db, application, installation, {
      actor,
      beginning,
      choice: { planId: null, withParent: true },
    }),
  )
}

/**
 * A location was added: what its organization wants passed on to future locations is installed there, in the same transaction.
 * What fails does not keep the location from being added: it is logged, and left to the worker, as is what is disabled or
 * unavailable at the moment.
 */
export async function passOnToLocation(ctx: InstallationsContext, db: Db, location: Location): Promise<void> {
  await inTransaction(db, async (trx) => {
    // Whoever consents at this moment either is done, or will find this location there.
    await shareOrganization(trx, ctx.dialect, location.organizationId)
    for (const parent of await findPassedOn(trx, location.organizationId)) {
      if (!isPassedOnToFuture(parent)) continue
      try {
        await inSavepoint(trx, () => passOnNew(ctx, trx, parent.id, location.id))
      } catch (err) {
        const details = { err, installationId: parent.id, locationId: location.id }
        ctx.logger.error(details, 'not passed on to a new location yet')
        await queueFanOut(ctx, trx, parent, { locations: [location.id], actor: theHost })
      }
    }
  })
}

async function passOnNew(ctx: InstallationsContext, db: Db, parentId: string, locationId: string): Promise<void> {
  const found = await lockInstallationById(db, ctx.dialect, parentId)
  const application = found && (await shareApplication(db, found.applicationId, ctx.dialect.rowLocks))
  if (!application || !isPassedOnToFuture(found)) return
  if (!isLive(found) || !canPassOn(application, found)) {
    return queueFanOut(ctx, db, found, { locations: [locationId], actor: theHost })
  }
  const parent = await rollForward(ctx, db, application, found)
  await passOnTo(ctx, db, { application, parent, actor: theHost }, locationId)
}

function isPassedOnToFuture({ uninstalledTime, fanOut }: Installation): boolean {
  return uninstalledTime === null && fanOut !== null && fanOut.future
}

async function queueFanOut(
  ctx: InstallationsContext,
  db: Db,
  parent: Installation,
  { locations, actor, cursor = '' }: { locations: FanOutLocations; actor: Actor; cursor?: string },
): Promise<void> {
  const now = nowIso(ctx.clock)
  await queueJob(db, {
    kind: 'fan-out',
    applicationId: parent.applicationId,
    installationId: parent.id,
    detail: { actor, locations },
    cursor,
    dueTime: isLive(parent) ? now : null,
    now,
  })
}

/** What was chosen before and now: locations are added, and the last word counts for future ones. */
export function mergeFanOut(before: FanOut | null, chosen: FanOut): FanOut {
  const { future } = chosen
  if (before?.locations === 'all' || chosen.locations === 'all') return { locations: 'all', future }
  return { locations: [...new Set([...(before?.locations ?? []), ...chosen.locations])].sort(), future }
}

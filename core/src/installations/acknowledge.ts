import type { Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import { isoIn, nowIso, StoaError } from '../kernel/index.ts'
import { announceEnabled, hasAudience } from './announce.ts'
import type { InstallationsContext } from './context.ts'
import { theHost, type Actor } from './history.ts'
import { moveInstallation } from './move-installation.ts'
import type { Installation } from './installation.ts'
import type { Change } from './installation-row.ts'
import { swapInstallation } from './store.ts'

/** The application's endpoint answered 2xx: what was being enabled is. */
export function finishEnabling(
  ctx: InstallationsContext,
  db: Db,
  installation: Installation,
  reason: string,
  actor: Actor = theHost,
): Promise<Installation> {
  const set = { tries: 0, deadlineTime: null, problemCode: null, problemTime: null, statusReason: null }
  return moveInstallation(ctx, db, installation, { to: 'enabled', actor, reason, set })
}

/** Somebody asked to try again: the count of tries begins anew. */
export async function retryEnabling(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
  actor: Actor,
): Promise<Installation> {
  if (!application.acknowledges) {
    return finishEnabling(ctx, db, installation, 'the application no longer acknowledges', actor)
  }
  return sendAgain(ctx, db, application, installation, 1)
}

/**
 * The deadline of an acknowledgement has passed: the event is sent again, or, after the last try, the problem becomes
 * visible to the merchant and the publisher. The installation stays `enabling`: a late acknowledgement still counts.
 */
export async function overdueEnabling(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
): Promise<Installation> {
  if (!application.acknowledges) {
    return finishEnabling(ctx, db, installation, 'the application no longer acknowledges')
  }
  if (installation.tries < ctx.config.installations.acknowledgeTries) {
    return sendAgain(ctx, db, application, installation, installation.tries + 1)
  }
  const isHeard = await hasAudience(ctx, db, application, installation, 'application-instance-enabled')
  const now = nowIso(ctx.clock)
  return change(ctx, db, installation, {
    deadlineTime: null,
    problemCode: isHeard ? 'not_acknowledged' : 'nobody_subscribed',
    problemTime: now,
  })
}

async function sendAgain(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
  tries: number,
): Promise<Installation> {
  const { acknowledgeSeconds } = ctx.config.installations
  const waiting = await change(ctx, db, installation, {
    tries,
    deadlineTime: isoIn(ctx.clock, acknowledgeSeconds),
    problemCode: null,
    problemTime: null,
  })
  await announceEnabled(ctx, db, application, waiting)
  return waiting
}

async function change(ctx: InstallationsContext, db: Db, installation: Installation, set: Change) {
  const changed = await swapInstallation(db, installation, { ...set, updatedTime: nowIso(ctx.clock) })
  if (!changed) throw new StoaError('wrong_state')
  return changed
}

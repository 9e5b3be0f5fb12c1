import type { Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import type { InstallationsContext } from './context.ts'
import { offWithParent } from './family.ts'
import { deleteJobsOf } from './job-store.ts'
import { disableOne, uninstallOne, type Cause } from './stop.ts'
import type { Installation } from './installation.ts'
import { lockChildren } from './store.ts'

const atOnce = 50

/**
 * Switches an installation off, and what it was passed on to: that is switched on with it again. Throws `wrong_state` when it
 * is off already.
 */
export async function disableInstallation(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
  cause: Cause,
): Promise<Installation> {
  const disabled = await disableOne(ctx, db, application, installation, cause)
  await forEachChild(ctx, db, installation, async (child) => {
    if (child.status === 'disabled' || child.status === 'disabling') return
    await disableOne(ctx, db, application, child, { actor: cause.actor, reason: offWithParent })
  })
  return disabled
}

/** Uninstalls, and what it was passed on to with it; nothing more is passed on. Throws `not_found`. */
export async function uninstallInstallation(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
  cause: Cause,
): Promise<Installation> {
  const uninstalled = await uninstallOne(ctx, db, application, installation, cause)
  if (installation.fanOut !== null) await deleteJobsOf(db, installation.id)
  const { actor, reason } = cause
  await forEachChild(ctx, db, installation, async (child) => {
    const withParent = { actor, reason: reason ?? 'uninstalled with the organization’s installation' }
    await uninstallOne(ctx, db, application, child, withParent)
  })
  return uninstalled
}

/** All of them in this transaction, because access ends with it, however many they are; but never all of them in memory. */
async function forEachChild(
  ctx: InstallationsContext,
  db: Db,
  { id, fanOut }: Installation,
  stop: (child: Installation) => Promise<void>,
): Promise<void> {
  if (fanOut === null) return
  for (let after = ''; ;) {
    const children = await lockChildren(db, ctx.dialect, id, { after, limit: atOnce })
    for (const child of children) await stop(child)
    const last = children.at(-1)
    if (!last) return
    after = last.id
  }
}

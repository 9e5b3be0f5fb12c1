import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { nowIso } from '../kernel/index.ts'
import type { Application, CoreMembers } from './application.ts'
import { askedPermissions } from './asked-permissions.ts'
import { checkText } from './check-application.ts'
import type { ApplicationsContext } from './context.ts'
import { nextTime } from './edit-application.ts'
import { lockedApplication, versionOf } from './find-version.ts'
import { recordStep } from './record-step.ts'
import { endSecretsOfPublicClient } from './rotate-secret.ts'
import { findApplication, updateApplication } from './store.ts'
import type { Version } from './version.ts'
import { findNewest, moveVersion } from './version-store.ts'
import { overtaken, wrongVersionState } from './wrong-state.ts'

/** Brings an approved version of the caller's own application into force. Throws `wrong_state` for any other. */
export async function releaseVersion(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  number: number,
): Promise<Version> {
  const application = await lockedApplication(ctx, db, caller, id)
  await releaseApproved(ctx, db, caller, application, await versionOf(db, application, number))
  return versionOf(db, application, number)
}

/** As releaseVersion, for whoever may decide it and holds the lock on the application: an approval releases by itself. */
export async function releaseApproved(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  application: Application,
  version: Version,
): Promise<void> {
  const released = { status: 'released', releasedTime: nowIso(ctx.clock) } as const
  if (!(await moveVersion(db, version, 'approved', released))) {
    throw wrongVersionState(version, 'and only an approved one can be released')
  }
  const { inForce, difference } = await putInForce(ctx, db, caller, application, version)
  await recordStep(ctx, db, caller, inForce, {
    action: 'released',
    from: application.status,
    reason: null,
    version: version.number,
    data: { version: version.number, previousVersion: application.version || null, ...difference },
  })
}

/**
 * Takes an approved or released version back, with a reason. When it is the one in force, the newest other released one comes
 * into force. Throws `wrong_state` when there is none, or for a version that is neither.
 */
export async function yankVersion(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  number: number,
  reason: string,
): Promise<Version> {
  const application = await lockedApplication(ctx, db, caller, id)
  const version = await versionOf(db, application, number)
  const yanked = { status: 'yanked', yankedTime: nowIso(ctx.clock), reason: checkText('reason', reason) } as const
  // An approved one that nobody wants to release any more would stand in the way of the next.
  const from = version.status === 'approved' ? 'approved' : 'released'
  if (!(await moveVersion(db, version, from, yanked))) {
    throw wrongVersionState(version, 'and only an approved or released one can be yanked')
  }
  const isInForce = application.version === number
  const fallback = isInForce ? await findNewest(db, id, ['released']) : null
  if (isInForce && !fallback) {
    throw wrongVersionState(version, 'and no other released one could come into force; ask the operator to disable it')
  }
  const { inForce, difference } = fallback
    ? await putInForce(ctx, db, caller, application, fallback)
    : { inForce: application, difference: { addedPermissions: [], removedPermissions: [] } }
  await recordStep(ctx, db, caller, inForce, {
    action: 'yanked',
    from: application.status,
    reason: yanked.reason,
    version: number,
    data: { version: number, versionInForce: inForce.version, reason: yanked.reason, ...difference },
  })
  return versionOf(db, application, number)
}

export interface Difference {
  /** Canonical names that are required now and were not. */
  addedPermissions: string[]
  removedPermissions: string[]
}

/** What the second requires and the first does not, and the other way round. `before` is null when nothing was in force. */
export function differenceOf(ctx: ApplicationsContext, before: CoreMembers | null, after: CoreMembers): Difference {
  const old = before ? askedPermissions(ctx.catalogue, before).required : []
  const { required } = askedPermissions(ctx.catalogue, after)
  return {
    addedPermissions: required.filter((name) => !old.includes(name)),
    removedPermissions: old.filter((name) => !required.includes(name)),
  }
}

/** Copies a version to the application, which is what everybody reads, and tells the installations. */
async function putInForce(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  application: Application,
  { content, number }: Version,
): Promise<{ inForce: Application; difference: Difference }> {
  const set = { updatedTime: nextTime(ctx, application), version: number }
  if (!(await updateApplication(db, application, content, set))) throw await overtaken(db, application.id)
  const inForce = (await findApplication(db, application.id))!
  if (inForce.clientType !== application.clientType) await endSecretsOfPublicClient(ctx, db, caller, inForce)
  const isFirst = application.version === 0
  // Also the first one: its publisher may have tried the draft in the sandbox.
  await ctx.onReleased(db, application.id)
  return { inForce, difference: differenceOf(ctx, isFirst ? null : application, content) }
}

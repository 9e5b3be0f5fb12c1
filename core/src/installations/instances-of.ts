import { findApplications } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import type { InstallationsContext } from './context.ts'
import { targetOf } from './locate.ts'
import { showInstances } from './permissions.ts'
import { instanceShape } from './shapes.ts'
import type { InstanceShape } from './schemas.ts'
import { findInstallationsOn } from './store.ts'
import type { Installation } from './installation.ts'

/**
 * The port behind `expand=applicationInstance`: what the caller's target has of these applications, by their ids. Nothing
 * for those who may not see instances: whoever may read the store learns no more by expanding it. An application sees its
 * own installation alone, and its own API key its own application alone.
 */
export async function instancesOf(
  ctx: InstallationsContext,
  db: Db,
  caller: Caller,
  applicationIds: string[],
): Promise<Map<string, object>> {
  if (caller.application === null && !caller.permissions.has(showInstances.name)) return new Map()
  const only = caller.application?.applicationId ?? caller.onlyApplicationId
  const ids = only === null ? applicationIds : applicationIds.filter((id) => id === only)
  const installations = await findInstallationsOn(db, targetOf(caller), ids)
  const shapes = await shapesOf(ctx, db, installations)
  return new Map(shapes.map((shape) => [shape.applicationId, shape]))
}

/** Instances as the merchant sees them, in the order given. */
export async function shapesOf(
  ctx: InstallationsContext,
  db: Db,
  installations: Installation[],
): Promise<InstanceShape[]> {
  const ids = [...new Set(installations.map(({ applicationId }) => applicationId))]
  const applications = await findApplications(db, ids)
  return installations.map((each) => instanceShape(ctx, applications.get(each.applicationId)!, each))
}

import { findApplications } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import type { InstallationsContext } from './context.ts'
import { targetOf } from './locate.ts'
import { instanceShape } from './shapes.ts'
import { findInstallationsOn } from './store.ts'

/** The port behind `expand=applicationInstance`: what the caller's target has of these applications, by their ids. */
export async function instancesOf(
  ctx: InstallationsContext,
  db: Db,
  caller: Caller,
  applicationIds: string[],
): Promise<Map<string, object>> {
  const installations = await findInstallationsOn(db, targetOf(caller), applicationIds)
  const applications = await findApplications(
    db,
    installations.map(({ applicationId }) => applicationId),
  )
  const shapes = new Map<string, object>()
  for (const installation of installations) {
    const application = applications.get(installation.applicationId)
    if (application) shapes.set(application.id, await instanceShape(ctx, application, installation))
  }
  return shapes
}

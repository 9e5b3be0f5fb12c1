import type { Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import { publish } from '../events/index.ts'
import { nowIso } from '../kernel/index.ts'
import { accessRequestOf } from './access-request.ts'
import type { InstallationsContext } from './context.ts'
import type { Installation } from './installation.ts'
import { approvalUrl } from './shapes.ts'

export type AccessEvent =
  | 'installation.updated'
  | 'installation.access-pending'
  | 'installation.access-approved'
  | 'installation.access-refused'

/** Tells the publisher of an installation, as it is now, in the transaction that makes it so. */
export async function announceAccess(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
  { type, previousVersion }: { type: AccessEvent; previousVersion: number },
): Promise<void> {
  const { id, applicationId, organizationId, locationId, environment } = installation
  const { granted, missing } = accessRequestOf(ctx, application, installation)
  // What waits, or was refused, is the version in force; otherwise the one the installation was brought to.
  const isAsked = type === 'installation.access-pending' || type === 'installation.access-refused'
  const data = {
    applicationId,
    installationId: id,
    organizationId,
    locationId,
    environment,
    version: isAsked ? application.version : installation.version,
    previousVersion,
    permissions: granted,
    pending: missing,
    ...(type === 'installation.access-pending' && { approvalUrl: approvalUrl(ctx, installation.parentId ?? id) }),
  }
  const payload = { type, timestamp: nowIso(ctx.clock), data }
  const { publisherId } = application
  await publish(ctx, db, { type, publisherId, applicationId, organizationId, locationId, environment, payload })
}

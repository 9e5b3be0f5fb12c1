import { applicationShape, type Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import { hasSubscribers, publish } from '../events/index.ts'
import type { InstallationsContext } from './context.ts'
import { insertNotice } from './history.ts'
import { ownerInstanceShape, ownerInstanceUrl } from './shapes.ts'
import type { Installation } from './installation.ts'

type InstanceEvent = 'application-instance-enabled' | 'application-instance-disabled'

/** Writes the event that tells the publisher, in the transaction that makes it true. Rebilly's payload, without the token. */
export async function announceEnabled(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
): Promise<void> {
  await announce(ctx, db, application, installation, 'application-instance-enabled', {
    _embedded: {
      application: embeddedApplication(ctx, application),
      applicationInstance: ownerInstanceShape(ctx, application, installation),
    },
    _links: [
      { rel: 'application', href: applicationUrl(ctx, application) },
      { rel: 'applicationInstance', href: ownerInstanceUrl(ctx, installation) },
    ],
  })
}

/** As announceEnabled. The contract's payload embeds the application alone: there is nothing left to embed of the instance. */
export async function announceDisabled(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
): Promise<void> {
  await announce(ctx, db, application, installation, 'application-instance-disabled', {
    _embedded: { application: embeddedApplication(ctx, application) },
    _links: [{ rel: 'application', href: applicationUrl(ctx, application) }],
  })
}

/** Whether anybody would get the event. */
export function hasAudience(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
  type: InstanceEvent,
): Promise<boolean> {
  const { organizationId, locationId, environment } = installation
  const tenant = { organizationId, locationId, environment }
  return hasSubscribers(ctx, db, {
    type,
    publisherId: application.publisherId,
    applicationId: application.id,
    ...tenant,
  })
}

async function announce(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  installation: Installation,
  type: InstanceEvent,
  rest: { _embedded: object; _links: object[] },
): Promise<void> {
  const { organizationId, locationId, environment } = installation
  const tenant = { organizationId, locationId, environment }
  const eventId = await publish(ctx, db, {
    type,
    publisherId: application.publisherId,
    applicationId: application.id,
    ...tenant,
    payload: {
      organizationId,
      ...(locationId !== null && { locationId }),
      environment,
      applicationId: application.id,
      eventType: type,
      ...rest,
    },
  })
  await insertNotice(db, { eventId, installationId: installation.id, episode: installation.episode })
}

function applicationUrl(ctx: InstallationsContext, application: Application): string {
  return `${ctx.config.baseUrl}/applications/${application.id}`
}

/** The contract requires these texts, and a draft that its publisher tries in the sandbox may lack them. */
function embeddedApplication(ctx: InstallationsContext, application: Application): object {
  return { logoId: '', authorName: '', tagline: '', description: '', ...applicationShape(ctx, application) }
}

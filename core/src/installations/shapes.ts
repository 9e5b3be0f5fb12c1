import type { Application } from '../applications/index.ts'
import type { InstallationsContext } from './context.ts'
import type { InstanceShape, LinkShape, OwnerInstanceShape } from './schemas.ts'
import { accessRequestOf, isPending } from './access-request.ts'
import { describeSettings } from './settings.ts'
import type { Installation, ProblemCode, Target } from './installation.ts'

const problems: Record<ProblemCode, string> = {
  not_acknowledged: 'The application has not answered that it is ready. Try again, or ask its author.',
  nobody_subscribed: 'The application asks to acknowledge, but has no webhook endpoint that would. Ask its author.',
}

/** An instance as the merchant sees it. What has no value is left out: clients of the contract know no nulls. */
export function instanceShape(
  ctx: InstallationsContext,
  application: Application,
  installation: Installation,
): InstanceShape {
  const { settings, isConfigured } = describeSettings(ctx, application, installation)
  const { applicationId, locationId, environment, status, statusReason, problemCode, problemTime } = installation
  return {
    applicationId,
    ...(locationId !== null && { locationId }),
    environment,
    status,
    ...(statusReason !== null && { statusReason }),
    ...(problemCode && { problem: { code: problemCode, message: problems[problemCode], since: problemTime! } }),
    version: installation.version,
    permissions: installation.grant,
    ...(isPending(accessRequestOf(ctx, application, installation), installation) && { pendingAccess: true as const }),
    isConfigured,
    settings,
    createdTime: installation.createdTime,
    updatedTime: installation.updatedTime,
    _links: [{ rel: 'self', href: instanceUrl(ctx, applicationId, installation) }],
  }
}

/** An instance as its application's publisher sees it; in lists and stored events without the token. */
export function ownerInstanceShape(
  ctx: InstallationsContext,
  application: Application,
  installation: Installation,
  token: string | null = null,
): OwnerInstanceShape {
  const shape = instanceShape(ctx, application, installation)
  return {
    organizationId: installation.organizationId,
    ...shape,
    ...(token !== null && { token }),
    _links: [{ rel: 'self', href: ownerInstanceUrl(ctx, installation) }],
  }
}

export function configurationLinks(
  ctx: InstallationsContext,
  application: Application,
  installation: Installation,
): LinkShape[] {
  const self = { rel: 'self', href: `${instanceUrl(ctx, application.id, installation)}/configuration` }
  return application.configurationUrl === null
    ? [self]
    : [self, { rel: 'configuration', href: application.configurationUrl }]
}

/** The page on which a person decides about what an installation's application asks for. */
export function approvalUrl({ config }: InstallationsContext, installationId: string): string {
  return `${config.baseUrl}/oauth/access/${installationId}`
}

/** With the tenant in the path: a person with several organizations gets the right one from the link alone. */
export function instanceUrl(ctx: InstallationsContext, applicationId: string, target: Target): string {
  const location = target.locationId === null ? '' : `/locations/${target.locationId}`
  const { baseUrl } = ctx.config
  return `${baseUrl}/organizations/${target.organizationId}${location}/application-instances/${applicationId}`
}

export function ownerInstanceUrl(ctx: InstallationsContext, installation: Installation): string {
  const tenant = installation.locationId ?? installation.organizationId
  return `${ctx.config.baseUrl}/applications/${installation.applicationId}/instances/${tenant}`
}

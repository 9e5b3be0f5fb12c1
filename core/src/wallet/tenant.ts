import type { Environment } from '../context.ts'
import type { Caller } from '../http/index.ts'
import { StoaError } from '../kernel/index.ts'

/** Whose wallet an application's token is for. */
export interface Tenant {
  applicationId: string
  installationId: string
  organizationId: string
  locationId: string
  environment: Environment
}

/** The location that the token was issued for, the only authority there is. Throws `caller_not_allowed` without one. */
export function tenantOf(caller: Caller): Tenant {
  const { application, organizationId, locationId, environment } = caller
  if (!application || locationId === null) {
    throw new StoaError('caller_not_allowed', {
      message: 'Charges take the token of an installation on a location; this one is for an organization.',
    })
  }
  const { applicationId, installationId } = application
  return { applicationId, installationId, organizationId, locationId, environment }
}

import type { Caller } from '../http/index.ts'
import type { EndpointScope } from './endpoint.ts'

/** The endpoints a caller may see. */
export function scopeOf(caller: Caller): EndpointScope {
  const { organizationId, environment, onlyApplicationId, application } = caller
  return {
    organizationId,
    environment,
    applicationId: onlyApplicationId ?? application?.applicationId ?? null,
    installationId: application?.installationId ?? null,
  }
}

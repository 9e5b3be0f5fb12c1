import type { Static } from '../kernel/index.ts'
import type { Endpoint } from './endpoint.ts'
import type { EndpointShape } from './schemas.ts'

/** An endpoint as its owner sees it: without anything sealed. */
export function endpointShape(endpoint: Endpoint): Static<typeof EndpointShape> {
  const { id, organizationId, applicationId, url, events, description, format, status, statusReason } = endpoint
  const { environment, createdTime, updatedTime } = endpoint
  return {
    id,
    organizationId,
    applicationId,
    url,
    events,
    description,
    format,
    status,
    statusReason,
    environment,
    createdTime,
    updatedTime,
  }
}

import type { Environment } from '../context.ts'
import { boolean, integer, iso, json, maybeIso, maybeText, text, toJson, type Row } from '../database/index.ts'
import type {
  Endpoint,
  EndpointHeader,
  EndpointHealth,
  EndpointSecret,
  EndpointStatus,
  Method,
  Receiver,
  SigningVersion,
  StatusCause,
  Transport,
} from './endpoint.ts'
import type { EndpointFormat } from './highlevel.ts'

/** What the owner of an endpoint decides, as columns. */
export function configColumns(endpoint: Endpoint): Row {
  return {
    url: endpoint.url,
    method: endpoint.method,
    events: toJson(endpoint.events),
    description: endpoint.description,
    format: endpoint.format,
    signing: toJson(endpoint.signing),
    secrets: toJson(endpoint.secrets),
    headers: toJson(endpoint.headers),
    body_template: endpoint.bodyTemplate,
    credential_id: endpoint.credentialId,
    fifo: endpoint.fifo,
    rate_limit: endpoint.rateLimit,
    concurrency: endpoint.concurrency,
    timeout_ms: endpoint.timeoutMilliseconds,
    status: endpoint.status,
    status_cause: endpoint.statusCause,
    status_reason: endpoint.statusReason,
    updated_time: endpoint.updatedTime,
  }
}

/** What the dispatcher finds out, as columns. */
export function healthColumns(health: EndpointHealth): Row {
  return {
    breaker: health.breaker,
    breaker_until: health.breakerUntil,
    breaker_trips: health.breakerTrips,
    failures: health.failures,
    failed_events: health.failedEvents,
    failing_since: health.failingSince,
  }
}

export function mapReceiver(row: Row): Receiver {
  return {
    id: text(row.id),
    organizationId: text(row.organization_id),
    applicationId: maybeText(row.application_id),
    installationId: maybeText(row.installation_id),
    environment: text(row.environment) as Environment,
    events: json<string[]>(row.events),
    format: text(row.format) as EndpointFormat,
    fifo: boolean(row.fifo),
  }
}

export function mapEndpoint(row: Row): Endpoint {
  return {
    id: text(row.id),
    organizationId: text(row.organization_id),
    applicationId: maybeText(row.application_id),
    installationId: maybeText(row.installation_id),
    environment: text(row.environment) as Environment,
    givenId: maybeText(row.given_id),
    transport: text(row.transport) as Transport,
    url: text(row.url),
    method: text(row.method) as Method,
    events: json<string[]>(row.events),
    description: maybeText(row.description),
    format: text(row.format) as EndpointFormat,
    signing: json<SigningVersion[]>(row.signing),
    secrets: json<EndpointSecret[]>(row.secrets),
    headers: json<EndpointHeader[]>(row.headers),
    bodyTemplate: maybeText(row.body_template),
    credentialId: maybeText(row.credential_id),
    fifo: boolean(row.fifo),
    rateLimit: maybeInteger(row.rate_limit),
    concurrency: maybeInteger(row.concurrency),
    timeoutMilliseconds: maybeInteger(row.timeout_ms),
    status: text(row.status) as EndpointStatus,
    statusCause: maybeText(row.status_cause) as StatusCause | null,
    statusReason: maybeText(row.status_reason),
    health: mapHealth(row),
    createdTime: iso(row.created_time),
    updatedTime: iso(row.updated_time),
  }
}

export function mapHealth(row: Row): EndpointHealth {
  return {
    breaker: text(row.breaker) as EndpointHealth['breaker'],
    breakerUntil: maybeIso(row.breaker_until),
    breakerTrips: integer(row.breaker_trips),
    failures: integer(row.failures),
    failedEvents: integer(row.failed_events),
    failingSince: maybeIso(row.failing_since),
  }
}

const maybeInteger = (value: unknown) => (value === null || value === undefined ? null : integer(value))

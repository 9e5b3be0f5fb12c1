import type { Environment } from '../context.ts'
import { integer, iso, json, maybeText, text, toJson, type Db, type Row } from '../database/index.ts'
import type { Page, Paged } from '../http/index.ts'
import type { EndpointFormat } from './highlevel.ts'

const table = 'stoa_webhook_endpoints'

export type EndpointStatus = 'ACTIVE' | 'DISABLED'

export interface Endpoint {
  id: string
  organizationId: string
  /** Receives the events of this application alone; null for those of all applications of the organization. */
  applicationId: string | null
  environment: Environment
  url: string
  /** Event types; `*` stands for all. */
  events: string[]
  description: string | null
  /** Of the events from now on: what is waiting already is sent as it was when it happened. */
  format: EndpointFormat
  status: EndpointStatus
  /** Why it is disabled. */
  statusReason: string | null
  createdTime: string
  updatedTime: string
}

/** Whose endpoints are meant. An application's own API key sees that application's alone. */
export interface EndpointScope {
  organizationId: string
  environment: Environment
  applicationId: string | null
}

/** What fan-out needs to know of an endpoint. */
export type Receiver = Pick<Endpoint, 'id' | 'organizationId' | 'applicationId' | 'environment' | 'events' | 'format'>

/** What sending needs to know of one. */
export interface Target {
  id: string
  url: string
  sealedSecret: string
  updatedTime: string
}

export async function findReceivers(db: Db, publisherIds: string[]): Promise<Receiver[]> {
  const rows = (await db(table)
    .select('id', 'organization_id', 'application_id', 'environment', 'events', 'format')
    .whereIn('organization_id', publisherIds)
    .whereNull('deleted_time')) as Row[]
  return rows.map((row) => ({
    id: text(row.id),
    organizationId: text(row.organization_id),
    applicationId: maybeText(row.application_id),
    environment: text(row.environment) as Environment,
    events: json<string[]>(row.events),
    format: text(row.format) as EndpointFormat,
  }))
}

export async function findTargets(db: Db, ids: string[]): Promise<Map<string, Target>> {
  const rows = (await db(table).select('id', 'url', 'secret', 'updated_time').whereIn('id', ids)) as Row[]
  return new Map(
    rows.map((row) => [
      text(row.id),
      { id: text(row.id), url: text(row.url), sealedSecret: text(row.secret), updatedTime: iso(row.updated_time) },
    ]),
  )
}

export async function insertEndpoint(db: Db, endpoint: Endpoint, sealedSecret: string): Promise<void> {
  await db(table).insert({
    id: endpoint.id,
    organization_id: endpoint.organizationId,
    application_id: endpoint.applicationId,
    environment: endpoint.environment,
    url: endpoint.url,
    events: toJson(endpoint.events),
    description: endpoint.description,
    format: endpoint.format,
    status: endpoint.status,
    status_reason: endpoint.statusReason,
    secret: sealedSecret,
    created_time: endpoint.createdTime,
    updated_time: endpoint.updatedTime,
  })
}

export async function updateEndpoint(db: Db, endpoint: Endpoint): Promise<void> {
  await db(table)
    .where({ id: endpoint.id })
    .update({
      url: endpoint.url,
      events: toJson(endpoint.events),
      description: endpoint.description,
      format: endpoint.format,
      status: endpoint.status,
      status_reason: endpoint.statusReason,
      updated_time: endpoint.updatedTime,
    })
}

/** For a receiver that answered that it is gone; not when its owner has given it another address in the meantime. */
export async function disableEndpoint(
  db: Db,
  gone: { id: string; url: string; reason: string; now: string },
): Promise<void> {
  await db(table)
    .where({ id: gone.id, url: gone.url, status: 'ACTIVE' })
    .update({ status: 'DISABLED', status_reason: gone.reason, updated_time: gone.now })
}

/** Keeps the row, which the history refers to, without its secret; what was still to be sent is cancelled. */
export async function removeEndpoint(db: Db, id: string, now: string): Promise<void> {
  await db(table)
    .where({ id })
    .update({ status: 'DISABLED', status_reason: null, secret: '', deleted_time: now, updated_time: now })
  await db('stoa_deliveries')
    .where({ endpoint_id: id })
    .whereRaw(`state = 'pending'`)
    .update({ state: 'cancelled', next_time: null, lease_token: null, lease_until: null, completed_time: now })
}

export async function findEndpoint(db: Db, scope: EndpointScope, id: string): Promise<Endpoint | null> {
  const row = await inScope(db, scope).where({ id }).first<Row | undefined>()
  return row ? mapEndpoint(row) : null
}

export async function listEndpoints(db: Db, scope: EndpointScope, page: Page): Promise<Paged<Endpoint>> {
  const [counted] = (await inScope(db, scope).count({ total: '*' })) as Row[]
  const rows = (await inScope(db, scope).orderBy('id').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(mapEndpoint), total: integer(counted?.total) }
}

/** How many endpoints the organization has in one environment, and how many of them are active. */
export async function countEndpoints(
  db: Db,
  scope: Omit<EndpointScope, 'applicationId'>,
): Promise<{ all: number; active: number }> {
  const rows = (await inScope(db, { ...scope, applicationId: null }).select('status')) as Row[]
  return { all: rows.length, active: rows.filter((row) => row.status === 'ACTIVE').length }
}

function inScope(db: Db, { organizationId, environment, applicationId }: EndpointScope) {
  const query = db(table).where({ organization_id: organizationId, environment }).whereNull('deleted_time')
  return applicationId === null ? query : query.where({ application_id: applicationId })
}

function mapEndpoint(row: Row): Endpoint {
  return {
    id: text(row.id),
    organizationId: text(row.organization_id),
    applicationId: maybeText(row.application_id),
    environment: text(row.environment) as Environment,
    url: text(row.url),
    events: json<string[]>(row.events),
    description: maybeText(row.description),
    format: text(row.format) as EndpointFormat,
    status: text(row.status) as EndpointStatus,
    statusReason: maybeText(row.status_reason),
    createdTime: iso(row.created_time),
    updatedTime: iso(row.updated_time),
  }
}

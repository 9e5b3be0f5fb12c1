import type { Knex } from 'knex'
import {
  fetchCollection,
  integer,
  lockedInOrder,
  text,
  type CollectionQuery,
  type CollectionSpec,
  type Db,
  type Dialect,
  type Row,
} from '../database/index.ts'
import type { Page, Paged } from '../http/index.ts'
import { findCredentials } from './credential-store.ts'
import type {
  Endpoint,
  EndpointHealth,
  EndpointScope,
  EndpointStatus,
  Receiver,
  StatusCause,
  Target,
} from './endpoint.ts'
import { configColumns, healthColumns, mapEndpoint, mapHealth, mapReceiver } from './endpoint-row.ts'

const table = 'stoa_webhook_endpoints'

export async function findReceivers(db: Db, organizationIds: string[]): Promise<Receiver[]> {
  const rows = (await db(table)
    .select('id', 'organization_id', 'application_id', 'installation_id', 'environment', 'events', 'format', 'fifo')
    .whereIn('organization_id', organizationIds)
    .whereNull('deleted_time')) as Row[]
  return rows.map(mapReceiver)
}

/** The one receiver of this id; null when it does not exist, or was deleted. */
export async function findReceiver(db: Db, id: string): Promise<Receiver | null> {
  const rows = (await db(table).where({ id }).whereNull('deleted_time')) as Row[]
  return rows.map(mapReceiver)[0] ?? null
}

/** Deleted ones too: a delivery that was taken before the deletion still finds its own. */
export async function findTargets(db: Db, ids: string[]): Promise<Map<string, Target>> {
  const endpoints = ((await db(table).whereIn('id', ids)) as Row[]).map(mapEndpoint)
  const credentials = await findCredentials(db, [...new Set(endpoints.flatMap((each) => each.credentialId ?? []))])
  return new Map(
    endpoints.map((each) => [each.id, { ...each, credential: credentials.get(each.credentialId ?? '') ?? null }]),
  )
}

export async function insertEndpoint(db: Db, endpoint: Endpoint): Promise<void> {
  await db(table).insert({
    id: endpoint.id,
    organization_id: endpoint.organizationId,
    application_id: endpoint.applicationId,
    installation_id: endpoint.installationId,
    environment: endpoint.environment,
    given_id: endpoint.givenId,
    transport: endpoint.transport,
    ...healthColumns(endpoint.health),
    created_time: endpoint.createdTime,
    ...configColumns(endpoint),
  })
}

/** Everything its owner decides; not its health, which the dispatcher may be writing at this moment. */
export async function updateEndpoint(db: Db, endpoint: Endpoint): Promise<void> {
  await db(table).where({ id: endpoint.id }).update(configColumns(endpoint))
}

/** Locked until the transaction ends, in one order; not against those who only refer to the endpoint, as every publish does. */
export async function lockHealth(
  db: Db,
  dialect: Dialect,
  ids: string[],
): Promise<Map<string, { health: EndpointHealth; status: EndpointStatus }>> {
  const query = db(table)
    .select('id', 'status', 'breaker', 'breaker_until', 'breaker_trips', 'failures', 'failed_events', 'failing_since')
    .whereIn('id', ids)
    .orderBy('id')
  if (dialect.rowLocks) query.forNoKeyUpdate()
  const rows = (await query) as Row[]
  return new Map(
    rows.map((row) => [text(row.id), { health: mapHealth(row), status: text(row.status) as EndpointStatus }]),
  )
}

export async function updateHealth(db: Db, id: string, health: EndpointHealth): Promise<void> {
  await db(table).where({ id }).update(healthColumns(health))
}

/** Turns it off, unless its owner has turned it off or given it another address meanwhile. Says whether it did. */
export async function disableEndpoint(
  db: Db,
  off: { id: string; url: string; cause: StatusCause; reason: string; now: string },
): Promise<boolean> {
  const changed = await db(table)
    .where({ id: off.id, url: off.url, status: 'ACTIVE' })
    .update({ status: 'DISABLED', status_cause: off.cause, status_reason: off.reason, updated_time: off.now })
  return changed > 0
}

/** Keeps the row, which the history refers to, without its secrets; what was still to be sent is cancelled. */
export async function removeEndpoint(db: Db, dialect: Dialect, id: string, now: string): Promise<void> {
  const waiting = (query: Knex.QueryBuilder) => void query.where({ endpoint_id: id }).whereRaw(`state = 'pending'`)
  // In the order in which results are recorded: deliveries before their endpoint, or the two wait for each other.
  await lockedInOrder(db, dialect, 'stoa_deliveries', waiting).update({
    state: 'cancelled',
    next_time: null,
    lease_token: null,
    lease_until: null,
    completed_time: now,
  })
  await db(table).where({ id }).update(removed(now))
}

/**
 * What an application made where it was installed goes with the installation. What waits for it is cancelled by the dispatcher:
 * whoever uninstalls holds the installation, which is taken after deliveries when a result is recorded.
 */
export async function removeEndpointsOf(db: Db, dialect: Dialect, installationId: string, now: string): Promise<void> {
  const own = (query: Knex.QueryBuilder) =>
    void query.where({ installation_id: installationId }).whereNull('deleted_time')
  await lockedInOrder(db, dialect, table, own).update(removed(now))
  await db('stoa_webhook_credentials')
    .where({ installation_id: installationId, status: 'active' })
    .update({ status: 'inactive', type: 'none', username: null, password: null, updated_time: now })
}

const removed = (now: string): Row => ({
  status: 'DISABLED',
  status_cause: null,
  status_reason: null,
  secrets: '[]',
  headers: '[]',
  credential_id: null,
  deleted_time: now,
  updated_time: now,
})

/** By its own id, or the one its owner gave it. With a dialect its row is locked, for those who write what they have read. */
export async function findEndpoint(db: Db, scope: EndpointScope, id: string, lock?: Dialect): Promise<Endpoint | null> {
  const query = inScope(db, scope).where((named) => {
    named.where({ id }).orWhere({ given_id: id })
  })
  // Not against those who only refer to it: every publish does, in transactions of any length.
  if (lock?.rowLocks) query.forNoKeyUpdate()
  const row = await query.first<Row | undefined>()
  return row ? mapEndpoint(row) : null
}

/** What waits is sent as the endpoint now wants it: in order, or as it comes. */
export async function setPendingFifo(db: Db, dialect: Dialect, id: string, fifo: boolean): Promise<void> {
  const waiting = (query: Knex.QueryBuilder) =>
    void query.where({ endpoint_id: id }).whereNot({ fifo }).whereRaw(`state = 'pending'`)
  await lockedInOrder(db, dialect, 'stoa_deliveries', waiting).update({ fifo })
}

/** Ids of the endpoints that use a credential. */
export async function findUsers(db: Db, credentialId: string): Promise<{ id: string; status: EndpointStatus }[]> {
  const rows = (await db(table)
    .select('id', 'status')
    .where({ credential_id: credentialId })
    .whereNull('deleted_time')) as Row[]
  return rows.map((row) => ({ id: text(row.id), status: text(row.status) as EndpointStatus }))
}

/** As Rebilly's collections are asked for. */
export async function searchEndpoints(
  db: Db,
  scope: EndpointScope,
  spec: CollectionSpec,
  wanted: CollectionQuery,
  page: Page,
): Promise<Paged<Endpoint>> {
  const { rows, total } = await fetchCollection(inScope(db, scope), spec, wanted, page)
  return { items: rows.map(mapEndpoint), total }
}

export async function listEndpoints(db: Db, scope: EndpointScope, page: Page): Promise<Paged<Endpoint>> {
  const [counted] = (await inScope(db, scope).count({ total: '*' })) as Row[]
  const rows = (await inScope(db, scope).orderBy('id').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(mapEndpoint), total: integer(counted?.total) }
}

/** How many endpoints the organization has in one environment, and how many of them are active. */
export async function countEndpoints(
  db: Db,
  scope: Pick<EndpointScope, 'organizationId' | 'environment'>,
): Promise<{ all: number; active: number }> {
  const rows = (await inScope(db, { ...scope, applicationId: null, installationId: null }).select('status')) as Row[]
  return { all: rows.length, active: rows.filter((row) => row.status === 'ACTIVE').length }
}

function inScope(db: Db, { organizationId, environment, applicationId, installationId }: EndpointScope) {
  const query = db(table).where({ organization_id: organizationId, environment }).whereNull('deleted_time')
  if (applicationId !== null) query.where({ application_id: applicationId })
  if (installationId !== null) query.where({ installation_id: installationId })
  return query
}

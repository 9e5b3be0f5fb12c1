import type { Environment } from '../context.ts'
import {
  fetchCollection,
  integer,
  iso,
  maybeText,
  text,
  type CollectionQuery,
  type CollectionSpec,
  type Db,
  type Dialect,
  type Row,
} from '../database/index.ts'
import type { Page, Paged } from '../http/index.ts'
import type { Credential, CredentialType } from './credential.ts'
import type { EndpointScope } from './endpoint.ts'

const table = 'stoa_webhook_credentials'

/** For sending: whoever may use them was asked when they were set. */
export async function findCredentials(db: Db, ids: string[]): Promise<Map<string, Credential>> {
  if (ids.length === 0) return new Map()
  const rows = (await db(table).whereIn('id', ids)) as Row[]
  return new Map(rows.map((row) => [text(row.id), mapCredential(row)]))
}

/**
 * @param lock `share` for those who build on it, `update` for those who change it: so nobody begins to use what is being turned
 *   off at this moment.
 */
export async function findCredential(
  db: Db,
  scope: EndpointScope,
  id: string,
  lock?: { dialect: Dialect; mode: 'share' | 'update' },
): Promise<Credential | null> {
  const query = inScope(db, scope).where({ id })
  if (lock?.dialect.rowLocks) void (lock.mode === 'share' ? query.forShare() : query.forUpdate())
  const row = await query.first<Row | undefined>()
  return row ? mapCredential(row) : null
}

/** Those that could be the same as one that is to be made. */
export async function findLike(
  db: Db,
  scope: EndpointScope,
  like: Pick<Credential, 'host' | 'type' | 'username'>,
): Promise<Credential[]> {
  // Exactly in this scope: what an application made is its own, also when it would be the same.
  const { host, type, username } = like
  const { applicationId, installationId } = scope
  const rows = (await inScope(db, scope)
    .where({ host, type, username, application_id: applicationId, installation_id: installationId, status: 'active' })
    .orderBy('id')) as Row[]
  return rows.map(mapCredential)
}

export async function countCredentials(
  db: Db,
  scope: Pick<EndpointScope, 'organizationId' | 'environment'>,
): Promise<number> {
  const [counted] = (await inScope(db, { ...scope, applicationId: null, installationId: null }).count({
    total: '*',
  })) as Row[]
  return integer(counted?.total)
}

export async function searchCredentials(
  db: Db,
  scope: EndpointScope,
  spec: CollectionSpec,
  wanted: CollectionQuery,
  page: Page,
): Promise<Paged<Credential>> {
  const { rows, total } = await fetchCollection(inScope(db, scope), spec, wanted, page)
  return { items: rows.map(mapCredential), total }
}

export async function insertCredential(db: Db, credential: Credential): Promise<void> {
  await db(table).insert({
    id: credential.id,
    organization_id: credential.organizationId,
    application_id: credential.applicationId,
    installation_id: credential.installationId,
    environment: credential.environment,
    created_time: credential.createdTime,
    ...columns(credential),
  })
}

export async function updateCredential(db: Db, credential: Credential): Promise<void> {
  await db(table).where({ id: credential.id }).update(columns(credential))
}

function inScope(db: Db, { organizationId, environment, applicationId, installationId }: EndpointScope) {
  const query = db(table).where({ organization_id: organizationId, environment })
  if (applicationId !== null) query.where({ application_id: applicationId })
  if (installationId !== null) query.where({ installation_id: installationId })
  return query
}

function columns(credential: Credential): Row {
  return {
    host: credential.host,
    type: credential.type,
    username: credential.username,
    password: credential.password,
    status: credential.status,
    updated_time: credential.updatedTime,
  }
}

function mapCredential(row: Row): Credential {
  return {
    id: text(row.id),
    organizationId: text(row.organization_id),
    applicationId: maybeText(row.application_id),
    installationId: maybeText(row.installation_id),
    environment: text(row.environment) as Environment,
    host: text(row.host),
    type: text(row.type) as CredentialType,
    username: maybeText(row.username),
    password: maybeText(row.password),
    status: text(row.status) as Credential['status'],
    createdTime: iso(row.created_time),
    updatedTime: iso(row.updated_time),
  }
}

import type { Knex } from 'knex'
import { deleteInBatches, iso, json, maybeIso, maybeText, text, toJson, type Db, type Row } from '../database/index.ts'
import type { Environment } from '../context.ts'
import type { Page, Paged } from '../http/index.ts'

export interface ApiKey {
  id: string
  organizationId: string
  applicationId: string | null
  createdBy: string | null
  /** The key that made it, which takes it along when it is revoked. */
  parentId: string | null
  name: string
  lastFour: string
  /** As given: names, aliases and wildcards. */
  permissions: string[]
  environment: Environment
  createdTime: string
  expiresTime: string | null
  revokedTime: string | null
  lastUsedTime: string | null
}

export async function insertApiKey(db: Db, key: ApiKey, tokenHash: string): Promise<void> {
  await db('stoa_api_keys').insert({
    id: key.id,
    organization_id: key.organizationId,
    application_id: key.applicationId,
    created_by: key.createdBy,
    parent_id: key.parentId,
    name: key.name,
    token_hash: tokenHash,
    last_four: key.lastFour,
    permissions: toJson(key.permissions),
    environment: key.environment,
    created_time: key.createdTime,
    expires_time: key.expiresTime,
    revoked_time: key.revokedTime,
    last_used_time: key.lastUsedTime,
  })
}

export async function findApiKeyByHash(db: Db, tokenHash: string): Promise<ApiKey | null> {
  const row = await db('stoa_api_keys').where({ token_hash: tokenHash }).first<Row | undefined>()
  return row ? mapApiKey(row) : null
}

/** Whoever owns it: for a credential that was verified already. */
export async function findKeyById(db: Db, id: string): Promise<ApiKey | null> {
  const row = await db('stoa_api_keys').where({ id }).first<Row | undefined>()
  return row ? mapApiKey(row) : null
}

export interface ApiKeyOwner {
  organizationId: string
  /** Null for the organization's own keys. */
  applicationId: string | null
}

export async function findApiKey(db: Db, id: string, owner: ApiKeyOwner): Promise<ApiKey | null> {
  const row = await ownedKeys(db, owner).where({ id }).first<Row | undefined>()
  return row ? mapApiKey(row) : null
}

export async function listApiKeys(db: Db, owner: ApiKeyOwner, page: Page): Promise<Paged<ApiKey>> {
  const [{ count } = { count: 0 }] = (await ownedKeys(db, owner).count({ count: '*' })) as Row[]
  const rows = (await ownedKeys(db, owner).orderBy('id').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(mapApiKey), total: Number(count) }
}

/** Revokes a key and every key that was made with it. */
export async function markApiKeyRevoked(db: Db, id: string, now: string): Promise<void> {
  for (let ids = [id]; ids.length > 0;) {
    await db('stoa_api_keys').whereIn('id', ids).where({ revoked_time: null }).update({ revoked_time: now })
    ids = ((await db('stoa_api_keys').whereIn('parent_id', ids).select('id')) as { id: string }[]).map((row) => row.id)
  }
}

/** All keys of an owner at once, however many there are. */
export async function markApiKeysRevoked(db: Db, owner: ApiKeyOwner, now: string): Promise<void> {
  await ownedKeys(db, owner).where({ revoked_time: null }).update({ revoked_time: now })
}

export async function markApiKeyUsed(db: Db, id: string, now: string): Promise<void> {
  await db('stoa_api_keys').where({ id }).update({ last_used_time: now })
}

function ownedKeys(db: Db, { organizationId, applicationId }: ApiKeyOwner) {
  return db('stoa_api_keys').where({ organization_id: organizationId, application_id: applicationId })
}

function mapApiKey(row: Row): ApiKey {
  return {
    id: text(row.id),
    organizationId: text(row.organization_id),
    applicationId: maybeText(row.application_id),
    createdBy: maybeText(row.created_by),
    parentId: maybeText(row.parent_id),
    name: text(row.name),
    lastFour: text(row.last_four),
    permissions: json<string[]>(row.permissions),
    environment: row.environment as Environment,
    createdTime: iso(row.created_time),
    expiresTime: maybeIso(row.expires_time),
    revokedTime: maybeIso(row.revoked_time),
    lastUsedTime: maybeIso(row.last_used_time),
  }
}

/** What an application acts with: an installation token or an OAuth access token. */
export interface ApplicationToken {
  applicationId: string
  /** Null for a token of the application itself, which acts for its publisher. */
  installationId: string | null
  organizationId: string
  locationId: string | null
  environment: Environment
  /** Canonical names. */
  permissions: string[]
  /** The same in the words of the client that asked; null for an installation token. */
  scope: string | null
  rateLimit: number | null
  familyId: string | null
  /** Who consented. */
  userId: string | null
  /** The client secret or registered key that it was obtained with, and ends with. */
  secretId: string | null
  /** RFC 9449: the thumbprint of the key that its sender has to prove. */
  keyThumbprint: string | null
  createdTime: string
  expiresTime: string
  revokedTime: string | null
}

export async function insertApplicationToken(db: Db, token: ApplicationToken, tokenHash: string): Promise<void> {
  await db('stoa_application_tokens').insert({
    token_hash: tokenHash,
    application_id: token.applicationId,
    installation_id: token.installationId,
    organization_id: token.organizationId,
    location_id: token.locationId,
    environment: token.environment,
    permissions: toJson(token.permissions),
    scope: token.scope,
    rate_limit: token.rateLimit,
    family_id: token.familyId,
    user_id: token.userId,
    secret_id: token.secretId,
    key_thumbprint: token.keyThumbprint,
    created_time: token.createdTime,
    expires_time: token.expiresTime,
    revoked_time: token.revokedTime,
  })
}

export async function findApplicationToken(db: Db, tokenHash: string): Promise<ApplicationToken | null> {
  const row = await db('stoa_application_tokens').where({ token_hash: tokenHash }).first<Row | undefined>()
  if (!row) return null
  return {
    applicationId: text(row.application_id),
    installationId: maybeText(row.installation_id),
    organizationId: text(row.organization_id),
    locationId: maybeText(row.location_id),
    environment: row.environment as Environment,
    permissions: json<string[]>(row.permissions),
    scope: maybeText(row.scope),
    rateLimit: row.rate_limit === null ? null : Number(row.rate_limit),
    familyId: maybeText(row.family_id),
    userId: maybeText(row.user_id),
    secretId: maybeText(row.secret_id),
    keyThumbprint: maybeText(row.key_thumbprint),
    createdTime: iso(row.created_time),
    expiresTime: iso(row.expires_time),
    revokedTime: maybeIso(row.revoked_time),
  }
}

export async function markInstallationTokensRevoked(db: Db, installationId: string, now: string): Promise<void> {
  await db('stoa_application_tokens')
    .where({ installation_id: installationId, revoked_time: null })
    .update({ revoked_time: now })
}

/** Installations have a handful of live tokens; those that lose nothing are not written. */
export async function narrowTokensOf(db: Db, installationId: string, lost: string[], now: string): Promise<void> {
  const rows = (await db('stoa_application_tokens')
    .where({ installation_id: installationId, revoked_time: null })
    .where('expires_time', '>', now)
    .select('token_hash', 'permissions')) as Row[]
  for (const row of rows) {
    const held = json<string[]>(row.permissions)
    const left = held.filter((name) => !lost.includes(name))
    if (left.length === held.length) continue
    await db('stoa_application_tokens')
      .where({ token_hash: text(row.token_hash) })
      .update({ permissions: toJson(left) })
  }
}

export async function markApplicationTokensRevoked(db: Db, applicationId: string, now: string): Promise<void> {
  await db('stoa_application_tokens')
    .where({ application_id: applicationId, revoked_time: null })
    .update({ revoked_time: now })
}

export async function markApplicationTokenRevoked(db: Db, tokenHash: string, now: string): Promise<void> {
  await db('stoa_application_tokens').where({ token_hash: tokenHash, revoked_time: null }).update({ revoked_time: now })
}

export async function markTokensOfSecretRevoked(db: Db, secretId: string, now: string): Promise<void> {
  await db('stoa_application_tokens').where({ secret_id: secretId, revoked_time: null }).update({ revoked_time: now })
}

/** Tokens that ended some time ago say nothing any more: their holder is told "unknown" instead of "expired". */
export async function deleteEndedApplicationTokens(db: Db, before: string): Promise<void> {
  const ended = (query: Knex.QueryBuilder) => void query.where('expires_time', '<', before)
  await deleteInBatches(db, 'stoa_application_tokens', 'token_hash', ended)
}

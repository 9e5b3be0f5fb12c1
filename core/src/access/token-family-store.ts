import type { Knex } from 'knex'
import { deleteInBatches, iso, maybeIso, maybeText, text, type Db, type Dialect, type Row } from '../database/index.ts'

const families = 'stoa_token_families'
const refreshTokens = 'stoa_refresh_tokens'

/** One authorization of a client, and the refresh tokens that follow from each other: what is revoked as one. */
export interface TokenFamily {
  id: string
  applicationId: string
  installationId: string
  /** The organization's family that a location's was exchanged from: it ends with that. */
  parentId: string | null
  /** Who consented; null when a company token was exchanged. */
  userId: string | null
  /** In the words of the client; `*` for all that its application asks for, also later. */
  scope: string
  /** RFC 9449: the key that every token of the family is bound to. */
  keyThumbprint: string | null
  createdTime: string
  /** Of its newest refresh token. */
  expiresTime: string
  revokedTime: string | null
}

export interface RefreshToken {
  familyId: string
  createdTime: string
  expiresTime: string
  /** When it was exchanged for its successor. */
  rotatedTime: string | null
  successorHash: string | null
}

export async function insertFamily(db: Db, family: TokenFamily): Promise<void> {
  await db(families).insert({
    id: family.id,
    application_id: family.applicationId,
    installation_id: family.installationId,
    parent_id: family.parentId,
    user_id: family.userId,
    scope: family.scope,
    key_thumbprint: family.keyThumbprint,
    created_time: family.createdTime,
    expires_time: family.expiresTime,
    revoked_time: family.revokedTime,
  })
}

export async function findFamily(db: Db, id: string): Promise<TokenFamily | null> {
  const row = (await db(families).where({ id }).first()) as Row | undefined
  return row ? toFamily(row) : null
}

/** As findFamily, and nobody ends it before the transaction ends. */
export async function shareFamily(db: Db, dialect: Dialect, id: string): Promise<TokenFamily | null> {
  const query = db(families).where({ id })
  if (dialect.rowLocks) query.forShare()
  const row = (await query.first()) as Row | undefined
  return row ? toFamily(row) : null
}

/** As shareFamily, and nobody else uses it either. */
export async function lockFamily(db: Db, dialect: Dialect, id: string): Promise<TokenFamily | null> {
  const query = db(families).where({ id })
  if (dialect.rowLocks) query.forUpdate()
  const row = (await query.first()) as Row | undefined
  return row ? toFamily(row) : null
}

export async function setFamilyExpiry(db: Db, id: string, expiresTime: string): Promise<void> {
  await db(families).where({ id }).update({ expires_time: expiresTime })
}

/**
 * The live families of an installation beyond `keep`: those first that were exchanged, because that can be done again without
 * anybody's consent, and of each kind those that were not used for longest.
 */
export async function findExcessFamilies(db: Db, installationId: string, keep: number): Promise<string[]> {
  const rows = (await db(families)
    .where({ installation_id: installationId, revoked_time: null })
    .orderByRaw('case when parent_id is null then 0 else 1 end, expires_time desc, id desc')
    .offset(keep)
    .limit(1000)
    .select('id')) as { id: string }[]
  return rows.map(({ id }) => id)
}

/** The families that are not ended yet: those of an installation, or these and what was exchanged from them. */
type Ending = { installationId: string } | { ids: string[] }

/**
 * Ends families with what was exchanged from them, and their access tokens. Locked first, in one order, so that two who end
 * some of the same do not wait in a circle; and found again once locked, because one may have been exchanged meanwhile.
 */
export async function markFamiliesRevoked(db: Db, dialect: Dialect, ending: Ending, now: string): Promise<void> {
  const live = () => db(families).where({ revoked_time: null })
  const own =
    'ids' in ending
      ? ending.ids
      : ((await live().where({ installation_id: ending.installationId }).select('id')) as { id: string }[]).map(
          ({ id }) => id,
        )
  if (own.length === 0) return
  const all = () => live().where((either) => void either.whereIn('id', own).orWhereIn('parent_id', own))
  if (dialect.rowLocks) await all().orderBy('id').select('id').forUpdate()
  const ids = ((await all().select('id')) as { id: string }[]).map(({ id }) => id)
  for (let start = 0; start < ids.length; start += chunk) {
    const part = ids.slice(start, start + chunk)
    await db(families).whereIn('id', part).update({ revoked_time: now })
    await db('stoa_application_tokens')
      .whereIn('family_id', part)
      .where({ revoked_time: null })
      .update({ revoked_time: now })
  }
}

/** How many values go into one query. */
const chunk = 500

export async function insertRefreshToken(
  db: Db,
  tokenHash: string,
  token: Omit<RefreshToken, 'rotatedTime' | 'successorHash'>,
): Promise<void> {
  await db(refreshTokens).insert({
    token_hash: tokenHash,
    family_id: token.familyId,
    created_time: token.createdTime,
    expires_time: token.expiresTime,
    rotated_time: null,
    successor_hash: null,
  })
}

export async function findRefreshToken(db: Db, tokenHash: string): Promise<RefreshToken | null> {
  return toRefreshToken((await db(refreshTokens).where({ token_hash: tokenHash }).first()) as Row | undefined)
}

/** As findRefreshToken, and nobody else exchanges it before the transaction ends. */
export async function lockRefreshToken(db: Db, dialect: Dialect, tokenHash: string): Promise<RefreshToken | null> {
  const query = db(refreshTokens).where({ token_hash: tokenHash })
  if (dialect.rowLocks) query.forUpdate()
  return toRefreshToken((await query.first()) as Row | undefined)
}

export async function markRefreshTokenRotated(
  db: Db,
  tokenHash: string,
  set: { rotatedTime: string; successorHash: string },
): Promise<void> {
  await db(refreshTokens)
    .where({ token_hash: tokenHash, rotated_time: null })
    .update({ rotated_time: set.rotatedTime, successor_hash: set.successorHash })
}

/** A family that is used lives on for years: of its refresh tokens those go that are too old to be told from unknown ones. */
export async function deleteEndedFamilies(db: Db, before: string): Promise<void> {
  const old = (query: Knex.QueryBuilder) => void query.where('expires_time', '<', before)
  await deleteInBatches(db, refreshTokens, 'token_hash', old)
  const ended = (query: Knex.QueryBuilder) =>
    void query.where('expires_time', '<', before).orWhere('revoked_time', '<', before)
  await deleteInBatches(db, families, 'id', ended, async (ids) => {
    await db(refreshTokens)
      .whereIn('family_id', ids as string[])
      .delete()
  })
}

function toFamily(row: Row): TokenFamily {
  return {
    id: text(row.id),
    applicationId: text(row.application_id),
    installationId: text(row.installation_id),
    parentId: maybeText(row.parent_id),
    userId: maybeText(row.user_id),
    scope: text(row.scope),
    keyThumbprint: maybeText(row.key_thumbprint),
    createdTime: iso(row.created_time),
    expiresTime: iso(row.expires_time),
    revokedTime: maybeIso(row.revoked_time),
  }
}

function toRefreshToken(row: Row | undefined): RefreshToken | null {
  if (!row) return null
  return {
    familyId: text(row.family_id),
    createdTime: iso(row.created_time),
    expiresTime: iso(row.expires_time),
    rotatedTime: maybeIso(row.rotated_time),
    successorHash: maybeText(row.successor_hash),
  }
}

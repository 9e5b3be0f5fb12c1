import { iso, maybeIso, text, type Db, type Row } from '../database/index.ts'
import { hashToken, isoIn, mintToken, newId, nowIso } from '../kernel/index.ts'
import type { ApplicationsContext } from './context.ts'

const table = 'stoa_client_secrets'

/** One of the secrets a client may authenticate with: two at most live beside each other, while one replaces the other. */
export interface ClientSecret {
  id: string
  lastFour: string
  createdTime: string
  /** When the other one has taken over; null for the current one. */
  expiresTime: string | null
  /** To the minute. */
  lastUsedTime: string | null
}

/** A new secret beside those there are. It is in this answer and nowhere else. */
export async function addClientSecret(
  ctx: ApplicationsContext,
  db: Db,
  applicationId: string,
): Promise<{ id: string; lastFour: string; secret: string }> {
  const secret = mintToken('cs')
  const id = newId('csk')
  const lastFour = secret.slice(-4)
  await db(table).insert({
    id,
    application_id: applicationId,
    secret_hash: hashToken(secret),
    last_four: lastFour,
    created_time: nowIso(ctx.clock),
    expires_time: null,
    last_used_time: null,
  })
  return { id, lastFour, secret }
}

/** Lets a secret work until then, and never longer than it did. */
export async function expireClientSecret(db: Db, id: string, expiresTime: string): Promise<void> {
  await db(table)
    .where({ id })
    .where((open) => void open.whereNull('expires_time').orWhere('expires_time', '>', expiresTime))
    .update({ expires_time: expiresTime })
}

/** The live secret of the application that this text is, or null. Notes when it was last used, to the minute. */
export async function findClientSecret(
  ctx: ApplicationsContext,
  db: Db,
  applicationId: string,
  secret: string,
): Promise<ClientSecret | null> {
  const now = nowIso(ctx.clock)
  const row = (await db(table)
    .where({ application_id: applicationId, secret_hash: hashToken(secret) })
    .where((open) => void open.whereNull('expires_time').orWhere('expires_time', '>', now))
    .first()) as Row | undefined
  if (!row) return null
  const found = toClientSecret(row)
  if (found.lastUsedTime === null || found.lastUsedTime < isoIn(ctx.clock, -60)) {
    await db(table).where({ id: found.id }).update({ last_used_time: now })
  }
  return found
}

/** Whether this one still works. */
export async function isLiveClientSecret(ctx: ApplicationsContext, db: Db, id: string): Promise<boolean> {
  const row = (await db(table).where({ id }).first('expires_time')) as Row | undefined
  const expiresTime = row && maybeIso(row.expires_time)
  return row !== undefined && (expiresTime == null || expiresTime > nowIso(ctx.clock))
}

/** Those that still work, the newest first. */
export async function listClientSecrets(
  ctx: ApplicationsContext,
  db: Db,
  applicationId: string,
): Promise<ClientSecret[]> {
  const rows = (await db(table)
    .where({ application_id: applicationId })
    .where((open) => void open.whereNull('expires_time').orWhere('expires_time', '>', nowIso(ctx.clock)))
    .orderBy('id', 'desc')) as Row[]
  return rows.map(toClientSecret)
}

function toClientSecret(row: Row): ClientSecret {
  return {
    id: text(row.id),
    lastFour: text(row.last_four),
    createdTime: iso(row.created_time),
    expiresTime: maybeIso(row.expires_time),
    lastUsedTime: maybeIso(row.last_used_time),
  }
}

import { deleteInBatches, iso, maybeIso, maybeText, text, type Db, type Dialect, type Row } from '../database/index.ts'

const table = 'stoa_oauth_codes'

/** An authorization code: what a person allowed, waiting for the client to fetch its tokens. */
export interface Code {
  applicationId: string
  installationId: string
  redirectUri: string
  codeChallenge: string | null
  /** In the words of the client. */
  scope: string
  userId: string
  keyThumbprint: string | null
  createdTime: string
  expiresTime: string
  consumedTime: string | null
  familyId: string | null
}

export async function insertCode(db: Db, codeHash: string, code: Code): Promise<void> {
  await db(table).insert({
    code_hash: codeHash,
    application_id: code.applicationId,
    installation_id: code.installationId,
    redirect_uri: code.redirectUri,
    code_challenge: code.codeChallenge,
    scope: code.scope,
    user_id: code.userId,
    key_thumbprint: code.keyThumbprint,
    created_time: code.createdTime,
    expires_time: code.expiresTime,
    consumed_time: code.consumedTime,
    family_id: code.familyId,
  })
}

/** The code, locked until the end of the transaction, so that of two who redeem it at once one comes second. */
export async function lockCode(db: Db, dialect: Dialect, codeHash: string): Promise<Code | null> {
  const query = db(table).where({ code_hash: codeHash })
  if (dialect.rowLocks) query.forUpdate()
  const row = (await query.first()) as Row | undefined
  if (!row) return null
  return {
    applicationId: text(row.application_id),
    installationId: text(row.installation_id),
    redirectUri: text(row.redirect_uri),
    codeChallenge: maybeText(row.code_challenge),
    scope: text(row.scope),
    userId: text(row.user_id),
    keyThumbprint: maybeText(row.key_thumbprint),
    createdTime: iso(row.created_time),
    expiresTime: iso(row.expires_time),
    consumedTime: maybeIso(row.consumed_time),
    familyId: maybeText(row.family_id),
  }
}

/** Uses the code up. False when somebody was faster, whatever was read before. */
export async function consumeCode(
  db: Db,
  codeHash: string,
  set: { consumedTime: string; familyId: string },
): Promise<boolean> {
  const updated = await db(table)
    .where({ code_hash: codeHash })
    .whereNull('consumed_time')
    .update({ consumed_time: set.consumedTime, family_id: set.familyId })
  return updated > 0
}

export async function deleteEndedCodes(db: Db, before: string): Promise<void> {
  await deleteInBatches(db, table, 'code_hash', (query) => void query.where('expires_time', '<', before))
}

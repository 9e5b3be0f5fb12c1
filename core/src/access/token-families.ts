import { afterCommit, type Db } from '../database/index.ts'
import { derive, deriveToken, hashToken, isoIn, mintToken, newId, nowIso } from '../kernel/index.ts'
import type { AccessContext } from './context.ts'
import { insertApplicationToken, type ApplicationToken } from './store.ts'
import {
  findExcessFamilies,
  findFamily,
  findRefreshToken,
  insertFamily,
  insertRefreshToken,
  lockFamily,
  lockRefreshToken,
  markFamiliesRevoked,
  markRefreshTokenRotated,
  setFamilyExpiry,
  type TokenFamily,
} from './token-family-store.ts'

/** More live authorizations than this of one installation are a client that never keeps its tokens: some end. */
const mostFamilies = 100

/** Begins a family with its first refresh token, which is in this answer and nowhere else. */
export async function openFamily(
  ctx: AccessContext,
  db: Db,
  input: Omit<TokenFamily, 'id' | 'createdTime' | 'expiresTime' | 'revokedTime'>,
): Promise<{ family: TokenFamily; refreshToken: string }> {
  const family: TokenFamily = {
    ...input,
    id: newId('tkf'),
    createdTime: nowIso(ctx.clock),
    expiresTime: isoIn(ctx.clock, ctx.config.tokens.refreshSeconds),
    revokedTime: null,
  }
  await insertFamily(db, family)
  const excess = (await findExcessFamilies(db, family.installationId, mostFamilies)).filter((id) => id !== family.id)
  if (excess.length > 0) await endFamilies(ctx, db, excess)
  const refreshToken = mintToken('rt')
  await keepRefreshToken(ctx, db, family, refreshToken)
  return { family, refreshToken }
}

/** The family that a refresh token belongs to, or null when the token is unknown, too old, or the family was ended. */
export async function familyOfRefreshToken(
  ctx: AccessContext,
  db: Db,
  refreshToken: string,
): Promise<TokenFamily | null> {
  const found = await findRefreshToken(db, hashToken(refreshToken))
  const family = found && (await findFamily(db, found.familyId))
  if (!family || family.revokedTime !== null || found.expiresTime <= nowIso(ctx.clock)) return null
  return family
}

/**
 * Exchanges a refresh token for its successor (RFC 9700 section 4.14.2). The successor follows from the token under a key of
 * the host, so for `tokens.refreshGraceSeconds` a client that asks twice at once, or lost the answer, gets the same one again,
 * as long as that one was not exchanged itself. After that, or when it was, somebody else has the token: `reused`, and the
 * whole family has ended in this transaction, which therefore must commit.
 */
export async function rotateRefreshToken(
  ctx: AccessContext,
  db: Db,
  refreshToken: string,
): Promise<{ outcome: 'rotated'; refreshToken: string } | { outcome: 'reused' } | { outcome: 'unknown' }> {
  const tokenHash = hashToken(refreshToken)
  const found = await lockRefreshToken(db, ctx.dialect, tokenHash)
  // Again, and locked: whoever ends it either has done so, or waits and then ends the access token that comes of this, too.
  const family = found && (await lockFamily(db, ctx.dialect, found.familyId))
  if (!family || family.revokedTime !== null || found.expiresTime <= nowIso(ctx.clock)) return { outcome: 'unknown' }
  const { config } = ctx
  const successorUnder = (secret: string) => deriveToken('rt', derive(secret, 'stoa-refresh-successor'), refreshToken)
  if (found.rotatedTime === null) {
    const successor = successorUnder(config.secret)
    await keepRefreshToken(ctx, db, family, successor)
    const set = { rotatedTime: nowIso(ctx.clock), successorHash: hashToken(successor) }
    await markRefreshTokenRotated(db, tokenHash, set)
    return { outcome: 'rotated', refreshToken: successor }
  }
  const successor = [config.secret, ...config.previousSecrets]
    .map(successorUnder)
    .find((each) => hashToken(each) === found.successorHash)
  const next = found.successorHash && (await findRefreshToken(db, found.successorHash))
  const isInTime = found.rotatedTime >= isoIn(ctx.clock, -config.tokens.refreshGraceSeconds)
  if (isInTime && successor && next && next.rotatedTime === null) {
    return { outcome: 'rotated', refreshToken: successor }
  }
  await endFamilies(ctx, db, [family.id])
  return { outcome: 'reused' }
}

/** Ends an authorization: its refresh tokens, the access tokens that came of it, and those of locations exchanged from it. */
export async function endFamilies(ctx: AccessContext, db: Db, ids: string[]): Promise<void> {
  await markFamiliesRevoked(db, ctx.dialect, { ids }, nowIso(ctx.clock))
  afterCommit(db, () => ctx.signals.emit('credentials-changed'))
}

/** Ends every authorization of an installation: it was uninstalled, and to install it again is to ask again. */
export async function revokeInstallationFamilies(ctx: AccessContext, db: Db, installationId: string): Promise<void> {
  await markFamiliesRevoked(db, ctx.dialect, { installationId }, nowIso(ctx.clock))
  afterCommit(db, () => ctx.signals.emit('credentials-changed'))
}

/** An OAuth access token: in this answer and nowhere else. */
export async function mintAccessToken(
  ctx: AccessContext,
  db: Db,
  token: Omit<ApplicationToken, 'createdTime' | 'expiresTime' | 'revokedTime'>,
): Promise<{ token: string; seconds: number }> {
  const secret = mintToken('at')
  const seconds = ctx.config.tokens.accessSeconds
  const times = { createdTime: nowIso(ctx.clock), expiresTime: isoIn(ctx.clock, seconds), revokedTime: null }
  await insertApplicationToken(db, { ...token, ...times }, hashToken(secret))
  return { token: secret, seconds }
}

async function keepRefreshToken(ctx: AccessContext, db: Db, family: TokenFamily, refreshToken: string): Promise<void> {
  const expiresTime = isoIn(ctx.clock, ctx.config.tokens.refreshSeconds)
  const row = { familyId: family.id, createdTime: nowIso(ctx.clock), expiresTime }
  await insertRefreshToken(db, hashToken(refreshToken), row)
  if (expiresTime > family.expiresTime) await setFamilyExpiry(db, family.id, expiresTime)
}

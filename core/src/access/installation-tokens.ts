import type { Environment } from '../context.ts'
import { afterCommit, type Db } from '../database/index.ts'
import { hashToken, isoIn, mintToken, nowIso } from '../kernel/index.ts'
import type { AccessContext } from './context.ts'
import {
  insertApplicationToken,
  markApplicationTokensRevoked,
  markInstallationTokensRevoked,
  narrowTokensOf,
  markTokensOfSecretRevoked,
} from './store.ts'

export interface NewInstallationToken {
  applicationId: string
  installationId: string
  organizationId: string
  locationId: string | null
  environment: Environment
  /** Canonical permission names: never more than the installation's grant. */
  permissions: string[]
  /** Requests per second of the application, or null for the host's default. */
  rateLimit: number | null
  /** Life in seconds. */
  seconds: number
}

/** A fresh token for an installation. Shown once: only its hash is kept. */
export async function mintInstallationToken(
  ctx: AccessContext,
  db: Db,
  { seconds, ...token }: NewInstallationToken,
): Promise<{ token: string; expiresTime: string }> {
  const secret = mintToken('it')
  const expiresTime = isoIn(ctx.clock, seconds)
  const oauth = { scope: null, familyId: null, userId: null, secretId: null, keyThumbprint: null }
  const row = { ...token, ...oauth, createdTime: nowIso(ctx.clock), expiresTime, revokedTime: null }
  await insertApplicationToken(db, row, hashToken(secret))
  return { token: secret, expiresTime }
}

/** Ends every token of an installation, with the transaction that takes its access away. */
export async function revokeInstallationTokens(ctx: AccessContext, db: Db, installationId: string): Promise<void> {
  await markInstallationTokensRevoked(db, installationId, nowIso(ctx.clock))
  afterCommit(db, () => ctx.signals.emit('credentials-changed'))
}

/**
 * Takes `lost` (canonical names) from every live token of an installation, with the transaction that makes its grant smaller.
 * What a token has by itself stays: an organization's reaches its locations whatever is granted.
 */
export async function narrowInstallationTokens(
  ctx: AccessContext,
  db: Db,
  installationId: string,
  lost: string[],
): Promise<void> {
  await narrowTokensOf(db, installationId, lost, nowIso(ctx.clock))
  afterCommit(db, () => ctx.signals.emit('credentials-changed'))
}

/** Ends every token of an application, wherever it is installed, with the transaction that switches the application off. */
export async function revokeApplicationTokens(ctx: AccessContext, db: Db, applicationId: string): Promise<void> {
  await markApplicationTokensRevoked(db, applicationId, nowIso(ctx.clock))
  afterCommit(db, () => ctx.signals.emit('credentials-changed'))
}

/** Ends every token that was obtained with a client secret, with the transaction that ends the secret at once. */
export async function revokeTokensOfSecret(ctx: AccessContext, db: Db, secretId: string): Promise<void> {
  await markTokensOfSecretRevoked(db, secretId, nowIso(ctx.clock))
  afterCommit(db, () => ctx.signals.emit('credentials-changed'))
}

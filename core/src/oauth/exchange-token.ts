import { findApplicationToken, shareFamily, type ApplicationToken } from '../access/index.ts'
import { findLocation } from '../accounts/index.ts'
import type { Application } from '../applications/index.ts'
import { inTransaction, type Db } from '../database/index.ts'
import { findInstallationById, lockInstallation } from '../installations/index.ts'
import { hashToken, nowIso, StoaError, tokenKind } from '../kernel/index.ts'
import type { OAuthContext } from './context.ts'
import { assertActive, issueTokens, scopeNow, shareActive } from './issue-tokens.ts'
import { namesIn, scopeNames, scopeText } from './scope.ts'
import type { TokenAnswer } from './token-answer.ts'
import type { Grant, Proof } from './token-request.ts'

export const exchangeType = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'

/** Token exchange (RFC 8693): an organization's access token for one of a location in it (`location_id`, or `audience`). */
export const exchangeToken: Grant = async (ctx, client, form, proof) => {
  const { subject_token: subject = '', subject_token_type: type, requested_token_type: requested } = form
  if (form.actor_token !== undefined) {
    throw new StoaError('invalid_request', { message: 'actor_token is not supported.' })
  }
  if (type !== accessTokenType || (requested !== undefined && requested !== accessTokenType)) {
    throw new StoaError('invalid_request', { message: `Token types must be ${accessTokenType}.` })
  }
  const locationId = form.location_id ?? form.audience
  if (locationId === undefined) throw new StoaError('invalid_request', { message: 'location_id is missing.' })
  const company = tokenKind(subject) === 'at' ? await findLiveToken(ctx, ctx.db, hashToken(subject)) : null
  if (company?.applicationId !== client.application.id || company.installationId === null) throw notLive()
  if (company.keyThumbprint !== null && company.keyThumbprint !== proof.keyThumbprint) {
    throw new StoaError('invalid_dpop_proof', { message: 'subject_token is bound to another DPoP key.' })
  }
  const { application, secretId } = client
  const exchange = { application, companyHash: hashToken(subject), locationId, scope: form.scope, secretId, proof }
  return inTransaction(ctx.db, async (trx) => {
    try {
      return { ...(await locationTokens(ctx, trx, exchange)), issued_token_type: accessTokenType }
    } catch (error) {
      // RFC 8693 section 2.2.2.
      if (error instanceof StoaError && (error.code === 'not_found' || error.code === 'not_installed')) {
        throw new StoaError('invalid_target', { message: error.message })
      }
      if (error instanceof StoaError && error.code === 'invalid_token') throw notLive()
      throw error
    }
  })
}

export interface Exchange {
  application: Application
  /** Of the organization's token. */
  companyHash: string
  locationId: string
  /** Less than the token covers, when the client wants less. */
  scope?: string | undefined
  secretId: string | null
  proof: Proof
}

/**
 * Tokens for a location in which the application is installed, of what the organization's token covers; they end with
 * its authorization. Throws `not_found` for a location of somebody else's as for one that does not exist, `not_installed`, and
 * `invalid_token` when the organization's token has ended.
 */
export async function locationTokens(
  ctx: OAuthContext,
  db: Db,
  { application, companyHash, locationId, scope, secretId, proof }: Exchange,
): Promise<TokenAnswer> {
  const company = await findLiveToken(ctx, db, companyHash)
  if (!company) throw new StoaError('invalid_token')
  if (company.locationId !== null || company.familyId === null) {
    throw new StoaError('invalid_request', {
      message: 'Only the token of an organization gives tokens of its locations.',
    })
  }
  // Before any installation, and shared, so that whoever ends it waits, and then ends what is exchanged here, too.
  const family = await shareFamily(db, ctx.dialect, company.familyId)
  const whole = await findInstallationById(db, company.installationId ?? '')
  assertActive(whole)
  const location = await findLocation(db, locationId)
  if (location?.organizationId !== company.organizationId) throw new StoaError('not_found')
  const { organizationId, environment } = company
  const at = { applicationId: application.id, organizationId, locationId, environment }
  const installation = await lockInstallation(db, ctx.dialect, at)
  const isThere = installation && (installation.status === 'enabled' || installation.status === 'enabling')
  if (!isThere || installation.uninstalledTime !== null) {
    throw new StoaError('not_installed', { message: 'The application is not enabled in this location.' })
  }
  // The secret that the organization's token came with takes it along when it ends, and need not live otherwise.
  const proven = { application, secretId: secretId === company.secretId ? null : secretId }
  const active = await shareActive(ctx, db, proven)
  // Again, under the locks: the caller may be remembered from before it ended.
  if (!family || family.revokedTime !== null || !(await findLiveToken(ctx, db, companyHash))) {
    throw new StoaError('invalid_token')
  }
  const present = scopeNow(ctx, { application: active, installation: whole }, family.scope)
  const covered = coveredBy(company, scopeNames(active, family.scope), present, scope)
  const { answer } = await issueTokens(ctx, db, {
    application: active,
    installation,
    parentId: family.id,
    scope: covered,
    authorized: scopeText(active, covered),
    userId: family.userId,
    secretId,
    keyThumbprint: company.keyThumbprint ?? proof.keyThumbprint,
    traceId: proof.traceId,
  })
  return answer
}

async function findLiveToken(ctx: OAuthContext, db: Db, tokenHash: string): Promise<ApplicationToken | null> {
  const found = await findApplicationToken(db, tokenHash)
  return found && found.revokedTime === null && found.expiresTime > nowIso(ctx.clock) ? found : null
}

function notLive(): StoaError {
  return new StoaError('invalid_request', { message: 'subject_token is not a live access token of this client.' })
}

/**
 * The names that a token covers: what was authorized, without what its client left out when it refreshed. What is not granted
 * yet stays in, so that it comes when it is approved. Throws `invalid_scope` when more is asked for.
 */
function coveredBy(
  company: ApplicationToken,
  authorized: string[],
  granted: string[],
  asked: string | undefined,
): string[] {
  const held = namesIn(company.scope ?? '')
  const covered = authorized.filter((name) => held.includes(name) || !granted.includes(name))
  if (asked === undefined) return covered
  const names = namesIn(asked)
  const wider = names.filter((name) => !covered.includes(name))
  if (wider.length > 0) {
    throw new StoaError('invalid_scope', { message: `${wider.join(' ')} is not covered by subject_token.` })
  }
  return names
}

import { createPublicKey, type JsonWebKey } from 'node:crypto'
import jwt from 'jsonwebtoken'
import { decodeJwt, isSeenFirst } from '../access/index.ts'
import { clientKeyId, type Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import { StoaError } from '../kernel/index.ts'
import type { OAuthContext } from './context.ts'

export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
export const assertionAlgorithms = ['ES256', 'RS256', 'PS256'] as const

/** Seconds: how far clocks may differ, and how long an assertion may be good for. */
const tolerance = 5
const longest = 600

/** The client that an assertion says it is from, not yet believed. */
export function clientIdOfAssertion(assertion: string): string | null {
  const { sub } = (decodeJwt(assertion)?.payload ?? {}) as { sub?: unknown }
  return typeof sub === 'string' ? sub : null
}

/**
 * Checks a client assertion (`private_key_jwt`, RFC 7523 section 3) against the public keys that the application registered.
 * Each works once, on any node. Answers the id of the key. Throws `invalid_client`.
 */
export async function verifyClientAssertion(
  ctx: OAuthContext,
  db: Db,
  application: Application,
  assertion: string,
  url: string,
): Promise<string> {
  const now = Math.floor(ctx.clock.now().getTime() / 1000)
  const header = decodeJwt(assertion)?.header
  const algorithm = assertionAlgorithms.find((each) => each === header?.alg)
  if (!header || !algorithm) throw refusal(`alg must be one of ${assertionAlgorithms.join(', ')}`)
  if ((header as { crit?: unknown }).crit !== undefined) throw refusal('crit is not known here')
  // Only registered keys count: nothing in the header (jwk, jku, x5u) is ever followed.
  const keys = ((application.jwks?.keys ?? []) as (JsonWebKey & { kid?: string })[]).filter(
    ({ kid, kty }) =>
      (header.kid === undefined || header.kid === kid) && kty === (algorithm === 'ES256' ? 'EC' : 'RSA'),
  )
  const verified = keys
    .map((key) => ({ key, claims: verifyWith(key, assertion, algorithm, now) }))
    .find(({ claims }) => claims !== null)
  if (!verified?.claims) throw refusal('no registered key made its signature, or it has expired')
  const { iss, sub, aud, exp, jti } = verified.claims
  if (iss !== application.clientId || sub !== application.clientId) throw refusal('iss and sub must be the client_id')
  const audiences = Array.isArray(aud) ? aud : [aud]
  const accepted = [ctx.config.baseUrl, `${ctx.config.baseUrl}/oauth/token`, url]
  if (audiences.length !== 1 || !accepted.includes(String(audiences[0]))) {
    throw refusal(`aud must be ${ctx.config.baseUrl}`)
  }
  if (typeof exp !== 'number' || exp > now + longest) throw refusal(`exp must be at most ${longest} s ahead`)
  if (typeof jti !== 'string' || jti === '' || jti.length > 512) throw refusal('jti must be a text')
  const expiresTime = new Date((exp + tolerance + 1) * 1000).toISOString()
  if (!(await isSeenFirst(db, { purpose: 'assertion', id: `${application.clientId}|${jti}`, expiresTime }))) {
    throw refusal('its jti was used before')
  }
  return clientKeyId(application.id, verified.key)
}

function verifyWith(key: JsonWebKey, assertion: string, algorithm: 'ES256' | 'RS256' | 'PS256', now: number) {
  try {
    const publicKey = createPublicKey({ key, format: 'jwk' })
    const options = { algorithms: [algorithm], clockTimestamp: now, clockTolerance: tolerance }
    const claims = jwt.verify(assertion, publicKey, options)
    return typeof claims === 'object' ? claims : null
  } catch {
    return null
  }
}

function refusal(why: string): StoaError {
  return new StoaError('invalid_client', { message: `The client assertion was refused: ${why}.` })
}

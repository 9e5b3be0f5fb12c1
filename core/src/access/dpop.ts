import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import jwt from 'jsonwebtoken'
import type { Context } from '../context.ts'
import type { Db } from '../database/index.ts'
import { StoaError } from '../kernel/index.ts'
import { decodeJwt } from './decode-jwt.ts'
import { isSeenFirst } from './seen-ids.ts'

/** The algorithms a proof may be signed with; the metadata lists them. */
export const dpopAlgorithms = ['ES256', 'RS256', 'PS256'] as const

/** How far the clock of a client may be off, in seconds; also how long a proof is good for. */
const tolerance = 60

export interface DpopProof {
  proof: string | string[] | undefined
  method: string
  /** Without query and fragment. */
  url: string
  /** The access token it comes with, at a resource. */
  token?: string
}

/**
 * Checks a DPoP proof (RFC 9449 section 4.3) and answers the thumbprint of its key (RFC 7638). Every proof works once, on any
 * node. Throws `invalid_dpop_proof` with what is wrong.
 */
export async function verifyDpopProof(ctx: Pick<Context, 'clock'>, db: Db, given: DpopProof): Promise<string> {
  const { proof } = given
  if (typeof proof !== 'string' || proof.length > 8192) throw refusal('send exactly one DPoP header')
  const now = Math.floor(ctx.clock.now().getTime() / 1000)
  const { claims, jwk } = verifySignature(proof, now)
  const { htm, htu, iat, jti, ath } = claims
  if (htm !== given.method) throw refusal(`htm must be ${given.method}`)
  if (typeof htu !== 'string' || !isSameUrl(htu, given.url)) throw refusal(`htu must be ${given.url}`)
  if (typeof iat !== 'number' || Math.abs(now - iat) > tolerance)
    throw refusal(`iat must be within ${tolerance} s of now`)
  if (typeof jti !== 'string' || jti === '' || jti.length > 512)
    throw refusal('jti must be a text of 1 to 512 characters')
  if (given.token !== undefined && ath !== createHash('sha256').update(given.token).digest('base64url')) {
    throw refusal('ath must be the SHA-256 of the access token')
  }
  const thumbprint = thumbprintOf(jwk)
  const expiresTime = new Date((iat + 2 * tolerance) * 1000).toISOString()
  if (!(await isSeenFirst(db, { purpose: 'dpop', id: `${thumbprint}|${jti}`, expiresTime }))) {
    throw refusal('jti was used before; make a new proof for each request')
  }
  return thumbprint
}

function verifySignature(proof: string, now: number): { claims: Record<string, unknown>; jwk: JsonWebKey } {
  const decoded = decodeJwt(proof)
  const header = (decoded?.header ?? {}) as { typ?: unknown; alg?: string; jwk?: JsonWebKey; crit?: unknown }
  if (header.typ !== 'dpop+jwt') throw refusal('typ must be dpop+jwt')
  if (header.crit !== undefined) throw refusal('crit is not known here')
  const algorithm = dpopAlgorithms.find((each) => each === header.alg)
  if (!algorithm) throw refusal(`alg must be one of ${dpopAlgorithms.join(', ')}`)
  const { jwk } = header
  if (typeof jwk !== 'object' || jwk === null || 'd' in jwk || 'k' in jwk) throw refusal('jwk must be a public key')
  assertBounded(jwk)
  try {
    const key: KeyObject = createPublicKey({ key: jwk, format: 'jwk' })
    const claims = jwt.verify(proof, key, { algorithms: [algorithm], clockTimestamp: now, clockTolerance: tolerance })
    if (typeof claims === 'object') return { claims, jwk }
  } catch (cause) {
    throw refusal('the signature does not fit jwk', cause)
  }
  throw refusal('the proof must hold claims')
}

/** Anybody may send any key: verifying must stay cheap, and an exponent of 1 would make every signature right. */
function assertBounded({ kty, crv, n, e }: JsonWebKey): void {
  if (kty === 'EC' && crv === 'P-256') return
  const bits = typeof n === 'string' ? Buffer.from(n, 'base64url').length * 8 : 0
  if (kty === 'RSA' && e === 'AQAB' && bits >= 2048 && bits <= 4096) return
  throw refusal('jwk must be a P-256 key, or an RSA key of 2048 to 4096 bits with the exponent 65537')
}

/** RFC 7638: the members that make the key, in this order. */
function thumbprintOf(jwk: JsonWebKey): string {
  const { crv, e, kty, n, x, y } = jwk
  const members = kty === 'RSA' ? { e, kty, n } : { crv, kty, x, y }
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}

/** RFC 9449 section 4.3: after normalisation, and without query and fragment. */
function isSameUrl(given: string, expected: string): boolean {
  if (!URL.canParse(given)) return false
  const [a, b] = [new URL(given), new URL(expected)]
  return a.origin === b.origin && a.pathname === b.pathname
}

function refusal(why: string, cause?: unknown): StoaError {
  return new StoaError('invalid_dpop_proof', { message: `The DPoP proof was refused: ${why}.`, cause })
}

import { createPublicKey, type JsonWebKeyInput } from 'node:crypto'
import { invalidField } from '../kernel/index.ts'

const mostKeys = 10
/** Verifying takes time that grows with the square of this. */
const mostBits = 8192
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'r', 't']

/** Of the members of a key those that say which key it is, or which algorithm goes with it; others are dropped unread. */
const members = {
  EC: ['kty', 'crv', 'x', 'y', 'kid', 'alg', 'use'],
  RSA: ['kty', 'n', 'e', 'kid', 'alg', 'use'],
} as const
const algorithms = { EC: ['ES256'], RSA: ['RS256', 'PS256'] } as const

/** A public key that a client proves itself with. */
export type PublicJwk = Record<string, string> & { kty: 'EC' | 'RSA'; kid: string }

/**
 * A JSON Web Key Set (RFC 7517) of public keys for `private_key_jwt`: EC on P-256 (ES256) or RSA of at least 2048 bits (RS256,
 * PS256), each with a `kid` of its own. Every key is loaded once here, so that none fails when it is needed. What refers to keys
 * elsewhere (`x5u`) or repeats them (`x5c`) is dropped. Throws 422 that names the place and never repeats what was sent.
 */
export function checkJwks(value: unknown): { keys: PublicJwk[] } {
  const keys = isObject(value) ? value['keys'] : undefined
  if (!Array.isArray(keys)) throw invalidField('jwks', 'must be a JSON Web Key Set: {"keys": [...]}')
  if (keys.length === 0 || keys.length > mostKeys) {
    throw invalidField('jwks.keys', `must have 1 to ${mostKeys} keys; null takes them all away`)
  }
  const checked = keys.map((key: unknown, index) => checkKey(`jwks.keys.${index}`, key))
  const seen = new Set<string>()
  for (const [index, { kid }] of checked.entries()) {
    if (seen.has(kid)) throw invalidField(`jwks.keys.${index}.kid`, 'must be another one than that of every other key')
    seen.add(kid)
  }
  return { keys: checked }
}

function checkKey(field: string, key: unknown): PublicJwk {
  if (!isObject(key)) throw invalidField(field, 'must be a JSON Web Key')
  if (key['kty'] === 'oct') throw invalidField(`${field}.kty`, 'must be EC or RSA: an oct key is a shared secret')
  const secret = privateMembers.find((member) => Object.hasOwn(key, member))
  if (secret !== undefined) {
    throw invalidField(
      `${field}.${secret}`,
      'is part of a private key: send the public key alone, and take the private one out of use, because it was sent',
    )
  }
  const { kty, kid, alg, use } = key
  if (kty !== 'EC' && kty !== 'RSA') throw invalidField(`${field}.kty`, 'must be EC or RSA')
  if (typeof kid !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(kid)) {
    throw invalidField(`${field}.kid`, 'is required: 1 to 200 visible ASCII characters that tell the keys apart')
  }
  if (alg !== undefined && !algorithms[kty].some((each) => each === alg)) {
    throw invalidField(`${field}.alg`, `must be ${algorithms[kty].join(' or ')} for a key of type ${kty}`)
  }
  if (use !== undefined && use !== 'sig') throw invalidField(`${field}.use`, 'must be sig')
  if (kty === 'EC' && key['crv'] !== 'P-256') throw invalidField(`${field}.crv`, 'must be P-256')
  // An exponent of 1 makes every signature valid, and a long one makes verifying slow.
  if (kty === 'RSA' && key['e'] !== 'AQAB') throw invalidField(`${field}.e`, 'must be AQAB (65537)')
  const known = members[kty].filter((member) => Object.hasOwn(key, member)).map((member) => [member, key[member]])
  const jwk = Object.fromEntries(known) as PublicJwk
  checkNumbers(field, kty, jwk)
  return jwk
}

function checkNumbers(field: string, kty: 'EC' | 'RSA', jwk: PublicJwk): void {
  for (const member of kty === 'EC' ? ['x', 'y'] : ['n']) {
    const number: unknown = jwk[member]
    // Node decodes leniently; other verifiers of the same set may not.
    const length = kty === 'EC' ? '{43}' : `{1,${Math.ceil(mostBits / 6)}}`
    if (typeof number !== 'string' || !new RegExp(`^[A-Za-z0-9_-]${length}$`).test(number)) {
      throw invalidField(`${field}.${member}`, 'must be base64url without padding, of the length that the key has')
    }
  }
  const bits = lengthOf(field, jwk)
  if (kty === 'RSA' && (bits < 2048 || bits > mostBits)) {
    throw invalidField(`${field}.n`, `must have 2048 to ${mostBits} bits`)
  }
}

/** The length of an RSA modulus, by loading the key; 0 of an EC key. */
function lengthOf(field: string, jwk: PublicJwk): number {
  try {
    const loaded = createPublicKey({ key: jwk as JsonWebKeyInput['key'], format: 'jwk' })
    return loaded.asymmetricKeyDetails?.modulusLength ?? 0
  } catch {
    throw invalidField(field, 'is no public key: it cannot be loaded')
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

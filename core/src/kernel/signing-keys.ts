import { createECDH, createHash, createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { derive } from './secret-box.ts'

/** A key pair for signing what others verify. */
export interface SigningKey {
  /** RFC 7638 thumbprint of the public key, SHA-256, base64url: the same wherever it is computed. */
  kid: string
  privateKey: KeyObject
  publicKey: KeyObject
}

export interface SigningKeys {
  /** Signs the bodies of webhooks in HighLevel's format. Of the current secret alone: a receiver is given one key. */
  ed25519: SigningKey
  /** Signs JWTs (`alg` ES256). `all` begins with the current one; those of former secrets still verify. */
  es256: { current: SigningKey; all: SigningKey[] }
  /** The public keys of every secret as a JSON Web Key Set (RFC 7517), each with `use`, `alg` and `kid`. */
  jwks(): { keys: JsonWebKey[] }
}

/**
 * Makes the host's signing keys. They follow from the host secrets (HKDF), so every process of a host has the same ones, a
 * restart keeps them, and there is nothing to store. The first secret is the current one; the others were rotated out.
 */
export function createSigningKeys(secrets: string[]): SigningKeys {
  const [ed25519, ...formerEd25519] = secrets.map(ed25519Key)
  const all = secrets.map(es256Key)
  const current = all[0]
  if (!ed25519 || !current) throw new TypeError('Signing keys are derived from at least one secret')
  const keys = [
    ...all.map((key) => publicJwk(key, 'ES256')),
    // EdDSA is what every verifier knows; RFC 9864 names it Ed25519, which older ones do not.
    ...[ed25519, ...formerEd25519].map((key) => publicJwk(key, 'EdDSA')),
  ]
  return { ed25519, es256: { current, all }, jwks: () => ({ keys: keys.map((key) => ({ ...key })) }) }
}

/** What stands in front of the seed in a PKCS#8 Ed25519 key (RFC 8410 section 7), which node has no other import for. */
const ed25519Pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex')

function ed25519Key(secret: string): SigningKey {
  const seed = derive(secret, 'stoa-ed25519')
  return signingKey(createPrivateKey({ key: Buffer.concat([ed25519Pkcs8, seed]), format: 'der', type: 'pkcs8' }))
}

/** Order of the P-256 group (SP 800-186 section 3.2.1.3). */
const p256Order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** FIPS 186-5 A.2.1: 128 bits more than the order has, reduced into [1, n-1], so that the bias cannot be noticed. */
function es256Key(secret: string): SigningKey {
  const bits = BigInt(`0x${derive(secret, 'stoa-es256', 48).toString('hex')}`)
  const scalar = Buffer.from(((bits % (p256Order - 1n)) + 1n).toString(16).padStart(64, '0'), 'hex')
  const ecdh = createECDH('prime256v1')
  ecdh.setPrivateKey(scalar)
  // Uncompressed (SEC 1 section 2.3.3): 0x04, x, y.
  const point = ecdh.getPublicKey()
  const [x, y, d] = [point.subarray(1, 33), point.subarray(33), scalar].map((bytes) => bytes.toString('base64url'))
  return signingKey(createPrivateKey({ key: { kty: 'EC', crv: 'P-256', x: x!, y: y!, d: d! }, format: 'jwk' }))
}

function signingKey(privateKey: KeyObject): SigningKey {
  const publicKey = createPublicKey(privateKey)
  return { kid: thumbprint(publicKey.export({ format: 'jwk' })), privateKey, publicKey }
}

function publicJwk({ kid, publicKey }: SigningKey, alg: string): JsonWebKey {
  return { ...publicKey.export({ format: 'jwk' }), use: 'sig', alg, kid }
}

/** RFC 7638 section 3.2: the required members alone, in the order of their names, without whitespace. */
function thumbprint({ crv, kty, x, y }: JsonWebKey): string {
  return createHash('sha256')
    .update(JSON.stringify(y === undefined ? { crv, kty, x } : { crv, kty, x, y }))
    .digest('base64url')
}

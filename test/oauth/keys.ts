import { createHash, createHmac, generateKeyPairSync, randomUUID, sign, type KeyObject } from 'node:crypto'

/** A key of a client, and what is told of it. */
export interface Key {
  alg: 'ES256' | 'RS256'
  privateKey: KeyObject
  /** Public, with a `kid`. */
  jwk: Record<string, string>
  /** RFC 7638. */
  thumbprint: string
}

export function newKey(alg: Key['alg'] = 'ES256', kid: string = randomUUID()): Key {
  const { publicKey, privateKey } =
    alg === 'ES256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 })
  const bare = publicKey.export({ format: 'jwk' }) as Record<string, string>
  const { crv, e, kty, n, x, y } = bare
  const members = JSON.stringify(alg === 'ES256' ? { crv, kty, x, y } : { e, kty, n })
  const thumbprint = createHash('sha256').update(members).digest('base64url')
  return { alg, privateKey, jwk: { ...bare, kid }, thumbprint }
}

/** What signs a JWT: a key of ours, a shared secret (HS256), or nothing at all (`none`). */
export type Signer = Key | string | null

/** A JWT (RFC 7519), made by hand, so that it can be wrong in every way. */
export function jwt(header: object, claims: object | string, signer: Signer): string {
  const alg = signer === null ? 'none' : typeof signer === 'string' ? 'HS256' : signer.alg
  const encoded = [{ alg, ...header }, claims].map((part) =>
    Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url'),
  )
  const text = encoded.join('.')
  return `${text}.${signatureOf(text, signer)}`
}

function signatureOf(text: string, signer: Signer): string {
  if (signer === null) return ''
  if (typeof signer === 'string') return createHmac('sha256', signer).update(text).digest('base64url')
  const key = { key: signer.privateKey, dsaEncoding: 'ieee-p1363' } as const
  return sign('sha256', Buffer.from(text), key).toString('base64url')
}

export interface Changes {
  header?: object
  claims?: object
  signer?: Signer
}

/** A DPoP proof (RFC 9449) for one request; `token` where it goes along with one. */
export function dpopProof(
  key: Key,
  request: { method: string; url: string; token?: string; seconds?: number },
  { header, claims, signer = key }: Changes = {},
): string {
  const { method, url, token } = request
  const { kid: _, ...jwk } = key.jwk
  const ath = token === undefined ? {} : { ath: createHash('sha256').update(token).digest('base64url') }
  const iat = request.seconds ?? Math.floor(Date.now() / 1000)
  return jwt(
    { typ: 'dpop+jwt', jwk, ...header },
    { htm: method, htu: url, iat, jti: randomUUID(), ...ath, ...claims },
    signer,
  )
}

/** The form members by which a client proves itself with a key (`private_key_jwt`, RFC 7523). */
export function assertionForm(
  key: Key,
  client: { clientId: string; audience: string; seconds?: number },
  { header, claims, signer = key }: Changes = {},
): { client_assertion: string; client_assertion_type: string } {
  const { clientId, audience } = client
  const iat = client.seconds ?? Math.floor(Date.now() / 1000)
  const usual = { iss: clientId, sub: clientId, aud: audience, iat, exp: iat + 60, jti: randomUUID() }
  return {
    client_assertion: jwt({ kid: key.jwk['kid'], ...header }, { ...usual, ...claims }, signer),
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  }
}

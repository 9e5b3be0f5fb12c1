import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import type { SecretBox } from './ports.ts'

const version = 'v1'
const algorithm = 'aes-256-gcm'

/**
 * The default secret box: a random data key per write, wrapped by a key-encryption key that is derived from a host secret.
 * The first secret seals; the others still open, so a secret is rotated by putting the new one in front.
 * The context is additional authenticated data: a sealed text copied to another row does not open.
 */
export function createSecretBox(secrets: string[]): SecretBox {
  const keys = new Map(secrets.map((secret) => [keyId(secret), derive(secret, 'stoa-secret-box')]))
  const current = keyId(secrets[0] ?? '')
  return {
    seal(plain, context) {
      const dataKey = randomBytes(32)
      const aad = `${version}|${current}|${context}`
      const wrapped = encrypt(keys.get(current)!, dataKey, aad)
      const payload = encrypt(dataKey, Buffer.from(plain, 'utf8'), aad)
      return Promise.resolve([version, current, wrapped, payload].join('.'))
    },
    open(sealed, context) {
      const [sealedVersion, kid = '', wrapped = '', payload = '', ...more] = sealed.split('.')
      const key = keys.get(kid)
      if (sealedVersion !== version || !key || more.length > 0) {
        return Promise.reject(
          new Error('Sealed under a key this host does not have; put the old secret back behind the new one.'),
        )
      }
      const aad = `${version}|${kid}|${context}`
      try {
        return Promise.resolve(decrypt(decrypt(key, wrapped, aad), payload, aad).toString('utf8'))
      } catch (cause) {
        return Promise.reject(new Error('The sealed text was changed or belongs to another row.', { cause }))
      }
    },
  }
}

/** Key bytes for one purpose, derived from the host secret (HKDF, RFC 5869), so that no two uses share key material. */
export function derive(secret: string, purpose: string, bytes = 32): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', purpose, bytes))
}

function keyId(secret: string): string {
  return derive(secret, 'stoa-key-id').toString('hex').slice(0, 8)
}

function encrypt(key: Buffer, plain: Buffer, aad: string): string {
  const iv = randomBytes(12)
  const cipher = createCipheriv(algorithm, key, iv, { authTagLength: 16 }).setAAD(Buffer.from(aad))
  return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64url')
}

function decrypt(key: Buffer, text: string, aad: string): Buffer {
  const bytes = Buffer.from(text, 'base64url')
  // Node skips characters that are not base64, and ignores spare bits of the last one.
  if (bytes.toString('base64url') !== text) throw new Error('not base64url')
  const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, 12), { authTagLength: 16 })
    .setAAD(Buffer.from(aad))
    .setAuthTag(bytes.subarray(-16))
  return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()])
}

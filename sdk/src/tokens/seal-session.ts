import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

/** Texts that only who knows the secret can read or make. */
export interface Sealer {
  /** @param context what the text belongs to: under another one it does not open, so that nobody can move it. */
  seal(text: string, context: string): string
  /** The text, or null when it was not sealed under any of the secrets and this context. */
  open(sealed: string, context: string): string | null
}

/**
 * AES-256-GCM under keys derived (HKDF-SHA-256) from the secrets for one purpose. The first secret seals, all of them
 * open, so that a secret can be changed. No slow derivation: a secret is random and long, not a password.
 * @throws TypeError for a secret of less than 16 characters, which is a password or a mistake.
 */
export function createSealer(secrets: string | readonly string[], purpose: string): Sealer {
  const keys = [secrets].flat().map((secret) => {
    if (typeof secret !== 'string' || secret.length < 16) {
      throw new TypeError('The secret is too short: give at least 16 random characters (openssl rand -base64 32).')
    }
    return Buffer.from(hkdfSync('sha256', secret, '', `stoa sdk: ${purpose}`, 32))
  })
  const first = keys[0]
  if (!first) throw new TypeError('A secret is needed.')
  return {
    seal(text, context) {
      const nonce = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', first, nonce).setAAD(Buffer.from(context))
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return `v1.${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')}`
    },
    open(sealed, context) {
      if (!sealed.startsWith('v1.')) return null
      const bytes = Buffer.from(sealed.slice(3), 'base64url')
      if (bytes.length < 28) return null
      for (const key of keys) {
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12), { authTagLength: 16 })
        decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(12, 28))
        try {
          return decipher.update(bytes.subarray(28), undefined, 'utf8') + decipher.final('utf8')
        } catch {
          continue // sealed under another of the secrets, or changed
        }
      }
      return null
    },
  }
}

/** How a store writes a session down: plain JSON, or sealed when there is a secret. The key is its context. */
export function sessionText<Value>(secret: string | readonly string[] | undefined): {
  write(key: string, value: Value): string
  /** @throws Error for what was not written under (one of) the secrets: silence would look like "not installed". */
  read(key: string, text: string): Value
} {
  if (secret === undefined) {
    return {
      write: (_key, value) => JSON.stringify(value),
      read(_key, text) {
        if (text.startsWith('v1.')) throw new Error('The stored tokens are sealed: give the store its secret.')
        return JSON.parse(text) as Value
      },
    }
  }
  const sealer = createSealer(secret, 'tokens at rest')
  return {
    write: (key, value) => sealer.seal(JSON.stringify(value), key),
    read(key, text) {
      const opened = sealer.open(text, key)
      if (opened !== null) return JSON.parse(opened) as Value
      throw new Error(
        'A stored token does not open: the secret of the store is not the one it was sealed under, it was stored ' +
          'without a secret, or somebody changed it.',
      )
    },
  }
}

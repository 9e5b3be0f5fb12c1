import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
} from 'node:crypto'
import type { webhookHeaders } from '@stoa/sdk/contract'
import type { SigningVersion } from './endpoint.ts'

type WebhookHeader = (typeof webhookHeaders)[keyof typeof webhookHeaders]

/** Of Standard Webhooks 1.0: shared secrets (v1), and private and public keys (v1a). */
const prefixes = { secret: 'whsec_', privateKey: 'whsk_', publicKey: 'whpk_' } as const

/** Bytes that Standard Webhooks 1.0 asks of a secret. */
const secretBytes = { fresh: 32, min: 24, max: 64 }
const seedBytes = 32
/** What stands before the 32 bytes of an Ed25519 private key in PKCS#8 (RFC 8410 section 7). */
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex')

/** A key that is ready to sign with; opening a sealed secret and parsing a key cost more than signing does. */
export interface WebhookKey {
  version: SigningVersion
  /** The base64 signature of a text's UTF-8 bytes. */
  sign(content: string): string
}

/** A new secret for an endpoint: `whsec_` and the base64 of 32 random bytes. To be kept encrypted and shown once. */
export function newWebhookSecret(): string {
  return prefixes.secret + randomBytes(secretBytes.fresh).toString('base64')
}

/**
 * A new Ed25519 key pair: `whsk_` and the base64 of private and public bytes, one after the other as Svix lays them out, and
 * `whpk_` and the base64 of the public ones. The private one is to be kept encrypted and never shown.
 */
export function newWebhookKeyPair(): { privateKey: string; publicKey: string } {
  const { privateKey } = generateKeyPairSync('ed25519')
  const seed = Buffer.from(privateKey.export({ format: 'jwk' }).d!, 'base64url')
  const publicBytes = publicBytesOf(privateKey)
  return {
    privateKey: prefixes.privateKey + Buffer.concat([seed, publicBytes]).toString('base64'),
    publicKey: prefixes.publicKey + publicBytes.toString('base64'),
  }
}

/** For a secret that an author brings along: a sentence that says what is wrong with it, or null. */
export function checkWebhookSecret(secret: string): string | null {
  const key = decode(secret, prefixes.secret)
  if (key && key.length >= secretBytes.min && key.length <= secretBytes.max) return null
  return `A webhook secret is ${prefixes.secret} and the base64 of ${secretBytes.min} to ${secretBytes.max} random bytes.`
}

/** @throws TypeError when it is not a secret (v1) or private key (v1a): an embedder's secret box may open to anything. */
export function readWebhookKey(version: SigningVersion, secret: string): WebhookKey {
  if (version === 'v1a') {
    const key = readPrivateKey(secret)
    return { version, sign: (content) => sign(null, Buffer.from(content, 'utf8'), key).toString('base64') }
  }
  const complaint = checkWebhookSecret(secret)
  if (complaint) throw new TypeError(complaint)
  const key = decode(secret, prefixes.secret)!
  return { version, sign: (content) => createHmac('sha256', key).update(content).digest('base64') }
}

/**
 * Signs one try of a delivery: Standard Webhooks 1.0, `v1` (HMAC-SHA256) and `v1a` (Ed25519).
 *
 * @param webhook.id the same on every try; must not contain a dot, which separates the parts that are signed.
 * @param webhook.timestamp when this try is made, not when the event happened.
 * @param webhook.body the text whose UTF-8 bytes are sent, and no others; empty for a request without a body.
 * @param webhook.keys at least one, in the order of the signatures; while rotating the old and the new one.
 * @throws TypeError for an id with a dot, or no key: mistakes of the caller.
 */
export function signWebhook(webhook: {
  id: string
  timestamp: Date
  body: string
  keys: WebhookKey[]
}): Record<WebhookHeader, string> {
  const { id, timestamp, body, keys } = webhook
  if (id === '' || id.includes('.')) throw new TypeError('A webhook id must not be empty or contain a dot')
  if (keys.length === 0) throw new TypeError('A webhook needs at least one key to be signed with')
  const seconds = String(Math.floor(timestamp.getTime() / 1_000))
  const content = `${id}.${seconds}.${body}`
  const signatures = keys.map((key) => `${key.version},${key.sign(content)}`)
  return { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signatures.join(' ') }
}

function readPrivateKey(text: string): KeyObject {
  const bytes = text.startsWith(prefixes.privateKey) ? decode(text, prefixes.privateKey) : null
  if (bytes?.length === 2 * seedBytes) {
    const seed = bytes.subarray(0, seedBytes)
    const key = createPrivateKey({ key: Buffer.concat([pkcs8Head, seed]), format: 'der', type: 'pkcs8' })
    if (publicBytesOf(key).equals(bytes.subarray(seedBytes))) return key
  }
  throw new TypeError(`A webhook’s private key is ${prefixes.privateKey} and the base64 of an Ed25519 key pair.`)
}

function publicBytesOf(privateKey: KeyObject): Buffer {
  return Buffer.from(createPublicKey(privateKey).export({ format: 'jwk' }).x!, 'base64url')
}

/** The key bytes; the prefix may be missing. Buffer skips what is no base64, which would make a silently weaker key. */
function decode(secret: string, prefix: string): Buffer | null {
  const encoded = secret.startsWith(prefix) ? secret.slice(prefix.length) : secret
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return null
  const bytes = Buffer.from(encoded, 'base64')
  // A length that no base64 has loses its last character without a word.
  return bytes.toString('base64').replace(/=+$/, '') === encoded.replace(/=+$/, '') ? bytes : null
}

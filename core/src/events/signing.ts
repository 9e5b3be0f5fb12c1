import { createHmac, randomBytes } from 'node:crypto'
import type { webhookHeaders } from '@stoa/sdk/contract'

type WebhookHeader = (typeof webhookHeaders)[keyof typeof webhookHeaders]

const prefix = 'whsec_'

/** Bytes that Standard Webhooks 1.0 asks of a secret. */
const secretBytes = { fresh: 32, min: 24, max: 64 }

/** A new secret for an endpoint: `whsec_` and the base64 of 32 random bytes. To be kept encrypted and shown once. */
export function newWebhookSecret(): string {
  return prefix + randomBytes(secretBytes.fresh).toString('base64')
}

/** For a secret that an author brings along: a sentence that says what is wrong with it, or null. */
export function checkWebhookSecret(secret: string): string | null {
  const key = decodeSecret(secret)
  if (key && key.length >= secretBytes.min && key.length <= secretBytes.max) return null
  return `A webhook secret is ${prefix} and the base64 of ${secretBytes.min} to ${secretBytes.max} random bytes.`
}

/**
 * Signs one try of a delivery: Standard Webhooks 1.0, version `v1` (HMAC-SHA256).
 *
 * @param webhook.id the same on every try; must not contain a dot, which separates the parts that are signed.
 * @param webhook.timestamp when this try is made, not when the event happened.
 * @param webhook.body the text whose UTF-8 bytes are sent, and no others.
 * @param webhook.secrets at least one; with several (old and new while rotating) each of them signs.
 * @throws TypeError for an id with a dot, no secret, or a secret that is no base64: mistakes of the caller.
 */
export function signWebhook(webhook: {
  id: string
  timestamp: Date
  body: string
  secrets: string[]
}): Record<WebhookHeader, string> {
  const { id, timestamp, body, secrets } = webhook
  if (id === '' || id.includes('.')) throw new TypeError('A webhook id must not be empty or contain a dot')
  if (secrets.length === 0) throw new TypeError('A webhook needs at least one secret to be signed with')
  const seconds = String(Math.floor(timestamp.getTime() / 1_000))
  const signatures = secrets.map((secret) => {
    const key = decodeSecret(secret)
    if (!key) throw new TypeError('A webhook secret is not base64')
    return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`
  })
  return { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signatures.join(' ') }
}

/** The key bytes; the prefix may be missing. Buffer skips what is no base64, which would make a silently weaker key. */
function decodeSecret(secret: string): Buffer | null {
  const encoded = secret.startsWith(prefix) ? secret.slice(prefix.length) : secret
  return /^[A-Za-z0-9+/]+={0,2}$/.test(encoded) ? Buffer.from(encoded, 'base64') : null
}

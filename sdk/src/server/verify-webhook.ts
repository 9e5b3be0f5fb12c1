import { createHmac, createPublicKey, timingSafeEqual, verify, type KeyObject } from 'node:crypto'
import { webhookHeaders } from '../contract/headers.ts'
import { WebhookVerificationError } from './webhook-verification-error.ts'

/** Headers of node (`req.headers`), of the Fetch standard, or of a gateway that keeps the case in which they came. */
export type WebhookHeadersInput =
  { get(name: string): string | null } | Readonly<Record<string, string | readonly string[] | undefined>>

export type VerifiedWebhook = {
  /** The same on every try of this delivery: what has been handled under it need not be handled again. */
  id: string
  /** When this try was signed. */
  timestamp: Date
  /** The parsed JSON; undefined when the body is empty. */
  payload: unknown
}

/**
 * Checks that a webhook comes from the host and is what the host sent (Standard Webhooks 1.0, `v1` and `v1a`).
 *
 * @param webhook.body the body exactly as it came. JSON that was parsed and written again has other bytes.
 * @param webhook.secrets the endpoint's `whsec_...` secret, or its `whpk_...` public key; several while you are changing it.
 * @param webhook.toleranceSeconds how far the timestamp may be from now, either way. Bounds how long a copy can be replayed.
 * @throws WebhookVerificationError for a request that is not to be believed.
 * @throws TypeError for a secret that is missing or malformed: that is a mistake in the configuration, not in the request.
 */
export function verifyWebhook(webhook: {
  headers: WebhookHeadersInput
  body: string | Uint8Array
  secrets: string | readonly string[]
  toleranceSeconds?: number
  now?: Date
}): VerifiedWebhook {
  const { headers, body, toleranceSeconds = 300, now = new Date() } = webhook
  const verifiers = decodeSecrets(webhook.secrets)
  const id = readHeader(headers, webhookHeaders.id)
  const seconds = readHeader(headers, webhookHeaders.timestamp)
  const signatures = readHeader(headers, webhookHeaders.signature)
  if (!/^\d{1,11}$/.test(seconds)) {
    throw new WebhookVerificationError('invalid_signature', 'The webhook-timestamp header is not a number of seconds.')
  }
  // The signature comes before the age: only an authentic timestamp says anything about clocks.
  if (!isSignedByAny(verifiers, signatures, `${id}.${seconds}.`, body)) {
    throw new WebhookVerificationError(
      'invalid_signature',
      'No signature matches. Check that the secret is the one of this endpoint, that the raw body is verified and not ' +
        'JSON that was parsed and written again, and that no proxy changes the body.',
    )
  }
  const age = now.getTime() / 1_000 - Number(seconds)
  if (age > toleranceSeconds) {
    throw new WebhookVerificationError('timestamp_too_old', ageMessage(age, 'old', toleranceSeconds))
  }
  if (age < -toleranceSeconds) {
    throw new WebhookVerificationError('timestamp_too_new', ageMessage(-age, 'in the future', toleranceSeconds))
  }
  return { id, timestamp: new Date(Number(seconds) * 1_000), payload: parsePayload(body) }
}

/** What a secret or public key can say of a signature of its own version. */
interface Verifier {
  version: 'v1' | 'v1a'
  fits(signature: Buffer, start: string, body: string | Uint8Array): boolean
}

const ed25519Bytes = 32

/** @throws TypeError, so that a forgotten secret shows at start and not as bad requests. */
export function decodeSecrets(secrets: string | readonly string[]): Verifier[] {
  const list = typeof secrets === 'string' ? [secrets] : (secrets ?? [])
  if (list.length === 0) throw new TypeError('The webhook secret is missing: pass the whsec_... secret of the endpoint')
  return list.map((secret) => {
    const text = String(secret ?? '')
    const encoded = text.replace(/^(whsec_|whpk_)/, '')
    const bytes = /^[A-Za-z0-9+/]+={0,2}$/.test(encoded) ? Buffer.from(encoded, 'base64') : null
    if (text.startsWith('whpk_') && bytes?.length === ed25519Bytes) return publicKeyVerifier(bytes)
    if (bytes && !text.startsWith('whpk_')) return secretVerifier(bytes)
    throw new TypeError(
      'The webhook secret is not valid: pass the whsec_... secret of the endpoint, or its whpk_... public key, unchanged',
    )
  })
}

function secretVerifier(key: Buffer): Verifier {
  return {
    version: 'v1',
    fits(signature, start, body) {
      const expected = createHmac('sha256', key).update(start).update(body).digest()
      return signature.length === expected.length && timingSafeEqual(signature, expected)
    },
  }
}

function publicKeyVerifier(bytes: Buffer): Verifier {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') }
  const key: KeyObject = createPublicKey({ key: jwk, format: 'jwk' })
  return {
    version: 'v1a',
    fits: (signature, start, body) =>
      verify(null, Buffer.concat([Buffer.from(start), Buffer.from(body)]), key, signature),
  }
}

function readHeader(headers: WebhookHeadersInput, name: string): string {
  const value = isFetchHeaders(headers)
    ? headers.get(name)
    : Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1]
  const text = (typeof value === 'string' ? value : (value ?? []).join(' ')).trim()
  if (text) return text
  throw new WebhookVerificationError(
    'missing_header',
    `The ${name} header is missing. Check that the request comes from the host and that no proxy takes headers out.`,
  )
}

function isFetchHeaders(headers: WebhookHeadersInput): headers is { get(name: string): string | null } {
  return typeof headers['get'] === 'function'
}

/** Bounds the work that a stranger's request makes: a host signs with at most eleven keys of either version. */
const mostSignatures = 50

/** Versions that no key is for are skipped, so that the host can add one without breaking anybody. */
function isSignedByAny(verifiers: Verifier[], signatures: string, start: string, body: string | Uint8Array): boolean {
  const given = signatures
    .split(' ')
    .slice(0, mostSignatures)
    .map((each) => each.split(','))
    .filter((parts) => parts.length === 2) as [string, string][]
  return verifiers.some(({ version, fits }) =>
    given.some(([of, signature]) => of === version && fits(Buffer.from(signature, 'base64'), start, body)),
  )
}

function parsePayload(body: string | Uint8Array): unknown {
  try {
    const text = typeof body === 'string' ? body : new TextDecoder('utf-8', { fatal: true }).decode(body)
    return text === '' ? undefined : JSON.parse(text)
  } catch {
    throw new WebhookVerificationError(
      'invalid_payload',
      'The signature is right, but the body is not JSON. Check the format that is set on the endpoint.',
    )
  }
}

function ageMessage(seconds: number, direction: string, tolerance: number): string {
  return `The webhook was signed ${Math.round(seconds)} s ${direction}, and ${tolerance} s are allowed. Check the clock of this machine.`
}

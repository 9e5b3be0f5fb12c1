import { newId } from '../kernel/index.ts'
import { credentialContext } from './credential.ts'
import { headerContext, isHeaderValue } from './endpoint-headers.ts'
import type { Endpoint, EndpointSecret, SigningVersion, Target } from './endpoint.ts'
import type { EventsContext } from './events-context.ts'
import { newWebhookKeyPair, newWebhookSecret, readWebhookKey, type WebhookKey } from './signing.ts'

/** Of one version, beside the newest. */
export const mostFormerSecrets = 10

/** The name of the row, for the secret box: a sealed secret opens in its own row alone. */
export function secretContext(endpointId: string): string {
  return `webhook-endpoint:${endpointId}`
}

/** A signing key for an endpoint, and its secret to be shown this once; null of v1a, whose public key is no secret. */
export async function makeSecret(
  { secretBox }: Pick<EventsContext, 'secretBox'>,
  endpointId: string,
  { version, own, now }: { version: SigningVersion; own?: string | undefined; now: string },
): Promise<{ sealed: EndpointSecret; secret: string | null }> {
  const pair = version === 'v1a' ? newWebhookKeyPair() : null
  const secret = pair ? null : withPrefix(own ?? newWebhookSecret())
  return {
    secret,
    sealed: {
      id: newId('whs'),
      version,
      sealed: await secretBox.seal(pair?.privateKey ?? secret!, secretContext(endpointId)),
      lastFour: secret && secret.replace(/=+$/, '').slice(-4),
      publicKey: pair?.publicKey ?? null,
      createdTime: now,
      expiresTime: null,
    },
  }
}

/** Authors with libraries of Svix may bring a secret without the prefix; it is shown and kept in the one spelling. */
function withPrefix(secret: string): string {
  return secret.startsWith('whsec_') ? secret : `whsec_${secret}`
}

/** Those that sign at this time, newest first. At the very second of its end a secret has ended. */
export function liveSecrets(secrets: EndpointSecret[], now: string): EndpointSecret[] {
  return secrets.filter(({ expiresTime }) => expiresTime === null || expiresTime > now)
}

/** The newest of a version: the one without an end. */
export function newestSecret(secrets: EndpointSecret[], version: SigningVersion): EndpointSecret | null {
  return secrets.find((each) => each.version === version) ?? null
}

/**
 * Puts a new secret in front. The former ones of its version sign too until `until`, or as long as they had already when that
 * is sooner: a rotation prolongs nothing that an earlier one has promised to end, and after `until` the new one is alone. So
 * with `until` not after `now` they end at once. At most ten stay: the oldest ends earlier. The other version is left as it is.
 */
export function rotated(
  secrets: EndpointSecret[],
  fresh: EndpointSecret,
  { now, until }: { now: string; until: string },
): EndpointSecret[] {
  const live = liveSecrets(secrets, now)
  const same = live.filter(({ version }) => version === fresh.version)
  const former = (until > now ? same : [])
    .map((each) => ({ ...each, expiresTime: each.expiresTime && each.expiresTime < until ? each.expiresTime : until }))
    .slice(0, mostFormerSecrets)
  return [fresh, ...former, ...live.filter(({ version }) => version !== fresh.version)]
}

/** What an endpoint keeps sealed, opened. */
export interface OpenedKeys {
  /** Newest first. `signingKeys` says which of them sign at a time. */
  signing: { key: WebhookKey; expiresTime: string | null }[]
  /** The active headers of its owner. */
  headers: { name: string; value: string }[]
  credentials: { type: 'basic' | 'digest'; username: string; password: string } | null
}

/** Those that sign at this time: what was opened may be kept for longer than a key lives. */
export function signingKeys({ signing }: OpenedKeys, now: string): WebhookKey[] {
  return signing.filter(({ expiresTime }) => expiresTime === null || expiresTime > now).map(({ key }) => key)
}

/** The version of what `openKeys` reads: the same text, the same outcome. */
export function keysVersion({ id, updatedTime, credential }: Target): string {
  return `${id} ${updatedTime} ${credential?.updatedTime ?? ''}`
}

/**
 * Opens what an endpoint needs to be sent anything. An embedder's own box may open to anything: what could not sign is refused
 * here, or it would fail at every try and use the schedule up.
 *
 * @throws when something does not open, or opens to what it cannot be.
 */
export async function openKeys({ secretBox }: Pick<EventsContext, 'secretBox'>, target: Target): Promise<OpenedKeys> {
  const { id, secrets, headers, credential, signing } = target
  const chosen = secrets.filter(({ version }) => signing.includes(version))
  if (chosen.length === 0) throw new TypeError('The endpoint has no key to sign with')
  return {
    signing: await Promise.all(
      chosen.map(async ({ version, sealed, expiresTime }) => {
        return { key: readWebhookKey(version, await secretBox.open(sealed, secretContext(id))), expiresTime }
      }),
    ),
    headers: await Promise.all(
      headers
        .filter(({ status }) => status === 'active')
        .map(async ({ name, sealed }) => {
          const value = await secretBox.open(sealed, headerContext(id, name))
          if (!isHeaderValue(value)) throw new TypeError('A header opens to what cannot be sent in one')
          return { name, value }
        }),
    ),
    credentials:
      credential === null || credential.type === 'none'
        ? null
        : {
            type: credential.type,
            username: credential.username ?? '',
            password: await secretBox.open(credential.password ?? '', credentialContext(credential.id)),
          },
  }
}

/** The public key that verifies v1a now; null when the endpoint has none. */
export function publicKeyOf({ secrets }: Pick<Endpoint, 'secrets'>): string | null {
  return newestSecret(secrets, 'v1a')?.publicKey ?? null
}

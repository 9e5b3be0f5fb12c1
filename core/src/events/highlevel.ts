import { sign, type KeyObject } from 'node:crypto'
import { invalidField } from '../kernel/index.ts'
import type { EventType } from './catalogue.ts'
import { wantsType } from './event-filter.ts'
import type { HighLevelBody } from './event.ts'

export const endpointFormats = ['standard', 'rebilly', 'highlevel'] as const
/**
 * `standard`: our own bodies. `rebilly`: Rebilly's, with `organizationId` and `eventType` outside. `highlevel`: the bodies of
 * HighLevel's marketplace, with its signature beside ours.
 */
export type EndpointFormat = (typeof endpointFormats)[number]

export const highLevelSignatureHeader = 'X-GHL-Signature' as const

/** What HighLevel calls these events. The others it does not know, and no endpoint of its format receives them. */
export const highLevelTypes: Partial<Record<EventType, HighLevelBody['type']>> = {
  'application-instance-enabled': 'INSTALL',
  'application-instance-disabled': 'UNINSTALL',
  'installation.updated': 'UPDATE',
  'installation.plan-changed': 'PLAN_CHANGE',
  'external-auth.connected': 'EXTERNAL_AUTH_CONNECTED',
}

/** Refuses an endpoint that would never be sent anything, which nobody means. */
export function assertFormat(format: EndpointFormat, events: string[]): void {
  if (format !== 'highlevel' || Object.keys(highLevelTypes).some((type) => wantsType(events, type))) return
  const known = Object.keys(highLevelTypes).join(', ')
  throw invalidField('events', `must have one that HighLevel’s format has a body for: *, ${known}`)
}

/**
 * HighLevel's id of a webhook: the UUID that our id of the event is made of, so the same on every try and at every endpoint,
 * and found again in our history.
 */
export function webhookIdOf(eventId: string): string {
  const hex = eventId.slice(eventId.indexOf('_') + 1)
  const uuid = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  if (uuid === hex) throw new TypeError(`The event id ${eventId} is not made of a UUID`)
  return uuid
}

/**
 * The text to send. `timestamp` is that of this try: HighLevel tells receivers to refuse what is older than five minutes, so
 * the time of the event would have them refuse every late retry. JSON.stringify's own form, because HighLevel's SDK
 * verifies `JSON.stringify(req.body)` where the raw bytes were not kept.
 */
export function highLevelText(eventId: string, body: object, now: Date): string {
  return JSON.stringify({ ...body, timestamp: now.toISOString(), webhookId: webhookIdOf(eventId) })
}

/** HighLevel's signature: Ed25519 over the very bytes of the body, base64. One key signs for all receivers of a host. */
export function signHighLevel(body: string, privateKey: KeyObject): Record<string, string> {
  return { [highLevelSignatureHeader]: sign(null, Buffer.from(body, 'utf8'), privateKey).toString('base64') }
}

/** What a receiver verifies with, in the spellings that HighLevel's SDK and others read. */
export function publicKeyShape(publicKey: KeyObject) {
  return {
    algorithm: 'Ed25519' as const,
    publicKey: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
    pem: publicKey.export({ format: 'pem', type: 'spki' }).toString(),
    header: highLevelSignatureHeader,
  }
}

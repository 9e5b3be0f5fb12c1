import type { StoaEvents } from '../contract/events.ts'
import type { VerifiedWebhook } from './verify-webhook.ts'

/**
 * A verified event, told apart by `type`. The host may have event types that this version of the SDK does not know;
 * they arrive as well, so a `switch` wants a `default`.
 */
export type WebhookEvent = {
  [Name in keyof StoaEvents]: { id: string; timestamp: Date; type: Name; payload: StoaEvents[Name] }
}[keyof StoaEvents]

/** Not validated against the schema: the signature says who wrote it, and a later version may have written more. */
export function toWebhookEvent({ id, timestamp, payload }: VerifiedWebhook): WebhookEvent {
  const { eventType, type } = Object(payload) as { eventType?: unknown; type?: unknown }
  return { id, timestamp, type: eventType ?? type, payload } as WebhookEvent
}

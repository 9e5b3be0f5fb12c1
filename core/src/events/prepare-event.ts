import { environments, type Environment } from '../context.ts'
import { idMaxLength, idPattern, invalidField, nowIso, readTime, StoaError } from '../kernel/index.ts'
import { embedderBody } from './embedder-body.ts'
import type { EventsContext } from './events-context.ts'
import { checkPayload, type EventToWrite } from './publish.ts'

/** An event that the embedder's own code publishes. */
export interface EmbedderEvent {
  /** One of `config.eventTypes`, or `installation.plan-changed` or `external-auth.connected`. */
  type: string
  /** The organization it happened in. */
  organizationId: string
  /** The organization's location it happened at; none for what concerns the organization as a whole. */
  locationId?: string | null
  /** `production` unless said otherwise. */
  environment?: Environment
  /** Of the two types of the host alone, which concern an application that is installed there. */
  applicationId?: string
  /** What it tells: an object that JSON can hold, and that fits the schema of the type. Stored, and shown in the history. */
  data: object
  /**
   * 1 to 255 characters. The same key in the same organization and environment is the same event, published once; for as long
   * as events are kept.
   */
  idempotencyKey?: string
  /** ISO 8601: when it happened; by default now. */
  timestamp?: string
}

const idShape = new RegExp(idPattern)
const keyShape = /^[^\p{Cc}\p{Cs}]{1,255}$/u
const timeShape = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

/**
 * What can be said of an event without the database; nothing that gets past this can upset a transaction. `publisherId` is
 * still open.
 *
 * @throws StoaError `validation_failed` for what is not as `EmbedderEvent` says, `body_too_large` for a body beyond
 *   `webhooks.payloadLimitBytes`.
 */
export function prepareEvent(ctx: EventsContext, event: EmbedderEvent): EventToWrite {
  const { type, organizationId, locationId = null, environment = 'production', idempotencyKey } = event
  const definition = ctx.eventTypes.find(type)
  if (!definition || definition.publishedBy === 'host') {
    throw invalidField(
      'type',
      `${String(type)} is no event type that can be published; config.eventTypes declares them`,
    )
  }
  if (!environments.includes(environment)) throw invalidField('environment', 'must be production or sandbox')
  assertId('organizationId', organizationId)
  if (locationId !== null) assertId('locationId', locationId)
  if (idempotencyKey !== undefined && !(typeof idempotencyKey === 'string' && keyShape.test(idempotencyKey))) {
    throw invalidField('idempotencyKey', 'must be 1 to 255 characters, without control characters')
  }
  const timestamp = event.timestamp === undefined ? nowIso(ctx.clock) : readTimestamp(event.timestamp)
  const place = { organizationId, locationId, environment }
  const applicationId = readApplication(event, definition.publishedBy)
  const payloadText = toText(event.data, (data) =>
    applicationId === null
      ? embedderBody({ type, timestamp, ...place, data })
      : { type, timestamp, data: { ...data, applicationId, ...place } },
  )
  const bytes = Buffer.byteLength(payloadText)
  const most = ctx.config.webhooks.payloadLimitBytes
  if (bytes > most) {
    throw new StoaError('body_too_large', {
      message: `The body of the event has ${bytes} bytes; at most ${most} are sent.`,
    })
  }
  const payload = JSON.parse(payloadText) as object
  checkPayload(ctx, type, payload)
  return {
    type,
    publisherId: null,
    applicationId,
    ...place,
    payload,
    payloadText,
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    hasOwnTimestamp: event.timestamp !== undefined,
  }
}

function readApplication({ type, applicationId }: EmbedderEvent, publishedBy: 'embedder' | 'either'): string | null {
  if (publishedBy === 'embedder') {
    if (applicationId == null) return null
    throw invalidField('applicationId', `must be left out: ${type} concerns no application`)
  }
  if (applicationId === undefined) throw invalidField('applicationId', `is required for ${type}`)
  assertId('applicationId', applicationId)
  return applicationId
}

/** Only what can be an id is asked for: PostgreSQL ends the transaction over a null byte. */
function assertId(field: string, id: unknown): void {
  if (typeof id === 'string' && id.length <= idMaxLength && idShape.test(id)) return
  throw invalidField(field, 'must be an id')
}

function readTimestamp(timestamp: unknown): string {
  const time = typeof timestamp === 'string' && timeShape.test(timestamp) ? readTime(timestamp) : null
  if (time === null) throw invalidField('timestamp', 'must be a time in ISO 8601, such as 2026-01-31T12:00:00Z')
  return time
}

/** Writes `data` down once: getters and toJSON are somebody else's code, and may answer differently the next time. */
function toText(data: unknown, toBody: (data: object) => object): string {
  let own: unknown
  try {
    const text = JSON.stringify(data) as string | undefined
    own = text === undefined ? undefined : JSON.parse(text)
    if (isObject(own)) return JSON.stringify(toBody(own))
  } catch (error) {
    // A BigInt, a cycle, a toJSON or getter that throws, or more levels than there is stack for.
    const reason = error instanceof Error ? error.message.split('\n')[0] : 'it threw something'
    throw invalidField('data', `cannot be written as JSON: ${reason}`)
  }
  throw invalidField('data', 'must be an object')
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

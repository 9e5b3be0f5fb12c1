import type { Environment } from '../context.ts'
import type { EventType } from './catalogue.ts'

/** Something that happened, as the slice in which it happened tells it. */
export interface NewEvent {
  type: EventType
  /** The organization whose endpoints receive it: the one that publishes the application. */
  publisherId: string
  applicationId: string
  /** The organization it happened in. */
  organizationId: string
  locationId: string | null
  environment: Environment
  /** The body to send, complete and without secrets: it is stored, and shown in the history. */
  payload: object
}

/** An event in the outbox. */
export interface StoredEvent extends NewEvent {
  /** Sent as `webhook-id`, the same on every try. */
  id: string
  createdTime: string
}

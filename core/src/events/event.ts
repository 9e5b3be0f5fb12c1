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

/** What decides who receives an event: where it happened, without what it tells. */
export type Occurrence = Omit<NewEvent, 'payload'>

/**
 * An event as HighLevel's marketplace tells it, but for `timestamp` and `webhookId`, which sending adds. The members after
 * HighLevel's `webhook-samples.json`.
 */
export type HighLevelBody =
  | (HighLevelInstall & { type: 'INSTALL' })
  | (HighLevelInstall & { type: 'UPDATE'; previousVersionId: string })
  | { type: 'UNINSTALL'; appId: string; companyId: string; locationId?: string }

interface HighLevelInstall {
  appId: string
  versionId: string
  installType: 'Location' | 'Company'
  locationId?: string
  companyId: string
  userId?: string
  /** Empty: plans, and with them trials, do not exist here yet. */
  trial: Record<string, never>
  companyName: string
  isWhitelabelCompany: boolean
}

/** An event in the outbox. */
export interface StoredEvent extends NewEvent {
  /** Sent as `webhook-id`, the same on every try. */
  id: string
  createdTime: string
}

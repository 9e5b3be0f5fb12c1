import type { Environment } from '../context.ts'
import type { EventType } from './catalogue.ts'

/** Something that happened, as the slice in which it happened tells it. */
export interface NewEvent<Name extends string = EventType> {
  /** What it is to be called, when it follows from what it tells (`withPrefix`); without it, a new id. */
  id?: string
  type: Name
  /** The organization that publishes the application it concerns; null when it concerns none, as the embedder's own events. */
  publisherId: string | null
  applicationId: string | null
  /** The organization it happened in. */
  organizationId: string
  locationId: string | null
  environment: Environment
  /** The body to send, complete and without secrets: it is stored, and shown in the history. */
  payload: object
  /** An example that somebody asked for: it is sent like any other, and changes nothing here. */
  test?: boolean
  /** The same key in the same organization and environment is the same event, published once. */
  idempotencyKey?: string
  /** An endpoint that is not told: what happened concerns it. */
  notTo?: string
}

/** What decides who receives an event: where it happened, without what it tells. */
export type Occurrence<Name extends string = EventType> = Omit<
  NewEvent<Name>,
  'id' | 'payload' | 'test' | 'idempotencyKey' | 'notTo'
>

/**
 * An event as HighLevel's marketplace tells it, but for `timestamp` and `webhookId`, which sending adds. The members after
 * HighLevel's `webhook-samples.json`.
 */
export type HighLevelBody = HighLevelEvent & {
  /** Of an example that somebody asked for, as in our own bodies. HighLevel sends none. */
  test?: true
}

type HighLevelEvent =
  | (HighLevelInstall & { type: 'INSTALL' })
  | (HighLevelInstall & { type: 'UPDATE'; previousVersionId: string })
  | (HighLevelPlace & { type: 'UNINSTALL' })
  | (HighLevelPlace & {
      type: 'PLAN_CHANGE'
      userId?: string
      currentPlanId: string | null
      newPlanId: string | null
    })
  | (HighLevelPlace & {
      type: 'EXTERNAL_AUTH_CONNECTED'
      authType: 'oauth2' | 'basic'
      scopes?: string
      isAutoRefreshTokenEnabled?: boolean
    })

interface HighLevelPlace {
  appId: string
  companyId: string
  locationId?: string
}

/** Empty for who is on none. */
export interface HighLevelTrial {
  onTrial?: true
  /** Days. */
  trialDuration?: number
  trialStartDate?: string
}

interface HighLevelInstall {
  appId: string
  versionId: string
  installType: 'Location' | 'Company'
  locationId?: string
  companyId: string
  userId?: string
  /** Of the application's plans; absent where it is installed without one. */
  planId?: string
  trial: HighLevelTrial
  companyName: string
  isWhitelabelCompany: boolean
}

/** An event in the outbox; of any type, the embedder's and those of former versions too. */
export interface StoredEvent extends Occurrence<string> {
  /** Sent as `webhook-id`, the same on every try. */
  id: string
  payload: object
  test: boolean
  /** W3C `traceparent` of what published it. */
  traceParent: string | null
  createdTime: string
}

/** Why a delivery is to be sent: it happened, or somebody asked for it again. */
export const deliveryCauses = ['event', 'test', 'resend', 'replay'] as const
export type DeliveryCause = (typeof deliveryCauses)[number]

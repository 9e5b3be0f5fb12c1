import { EventEmitter } from 'eventemitter3'
import type { Knex } from 'knex'
import type { Config } from './config.ts'
import type { Clock, Files, Logger, SecretBox, SigningKeys } from './kernel/index.ts'
import type { Dialect } from './database/index.ts'
import type { Metrics } from './metrics/index.ts'

export type Environment = 'production' | 'sandbox'
export const environments = ['production', 'sandbox'] as const

/**
 * What the embedder is told, after the transaction that made it true has committed.
 * In-process and at most once: what must not be missed is an event in the outbox, delivered to an endpoint.
 */
export interface LifecycleEvents {
  'application.created': [{ applicationId: string; publisherId: string }]
  'application.status-changed': [{ applicationId: string; from: string; to: string; reason: string | null }]
  'installation.status-changed': [
    {
      applicationId: string
      installationId: string
      organizationId: string
      locationId: string | null
      environment: Environment
      from: string | null
      to: string
      reason: string | null
    },
  ]
  'charge.created': [{ chargeId: string; applicationId: string; locationId: string; amount: string; currency: string }]
  'charge.refunded': [{ chargeId: string; applicationId: string; locationId: string; amount: string; currency: string }]
  'endpoint.disabled': [{ endpointId: string; cause: string; reason: string }]
  'delivery.failed': [{ deliveryId: string; eventId: string; endpointId: string; attempts: number }]
}

/** The emitter of lifecycle events. A listener that throws is the embedder's fault and must not take the host down with it. */
export class LifecycleEmitter extends EventEmitter<LifecycleEvents> {
  readonly #logger: Logger

  constructor(logger: Logger) {
    super()
    this.#logger = logger
  }

  override emit<Name extends keyof LifecycleEvents>(
    name: Name,
    ...details: Parameters<EventEmitter.EventListener<LifecycleEvents, Name>>
  ): boolean {
    try {
      return super.emit(name, ...details)
    } catch (err) {
      this.#logger.error({ err, event: name }, 'a listener of a lifecycle event failed')
      return true
    }
  }
}

/** Hints inside one process. Nothing depends on them: polling the database is the truth. */
export interface Signals {
  'deliveries-due': []
  'payout-runs-due': []
  /** A credential, a membership or an installation changed: verified credentials in memory are forgotten. */
  'credentials-changed': []
}

/** What the rules of every slice get first: one host's database, clock, options and ports. There is no module-level state. */
export interface Context {
  readonly db: Knex
  readonly dialect: Dialect
  readonly config: Config
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  readonly secretBox: SecretBox
  /** Made once, of the host secrets: for what others verify. */
  readonly signingKeys: SigningKeys
  readonly files: Files
  readonly lifecycle: LifecycleEmitter
  readonly signals: EventEmitter<Signals>
}

import type { Knex } from 'knex'
import type { AccessContext } from '../access/index.ts'
import type { Db } from '../database/index.ts'
import type { Outbound } from '../outbound/index.ts'
import type { EventType } from './catalogue.ts'
import type { StoredEvent } from './event.ts'

/** What higher slices do as their events travel; filled in host.ts. */
export interface EventHooks {
  /** Makes the body to send at the time of sending, with a fresh token for instance. What it returns is never stored. */
  enrich: Partial<Record<EventType, (db: Db, event: StoredEvent) => Promise<object>>>
  /**
   * Runs in the transaction that records a 2xx. When it throws, nothing of it stays and the attempt counts as failed: the
   * event is sent again, so that the hook gets another chance.
   */
  delivered: Partial<Record<EventType, (trx: Knex.Transaction, event: StoredEvent) => Promise<void>>>
  /** Runs in the transaction that records the last failure. */
  exhausted: Partial<Record<EventType, (trx: Knex.Transaction, event: StoredEvent) => Promise<void>>>
}

export interface EventsContext extends AccessContext {
  outbound: Outbound
  eventHooks: EventHooks
  /** Port: whether the organization publishes the application. Applications are a slice above. */
  ownsApplication(db: Db, organizationId: string, applicationId: string): Promise<boolean>
}

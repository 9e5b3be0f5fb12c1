import type { Knex } from 'knex'
import type { AccessContext } from '../access/index.ts'
import type { Db } from '../database/index.ts'
import type { Outbound } from '../outbound/index.ts'
import type { EventType } from './catalogue.ts'
import type { HighLevelBody, NewEvent, Occurrence, StoredEvent } from './event.ts'

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
  /** How events are told to endpoints of HighLevel's format. A type without an entry is not told there. */
  highLevel: Partial<Record<EventType, HighLevelForm>>
}

/** Asked while the event is published, in the transaction in which it happened, and only if an endpoint wants it so. */
export interface HighLevelForm {
  /** Whether HighLevel tells this one. When not, no delivery is made: nothing waits, and nothing is acknowledged by it. */
  applies(db: Db, event: Occurrence): Promise<boolean>
  /** Stored with the event, so that every try tells the same; without secrets. */
  body(db: Db, event: NewEvent): Promise<HighLevelBody>
}

export interface EventsContext extends AccessContext {
  outbound: Outbound
  eventHooks: EventHooks
  /** Port: whether the organization publishes the application. Applications are a slice above. */
  ownsApplication(db: Db, organizationId: string, applicationId: string): Promise<boolean>
}

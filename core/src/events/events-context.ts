import type { Knex } from 'knex'
import type { AccessContext } from '../access/index.ts'
import type { Environment } from '../context.ts'
import type { Db } from '../database/index.ts'
import type { Outbound } from '../outbound/index.ts'
import type { EventTypes } from './event-types.ts'
import type { HighLevelBody, NewEvent, Occurrence, StoredEvent } from './event.ts'

/** What higher slices do as their events travel; filled in host.ts. */
export interface EventHooks {
  /** Makes the body to send at the time of sending, with a fresh token for instance. What it returns is never stored. */
  enrich: Partial<Record<string, (db: Db, event: StoredEvent) => Promise<object>>>
  /**
   * Runs in the transaction that records a 2xx. When it throws, nothing of it stays and the attempt counts as failed: the
   * event is sent again, so that the hook gets another chance.
   */
  delivered: Partial<Record<string, (trx: Knex.Transaction, event: StoredEvent) => Promise<void>>>
  /** Runs in the transaction that records the last failure. */
  exhausted: Partial<Record<string, (trx: Knex.Transaction, event: StoredEvent) => Promise<void>>>
  /** How events are told to endpoints of HighLevel's format. A type without an entry is not told there. */
  highLevel: Partial<Record<string, HighLevelForm>>
}

/** Asked while the event is published, in the transaction in which it happened, and only if an endpoint wants it so. */
export interface HighLevelForm {
  /** Whether HighLevel tells this one. When not, no delivery is made: nothing waits, and nothing is acknowledged by it. */
  applies(db: Db, event: Occurrence & { applicationId: string }): Promise<boolean>
  /** Stored with the event, so that every try tells the same; without secrets. */
  body(db: Db, event: NewEvent & { applicationId: string }): Promise<HighLevelBody>
}

/** An enabled installation that covers a place, as far as events are concerned. */
export interface InstalledAt {
  installationId: string
  applicationId: string
  publisherId: string
  /** Canonical names that are granted. */
  permissions: ReadonlySet<string>
}

/** With where it is installed, and since when: what happened before, nobody there had agreed to tell. */
export interface InstalledPlace extends InstalledAt {
  organizationId: string
  /** Null: on the organization, with all its locations. */
  locationId: string | null
  installedTime: string
}

export interface EventsContext extends AccessContext {
  outbound: Outbound
  eventTypes: EventTypes
  eventHooks: EventHooks
  /** Port: what is installed, and enabled, where an event happened. Installations are a slice above. */
  installationsAt(db: Db, at: Pick<Occurrence, 'organizationId' | 'locationId' | 'environment'>): Promise<InstalledAt[]>
  /** Port: where one installation is, or everything that an organization publishes; only what is enabled. */
  installationsOf(
    db: Db,
    of: { installationId: string } | { publisherId: string },
    environment: Environment,
  ): Promise<InstalledPlace[]>
  /** Port: whether the organization publishes the application. Applications are a slice above. */
  ownsApplication(db: Db, organizationId: string, applicationId: string): Promise<boolean>
}

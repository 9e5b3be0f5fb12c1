import type { Knex } from 'knex'
import type { Environment } from '../context.ts'
import {
  insertRows,
  integer,
  iso,
  maybeIso,
  maybeText,
  money,
  text,
  type Db,
  type Dialect,
  type Row,
} from '../database/index.ts'
import { keyOf, type ChargeKey, type ChargeRecord } from './charge.ts'
import { selectRaw } from './ledger-store.ts'
import type { Tenant } from './tenant.ts'

const table = 'stoa_charges'

export async function insertCharges(db: Db, dialect: Dialect, charges: ChargeRecord[]): Promise<void> {
  await insertRows(db, dialect, table, charges.map(toRow))
}

/** Those of the keys that have been charged before, by `keyOf`. */
export async function findCharges(db: Db, keys: ChargeKey[]): Promise<Map<string, ChargeRecord>> {
  // One look into the index for each key. `(a, b, c, d) in (…)` and four `in` lists make the planners do much more. The cross
  // join keeps SQLite from going through the charges first; both databases call the columns of VALUES column1, column2, …
  const marks = keys.map(() => '(?, ?, ?, ?)').join(', ')
  const rows = await selectRaw(
    db,
    `select charge.*, refund.created_time as refunded_time
     from (values ${marks}) as wanted
     cross join ${table} as charge
     left join ${table} as refund on refund.id = charge.id and refund.seq = 1
     where charge.application_id = wanted.column1 and charge.location_id = wanted.column2
       and charge.environment = wanted.column3 and charge.event_id = wanted.column4 and charge.seq = 0`,
    keys.flatMap(({ applicationId, locationId, environment, eventId }) => [
      applicationId,
      locationId,
      environment,
      eventId,
    ]),
  )
  return new Map(rows.map(toCharge).map((charge) => [keyOf(charge), charge]))
}

/** The charge with this id if it is this application's on this location; not its refund. */
export async function findCharge(db: Db, tenant: Tenant, id: string): Promise<ChargeRecord | null> {
  const row = (await records(db, tenant).where({ 'charge.id': id, 'charge.seq': 0 }).first()) as Row | undefined
  return row ? toCharge(row) : null
}

/** Keeps the charge for this transaction until it ends; for one that no wallet paid, whose lock would do the same. */
export async function lockCharge(db: Db, dialect: Dialect, id: string): Promise<void> {
  if (dialect.rowLocks) await db(table).where({ id, seq: 0 }).forUpdate().select('id')
}

export interface ChargeFilter {
  meterId?: string
  eventId?: string
  userId?: string
  /** Included. */
  startTime?: string
  /** Excluded. */
  endTime?: string
  skip: number
  limit: number
}

/** What is counted of a list. Counting on would read the whole history of a location for every page of it. */
export const mostCounted = 10_000

/** Charges and refunds of this application on this location, the latest first. `total` ends at `mostCounted`. */
export async function listCharges(
  db: Db,
  tenant: Tenant,
  filter: ChargeFilter,
): Promise<{ items: ChargeRecord[]; total: number }> {
  const narrow = (query: Knex.QueryBuilder) => {
    if (filter.meterId !== undefined) query.where('charge.meter_id', filter.meterId)
    if (filter.eventId !== undefined) query.where('charge.event_id', filter.eventId)
    if (filter.userId !== undefined) query.where('charge.user_id', filter.userId)
    if (filter.startTime !== undefined) query.where('charge.created_time', '>=', filter.startTime)
    if (filter.endTime !== undefined) query.where('charge.created_time', '<', filter.endTime)
  }
  const counted = ownRecords(db, tenant).modify(narrow).select('charge.id').limit(mostCounted).as('counted')
  const [{ count } = { count: 0 }] = (await db.from(counted).count({ count: '*' })) as Row[]
  // One eventId is one charge and its refund; ordered by time as well, the planners go through the list for them.
  const byTime = ['charge.created_time', 'charge.id'].filter(() => filter.eventId === undefined)
  const rows = (await records(db, tenant)
    .modify(narrow)
    .orderBy([...byTime, 'charge.seq'].map((column) => ({ column, order: 'desc' })))
    .limit(filter.limit)
    .offset(filter.skip)) as Row[]
  return { items: rows.map(toCharge), total: integer(count) }
}

function ownRecords(db: Db, { applicationId, locationId, environment }: Tenant): Knex.QueryBuilder {
  return db(`${table} as charge`).where({
    'charge.application_id': applicationId,
    'charge.location_id': locationId,
    'charge.environment': environment,
  })
}

/** With the time at which it was given back. */
function records(db: Db, tenant: Tenant): Knex.QueryBuilder {
  return ownRecords(db, tenant)
    .leftJoin(`${table} as refund`, (on) => void on.on('refund.id', 'charge.id').andOnVal('refund.seq', 1))
    .select('charge.*', 'refund.created_time as refunded_time')
}

function toRow(charge: ChargeRecord): Row {
  return {
    id: charge.id,
    seq: charge.seq,
    application_id: charge.applicationId,
    installation_id: charge.installationId,
    publisher_id: charge.publisherId,
    organization_id: charge.organizationId,
    location_id: charge.locationId,
    environment: charge.environment,
    meter_id: charge.meterId,
    price_id: charge.priceId,
    event_id: charge.eventId,
    fingerprint: charge.fingerprint,
    user_id: charge.userId,
    description: charge.description,
    units: charge.units,
    unit_price: charge.unitPrice,
    amount: charge.amount,
    currency: charge.currency,
    account_id: charge.accountId,
    transaction_id: charge.transactionId,
    event_time: charge.eventTime,
    created_time: charge.createdTime,
  }
}

function toCharge(row: Row): ChargeRecord {
  return {
    id: text(row.id),
    seq: integer(row.seq),
    applicationId: text(row.application_id),
    installationId: text(row.installation_id),
    publisherId: text(row.publisher_id),
    organizationId: text(row.organization_id),
    locationId: text(row.location_id),
    environment: row.environment as Environment,
    meterId: text(row.meter_id),
    priceId: text(row.price_id),
    eventId: text(row.event_id),
    fingerprint: text(row.fingerprint),
    userId: maybeText(row.user_id),
    description: text(row.description),
    units: money(row.units),
    unitPrice: money(row.unit_price),
    amount: money(row.amount),
    currency: text(row.currency),
    accountId: maybeText(row.account_id),
    transactionId: text(row.transaction_id),
    eventTime: iso(row.event_time),
    createdTime: iso(row.created_time),
    refundedTime: maybeIso(row.refunded_time),
  }
}

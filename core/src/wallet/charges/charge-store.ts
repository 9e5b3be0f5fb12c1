import type { Knex } from 'knex'
import type { Environment } from '../../context.ts'
import {
  insertRows,
  integer,
  iso,
  json,
  maybeIso,
  maybeText,
  money,
  text,
  toJson,
  type Db,
  type Dialect,
  type Row,
} from '../../database/index.ts'
import type { Page, Paged } from '../../http/index.ts'
import { selectRaw } from '../ledger/select-raw.ts'
import type { PriceLine } from '../meters/price-charge.ts'
import type { Tenant } from '../tenant.ts'
import { keyOf, type Charge, type ChargeKey, type ChargeRecord } from './charge.ts'

const table = 'stoa_charges'

export async function insertCharges(db: Db, dialect: Dialect, charges: ChargeRecord[]): Promise<void> {
  await insertRows(db, dialect, table, charges.map(toRow))
}

// What was given back of a charge, of which there is little: looked up for each by the primary key.
const givenBack = (what: string) =>
  `(select ${what} from ${table} as refund where refund.id = charge.id and refund.seq > 0)`
const refundColumns = `${givenBack('sum(refund.amount)')} as refunded_amount,
  ${givenBack('sum(refund.units)')} as refunded_units, ${givenBack('max(refund.created_time)')} as refunded_time`

/** Those of the keys that have been charged before, by `keyOf`. */
export async function findCharges(db: Db, keys: ChargeKey[]): Promise<Map<string, Charge>> {
  // One look into the index for each key. `(a, b) in (…)` and two `in` lists make the planners do much more. The cross
  // join keeps SQLite from going through the charges first; both databases call the columns of VALUES column1, column2, …
  const marks = keys.map(() => '(?, ?)').join(', ')
  const rows = await selectRaw(
    db,
    `select charge.*, ${refundColumns} from (values ${marks}) as wanted cross join ${table} as charge
     where charge.installation_id = wanted.column1 and charge.event_id = wanted.column2 and charge.seq = 0`,
    keys.flatMap(({ installationId, eventId }) => [installationId, eventId]),
  )
  return new Map(rows.map(mapCharge).map((charge) => [keyOf(charge), charge]))
}

/** The charge with this id if it is this installation's; not what was given back of it. */
export async function findCharge(db: Db, { installationId }: Tenant, id: string): Promise<Charge | null> {
  const row = (await records(db, installationId).where({ 'charge.id': id, 'charge.seq': 0 }).first()) as Row | undefined
  return row ? mapCharge(row) : null
}

/** How many times something was given back of a charge. */
export async function countRefunds(db: Db, id: string): Promise<number> {
  const [row] = (await db(table).where({ id }).max({ seq: 'seq' })) as Row[]
  return integer(row!.seq)
}

/** What was given back of a charge under this refundId. */
export async function findRefund(db: Db, id: string, refundId: string): Promise<ChargeRecord | null> {
  const row = (await db(table).where({ id, refund_id: refundId }).first()) as Row | undefined
  return row ? mapRecord(row) : null
}

/** What was given back of a charge, in order. */
export async function findRefunds(db: Db, id: string, page: Page): Promise<Paged<ChargeRecord>> {
  const total = await countRefunds(db, id)
  const rows = (await db(table)
    .where({ id })
    .where('seq', '>', 0)
    .orderBy('seq')
    .limit(page.limit)
    .offset(page.offset)) as Row[]
  return { items: rows.map(mapRecord), total }
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

/** Charges and refunds of this installation, the latest first. `total` ends at `mostCounted`. */
export async function listCharges(
  db: Db,
  { installationId }: Tenant,
  filter: ChargeFilter,
): Promise<{ items: Charge[]; total: number }> {
  const narrow = (query: Knex.QueryBuilder) => {
    if (filter.meterId !== undefined) query.where('charge.meter_id', filter.meterId)
    if (filter.eventId !== undefined) query.where('charge.event_id', filter.eventId)
    if (filter.userId !== undefined) query.where('charge.user_id', filter.userId)
    if (filter.startTime !== undefined) query.where('charge.created_time', '>=', filter.startTime)
    if (filter.endTime !== undefined) query.where('charge.created_time', '<', filter.endTime)
  }
  const own = db(`${table} as charge`).where({ 'charge.installation_id': installationId })
  const counted = own.modify(narrow).select('charge.id').limit(mostCounted).as('counted')
  const [{ count } = { count: 0 }] = (await db.from(counted).count({ count: '*' })) as Row[]
  // One eventId is one charge and its refunds; ordered by time as well, the planners go through the list for them.
  const byTime = ['charge.created_time', 'charge.id'].filter(() => filter.eventId === undefined)
  const order = [...byTime, 'charge.seq'].map((column) => ({ column, order: 'desc' }))
  const page = db(`${table} as charge`)
    .where({ 'charge.installation_id': installationId })
    .modify(narrow)
    .orderBy(order)
    .limit(filter.limit)
    .offset(filter.skip)
    .select('charge.*')
    .as('charge')
  // What was given back is looked up for the page alone: PostgreSQL would do it for all that is skipped.
  const rows = (await db.from(page).select('charge.*', db.raw(refundColumns)).orderBy(order)) as Row[]
  return { items: rows.map(mapCharge), total: integer(count) }
}

/** With what was given back. */
function records(db: Db, installationId: string): Knex.QueryBuilder {
  return db(`${table} as charge`)
    .where({ 'charge.installation_id': installationId })
    .select('charge.*', db.raw(refundColumns))
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
    lines: charge.lines && toJson(charge.lines.map(({ units, unitPrice }) => [String(units), String(unitPrice)])),
    amount: charge.amount,
    base_amount: charge.baseAmount,
    fee_amount: charge.feeAmount,
    rebilling_id: charge.rebillingId,
    currency: charge.currency,
    account_id: charge.accountId,
    transaction_id: charge.transactionId,
    hold_id: charge.holdId,
    refund_id: charge.refundId,
    event_time: charge.eventTime,
    created_time: charge.createdTime,
  }
}

function mapCharge(row: Row): Charge {
  const record = mapRecord(row)
  const refundedAmount = money(row.refunded_amount ?? 0)
  const refundedUnits = money(row.refunded_units ?? 0)
  const refundedTime = maybeIso(row.refunded_time)
  // What cost nothing is given back by its units.
  const isWhole = refundedAmount >= record.amount && (record.amount > 0n || refundedUnits >= record.units)
  const isRefunded = refundedTime !== null && isWhole
  return { ...record, refundedAmount, refundedUnits, refundedTime, isRefunded }
}

export function mapRecord(row: Row): ChargeRecord {
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
    lines: row.lines === null ? null : json<[string, string][]>(row.lines).map(mapLine),
    amount: money(row.amount),
    baseAmount: money(row.base_amount),
    feeAmount: money(row.fee_amount),
    rebillingId: maybeText(row.rebilling_id),
    currency: text(row.currency),
    accountId: maybeText(row.account_id),
    transactionId: text(row.transaction_id),
    holdId: maybeText(row.hold_id),
    refundId: maybeText(row.refund_id),
    eventTime: iso(row.event_time),
    createdTime: iso(row.created_time),
  }
}

const mapLine = ([units, unitPrice]: [string, string]): PriceLine => ({
  units: BigInt(units),
  unitPrice: BigInt(unitPrice),
})

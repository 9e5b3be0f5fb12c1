import type { Environment } from '../context.ts'
import { integer, iso, money, text, type Db, type Dialect, type Row } from '../database/index.ts'
import type { Page, Paged } from '../http/index.ts'
import type { Meter, MeterStatus, Price, PriceType } from './meters.ts'

const meters = 'stoa_meters'
const prices = 'stoa_prices'

export async function insertMeter(db: Db, meter: Meter): Promise<void> {
  await db(meters).insert({
    id: meter.id,
    application_id: meter.applicationId,
    publisher_id: meter.publisherId,
    price_type: meter.priceType,
    created_time: meter.createdTime,
    ...changingColumns(meter),
  })
}

export async function updateMeter(db: Db, meter: Meter): Promise<void> {
  await db(meters).where({ id: meter.id }).update(changingColumns(meter))
}

export async function insertPrice(
  db: Db,
  meterId: string,
  price: Price,
  by: { actor: string; now: string },
): Promise<void> {
  await db(prices).insert({
    id: price.id,
    meter_id: meterId,
    version: price.version,
    currency: price.currency,
    unit_price: price.unitPrice,
    min_price: price.minPrice,
    max_price: price.maxPrice,
    actor: by.actor,
    created_time: by.now,
  })
}

type At = { applicationId: string; meterId: string }

/** Nobody else changes the meter before the transaction ends, so that versions of its price follow each other. */
export async function lockMeter(db: Db, dialect: Dialect, { applicationId, meterId }: At): Promise<void> {
  if (dialect.rowLocks) await db(meters).where({ id: meterId, application_id: applicationId }).forUpdate().select('id')
}

export async function findMeter(db: Db, { applicationId, meterId }: At): Promise<Meter | null> {
  const row = (await withPrice(db).where({ 'meter.id': meterId, application_id: applicationId }).first()) as
    Row | undefined
  return row ? mapMeter(row) : null
}

export async function listMeters(db: Db, applicationId: string, page: Page): Promise<Paged<Meter>> {
  const [{ count } = { count: 0 }] = (await db(meters)
    .where({ application_id: applicationId })
    .count({ count: '*' })) as Row[]
  const rows = (await withPrice(db)
    .where({ application_id: applicationId })
    .orderBy('meter.id')
    .limit(page.limit)
    .offset(page.offset)) as Row[]
  return { items: rows.map(mapMeter), total: integer(count) }
}

/** A meter as a charge needs it: with its present price and, by environment, the account that its money goes to. */
export interface ChargeableMeter extends Meter {
  payableIds: Map<Environment, string>
}

export async function findChargeableMeters(db: Db, ids: string[]): Promise<Map<string, ChargeableMeter>> {
  const rows = (await withPrice(db)
    .join('stoa_ledger_accounts as account', {
      'account.owner_id': 'meter.application_id',
      'account.currency': 'price.currency',
    })
    .where({ 'account.owner_type': 'application', 'account.kind': 'app_payable' })
    .whereIn('meter.id', ids)
    .select('account.id as payable_id', 'account.environment as payable_environment')) as Row[]
  const found = new Map<string, ChargeableMeter>()
  for (const row of rows) {
    const meter = found.get(text(row.id)) ?? { ...mapMeter(row), payableIds: new Map() }
    meter.payableIds.set(row.payable_environment as Environment, text(row.payable_id))
    found.set(meter.id, meter)
  }
  return found
}

// The meter names the version of its price, so that the present one is found without looking for the highest.
function withPrice(db: Db) {
  return db(`${meters} as meter`)
    .join(`${prices} as price`, { 'price.meter_id': 'meter.id', 'price.version': 'meter.price_version' })
    .select(
      'meter.*',
      'price.id as price_id',
      'price.currency',
      'price.unit_price',
      'price.min_price',
      'price.max_price',
    )
}

function changingColumns(meter: Meter) {
  return {
    name: meter.name,
    unit: meter.unit,
    status: meter.status,
    price_version: meter.price.version,
    updated_time: meter.updatedTime,
  }
}

function mapMeter(row: Row): Meter {
  const amount = (value: unknown) => (value === null ? null : money(value))
  return {
    id: text(row.id),
    applicationId: text(row.application_id),
    publisherId: text(row.publisher_id),
    name: text(row.name),
    unit: text(row.unit),
    priceType: row.price_type as PriceType,
    status: row.status as MeterStatus,
    price: {
      id: text(row.price_id),
      version: integer(row.price_version),
      currency: text(row.currency),
      unitPrice: amount(row.unit_price),
      minPrice: amount(row.min_price),
      maxPrice: amount(row.max_price),
    },
    createdTime: iso(row.created_time),
    updatedTime: iso(row.updated_time),
  }
}

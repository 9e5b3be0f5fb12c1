import {
  integer,
  iso,
  json,
  maybeText,
  money,
  text,
  toJson,
  type Db,
  type Dialect,
  type Row,
} from '../../database/index.ts'
import type { Page, Paged } from '../../http/index.ts'
import type { Micros } from '../../kernel/index.ts'
import type { Meter, MeterStatus } from './meters.ts'
import type { Price, PriceType, Tier } from './price.ts'

const meters = 'stoa_meters'
const prices = 'stoa_prices'

export async function insertMeter(db: Db, meter: Meter): Promise<void> {
  await db(meters).insert({
    id: meter.id,
    application_id: meter.applicationId,
    publisher_id: meter.publisherId,
    product_type: meter.productType,
    product_id: meter.productId,
    direction: meter.direction,
    price_type: meter.price.type,
    currency: meter.price.currency,
    created_time: meter.createdTime,
    ...changingColumns(meter),
  })
}

export async function updateMeter(db: Db, meter: Meter): Promise<void> {
  await db(meters).where({ id: meter.id }).update(changingColumns(meter))
}

/** A version with who decided it, and when. */
export interface PriceVersion extends Price {
  /** `<kind of caller>:<id>` */
  actor: string
  createdTime: string
}

export async function insertPrice(db: Db, meterId: string, price: PriceVersion): Promise<void> {
  const tiers = price.tiers?.map(({ upTo, unitPrice }) => [upTo === null ? null : String(upTo), String(unitPrice)])
  await db(prices).insert({
    id: price.id,
    meter_id: meterId,
    version: price.version,
    currency: price.currency,
    unit_price: price.unitPrice,
    min_price: price.minPrice,
    max_price: price.maxPrice,
    rate_bps: price.rateBps,
    package_size: price.packageSize,
    tiers: tiers ? toJson(tiers) : null,
    free_units: price.freeUnits,
    daily_limit: price.dailyLimit,
    cycle_limit: price.cycleLimit,
    effective_time: price.effectiveTime,
    actor: price.actor,
    created_time: price.createdTime,
  })
}

type At = { applicationId: string; meterId: string }

/** Nobody else changes the meter before the transaction ends, so that versions of its price follow each other. */
export async function lockMeter(db: Db, dialect: Dialect, { applicationId, meterId }: At): Promise<void> {
  if (dialect.rowLocks) await db(meters).where({ id: meterId, application_id: applicationId }).forUpdate().select('id')
}

/** With the price in force at `now`. */
export async function findMeter(db: Db, { applicationId, meterId }: At, now: string): Promise<Meter | null> {
  const row = (await withPrice(db, now).where({ 'meter.id': meterId, application_id: applicationId }).first()) as
    Row | undefined
  return row ? mapMeter(row) : null
}

/** By id, with the price in force at `now`. */
export async function findMeters(db: Db, ids: string[], now: string): Promise<Map<string, Meter>> {
  const rows = (await withPrice(db, now).whereIn('meter.id', ids)) as Row[]
  return new Map(rows.map(mapMeter).map((meter) => [meter.id, meter]))
}

export async function listMeters(db: Db, applicationId: string, page: Page, now: string): Promise<Paged<Meter>> {
  const [{ count } = { count: 0 }] = (await db(meters)
    .where({ application_id: applicationId })
    .count({ count: '*' })) as Row[]
  const rows = (await withPrice(db, now)
    .where({ application_id: applicationId })
    .orderBy('meter.id')
    .limit(page.limit)
    .offset(page.offset)) as Row[]
  return { items: rows.map(mapMeter), total: integer(count) }
}

/** In which currencies the application asks for money. */
export async function findCurrencies(db: Db, applicationId: string): Promise<string[]> {
  const found = db(meters).where({ application_id: applicationId }).whereNot({ status: 'inactive' })
  return ((await found.distinct('currency').orderBy('currency')) as Row[]).map((row) => text(row.currency))
}

/** All that the meter has had and will have, the latest decision first. */
export async function listPrices(db: Db, meter: Pick<Meter, 'id' | 'price'>, page: Page): Promise<Paged<PriceVersion>> {
  const [{ count } = { count: 0 }] = (await db(prices).where({ meter_id: meter.id }).count({ count: '*' })) as Row[]
  const rows = (await db(prices)
    .where({ meter_id: meter.id })
    .orderBy('version', 'desc')
    .limit(page.limit)
    .offset(page.offset)) as Row[]
  const items = rows.map((row) => ({
    ...mapPrice({ ...row, price_type: meter.price.type }),
    actor: text(row.actor),
    createdTime: iso(row.created_time),
  }))
  return { items, total: integer(count) }
}

/** When each version came or comes into force; all of them, by version. */
export async function listEffectiveTimes(db: Db, meterId: string): Promise<{ version: number; time: string }[]> {
  const rows = (await db(prices)
    .where({ meter_id: meterId })
    .orderBy('version')
    .select('version', 'effective_time')) as Row[]
  return rows.map((row) => ({ version: integer(row.version), time: iso(row.effective_time) }))
}

/**
 * How many prices are planned before `before` that no later decision takes the place of. `inForce` is the version that holds at `now`;
 * those below it never come.
 */
export async function countPlanned(
  db: Db,
  meterId: string,
  { inForce, now, before }: { inForce: number; now: string; before: string },
): Promise<number> {
  const rows = (await db(prices)
    .where({ meter_id: meterId })
    .where('version', '>', inForce)
    .where('effective_time', '>', now)
    .where('effective_time', '<', before)
    .orderBy('version', 'desc')
    .select('effective_time')) as Row[]
  let next = before
  let count = 0
  for (const time of rows.map((row) => iso(row.effective_time))) {
    if (time >= next) continue
    next = time
    count++
  }
  return count
}

/** The latest decision, also when its time has not come. */
export async function lastPrice(db: Db, meter: Pick<Meter, 'id' | 'price'>): Promise<Price> {
  const row = (await db(prices).where({ meter_id: meter.id }).orderBy('version', 'desc').first()) as Row
  return mapPrice({ ...row, price_type: meter.price.type })
}

/** What is in force at a time, as far as is decided now; null before there was any. */
export async function findPriceAt(db: Db, meter: Pick<Meter, 'id' | 'price'>, time: string): Promise<Price | null> {
  const row = (await db(prices)
    .where({ meter_id: meter.id })
    .where('effective_time', '<=', time)
    .orderBy('version', 'desc')
    .first()) as Row | undefined
  return row ? mapPrice({ ...row, price_type: meter.price.type }) : null
}

// The highest version whose time has come: a decision of later takes the place of one that was planned before.
function withPrice(db: Db, now: string) {
  const inForce = db(`${prices} as other`)
    .max('other.version')
    .whereRaw('other.meter_id = meter.id')
    .where('other.effective_time', '<=', now)
  return db(`${meters} as meter`)
    .join(`${prices} as price`, 'price.meter_id', 'meter.id')
    .where('price.version', inForce)
    .select('meter.*', ...priceColumns.map((column) => `price.${column}`), 'price.id as price_id', 'price.version')
}

const priceColumns = [
  'unit_price',
  'min_price',
  'max_price',
  'rate_bps',
  'package_size',
  'tiers',
  'free_units',
  'daily_limit',
  'cycle_limit',
  'effective_time',
]

function changingColumns(meter: Meter) {
  return {
    name: meter.name,
    unit: meter.unit,
    product_name: meter.productName,
    pricing_page_url: meter.pricingPageUrl,
    status: meter.status,
    updated_time: meter.updatedTime,
  }
}

function mapMeter(row: Row): Meter {
  return {
    id: text(row.id),
    applicationId: text(row.application_id),
    publisherId: text(row.publisher_id),
    name: text(row.name),
    unit: text(row.unit),
    productType: row.product_type as Meter['productType'],
    productId: maybeText(row.product_id),
    productName: maybeText(row.product_name),
    direction: row.direction as Meter['direction'],
    pricingPageUrl: maybeText(row.pricing_page_url),
    status: row.status as MeterStatus,
    price: mapPrice({ ...row, id: row.price_id }),
    createdTime: iso(row.created_time),
    updatedTime: iso(row.updated_time),
  }
}

function mapPrice(row: Row): Price {
  const amount = (value: unknown): Micros | null => (value === null ? null : money(value))
  const tiers = row.tiers === null ? null : json<[string | null, string][]>(row.tiers)
  return {
    id: text(row.id),
    version: integer(row.version),
    type: row.price_type as PriceType,
    currency: text(row.currency),
    unitPrice: amount(row.unit_price),
    minPrice: amount(row.min_price),
    maxPrice: amount(row.max_price),
    rateBps: row.rate_bps === null ? null : integer(row.rate_bps),
    packageSize: amount(row.package_size),
    tiers: tiers?.map(([upTo, unitPrice]): Tier => ({ upTo: amount(upTo), unitPrice: money(unitPrice) })) ?? null,
    freeUnits: money(row.free_units),
    dailyLimit: amount(row.daily_limit),
    cycleLimit: amount(row.cycle_limit),
    effectiveTime: iso(row.effective_time),
  }
}

import { isDeepStrictEqual } from 'node:util'
import type { Application } from '../../applications/index.ts'
import type { Environment } from '../../context.ts'
import type { Db } from '../../database/index.ts'
import { invalidField, newId, nowIso, shiftTime, StoaError, utcTime, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { checkCurrency } from '../currency.ts'
import { announcePrice } from './meter-events.ts'
import {
  countPlanned,
  findMeter,
  findPriceAt,
  insertMeter,
  insertPrice,
  lastPrice,
  lockMeter,
  updateMeter,
  type PriceVersion,
} from './meter-store.ts'
import type { Price, PriceType } from './price.ts'
import { checkProduct, type Product } from './product.ts'
import { priceMembers, readPrice, writePrice, type PriceInput, type PriceTerms } from './read-price.ts'

/** A `test` meter takes charges in the sandbox only, until it becomes active. */
export const meterStatuses = ['active', 'test', 'inactive'] as const
export type MeterStatus = (typeof meterStatuses)[number]

/** What an application counts and charges for. */
export interface Meter extends Product {
  id: string
  applicationId: string
  publisherId: string
  name: string
  unit: string
  status: MeterStatus
  /** In force now. */
  price: Price
  createdTime: string
  updatedTime: string
}

/** Throws `meter_inactive`, also for a test meter in production. */
export function assertChargeable({ status }: Meter, environment: Environment): void {
  if (status === 'active' || (status === 'test' && environment === 'sandbox')) return
  const message = 'It is a test meter, which takes charges in the sandbox only.'
  throw new StoaError('meter_inactive', status === 'test' ? { message } : undefined)
}

export interface NewMeter extends PriceInput, Partial<Product> {
  name: string
  /** What one unit is called: message, execution, page. */
  unit: string
  priceType: PriceType
  /** ISO 4217; by default the host's. */
  currency?: string
  status?: MeterStatus
}

export interface MeterChanges extends Partial<NewMeter> {
  /** From when the price holds; null for now. */
  effectiveTime?: string | null
}

const yearMilliseconds = 366 * 86_400_000

/** Of one meter: a price for each month of the year that can be planned, and some more. */
const mostPlanned = 20

/**
 * Makes a meter with its first price, in force at once. Throws `validation_failed` with the field's path; the rules are those of
 * HighLevel's manifests (see read-price.ts and product.ts), prices go up to `wallet.highestPrice`.
 */
export async function createMeter(
  ctx: WalletContext,
  db: Db,
  application: Pick<Application, 'id' | 'publisherId'>,
  input: NewMeter,
  actor: string,
): Promise<Meter> {
  const now = nowIso(ctx.clock)
  const currency = input.currency ?? ctx.config.currency
  checkCurrency('currency', currency)
  const product: Product = {
    productType: input.productType ?? 'custom',
    productId: input.productId ?? null,
    productName: input.productName ?? null,
    direction: input.direction ?? null,
    pricingPageUrl: input.pricingPageUrl ?? null,
  }
  checkProduct(product, input.priceType)
  const terms = readPrice(input.priceType, input, highestPrice(ctx))
  const meter: Meter = {
    ...product,
    id: newId('mtr'),
    applicationId: application.id,
    publisherId: application.publisherId,
    name: input.name,
    unit: input.unit,
    status: input.status ?? 'active',
    price: { ...terms, id: newId('prc'), version: 1, type: input.priceType, currency, effectiveTime: now },
    createdTime: now,
    updatedTime: now,
  }
  await insertMeter(db, meter)
  await insertPrice(db, meter.id, { ...meter.price, actor, createdTime: now })
  return meter
}

/**
 * Changes what can be changed of a meter; what cannot may be sent as it is. A price that differs becomes a new version, in force
 * from `effectiveTime` on, which takes the place of what was planned for later. Throws `not_found`; `validation_failed` with the
 * field's path; `limit_reached` beyond 20 prices that are planned.
 */
export async function changeMeter(
  ctx: WalletContext,
  db: Db,
  at: { applicationId: string; meterId: string },
  changes: MeterChanges,
  actor: string,
): Promise<Meter> {
  await lockMeter(db, ctx.dialect, at)
  const now = nowIso(ctx.clock)
  const meter = await findMeter(db, at, now)
  if (!meter) throw new StoaError('not_found')
  refuseImmutable(meter, changes)
  const product: Product = {
    productType: meter.productType,
    productId: meter.productId,
    direction: meter.direction,
    productName: changes.productName === undefined ? meter.productName : changes.productName,
    pricingPageUrl: changes.pricingPageUrl === undefined ? meter.pricingPageUrl : changes.pricingPageUrl,
  }
  checkProduct(product, meter.price.type)
  const decided = await decidePrice(ctx, db, meter, changes, { now, actor })
  const changed: Meter = {
    ...meter,
    ...product,
    name: changes.name ?? meter.name,
    unit: changes.unit ?? meter.unit,
    status: changes.status ?? meter.status,
    price: decided && decided.price.effectiveTime <= now ? withoutOrigin(decided.price) : meter.price,
    updatedTime: now,
  }
  await updateMeter(db, changed)
  if (decided) {
    await insertPrice(db, meter.id, decided.price)
    await announcePrice(ctx, db, changed, { from: decided.before, to: decided.price })
  }
  return changed
}

function refuseImmutable(meter: Meter, changes: MeterChanges): void {
  const { productType, productId, direction, price } = meter
  const fixed = { productType, productId, direction, priceType: price.type, currency: price.currency }
  for (const [field, present] of Object.entries(fixed)) {
    const wanted = changes[field as keyof typeof fixed]
    if (wanted !== undefined && wanted !== present) throw invalidField(field, 'cannot be changed; make a new meter')
  }
  if (changes.status === 'test' && meter.status !== 'test') {
    throw invalidField('status', 'cannot become test: charges of production may have been made; make a new meter')
  }
}

/**
 * The version that the changes ask for, and the price that it takes the place of; null when they ask for none: without a price, or
 * with the one that would be in force anyway. With an effectiveTime that one is a decision too when another is planned after it.
 */
async function decidePrice(
  ctx: WalletContext,
  db: Db,
  meter: Meter,
  changes: MeterChanges,
  { now, actor }: { now: string; actor: string },
): Promise<{ price: PriceVersion; before: Price } | null> {
  const isPriced = priceMembers.some((member) => changes[member] !== undefined)
  if (!isPriced) {
    if (changes.effectiveTime === undefined) return null
    throw invalidField('effectiveTime', 'belongs to a price; send the price too')
  }
  const effectiveTime = readEffectiveTime(changes.effectiveTime ?? null, now)
  const before = effectiveTime === now ? meter.price : (await findPriceAt(db, meter, effectiveTime))!
  const terms = readPrice(before.type, { ...writePrice(termsOf(before)), ...given(changes) }, highestPrice(ctx))
  const last = await lastPrice(db, meter)
  const isDecision = changes.effectiveTime !== undefined && last.version !== before.version
  if (isDeepStrictEqual(terms, termsOf(before)) && !isDecision) return null
  await assertRoomToPlan(db, meter, { now, effectiveTime })
  const { type, currency } = before
  const version = last.version + 1
  return {
    before,
    price: { ...terms, id: newId('prc'), version, type, currency, effectiveTime, actor, createdTime: now },
  }
}

/** What was planned for later does not count: the new price takes its place. */
async function assertRoomToPlan(
  db: Db,
  { id, price }: Meter,
  { now, effectiveTime }: { now: string; effectiveTime: string },
): Promise<void> {
  const planned = await countPlanned(db, id, { inForce: price.version, now, before: effectiveTime })
  if (planned < mostPlanned) return
  throw new StoaError('limit_reached', {
    message: `A meter has at most ${mostPlanned} prices planned. A price for an earlier time takes the place of all that are planned after it; plan anew from there.`,
    details: { limit: mostPlanned },
  })
}

function readEffectiveTime(given: string | null, now: string): string {
  if (given === null) return now
  const time = utcTime('effectiveTime', given)
  if (time < now) throw invalidField('effectiveTime', 'must not lie in the past; null is now')
  if (time > shiftTime(now, yearMilliseconds)) throw invalidField('effectiveTime', 'may lie a year ahead at most')
  return time
}

const given = (changes: MeterChanges): PriceInput =>
  Object.fromEntries(priceMembers.flatMap((name) => (changes[name] === undefined ? [] : [[name, changes[name]]])))

function termsOf(price: Price): PriceTerms {
  const { unitPrice, minPrice, maxPrice, rateBps, packageSize, tiers, freeUnits, dailyLimit, cycleLimit } = price
  return { unitPrice, minPrice, maxPrice, rateBps, packageSize, tiers, freeUnits, dailyLimit, cycleLimit }
}

function withoutOrigin({ actor: _actor, createdTime: _createdTime, ...price }: PriceVersion): Price {
  return price
}

const highestPrice = ({ config }: WalletContext): Micros => BigInt(config.wallet.highestPrice) * 1_000_000n

import type { Application } from '../../applications/index.ts'
import type { Environment } from '../../context.ts'
import type { Db } from '../../database/index.ts'
import { invalidField, microsText, newId, nowIso, StoaError, toMicros, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { findMeter, insertMeter, insertPrice, lastPriceVersion, lockMeter, updateMeter } from './meter-store.ts'
import type { Price, PriceType } from './price.ts'

/** A `test` meter takes charges in the sandbox only. */
export const meterStatuses = ['active', 'test', 'inactive'] as const
export type MeterStatus = (typeof meterStatuses)[number]

/** HighLevel's kinds of what is metered. */
export const productTypes = ['custom', 'conversation_provider', 'workflow_action', 'workflow_trigger'] as const

/** What an application counts and charges for. */
export interface Meter {
  id: string
  applicationId: string
  publisherId: string
  name: string
  unit: string
  productType: (typeof productTypes)[number]
  productId: string | null
  productName: string | null
  /** Of conversation providers. */
  direction: 'inbound' | 'outbound' | null
  /** Where people read what a dynamic price comes to. */
  pricingPageUrl: string | null
  status: MeterStatus
  /** In force now. */
  price: Price
  createdTime: string
  updatedTime: string
}

/** Throws `meter_inactive`, also for a test meter in production. */
export function assertChargeable({ status }: Meter, environment: Environment): void {
  if (status === 'active' || (status === 'test' && environment === 'sandbox')) return
  throw new StoaError('meter_inactive')
}

type Amount = number | string | null

export interface NewMeter {
  name: string
  /** What one unit is called: message, execution, page. */
  unit: string
  priceType: PriceType
  price?: Amount
  minPrice?: Amount
  maxPrice?: Amount
}

export type MeterChanges = Partial<NewMeter & { status: MeterStatus }>

const plain = { rateBps: null, packageSize: null, tiers: null, freeUnits: 0n, dailyLimit: null, cycleLimit: null }
const highestPrice: Micros = 200n * 1_000_000n

/**
 * Makes a meter with its first price. Throws `validation_failed` with the field: prices have at most 6 decimals and lie
 * between 0 and 200; a fixed meter has `price`, a dynamic one `minPrice` below `maxPrice`. Rules of HighLevel's manifests.
 */
export async function createMeter(
  ctx: WalletContext,
  db: Db,
  application: Pick<Application, 'id' | 'publisherId'>,
  input: NewMeter,
  actor: string,
): Promise<Meter> {
  const now = nowIso(ctx.clock)
  const { currency } = ctx.config
  const meter: Meter = {
    id: newId('mtr'),
    applicationId: application.id,
    publisherId: application.publisherId,
    name: input.name,
    unit: input.unit,
    productType: 'custom',
    productId: null,
    productName: null,
    direction: null,
    pricingPageUrl: null,
    status: 'active',
    price: {
      ...plain,
      id: newId('prc'),
      version: 1,
      type: input.priceType,
      currency,
      effectiveTime: now,
      ...readPrice(input.priceType, input),
    },
    createdTime: now,
    updatedTime: now,
  }
  await insertMeter(db, meter)
  await insertPrice(db, meter.id, meter.price, { actor, now })
  return meter
}

/** Renames, deactivates, reactivates; a price that differs becomes a new version, for charges booked from now on. */
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
  if (changes.priceType !== undefined && changes.priceType !== meter.price.type) {
    throw invalidField('priceType', 'cannot be changed; make a new meter')
  }
  const price = changedPrice(meter, changes, { version: (await lastPriceVersion(db, meter.id)) + 1, now })
  const changed: Meter = {
    ...meter,
    name: changes.name ?? meter.name,
    unit: changes.unit ?? meter.unit,
    status: changes.status ?? meter.status,
    price: price ?? meter.price,
    updatedTime: now,
  }
  if (price) await insertPrice(db, meter.id, price, { actor, now })
  await updateMeter(db, changed)
  return changed
}

function changedPrice(
  { price }: Meter,
  changes: MeterChanges,
  { version, now }: { version: number; now: string },
): Price | null {
  const { price: unitPrice, minPrice, maxPrice } = changes
  if (unitPrice === undefined && minPrice === undefined && maxPrice === undefined) return null
  const known = (micros: Micros | null) => (micros === null ? null : microsText(micros))
  const read = readPrice(price.type, {
    price: unitPrice === undefined ? known(price.unitPrice) : unitPrice,
    minPrice: minPrice === undefined ? known(price.minPrice) : minPrice,
    maxPrice: maxPrice === undefined ? known(price.maxPrice) : maxPrice,
  })
  const same =
    read.unitPrice === price.unitPrice && read.minPrice === price.minPrice && read.maxPrice === price.maxPrice
  return same ? null : { ...price, id: newId('prc'), version, effectiveTime: now, ...read }
}

function readPrice(type: PriceType, given: Pick<NewMeter, 'price' | 'minPrice' | 'maxPrice'>) {
  if (type === 'fixed') {
    refuseAmount('minPrice', given.minPrice, 'belongs to dynamic meters')
    refuseAmount('maxPrice', given.maxPrice, 'belongs to dynamic meters')
    return { unitPrice: readAmount('price', given.price), minPrice: null, maxPrice: null }
  }
  refuseAmount('price', given.price, 'belongs to fixed meters; a dynamic one gets its price with each charge')
  const minPrice = readAmount('minPrice', given.minPrice)
  const maxPrice = readAmount('maxPrice', given.maxPrice)
  if (minPrice >= maxPrice) throw invalidField('minPrice', 'must be below maxPrice')
  return { unitPrice: null, minPrice, maxPrice }
}

function readAmount(field: string, given: Amount | undefined): Micros {
  if (given === undefined || given === null) throw invalidField(field, 'is required')
  const micros = toMicros(given)
  if (micros === null) throw invalidField(field, 'must be a decimal with at most 6 decimals')
  if (micros < 0n || micros > highestPrice)
    throw invalidField(field, `must lie between 0 and ${microsText(highestPrice)}`)
  return micros
}

function refuseAmount(field: string, given: Amount | undefined, why: string): void {
  if (given !== undefined && given !== null) throw invalidField(field, why)
}

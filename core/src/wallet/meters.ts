import type { Application } from '../applications/index.ts'
import { environments } from '../context.ts'
import type { Db } from '../database/index.ts'
import { invalidField, microsText, newId, nowIso, StoaError, toMicros, type Micros } from '../kernel/index.ts'
import type { WalletContext } from './context.ts'
import { ensureAccount } from './ledger-store.ts'
import { findMeter, insertMeter, insertPrice, lockMeter, updateMeter } from './meter-store.ts'

export const priceTypes = ['fixed', 'dynamic'] as const
export type PriceType = (typeof priceTypes)[number]
export const meterStatuses = ['active', 'inactive'] as const
export type MeterStatus = (typeof meterStatuses)[number]

/** Money per unit, in micro-units. A version of it never changes; a new price is a new version. */
export interface Price {
  id: string
  version: number
  currency: string
  /** Of a fixed meter; null for a dynamic one. */
  unitPrice: Micros | null
  /** Of a dynamic meter, both included; null for a fixed one. */
  minPrice: Micros | null
  maxPrice: Micros | null
}

/** What an application counts and charges for. */
export interface Meter {
  id: string
  applicationId: string
  publisherId: string
  name: string
  unit: string
  priceType: PriceType
  status: MeterStatus
  price: Price
  createdTime: string
  updatedTime: string
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
    priceType: input.priceType,
    status: 'active',
    price: { id: newId('prc'), version: 1, currency, ...readPrice(input.priceType, input) },
    createdTime: now,
    updatedTime: now,
  }
  // Made here so that a charge finds the account it credits with the meter's price, and never has to make one.
  for (const environment of environments) {
    await ensureAccount(
      db,
      {
        kind: 'app_payable',
        ownerType: 'application',
        ownerId: application.id,
        organizationId: application.publisherId,
        environment,
        currency,
      },
      now,
    )
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
  const meter = await findMeter(db, at)
  if (!meter) throw new StoaError('not_found')
  if (changes.priceType !== undefined && changes.priceType !== meter.priceType) {
    throw invalidField('priceType', 'cannot be changed; make a new meter')
  }
  const now = nowIso(ctx.clock)
  const price = changedPrice(meter, changes)
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

function changedPrice({ priceType, price }: Meter, changes: MeterChanges): Price | null {
  const { price: unitPrice, minPrice, maxPrice } = changes
  if (unitPrice === undefined && minPrice === undefined && maxPrice === undefined) return null
  const known = (micros: Micros | null) => (micros === null ? null : microsText(micros))
  const read = readPrice(priceType, {
    price: unitPrice === undefined ? known(price.unitPrice) : unitPrice,
    minPrice: minPrice === undefined ? known(price.minPrice) : minPrice,
    maxPrice: maxPrice === undefined ? known(price.maxPrice) : maxPrice,
  })
  const same =
    read.unitPrice === price.unitPrice && read.minPrice === price.minPrice && read.maxPrice === price.maxPrice
  return same ? null : { id: newId('prc'), version: price.version + 1, currency: price.currency, ...read }
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

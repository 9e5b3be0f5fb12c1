import { invalidField, microsText, toMicros, type Micros } from '../../kernel/index.ts'
import type { Price, PriceType, Tier } from './price.ts'

export type Amount = number | string | null

/** A tier as it is written: `from` may be left out, and is then where the tier before it ends. */
export interface TierInput {
  from?: Amount
  /** Null for the last tier, which is open. */
  upTo: Amount
  price: Amount
}

/** What a price is made of, as it is written. */
export interface PriceInput {
  price?: Amount
  minPrice?: Amount
  maxPrice?: Amount
  rateBps?: number | null
  packageSize?: Amount
  tiers?: TierInput[] | null
  freeUnits?: Amount
  dailyLimit?: Amount
  cycleLimit?: Amount
}

export const priceMembers = [
  'price',
  'minPrice',
  'maxPrice',
  'rateBps',
  'packageSize',
  'tiers',
  'freeUnits',
  'dailyLimit',
  'cycleLimit',
] as const satisfies (keyof PriceInput)[]

/** What a price says, without which version it is and from when it holds. */
export type PriceTerms = Omit<Price, 'id' | 'version' | 'type' | 'currency' | 'effectiveTime'>

type Member = (typeof priceMembers)[number]
type Use = 'required' | 'optional'

const always = { freeUnits: 'optional', dailyLimit: 'optional', cycleLimit: 'optional' } as const
const models: Record<PriceType, Partial<Record<Member, Use>>> = {
  fixed: { ...always, price: 'required' },
  dynamic: { ...always, minPrice: 'required', maxPrice: 'required', price: 'optional' },
  package: { ...always, price: 'required', packageSize: 'required' },
  graduated: { ...always, tiers: 'required' },
  volume: { ...always, tiers: 'required' },
  percentage: { ...always, rateBps: 'required', minPrice: 'optional', maxPrice: 'optional' },
}

/**
 * Reads a price of a type. Throws `validation_failed` with the field's path for what is missing, for what belongs to another type,
 * for amounts that are no decimals of at most 6 decimals and 15 digits (exponents in text, NaN) or lie outside 0 to `highest`, for
 * bounds that are not in order, and for tiers that overlap, leave a gap or end. Minus zero is zero. The rules are those of
 * HighLevel's manifests, where limits of 0 are none.
 */
export function readPrice(type: PriceType, input: PriceInput, highest: Micros): PriceTerms {
  checkMembers(type, input)
  const price = (field: string, given: Amount | undefined) => readAmount(field, given, highest)
  const minPrice = price('minPrice', input.minPrice)
  const maxPrice = price('maxPrice', input.maxPrice)
  if (minPrice !== null && maxPrice !== null && minPrice >= maxPrice) {
    throw invalidField('minPrice', 'must be below maxPrice')
  }
  const unitPrice = price('price', input.price)
  if (type === 'dynamic' && unitPrice !== null && (unitPrice < minPrice! || unitPrice > maxPrice!)) {
    throw invalidField('price', 'must lie between minPrice and maxPrice')
  }
  return {
    unitPrice,
    minPrice,
    maxPrice,
    rateBps: readRate(input.rateBps ?? null),
    packageSize: readSize(input.packageSize),
    tiers: input.tiers ? readTiers(input.tiers, highest) : null,
    freeUnits: readAmount('freeUnits', input.freeUnits) ?? 0n,
    dailyLimit: readAmount('dailyLimit', input.dailyLimit) || null,
    cycleLimit: readAmount('cycleLimit', input.cycleLimit) || null,
  }
}

/** The other way round: what would be read as these terms. */
export function writePrice(terms: PriceTerms): Required<PriceInput> {
  const text = (micros: Micros | null) => (micros === null ? null : microsText(micros))
  return {
    price: text(terms.unitPrice),
    minPrice: text(terms.minPrice),
    maxPrice: text(terms.maxPrice),
    rateBps: terms.rateBps,
    packageSize: text(terms.packageSize),
    tiers: terms.tiers?.map(({ upTo, unitPrice }) => ({ upTo: text(upTo), price: text(unitPrice) })) ?? null,
    freeUnits: text(terms.freeUnits),
    dailyLimit: text(terms.dailyLimit),
    cycleLimit: text(terms.cycleLimit),
  }
}

function checkMembers(type: PriceType, input: PriceInput): void {
  for (const member of priceMembers) {
    const isGiven = input[member] !== undefined && input[member] !== null
    const use = models[type][member]
    if (use === 'required' && !isGiven) throw invalidField(member, `is required of ${type} meters`)
    if (use === undefined && isGiven) throw invalidField(member, `does not belong to ${type} meters`)
  }
}

function readAmount(field: string, given: Amount | undefined, highest?: Micros): Micros | null {
  if (given === undefined || given === null) return null
  const micros = toMicros(given)
  if (micros === null) {
    throw invalidField(field, 'must be a decimal with at most 6 decimals and 15 digits, without an exponent')
  }
  if (highest !== undefined && (micros < 0n || micros > highest)) {
    throw invalidField(field, `must lie between 0 and ${microsText(highest)}`)
  }
  if (micros < 0n) throw invalidField(field, 'must be 0 or more')
  return micros
}

function readRate(rateBps: number | null): number | null {
  if (rateBps !== null && (!Number.isInteger(rateBps) || rateBps < 1 || rateBps > 10_000)) {
    throw invalidField('rateBps', 'must be a whole number of hundredths of a percent, from 1 to 10000')
  }
  return rateBps
}

function readSize(given: Amount | undefined): Micros | null {
  const size = readAmount('packageSize', given)
  if (size === 0n) throw invalidField('packageSize', 'must be more than 0')
  return size
}

function readTiers(tiers: TierInput[], highest: Micros): Tier[] {
  if (tiers.length === 0) throw invalidField('tiers', 'must have at least one tier')
  let end: Micros | null = 0n
  return tiers.map((tier, index) => {
    const path = `tiers.${index}`
    if (end === null) throw invalidField(`tiers.${index - 1}.upTo`, 'can be open in the last tier only')
    const from: Micros = readAmount(`${path}.from`, tier.from) ?? end
    if (from < end) throw invalidField(`${path}.from`, `overlaps the tier before, which ends at ${microsText(end)}`)
    if (from > end) {
      const before = index === 0 ? 'the first tier begins at 0' : `the tier before ends at ${microsText(end)}`
      throw invalidField(`${path}.from`, `leaves a gap: ${before}`)
    }
    const upTo: Micros | null = readAmount(`${path}.upTo`, tier.upTo)
    if (upTo !== null && upTo <= from) throw invalidField(`${path}.upTo`, `must be more than ${microsText(from)}`)
    if (upTo !== null && index === tiers.length - 1) {
      throw invalidField(`${path}.upTo`, 'must be null: the last tier is open')
    }
    const unitPrice = readAmount(`${path}.price`, tier.price, highest)
    if (unitPrice === null) throw invalidField(`${path}.price`, 'is required')
    end = upTo
    return { upTo, unitPrice }
  })
}

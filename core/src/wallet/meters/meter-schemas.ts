import {
  Id,
  microsNumber,
  microsText,
  Nullable,
  OneOf,
  Strict,
  Time,
  Type,
  type Micros,
  type Static,
} from '../../kernel/index.ts'
import { Decimal, ExactText, StorableText } from '../exact.ts'
import type { PriceVersion } from './meter-store.ts'
import { meterStatuses, type Meter } from './meters.ts'
import { priceTypes, type Price } from './price.ts'
import { priceText } from './price-text.ts'
import { directions, productTypes } from './product.ts'

const numbers = {
  price: Nullable(Type.Number(), { description: 'Per unit or per package; the usual one of a dynamic meter.' }),
  minPrice: Nullable(Type.Number()),
  maxPrice: Nullable(Type.Number()),
  packageSize: Nullable(Type.Number()),
  freeUnits: Type.Number(),
  dailyLimit: Nullable(Type.Number()),
  cycleLimit: Nullable(Type.Number()),
}
const tier = <Amount extends typeof ExactText | ReturnType<typeof Type.Number>>(amount: Amount) =>
  Type.Array(
    Type.Object({ from: amount, upTo: Nullable(amount, { description: 'Null for the last one.' }), price: amount }),
  )

const terms = {
  ...numbers,
  rateBps: Nullable(Type.Integer(), { description: 'Hundredths of a percent, of percentage meters.' }),
  tiers: Nullable(tier(Type.Number())),
  exact: Type.Object({
    price: Nullable(ExactText),
    minPrice: Nullable(ExactText),
    maxPrice: Nullable(ExactText),
    packageSize: Nullable(ExactText),
    freeUnits: ExactText,
    dailyLimit: Nullable(ExactText),
    cycleLimit: Nullable(ExactText),
    tiers: Nullable(tier(ExactText)),
  }),
  currency: Type.String(),
  text: Type.String({ description: 'The price in words, as merchants read it.' }),
}

export const MeterShape = Type.Object({
  id: Id(),
  applicationId: Id(),
  name: Type.String(),
  unit: Type.String(),
  productType: OneOf(productTypes),
  productId: Nullable(Type.String()),
  productName: Nullable(Type.String()),
  direction: Nullable(OneOf(directions)),
  pricingPageUrl: Nullable(Type.String()),
  priceType: OneOf(priceTypes),
  ...terms,
  priceVersion: Type.Integer({
    description:
      'The version in force, counting the decisions about the price; each charge keeps the one it was made at.',
  }),
  effectiveTime: Time('Since when that price is in force.'),
  status: OneOf(meterStatuses),
  createdTime: Time(),
  updatedTime: Time(),
})

const states = ['planned', 'in-force', 'past', 'replaced'] as const

export const PriceVersionShape = Type.Object({
  version: Type.Integer(),
  state: OneOf(states, {
    description:
      'replaced: a later decision took its place before its time came. Past prices stay those of their charges.',
  }),
  ...terms,
  effectiveTime: Time('From when it is, or was, in force.'),
  endTime: Nullable(Time(), {
    description:
      'When another takes or took its place; null while none is planned to, and of what was replaced before it began.',
  }),
  actor: Type.String({ description: 'Who decided it: the kind of credential, or `user`, and an id.' }),
  createdTime: Time('When it was decided.'),
})

const Name = Type.String({ ...StorableText(100), minLength: 1, description: 'Shown to those who pay.' })
const Unit = Type.String({
  ...StorableText(19),
  minLength: 1,
  description: 'What one unit is called: message, execution, page.',
})
const Amount = Nullable(Decimal)
const described = (description: string) => Type.Optional(Nullable(Type.Union(Decimal.anyOf, { description })))
const Currency = Type.String({ pattern: '^[A-Z]{3}$' })

const prices = {
  price: described(
    'Per unit of a fixed meter, per package, or the usual one of a dynamic meter, for charges without a price. From 0 to `wallet.highestPrice` (200), with at most 6 decimals, as all prices.',
  ),
  minPrice: described('The least a unit costs: of dynamic meters, and if wanted of percentages.'),
  maxPrice: described('The most a unit costs: of dynamic meters, and if wanted of percentages.'),
  rateBps: Type.Optional(
    Nullable(Type.Integer({ minimum: 1, maximum: 10_000 }), {
      description: 'Of percentage meters: hundredths of a percent of the amount that comes with a charge as its price.',
    }),
  ),
  packageSize: described('Of package meters: the units in one. A package costs all of its price once it is begun.'),
  tiers: Type.Optional(
    Nullable(
      Type.Array(Strict({ from: Type.Optional(Amount), upTo: Amount, price: Decimal }), { minItems: 1, maxItems: 50 }),
      {
        description:
          'Of graduated and volume meters: each holds for the units of a month above the tier before it, up to and with `upTo`; null in the last. `from` may be left out; a given one must be where the tier before ends.',
      },
    ),
  ),
  freeUnits: described('Units of each calendar month (UTC) that cost nothing. Tiers and packages count from there.'),
  dailyLimit: described(
    'Most units that one installation can use in a day (UTC); 0 or null for no limit. HighLevel’s executionLimitPerCycle.',
  ),
  cycleLimit: described('Most units that one installation can use in a calendar month (UTC); 0 or null for no limit.'),
}
const product = {
  productName: Type.Optional(Nullable(StorableText(100, 'What the product is called where it is priced.'))),
  pricingPageUrl: Type.Optional(
    Nullable(StorableText(2048, 'Of dynamic meters: the https page on which people read what they come to.')),
  ),
}

export const CreateMeterBody = Strict({
  name: Name,
  unit: Unit,
  priceType: OneOf(priceTypes),
  productType: Type.Optional(OneOf(productTypes, { description: 'By default custom.' })),
  productId: Type.Optional(
    Nullable(StorableText(100, 'Your own id of the product; required for all but custom ones. Never changes.')),
  ),
  direction: Type.Optional(Nullable(OneOf(directions), { description: 'Of conversation providers. Never changes.' })),
  ...product,
  ...prices,
  currency: Type.Optional(Type.String({ ...Currency, description: 'ISO 4217; by default the host’s. Never changes.' })),
  status: Type.Optional(
    OneOf(meterStatuses, { description: 'By default active. A test meter takes charges in the sandbox only.' }),
  ),
})

const unchanged = { description: 'Cannot be changed; the present one is accepted.' }
export const UpdateMeterBody = Strict({
  name: Type.Optional(Name),
  unit: Type.Optional(Unit),
  priceType: Type.Optional(OneOf(priceTypes, unchanged)),
  productType: Type.Optional(OneOf(productTypes, unchanged)),
  productId: Type.Optional(Nullable(StorableText(100), unchanged)),
  direction: Type.Optional(Nullable(OneOf(directions), unchanged)),
  ...product,
  ...prices,
  currency: Type.Optional(Type.String({ ...Currency, ...unchanged })),
  status: Type.Optional(
    OneOf(meterStatuses, { description: 'A test meter can become active; none can become test again.' }),
  ),
  effectiveTime: Type.Optional(
    Nullable(Time(), {
      description:
        'From when the price holds, at most a year ahead; null is now, as when it is left out. What was planned for later is replaced; the price that is in force anyway, sent with a time, takes back what was planned.',
    }),
  ),
})

export function meterShape(meter: Meter): Static<typeof MeterShape> {
  const { id, applicationId, name, unit, productType, productId, productName, direction, pricingPageUrl } = meter
  const { status, createdTime, updatedTime, price } = meter
  return {
    id,
    applicationId,
    name,
    unit,
    productType,
    productId,
    productName,
    direction,
    pricingPageUrl,
    priceType: price.type,
    ...termsShape(price, unit),
    priceVersion: price.version,
    effectiveTime: price.effectiveTime,
    status,
    createdTime,
    updatedTime,
  }
}

/** `times`: of all versions of the meter, in their order. */
export function priceVersionShape(
  meter: Meter,
  price: PriceVersion,
  times: { version: number; time: string }[],
): Static<typeof PriceVersionShape> {
  const { version, effectiveTime, actor, createdTime } = price
  const next = times.filter((other) => other.version > version).map(({ time }) => time)
  const endTime = next.length === 0 ? null : next.reduce((first, time) => (time < first ? time : first))
  const state = stateOf(meter, price, endTime)
  return {
    version,
    state,
    ...termsShape(price, meter.unit),
    effectiveTime,
    // What never began has no end.
    endTime: state === 'replaced' ? null : endTime,
    actor,
    createdTime,
  }
}

function stateOf(meter: Meter, price: PriceVersion, endTime: string | null): (typeof states)[number] {
  const wasPlanned = price.createdTime < price.effectiveTime
  if (wasPlanned && endTime !== null && endTime <= price.effectiveTime) return 'replaced'
  if (price.version === meter.price.version) return 'in-force'
  return price.version > meter.price.version ? 'planned' : 'past'
}

function termsShape(price: Price, unit: string) {
  const of = <Value>(read: (micros: Micros) => Value) => {
    const maybe = (micros: Micros | null) => (micros === null ? null : read(micros))
    const { tiers } = price
    return {
      price: maybe(price.unitPrice),
      minPrice: maybe(price.minPrice),
      maxPrice: maybe(price.maxPrice),
      packageSize: maybe(price.packageSize),
      freeUnits: read(price.freeUnits),
      dailyLimit: maybe(price.dailyLimit),
      cycleLimit: maybe(price.cycleLimit),
      tiers:
        tiers?.map(({ upTo, unitPrice }, index) => ({
          from: read(tiers[index - 1]?.upTo ?? 0n),
          upTo: maybe(upTo),
          price: read(unitPrice),
        })) ?? null,
    }
  }
  return {
    ...of(microsNumber),
    rateBps: price.rateBps,
    exact: of(microsText),
    currency: price.currency,
    text: priceText(price, unit),
  }
}

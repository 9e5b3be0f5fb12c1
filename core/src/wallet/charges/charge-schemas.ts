import { Nullable, OneOf, Strict, Time, Type, type Static } from '../../kernel/index.ts'
import { amounts, ExactText, StorableText } from '../exact.ts'
import { paidPerUnit, type Charge } from './charge.ts'
import { mostCounted } from './charge-store.ts'

const Name = (description: string) => StorableText(255, description)

/**
 * HighLevel's RaiseChargeBodyDTO. Members nobody declared are refused: a misspelt `price` or `eventTime` must not become a
 * charge of something else. `null` stands for an absent optional. `units` and `price` take any number, because the
 * rule says more precisely than a schema what is wrong with one.
 */
export const ChargeBody = Strict({
  appId: Name('The application of the token.'),
  meterId: Name('A meter of the application.'),
  eventId: Name('Your own number of what you charge for. The same one is never charged twice.'),
  locationId: Name('The location of the token.'),
  companyId: Name('The organization the location belongs to.'),
  description: StorableText(1000, 'What it was for; shown on the statement.'),
  units: Type.Number({ description: 'More than 0, at most 6 decimals.' }),
  price: Type.Optional(Nullable(Type.Number({ description: 'Per unit; dynamic meters only.' }))),
  userId: Type.Optional(Nullable(Name('Your own number of the person who caused it.'))),
  eventTime: Type.Optional(
    Nullable(StorableText(64, 'ISO 8601, at most 35 days back and 5 minutes ahead; blank for the time of booking.')),
  ),
  currency: Type.Optional(
    Nullable(
      Type.String({ pattern: '^[A-Z]{3}$', description: 'When given, it must be the one the meter is priced in.' }),
    ),
  ),
})
export type ChargeBody = Static<typeof ChargeBody>

const amountsCharged = {
  amountCharged: Type.Number(),
  pricePerUnit: Type.Number(),
  units: Type.Number(),
  exact: Type.Object({ amountCharged: ExactText, pricePerUnit: ExactText, units: ExactText }),
}

export const ChargeCreated = Type.Object({
  success: Type.Literal(true),
  chargeId: Type.String(),
  ...amountsCharged,
  currency: Type.String(),
  refunded: Type.Boolean({
    description: 'True in the answer to a repeated request whose charge was given back meanwhile.',
  }),
  createdAt: Time(),
})

export const ChargeShape = Type.Object({
  refunded: Type.Boolean({ description: 'Whether the charge has been given back.' }),
  currency: Type.String(),
  appId: Type.String(),
  meterId: Type.String(),
  chargeId: Type.String({ description: 'A refund has the id of the charge it gives back.' }),
  entityType: OneOf(['location']),
  entityId: Type.String({ description: 'The location.' }),
  ...amountsCharged,
  transactionType: OneOf(['charge', 'refund']),
  meta: Type.Object({
    eventId: Type.String(),
    description: Type.String(),
    eventTime: Time(),
    userId: Type.Optional(Type.String()),
  }),
  createdAt: Time(),
  updatedAt: Time(),
})

export const ChargeList = Type.Object({
  charges: Type.Array(ChargeShape),
  count: Type.Integer({ description: 'As pagination.total. Deprecated.' }),
  pagination: Type.Object({
    total: Type.Integer({
      description: `How many there are; counted up to ${mostCounted}, which stands for that many or more.`,
    }),
    skip: Type.Integer(),
    limit: Type.Integer(),
  }),
})

/** The database reads what is skipped. */
export const mostSkipped = 100_000

// Clients send absent optionals as the text `undefined`, so numbers are read by the rule.
const Whole = (description: string) => Type.Unsafe<string | number>({ type: ['integer', 'string'], description })

export const ChargeListQuery = Type.Object({
  meterId: Type.Optional(Name('Only charges of this meter.')),
  eventId: Type.Optional(Name('Only the charge with this eventId, and its refund.')),
  userId: Type.Optional(Name('Only charges that named this user.')),
  startDate: Type.Optional(StorableText(64, 'Only what was booked at or after this ISO 8601 date or time (UTC).')),
  endDate: Type.Optional(StorableText(64, 'Only what was booked before this ISO 8601 date or time (UTC).')),
  skip: Type.Optional(Whole(`Records to skip, at most ${mostSkipped}; 0 by default. Further back, narrow the dates.`)),
  limit: Type.Optional(Whole('Most records to return, from 1 to 1000; 100 by default.')),
})

export const FundsQuery = Type.Object({
  amount: Type.Optional(StorableText(40, 'Whether this much is there.')),
  meterId: Type.Optional(Name('Whether `units` of this meter could be paid.')),
  units: Type.Optional(StorableText(40)),
  price: Type.Optional(StorableText(40, 'Per unit, for a dynamic meter.')),
})

export const Funds = Type.Object({
  hasFunds: Type.Boolean(),
  available: Type.Number(),
  required: Type.Optional(Type.Number({ description: 'When the question named an amount or a meter.' })),
  currency: Type.String(),
  reason: Type.Optional(
    OneOf(['insufficient_funds', 'wallet_suspended', 'cap_reached', 'usage_limit_reached'], {
      description: 'Why not.',
    }),
  ),
  exact: Type.Object({ available: ExactText, required: Type.Optional(ExactText) }),
})

export function chargeCreated(charge: Charge): Static<typeof ChargeCreated> {
  return {
    success: true,
    chargeId: charge.id,
    ...amountsOf(charge),
    currency: charge.currency,
    refunded: charge.isRefunded,
    createdAt: charge.createdTime,
  }
}

export function chargeShape(charge: Charge): Static<typeof ChargeShape> {
  const { eventId, description, eventTime, userId } = charge
  return {
    refunded: charge.isRefunded,
    currency: charge.currency,
    appId: charge.applicationId,
    meterId: charge.meterId,
    chargeId: charge.id,
    entityType: 'location',
    entityId: charge.locationId,
    ...amountsOf(charge),
    transactionType: charge.seq === 0 ? 'charge' : 'refund',
    meta: { eventId, description, eventTime, ...(userId !== null && { userId }) },
    createdAt: charge.createdTime,
    updatedAt: charge.refundedTime ?? charge.createdTime,
  }
}

function amountsOf(charge: Charge) {
  const { amount, units } = charge
  return amounts({ amountCharged: amount, pricePerUnit: paidPerUnit(charge), units })
}

import { Id, Nullable, OneOf, Strict, Time, Type, type Static } from '../../kernel/index.ts'
import { ChargeBody, ChargeCreated } from '../charges/charge-schemas.ts'
import { amounts, Decimal, ExactText, StorableText } from '../exact.ts'
import { holdStatuses, reservedBy, type Hold } from './hold.ts'

const { appId, meterId, locationId, companyId, description, units, price, userId, currency } = ChargeBody.properties
const place = { appId, locationId, companyId }

/** The longest that a hold lasts, in seconds. */
const longestHold = 86_400

export const HoldBody = Strict({
  ...place,
  meterId,
  eventId: StorableText(255, 'Your own number of the hold. The same one never reserves twice.'),
  description,
  units,
  price,
  userId,
  currency,
  amount: Type.Optional(
    Nullable(
      Type.Union(Decimal.anyOf, {
        description: 'Reserves this much, instead of what the units come to now; a number or decimal text.',
      }),
    ),
  ),
  expiresIn: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: longestHold,
      description: `Seconds until it is released by itself; 3600 by default, at most ${longestHold}.`,
    }),
  ),
})
export type HoldBody = Static<typeof HoldBody>

export const CaptureBody = Strict({
  ...place,
  eventId: ChargeBody.properties.eventId,
  description,
  units,
  price,
  userId,
  eventTime: ChargeBody.properties.eventTime,
  final: Type.Optional(
    Type.Boolean({ description: 'Whether what is left of the hold after it is released; true by default.' }),
  ),
  allowExcess: Type.Optional(
    Type.Boolean({ description: 'Whether what goes beyond the hold may be taken of the wallet; false by default.' }),
  ),
})
export type CaptureBody = Static<typeof CaptureBody>

export const HoldShape = Type.Object({
  holdId: Id(),
  status: OneOf(holdStatuses),
  appId: Id(),
  meterId: Id(),
  locationId: Id(),
  currency: Type.String(),
  amount: Type.Number({ description: 'What was reserved.' }),
  captured: Type.Number({ description: 'What was charged of it.' }),
  reserved: Type.Number({ description: 'What is reserved still.' }),
  exact: Type.Object({ amount: ExactText, captured: ExactText, reserved: ExactText }),
  meta: Type.Object({ eventId: Type.String(), description: Type.String(), userId: Type.Optional(Type.String()) }),
  expiresAt: Time(),
  createdAt: Time(),
  closedAt: Nullable(Time()),
})

export const HoldMade = Type.Object({ success: Type.Literal(true), ...HoldShape.properties })

export const Captured = Type.Object({ ...ChargeCreated.properties, hold: HoldShape })

export function holdShape(hold: Hold): Static<typeof HoldShape> {
  const { id, status, applicationId, meterId: meter, locationId: location, amount, captured, userId: user } = hold
  return {
    holdId: id,
    status,
    appId: applicationId,
    meterId: meter,
    locationId: location,
    currency: hold.currency,
    ...amounts({ amount, captured, reserved: reservedBy(hold) }),
    meta: { eventId: hold.eventId, description: hold.description, ...(user !== null && { userId: user }) },
    expiresAt: hold.expiresTime,
    createdAt: hold.createdTime,
    closedAt: hold.closedTime,
  }
}

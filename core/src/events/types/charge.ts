import { Id, Nullable, Time, Type } from '../../kernel/index.ts'
import { exampleIds, examplePlace, exampleTime, ownType, placeMembers, type OwnType } from './own-type.ts'

const Decimal = () => Type.String({ pattern: '^-?\\d+(\\.\\d+)?$', description: 'Decimal text.' })
const ChargeData = Type.Object({
  ...placeMembers,
  chargeId: Id(),
  locationId: Id('The location whose wallet it concerns.'),
  meterId: Id(),
  eventId: Type.String({ description: 'The application’s own id for what it charged.' }),
  userId: Nullable(Type.String()),
  units: Decimal(),
  pricePerUnit: Decimal(),
  amount: Decimal(),
  baseAmount: Type.Optional(
    Type.String({ description: 'What of the amount the application asks; the rest is the margin of who resells it.' }),
  ),
  currency: Type.String({ pattern: '^[A-Z]{3}$' }),
  eventTime: Time(),
})
const charge = {
  ...examplePlace,
  chargeId: 'chg_01a1ff50919a7ee88951eddf34997d14',
  meterId: 'mtr_01a1ff50919a7ee88951eddf34997d15',
  eventId: 'forecast-4711',
  userId: exampleIds.user,
  units: '3',
  pricePerUnit: '0.02',
  amount: '0.06',
  baseAmount: '0.06',
  currency: 'USD',
  eventTime: exampleTime,
}

const DeclinedData = Type.Object({
  ...placeMembers,
  locationId: Id(),
  meterId: Id(),
  eventId: Type.String({ description: 'The application’s own id for what it wanted to charge.' }),
  userId: Nullable(Type.String()),
  units: Decimal(),
  code: Type.String({ description: 'insufficient_funds, wallet_suspended, cap_reached or usage_limit_reached.' }),
  required: Nullable(Decimal(), {
    description: 'What the charge needs, in money, or in units for usage_limit_reached.',
  }),
  available: Nullable(Decimal(), { description: 'What the wallet has.' }),
  limit: Nullable(Decimal(), { description: 'Of the cap or the meter.' }),
  used: Nullable(Decimal(), { description: 'Under it in this period.' }),
})

const parts = {
  data: ChargeData,
  audience: ['publisher', 'organization'] as const,
  // With which an application reads its charges anyway.
  permission: 'charges:read',
}

export const chargeTypes = {
  'charge.created': ownType('charge.created', {
    ...parts,
    sentence: 'An application charged a wallet.',
    example: charge,
  }),
  'charge.refunded': ownType('charge.refunded', {
    ...parts,
    sentence: 'A charge of an application was given back.',
    example: charge,
  }),
  'charge.declined': ownType('charge.declined', {
    ...parts,
    data: DeclinedData,
    sentence: 'A charge was declined by the wallet, a cap or a limit; told once for each eventId and reason.',
    example: {
      ...examplePlace,
      meterId: charge.meterId,
      eventId: charge.eventId,
      userId: exampleIds.user,
      units: '3',
      code: 'insufficient_funds',
      required: '0.06',
      available: '0.01',
      limit: null,
      used: null,
    },
  }),
} satisfies Record<string, OwnType>

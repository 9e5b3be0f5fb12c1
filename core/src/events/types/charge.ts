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
  currency: 'USD',
  eventTime: exampleTime,
}

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
} satisfies Record<string, OwnType>

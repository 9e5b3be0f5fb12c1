import { Id, Nullable, OneOf, Time, Type } from '../../kernel/index.ts'
import { exampleIds, examplePlace, ownType, placeMembers, type OwnType } from './own-type.ts'

const Decimal = (description = 'Decimal text.') => Type.String({ pattern: '^-?\\d+(\\.\\d+)?$', description })

const HoldData = Type.Object({
  ...placeMembers,
  holdId: Id(),
  locationId: Id('The location it was made for.'),
  meterId: Id(),
  eventId: Type.String({ description: 'The application’s own id for what it reserved for.' }),
  userId: Nullable(Type.String()),
  amount: Decimal('What was reserved.'),
  captured: Decimal('What was charged of it.'),
  reserved: Decimal('What is reserved still.'),
  currency: Type.String({ pattern: '^[A-Z]{3}$' }),
  status: OneOf(['open', 'captured', 'released', 'expired']),
  expiresTime: Time(),
})
const example = {
  ...examplePlace,
  holdId: 'hld_01a1ff50919a7ee88951eddf34997d17',
  meterId: 'mtr_01a1ff50919a7ee88951eddf34997d15',
  eventId: 'forecast-4712',
  userId: exampleIds.user,
  amount: '5',
  captured: '0',
  reserved: '5',
  currency: 'USD',
  status: 'open',
  expiresTime: '2026-01-31T13:00:00.000Z',
}
const parts = {
  data: HoldData,
  audience: ['publisher', 'organization'] as const,
  permission: 'charges:read',
}

export const holdTypes = {
  'hold.created': ownType('hold.created', {
    ...parts,
    sentence: 'An application reserved money of a wallet.',
    example,
  }),
  'hold.captured': ownType('hold.captured', {
    ...parts,
    sentence: 'An application charged of what it had reserved.',
    example: { ...example, captured: '3', reserved: '2' },
  }),
  'hold.released': ownType('hold.released', {
    ...parts,
    sentence: 'An application let go of what it had reserved.',
    example: { ...example, reserved: '0', status: 'released' },
  }),
  'hold.expired': ownType('hold.expired', {
    ...parts,
    sentence: 'What an application had reserved was not charged in time, and is free again.',
    example: { ...example, reserved: '0', status: 'expired' },
  }),
} satisfies Record<string, OwnType>

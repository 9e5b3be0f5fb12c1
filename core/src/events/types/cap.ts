import { Id, Nullable, OneOf, Time, Type } from '../../kernel/index.ts'
import { examplePlace, exampleTime, ownType, placeMembers, type OwnType } from './own-type.ts'

const Decimal = (description: string) =>
  Type.String({ pattern: '^\\d+(\\.\\d+)?$', description: `${description} Decimal text.` })

const scope = {
  ...placeMembers,
  meterId: Nullable(Id(), { description: 'Null: all meters of the application together.' }),
  period: OneOf(['day', 'month'], { description: 'A calendar day or month, UTC.' }),
  currency: Type.String({ pattern: '^[A-Z]{3}$' }),
}
const place = { ...examplePlace, meterId: null, period: 'month', currency: 'USD' }

const ChangedData = Type.Object({
  ...scope,
  capId: Id(),
  cap: Nullable(Decimal('The most the application may cost in a period from now on.'), {
    description: 'Null when it was taken away.',
  }),
  previousCap: Nullable(Decimal('Before.'), { description: 'Null when there was none.' }),
})
const LevelData = (percents: string[]) =>
  Type.Object({
    ...scope,
    capId: Id(),
    percent: Type.Integer({ description: `How much of the cap is used: at least ${percents.join(' or ')} percent.` }),
    cap: Decimal('The most the application may cost in the period.'),
    used: Decimal('What it cost in it.'),
    resetsAt: Time('When counting starts anew.'),
  })
const RequestData = Type.Object({
  ...scope,
  requestId: Id(),
  amount: Decimal('The cap that is asked for.'),
  reason: Type.String({ description: 'The application’s.' }),
})
const DecidedData = Type.Object({
  ...RequestData.properties,
  status: OneOf(['approved', 'refused']),
  answer: Nullable(Type.String(), { description: 'What the merchant says to it.' }),
})

const capId = 'cap_01a1ff50919a7ee88951eddf34997d17'
const level = { ...place, capId, percent: 80, cap: '50', used: '41.5', resetsAt: exampleTime }
const request = {
  ...place,
  requestId: 'crq_01a1ff50919a7ee88951eddf34997d18',
  amount: '100',
  reason: 'The campaign of next week goes to twice as many people.',
}

const parts = {
  audience: ['publisher', 'organization'] as const,
  // With which an application reads its charges anyway.
  permission: 'charges:read',
}

export const capTypes = {
  'cap.changed': ownType('cap.changed', {
    ...parts,
    sentence: 'A merchant changed how much an application may cost in a period.',
    data: ChangedData,
    example: { ...place, capId, cap: '100', previousCap: '50' },
  }),
  'cap.approaching': ownType('cap.approaching', {
    ...parts,
    sentence: 'An application has used 80 or 90 percent of what it may cost in a period.',
    data: LevelData(['80', '90']),
    example: level,
  }),
  'cap.reached': ownType('cap.reached', {
    ...parts,
    sentence: 'An application has used all of what it may cost in a period.',
    data: LevelData(['100']),
    example: { ...level, percent: 100, used: '50' },
  }),
  'cap.requested': ownType('cap.requested', {
    ...parts,
    sentence: 'An application asks to be allowed to cost more in a period.',
    data: RequestData,
    example: request,
  }),
  'cap.request-decided': ownType('cap.request-decided', {
    ...parts,
    sentence: 'A merchant decided whether an application may cost more in a period.',
    data: DecidedData,
    example: { ...request, status: 'approved', answer: null },
  }),
} satisfies Record<string, OwnType>

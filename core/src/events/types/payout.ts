import { environments } from '../../context.ts'
import { Id, Nullable, OneOf, Type } from '../../kernel/index.ts'
import { exampleIds, ownType, type OwnType } from './own-type.ts'

const PayoutData = Type.Object({
  payoutId: Id(),
  organizationId: Id('The organization that gets the money.'),
  environment: OneOf(environments),
  currency: Type.String({ pattern: '^[A-Z]{3}$' }),
  amount: Type.String({ pattern: '^\\d+(\\.\\d+)?$', description: 'Decimal text.' }),
  status: OneOf(['created', 'paid', 'failed']),
  reference: Nullable(Type.String(), { description: 'The platform’s own number of the transfer.' }),
  failure: Nullable(Type.String(), { description: 'Why it failed.' }),
})
const payout = {
  payoutId: 'pay_01a1ff50919a7ee88951eddf34997d17',
  organizationId: exampleIds.organization,
  environment: 'production',
  currency: 'USD',
  amount: '1234.5',
  status: 'created',
  reference: null,
  failure: null,
}

const parts = { data: PayoutData, audience: ['organization'] as const }

export const payoutTypes = {
  'payout.created': ownType('payout.created', {
    ...parts,
    sentence: 'What the organization has earned is about to be transferred.',
    example: payout,
  }),
  'payout.paid': ownType('payout.paid', {
    ...parts,
    sentence: 'A payout was transferred.',
    example: { ...payout, status: 'paid', reference: 'SEPA 4711' },
  }),
  'payout.failed': ownType('payout.failed', {
    ...parts,
    sentence: 'A payout could not be transferred; the next one includes it.',
    example: { ...payout, status: 'failed', failure: 'The account is closed.' },
  }),
} satisfies Record<string, OwnType>

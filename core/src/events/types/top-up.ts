import { environments } from '../../context.ts'
import { Id, Nullable, OneOf, Time, Type } from '../../kernel/index.ts'
import { exampleIds, exampleTime, ownType, type OwnType } from './own-type.ts'

const Decimal = () => Type.String({ pattern: '^-?\\d+(\\.\\d+)?$', description: 'Decimal text.' })
const placeOfWallet = {
  walletId: Id(),
  organizationId: Id(),
  locationId: Nullable(Id('Null for the organization’s own wallet.')),
  environment: OneOf(environments),
  currency: Type.String({ pattern: '^[A-Z]{3}$' }),
}
const exampleWallet = {
  walletId: 'acc_01a1ff50919a7ee88951eddf34997d16',
  organizationId: exampleIds.organization,
  locationId: exampleIds.location,
  environment: 'production',
  currency: 'USD',
}

const TopUpData = Type.Object({
  ...placeOfWallet,
  topUpId: Id(),
  source: OneOf(['operator', 'manual', 'auto']),
  reference: Type.String(),
  amount: Decimal(),
  status: OneOf(['succeeded', 'failed']),
  failure: Nullable(Type.String(), { description: 'Why no money came.' }),
  createdTime: Time(),
})
const topUp = {
  ...exampleWallet,
  topUpId: 'top_01a1ff50919a7ee88951eddf34997d17',
  source: 'auto',
  reference: 'top_01a1ff50919a7ee88951eddf34997d17',
  amount: '50',
  status: 'succeeded',
  failure: null,
  createdTime: exampleTime,
}

const RuleData = Type.Object({
  ...placeOfWallet,
  threshold: Decimal(),
  failures: Type.Integer({ description: 'How many payments in a row were declined.' }),
  reason: Type.String({ description: 'Why it was switched off.' }),
})

const GrantData = Type.Object({
  ...placeOfWallet,
  grantId: Id(),
  kind: OneOf(['promotional', 'paid']),
  amount: Decimal(),
  remaining: Decimal(),
  priority: Type.Integer(),
  effectiveTime: Time(),
  expiresTime: Nullable(Time()),
  applicationId: Nullable(Id('When not null, it is for this application only.')),
  meterId: Nullable(Id('When not null, it is for this meter only.')),
  ended: Type.Optional(Decimal()),
})
const grant = {
  ...exampleWallet,
  grantId: 'grt_01a1ff50919a7ee88951eddf34997d18',
  kind: 'promotional',
  amount: '20',
  remaining: '20',
  priority: 50,
  effectiveTime: exampleTime,
  expiresTime: null,
  applicationId: null,
  meterId: null,
}

const audience = ['organization'] as const

export const topUpTypes = {
  'top-up.succeeded': ownType('top-up.succeeded', {
    audience,
    data: TopUpData,
    sentence: 'Money came into a wallet.',
    example: topUp,
  }),
  'top-up.failed': ownType('top-up.failed', {
    audience,
    data: TopUpData,
    sentence: 'A payment for a wallet was declined, or given up by the platform.',
    example: { ...topUp, status: 'failed', failure: 'card_declined: insufficient_funds' },
  }),
  'top-up-rule.disabled': ownType('top-up-rule.disabled', {
    audience,
    data: RuleData,
    sentence: 'A wallet is no longer topped up by itself, because payment after payment was declined.',
    example: { ...exampleWallet, threshold: '10', failures: 7, reason: 'card_declined: expired_card' },
  }),
  'grant.created': ownType('grant.created', {
    audience,
    data: GrantData,
    sentence: 'A wallet was granted money.',
    example: grant,
  }),
  'grant.expired': ownType('grant.expired', {
    audience,
    data: GrantData,
    sentence: 'What was left of a grant ended; `ended` says how much.',
    example: { ...grant, remaining: '0', ended: '7.5' },
  }),
} satisfies Record<string, OwnType>

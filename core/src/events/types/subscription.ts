import { Id, Nullable, OneOf, Time, Type } from '../../kernel/index.ts'
import { exampleIds, examplePlace, exampleTime, ownType, placeMembers, type OwnType } from './own-type.ts'

const SubscriptionData = Type.Object({
  ...placeMembers,
  subscriptionId: Id(),
  installationId: Id(),
  planId: Id(),
  status: OneOf(['trialing', 'active', 'past_due', 'unpaid', 'paused', 'ended']),
  periodStart: Time('Of the period that was paid, or that could not be.'),
  periodEnd: Nullable(Time(), { description: 'Null for what has no end: free, or paid once.' }),
  amount: Type.String({ pattern: '^-?\\d+(\\.\\d+)?$', description: 'Decimal text: what was paid, or is owed.' }),
  currency: Type.String({ pattern: '^[A-Z]{3}$' }),
  nextTime: Nullable(Time(), { description: 'When it is renewed, or tried again.' }),
})
const subscription = {
  ...examplePlace,
  subscriptionId: 'sub_01a1ff50919a7ee88951eddf34997d17',
  installationId: exampleIds.installation,
  planId: 'pln_01a1ff50919a7ee88951eddf34997d11',
  status: 'active',
  periodStart: exampleTime,
  periodEnd: '2026-02-28T12:00:00.000Z',
  amount: '29',
  currency: 'USD',
  nextTime: '2026-02-28T12:00:00.000Z',
}

const parts = { data: SubscriptionData, audience: ['publisher', 'organization'] as const }

export const subscriptionTypes = {
  'subscription.renewed': ownType('subscription.renewed', {
    ...parts,
    sentence: 'A period of a plan was paid: the first after a trial, or another.',
    example: subscription,
  }),
  'subscription.past-due': ownType('subscription.past-due', {
    ...parts,
    sentence: 'A wallet could not pay a period of a plan. After the last try the installation is disabled (`unpaid`).',
    example: { ...subscription, status: 'past_due', nextTime: '2026-02-01T12:00:00.000Z' },
  }),
  'subscription.ended': ownType('subscription.ended', {
    ...parts,
    sentence: 'A subscription is over: it was cancelled, or its installation was uninstalled.',
    example: { ...subscription, status: 'ended', amount: '0', nextTime: null },
  }),
} satisfies Record<string, OwnType>

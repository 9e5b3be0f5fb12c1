import { Id, Nullable, OneOf, Time, Type, type Static } from '../../kernel/index.ts'
import { subscriptionStatuses, type Subscription } from './subscription.ts'

export const SubscriptionShape = Type.Object({
  id: Id(),
  applicationId: Id(),
  planId: Id(),
  status: OneOf(subscriptionStatuses),
  periodStart: Time(),
  periodEnd: Nullable(Time(), { description: 'Null for what is free or paid once.' }),
  trialEnd: Nullable(Time()),
  endsWithPeriod: Type.Boolean({ description: 'Whether it was cancelled, and goes on until periodEnd.' }),
  nextTime: Nullable(Time(), { description: 'When it is renewed, tried again, or ends.' }),
  createdTime: Time(),
  updatedTime: Time(),
  endedTime: Nullable(Time()),
})

export function subscriptionShape(subscription: Subscription): Static<typeof SubscriptionShape> {
  const { id, applicationId, planId, status, periodStart, periodEnd, trialEnd, endsWithPeriod, nextTime } = subscription
  const { createdTime, updatedTime, endedTime } = subscription
  const times = { periodStart, periodEnd, trialEnd, endsWithPeriod, nextTime, createdTime, updatedTime, endedTime }
  return { id, applicationId, planId, status, ...times }
}

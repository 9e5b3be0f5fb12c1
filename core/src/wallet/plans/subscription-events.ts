import type { NewEvent } from '../../events/index.ts'
import { microsText, type Micros } from '../../kernel/index.ts'
import type { Subscription } from './subscription.ts'

type SubscriptionEvent = 'subscription.renewed' | 'subscription.past-due' | 'subscription.ended'

export function subscriptionEvent(
  type: SubscriptionEvent,
  subscription: Subscription,
  { amount, currency, now }: { amount: Micros; currency: string; now: string },
): NewEvent {
  const { place, data } = placeOf(subscription)
  const { id: subscriptionId, installationId, planId, status, periodStart, periodEnd, nextTime } = subscription
  const about = { subscriptionId, installationId, planId, status, periodStart, periodEnd, nextTime }
  return {
    type,
    ...place,
    payload: { type, timestamp: now, data: { ...data, ...about, amount: microsText(amount), currency } },
  }
}

export function planChangedEvent(
  subscription: Subscription,
  plans: { currentPlanId: string | null; newPlanId: string | null },
  { userId, now }: { userId: string | null; now: string },
): NewEvent {
  const type = 'installation.plan-changed'
  const { place, data } = placeOf(subscription)
  return { type, ...place, payload: { type, timestamp: now, data: { ...data, userId, ...plans } } }
}

function placeOf({ applicationId, publisherId, organizationId, locationId, environment }: Subscription) {
  return {
    place: { publisherId, applicationId, organizationId, locationId, environment },
    data: { applicationId, organizationId, locationId, environment },
  }
}

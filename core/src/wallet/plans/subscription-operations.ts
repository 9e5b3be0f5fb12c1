import { visibleApplication } from '../../applications/index.ts'
import type { Db } from '../../database/index.ts'
import { inTransaction } from '../../database/index.ts'
import { defineOperation, pagedReply, PageQuery, type Caller, type Operation } from '../../http/index.ts'
import { actorOf, assertDecidedHere, findInstallation, locateHistory, lockLocated } from '../../installations/index.ts'
import { Id, Nullable, OneOf, StoaError, Strict, Time, Type, type Static } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { amounts, ExactText } from '../exact.ts'
import { readRebilling, readSubscriptions, writeSubscriptions } from '../permissions.ts'
import { cancelPlan, changePlan } from './change-plan.ts'
import { paymentTimes } from './period-end-after.ts'
import { readPlanPrice } from './plan-price.ts'
import { findActivePlans } from './plan-store.ts'
import { paymentTypes, type Plan } from './plan.ts'
import { findLastSubscription, listItems } from './subscription-store.ts'
import { SubscriptionShape, subscriptionShape } from './subscription-shape.ts'
import { itemKinds, type Subscription, type SubscriptionItem } from './subscription.ts'

const OfferShape = Type.Object({
  id: Id('The planId to send.'),
  name: Type.String(),
  features: Type.Array(Type.String()),
  paymentType: OneOf(paymentTypes),
  paymentTime: OneOf(paymentTimes),
  amount: Type.Number({ description: 'What is paid here for each period.' }),
  exact: Type.Object({ amount: ExactText }),
  paidBy: OneOf(['organization', 'location']),
  currency: Type.String(),
  trialDays: Type.Integer({ description: 'Once for each installation.' }),
})

const ItemShape = Type.Object({
  id: Id(),
  subscriptionId: Id(),
  number: Type.Integer({ description: '1, 2, 3, … without gaps, of its subscription.' }),
  kind: OneOf(itemKinds),
  planId: Id(),
  amount: Type.Number({ description: 'What was paid; negative for what was given back.' }),
  baseAmount: Nullable(Type.Number(), {
    description:
      'Of it, what the application asks; the rest is the organization’s margin. Null for whoever may not see what it resells for.',
  }),
  exact: Type.Object({ amount: ExactText, baseAmount: Nullable(ExactText) }),
  currency: Type.String(),
  transactionId: Nullable(Id('In the statement of the wallet; null where nothing was paid.')),
  periodStart: Time(),
  periodEnd: Nullable(Time()),
  createdTime: Time(),
})

const ChangePlanBody = Strict({ planId: Id() })

const common = { surface: 'store', tag: 'Subscriptions', scope: 'target' } as const
const path = '/application-instances/:applicationId'
const params = Type.Object({ applicationId: Id() })

/** The merchant's side: which plans there are, and the one that an installation is on. */
export function subscriptionOperations(ctx: WalletContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'listApplicationPlans',
      method: 'GET',
      path: `${path}/plans`,
      summary: 'List the plans that an application can be installed with here',
      description: 'At most 6, in the author’s order, with what is paid by this organization or location.',
      permission: readSubscriptions,
      params,
      responses: { 200: Type.Array(OfferShape) },
      errors: ['not_found'],
      handler: async ({ caller, db, params: { applicationId } }) => {
        await visibleApplication(ctx, db, caller, applicationId)
        const plans = await findActivePlans(db, applicationId)
        return Promise.all(plans.map((plan) => offerShape(db, plan, caller)))
      },
    }),
    defineOperation({
      ...common,
      id: 'getSubscription',
      method: 'GET',
      path: `${path}/plan`,
      summary: 'See the plan that an installation is on, or was on last',
      description: 'What has ended says so in its `status`, also after the application was uninstalled.',
      permission: readSubscriptions,
      params,
      responses: { 200: SubscriptionShape },
      errors: ['not_found'],
      handler: async ({ caller, db, params: { applicationId } }) =>
        subscriptionShape(await lastSubscriptionOf(db, caller, applicationId)),
    }),
    defineOperation({
      ...common,
      id: 'changePlan',
      method: 'PUT',
      path: `${path}/plan`,
      summary: 'Put an installation on another plan',
      description:
        'At once. What was not used of the running period is given back. Of a plan that is paid as often, the rest of the period is paid; of any other, a period that begins now. A trial goes on to its end. The present plan takes a cancellation back.',
      permission: writeSubscriptions,
      params,
      body: ChangePlanBody,
      responses: { 200: SubscriptionShape },
      errors: ['not_found', 'plan_not_found', 'wrong_state', 'insufficient_funds', 'wallet_suspended'],
      handler: async ({ caller, db, params: { applicationId }, body: { planId } }) =>
        inTransaction(db, async (trx) => {
          const { installation } = await lockLocated(ctx, trx, caller, applicationId)
          assertDecidedHere(installation)
          const choice = { planId, actor: actorOf(caller), userId: caller.userId }
          return subscriptionShape(await changePlan(ctx, trx, installation, choice))
        }),
    }),
    defineOperation({
      ...common,
      id: 'cancelPlan',
      method: 'DELETE',
      path: `${path}/plan`,
      summary: 'Cancel the plan at the end of the period',
      description:
        'Or at the end of the trial. The installation is then disabled; with PUT and a planId it can be enabled again. To stop at once, uninstall; the running period is not given back.',
      permission: writeSubscriptions,
      params,
      responses: { 200: SubscriptionShape },
      errors: ['not_found', 'wrong_state'],
      handler: async ({ caller, db, params: { applicationId } }) =>
        inTransaction(db, async (trx) => {
          const { installation } = await lockLocated(ctx, trx, caller, applicationId)
          assertDecidedHere(installation)
          return subscriptionShape(await cancelPlan(ctx, trx, installation))
        }),
    }),
    defineOperation({
      ...common,
      id: 'listSubscriptionItems',
      method: 'GET',
      path: `${path}/plan/items`,
      summary: 'List what the plans of an installation cost, the latest first',
      description: 'All that it was ever on, also after it was uninstalled.',
      permission: readSubscriptions,
      params,
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(ItemShape) },
      errors: ['not_found'],
      handler: async ({ caller, db, params: { applicationId }, query }) => {
        const { installationId } = await lastSubscriptionOf(db, caller, applicationId)
        const { items, total } = await listItems(db, installationId, query)
        return pagedReply({ items: items.map((item) => itemShape(item, caller)), total }, query)
      },
    }),
  ]
}

/** The live one, or else the one that ended last: what was paid stays readable. */
async function lastSubscriptionOf(db: Db, caller: Caller, applicationId: string): Promise<Subscription> {
  const installation = await locateHistory(db, caller, applicationId)
  const subscription = await findLastSubscription(db, installation.id)
  if (!subscription) throw new StoaError('not_found')
  return subscription
}

async function offerShape(db: Db, plan: Plan, caller: Caller): Promise<Static<typeof OfferShape>> {
  const { id, name, features, paymentType, paymentTime, currency, trialDays, applicationId } = plan
  const { organizationId, locationId, environment } = caller
  const target = { organizationId, locationId, environment }
  const fanOut = (await findInstallation(db, { applicationId, ...target }))?.fanOut ?? null
  const { amount, payer } = await readPlanPrice(db, plan, { ...target, fanOut })
  const paidBy = payer.ownerType === 'location' ? 'location' : 'organization'
  const price = { ...amounts({ amount }), paidBy, currency } as const
  return { id, name, features, paymentType, paymentTime, trialDays, ...price }
}

function itemShape(item: SubscriptionItem, { permissions }: Caller): Static<typeof ItemShape> {
  const { id, subscriptionId, revision, kind, planId, amount, baseAmount, currency, transactionId } = item
  const { periodStart, periodEnd, createdTime } = item
  const { exact, ...numbers } = amounts({ amount, baseAmount })
  const money = permissions.has(readRebilling.name)
    ? { ...numbers, exact }
    : { ...numbers, baseAmount: null, exact: { ...exact, baseAmount: null } }
  const what = { id, subscriptionId, number: revision, kind, planId }
  return { ...what, ...money, currency, transactionId, periodStart, periodEnd, createdTime }
}

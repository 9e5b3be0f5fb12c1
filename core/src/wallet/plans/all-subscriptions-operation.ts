import { defineOperation, pagedReply, PageQuery, type Operation } from '../../http/index.ts'
import { Id, Nullable, OneOf, Type, type Static } from '../../kernel/index.ts'
import { readAllSubscriptions } from '../permissions.ts'
import { SubscriptionShape, subscriptionShape } from './subscription-shape.ts'
import { listSubscriptions } from './subscription-store.ts'
import { subscriptionStatuses, type Subscription } from './subscription.ts'

const OwnedShape = Type.Object({
  ...SubscriptionShape.properties,
  installationId: Id(),
  publisherId: Id('Whose application it is.'),
  organizationId: Id('Where it is installed.'),
  locationId: Nullable(Id('Null where the whole organization has it.')),
  tries: Type.Integer({ description: 'How often the running period could not be paid.' }),
})

/** The operator's side: who pays for plans, and who does not. */
export function allSubscriptionsOperation(): Operation {
  return defineOperation({
    id: 'listAllSubscriptions',
    method: 'GET',
    path: '/platform/subscriptions',
    surface: 'platform',
    tag: 'Subscriptions',
    summary: 'List the plans that all organizations pay for, the latest first',
    description:
      'Of the environment of the credential. With `status=past_due` those that a wallet could not pay and that are tried again at ' +
      '`nextTime`; with `status=unpaid` those that were given up, with their installation switched off.',
    permission: readAllSubscriptions,
    query: Type.Object({
      ...PageQuery,
      status: Type.Optional(OneOf(subscriptionStatuses)),
      organizationId: Type.Optional(Id('Only those of this organization and its locations.')),
    }),
    responses: { 200: Type.Array(OwnedShape) },
    handler: async ({ caller: { environment }, db, query }) => {
      const filter = { environment, status: query.status ?? null, organizationId: query.organizationId ?? null }
      const { items, total } = await listSubscriptions(db, filter, query)
      return pagedReply({ items: items.map(ownedShape), total }, query)
    },
  })
}

function ownedShape(subscription: Subscription): Static<typeof OwnedShape> {
  const { installationId, publisherId, organizationId, locationId, tries } = subscription
  return { ...subscriptionShape(subscription), installationId, publisherId, organizationId, locationId, tries }
}

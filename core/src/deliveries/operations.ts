import { ownedEndpoint, readEndpoints, scopeOf, updateEndpoints, type EventsContext } from '../events/index.ts'
import { defineOperation, pagedReply, reply, type Operation } from '../http/index.ts'
import { Id, Type } from '../kernel/index.ts'
import { historyItem, showDeliveries, showDetails } from './history-store.ts'
import { replayOperations } from './replay-operations.ts'
import { cancelDelivery, ownedDelivery, resendDelivery } from './resend.ts'
import { DeliveryDetailShape, DeliveryShape, HistoryItemShape, HistoryQuery, SearchQuery } from './schemas.ts'
import { countDeliveries, searchDeliveries } from './search-deliveries.ts'
import { trackingOperations } from './tracking-operations.ts'

const path = '/developers/webhooks'
const byId = Type.Object({ id: Id() })
const common = { surface: 'author', scope: 'organization', tag: 'Webhooks' } as const

/** Where to go on. Absent at the end; a page may be short and yet not the last, where what is looked for is rare. */
const nextHeader = (next: string | null): Record<string, string> => (next === null ? {} : { 'Pagination-Next': next })

export function deliveriesOperations(ctx: EventsContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'listWebhookEndpointEvents',
      method: 'GET',
      path: `${path}/endpoints/:id/events`,
      summary: 'List what was sent to an endpoint, with every attempt, newest first',
      description:
        'Pagination-Total counts among the newest 10000. To page further, give the answer’s Pagination-Next as `before`, until there is none.',
      permission: readEndpoints,
      params: byId,
      query: HistoryQuery,
      responses: { 200: Type.Array(HistoryItemShape) },
      errors: ['not_found'],
      handler: async ({ db, caller, params, query }) => {
        const endpoint = await ownedEndpoint(db, caller, params.id)
        const filter = { ...query, endpointId: endpoint.id }
        const { rows, next } = await searchDeliveries(db, scopeOf(caller), filter, query)
        const total = await countDeliveries(db, scopeOf(caller), filter)
        const items = (await showDetails(db, rows)).map(historyItem)
        const { body, headers } = pagedReply({ items, total }, query)
        return reply(200, body, { ...headers, ...nextHeader(next) })
      },
    }),
    defineOperation({
      ...common,
      id: 'searchWebhookDeliveries',
      method: 'GET',
      path: `${path}/deliveries`,
      summary: 'Look for deliveries to all endpoints, those of deleted ones too, newest first',
      description:
        'To page, give the answer’s Pagination-Next as `before`, until there is none: a page may be short, even empty, and not be the last. `since` and `until` mean when a delivery was made, not when it was tried.',
      permission: readEndpoints,
      query: SearchQuery,
      responses: { 200: Type.Array(DeliveryShape) },
      handler: async ({ db, caller, query }) => {
        const { rows, next } = await searchDeliveries(db, scopeOf(caller), query, { limit: query.limit, offset: 0 })
        return reply(200, await showDeliveries(db, rows), nextHeader(next))
      },
    }),
    defineOperation({
      ...common,
      id: 'getWebhookDelivery',
      method: 'GET',
      path: `${path}/deliveries/:id`,
      summary: 'See a delivery with its payload and every attempt',
      permission: readEndpoints,
      params: byId,
      responses: { 200: DeliveryDetailShape },
      errors: ['not_found'],
      handler: async ({ db, caller, params }) =>
        (await showDetails(db, [await ownedDelivery(db, caller, params.id)]))[0]!,
    }),
    defineOperation({
      ...common,
      id: 'resendWebhookDelivery',
      method: 'POST',
      path: `${path}/deliveries/:id/resend`,
      summary: 'Send a delivery once more',
      description:
        'With the same `webhook-id`, and retries as if it were new, whatever came of it before. To a disabled endpoint it is `held` until that is active. 409 while it is being sent, and when the endpoint was deleted.',
      permission: updateEndpoints,
      params: byId,
      responses: { 202: DeliveryShape },
      errors: ['not_found', 'wrong_state'],
      handler: ({ db, caller, params }) => resendDelivery(ctx, db, caller, params.id),
    }),
    defineOperation({
      ...common,
      id: 'cancelWebhookDelivery',
      method: 'POST',
      path: `${path}/deliveries/:id/cancel`,
      summary: 'Give up a delivery that is pending or held',
      description: 'A try that is under way is not recalled. It can be sent all the same later, with `resend`.',
      permission: updateEndpoints,
      params: byId,
      responses: { 200: DeliveryShape },
      errors: ['not_found', 'wrong_state'],
      handler: ({ db, caller, params }) => cancelDelivery(ctx, db, caller, params.id),
    }),
    ...replayOperations(ctx),
    ...trackingOperations(ctx),
  ]
}

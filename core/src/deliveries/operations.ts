import { ownedEndpoint, readEndpoints, type EventsContext } from '../events/index.ts'
import { defineOperation, pagedReply, type Operation } from '../http/index.ts'
import { Id, Type } from '../kernel/index.ts'
import { listHistory } from './history-store.ts'
import { HistoryItemShape, HistoryQuery } from './schemas.ts'

const path = '/developers/webhooks/endpoints'
const byId = Type.Object({ id: Id() })
const common = { surface: 'author', scope: 'organization', tag: 'Webhooks' } as const

export function deliveriesOperations(_ctx: EventsContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'listWebhookEndpointEvents',
      method: 'GET',
      path: `${path}/:id/events`,
      summary: 'List what was sent to an endpoint, with every attempt, newest first',
      description: 'Pagination-Total counts up to 10000. To page further than the largest offset, use `before`.',
      permission: readEndpoints,
      params: byId,
      query: HistoryQuery,
      responses: { 200: Type.Array(HistoryItemShape) },
      errors: ['not_found'],
      handler: async ({ db, caller, params, query }) =>
        pagedReply(await listHistory(db, await ownedEndpoint(db, caller, params.id), query), query),
    }),
  ]
}

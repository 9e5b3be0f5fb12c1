import { defineOperation, pagedReply, PageQuery, permission, type Operation } from '../http/index.ts'
import { Id, Type } from '../kernel/index.ts'
import { endpointShape } from './endpoint-shape.ts'
import { listEndpoints } from './endpoint-store.ts'
import { createEndpoint, deleteEndpoint, ownedEndpoint, scopeOf, updateEndpoint } from './endpoints.ts'
import type { EventsContext } from './events-context.ts'
import { publicKeyShape } from './highlevel.ts'
import {
  CreatedEndpointShape,
  CreateEndpointBody,
  EndpointShape,
  PublicKeyShape,
  UpdateEndpointBody,
} from './schemas.ts'

const readers = ['owner', 'admin', 'author', 'operator'] as const
const writers = ['owner', 'admin', 'author'] as const
export const readEndpoints = permission('webhooks:index', 'see webhook endpoints and what was sent to them', {
  roles: [...readers],
  risk: 'medium',
  ownKeys: true,
})
export const createEndpoints = permission('webhooks:create', 'add addresses that events are sent to', {
  roles: [...writers],
  risk: 'high',
  ownKeys: true,
})
export const updateEndpoints = permission('webhooks:update', 'change and disable webhook endpoints', {
  roles: [...writers],
  risk: 'high',
  ownKeys: true,
})
const deleteEndpoints = permission('webhooks:delete', 'delete webhook endpoints', {
  roles: [...writers],
  risk: 'high',
  ownKeys: true,
})

const path = '/developers/webhooks/endpoints'
const byId = Type.Object({ id: Id() })
const common = { surface: 'author', scope: 'organization', tag: 'Webhooks' } as const

export function eventsOperations(ctx: EventsContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'createWebhookEndpoint',
      method: 'POST',
      path,
      summary: 'Add an endpoint that events are sent to',
      description: 'Events are signed as Standard Webhooks 1.0 says. The secret is in this answer and in no other.',
      permission: createEndpoints,
      body: CreateEndpointBody,
      responses: { 201: CreatedEndpointShape },
      errors: ['invalid_url', 'limit_reached'],
      handler: async ({ db, caller, body }) => {
        const { secret, ...endpoint } = await createEndpoint(ctx, db, caller, body)
        return { ...endpointShape(endpoint), secret }
      },
    }),
    defineOperation({
      ...common,
      id: 'listWebhookEndpoints',
      method: 'GET',
      path,
      summary: 'List the endpoints, oldest first',
      permission: readEndpoints,
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(EndpointShape) },
      handler: async ({ db, caller, query }) => {
        const { items, total } = await listEndpoints(db, scopeOf(caller), query)
        return pagedReply({ items: items.map(endpointShape), total }, query)
      },
    }),
    defineOperation({
      ...common,
      id: 'getWebhookEndpoint',
      method: 'GET',
      path: `${path}/:id`,
      summary: 'Get an endpoint',
      permission: readEndpoints,
      params: byId,
      responses: { 200: EndpointShape },
      errors: ['not_found'],
      handler: async ({ db, caller, params }) => endpointShape(await ownedEndpoint(db, caller, params.id)),
    }),
    defineOperation({
      ...common,
      id: 'updateWebhookEndpoint',
      method: 'PATCH',
      path: `${path}/:id`,
      summary: 'Change, disable or enable an endpoint',
      description:
        'While an endpoint is DISABLED its events are held, not lost; they are sent when it is ACTIVE again.',
      permission: updateEndpoints,
      params: byId,
      body: UpdateEndpointBody,
      responses: { 200: EndpointShape },
      errors: ['not_found', 'invalid_url', 'limit_reached'],
      handler: async ({ db, caller, params, body }) =>
        endpointShape(await updateEndpoint(ctx, db, caller, params.id, body)),
    }),
    defineOperation({
      ...common,
      id: 'deleteWebhookEndpoint',
      method: 'DELETE',
      path: `${path}/:id`,
      summary: 'Delete an endpoint; what was still to be sent to it is not sent',
      permission: deleteEndpoints,
      params: byId,
      responses: { 204: null },
      errors: ['not_found'],
      handler: async ({ db, caller, params }) => {
        await deleteEndpoint(ctx, db, caller, params.id)
        return undefined
      },
    }),
    defineOperation({
      surface: 'author',
      tag: 'Webhooks',
      id: 'getWebhookPublicKey',
      method: 'GET',
      path: '/developers/webhooks/public-key',
      summary: 'The public key that verifies webhooks in HighLevel’s format',
      description: 'One key for all receivers of this host. It changes when the operator gives the host a new secret.',
      permission: null,
      responses: { 200: PublicKeyShape },
      handler: () => Promise.resolve(publicKeyShape(ctx.signingKeys.ed25519.publicKey)),
    }),
  ]
}

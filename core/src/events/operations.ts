import { defineOperation, pagedReply, PageQuery, permission, type Operation } from '../http/index.ts'
import { Id, nowIso, Type } from '../kernel/index.ts'
import { endpointShape, secretShape } from './endpoint-shape.ts'
import { scopeOf } from './endpoint-scope.ts'
import { listEndpoints } from './endpoint-store.ts'
import { createEndpoint, deleteEndpoint, ownedEndpoint, updateEndpoint } from './endpoints.ts'
import type { EventsContext } from './events-context.ts'
import { publicKeyShape } from './highlevel.ts'
import { rebillyOperations } from './rebilly-operations.ts'
import { endSecret, rotateSecret } from './rotate-secret.ts'
import {
  changeable,
  CreatedEndpointShape,
  CreateEndpointBody,
  EndpointShape,
  PublicKeyShape,
  RotatedSecretShape,
  RotateSecretBody,
  SecretShape,
  UpdateEndpointBody,
  type UpdateEndpoint,
} from './schemas.ts'
import { liveSecrets } from './secrets.ts'

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
      errors: ['not_found', 'invalid_url', 'limit_reached', 'caller_not_allowed'],
      handler: async ({ db, caller, params, body }) =>
        endpointShape(await updateEndpoint(ctx, db, caller, params.id, changesIn(body))),
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
      ...common,
      id: 'rotateWebhookSecret',
      method: 'POST',
      path: `${path}/:id/secret`,
      summary: 'Give an endpoint a new secret',
      description:
        'The former one signs too for `overlapSeconds`, so that a receiver takes either; at most ten former ones are kept. The secret is in this answer and in no other. For `v1a` a new key is made, and its public key told.',
      permission: updateEndpoints,
      params: byId,
      body: RotateSecretBody,
      bodyKind: 'optional',
      responses: { 201: RotatedSecretShape },
      errors: ['not_found', 'caller_not_allowed'],
      handler: async ({ db, caller, params, body }) => {
        const { sealed, ...told } = await rotateSecret(ctx, db, caller, params.id, body ?? {})
        return { ...secretShape(sealed), ...told }
      },
    }),
    defineOperation({
      ...common,
      id: 'listWebhookSecrets',
      method: 'GET',
      path: `${path}/:id/secrets`,
      summary: 'List the secrets and keys that sign now, newest first; without what is secret',
      permission: readEndpoints,
      params: byId,
      responses: { 200: Type.Array(SecretShape) },
      errors: ['not_found'],
      handler: async ({ db, caller, params }) => {
        const { secrets } = await ownedEndpoint(db, caller, params.id)
        return liveSecrets(secrets, nowIso(ctx.clock)).map(secretShape)
      },
    }),
    defineOperation({
      ...common,
      id: 'endWebhookSecret',
      method: 'DELETE',
      path: `${path}/:id/secrets/:secretId`,
      summary: 'End a former secret now',
      permission: updateEndpoints,
      params: Type.Object({ id: Id(), secretId: Id() }),
      responses: { 204: null },
      errors: ['not_found', 'wrong_state', 'caller_not_allowed'],
      handler: async ({ db, caller, params }) => {
        await endSecret(ctx, db, caller, params.id, params.secretId)
        return undefined
      },
    }),
    ...rebillyOperations(ctx),
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

/** What may be changed, without what was only sent back. */
function changesIn(body: UpdateEndpoint): UpdateEndpoint {
  return Object.fromEntries(Object.entries(body).filter(([name]) => (changeable as string[]).includes(name)))
}

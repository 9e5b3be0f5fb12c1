import { parseCollection, type CollectionSpec } from '../database/index.ts'
import {
  defineOperation,
  linkTo,
  pagedReply,
  permission,
  reply,
  type CallerKind,
  type Operation,
} from '../http/index.ts'
import { Id, Type } from '../kernel/index.ts'
import { searchCredentials } from './credential-store.ts'
import { changeCredential, createCredential, ownedCredential } from './credentials.ts'
import { scopeOf } from './endpoint-scope.ts'
import { searchEndpoints } from './endpoint-store.ts'
import { deleteEndpoint, ownedEndpoint } from './endpoints.ts'
import type { EventsContext } from './events-context.ts'
import {
  ChangeCredentialBody,
  CreateCredentialBody,
  CreatedWebhookShape,
  CredentialShape,
  RebillyCollectionQuery,
  WebhookBody,
  WebhookShape,
} from './rebilly-schemas.ts'
import { createWebhook, credentialPath, credentialShape, putWebhook, webhookShape } from './rebilly-webhooks.ts'

const people = ['owner', 'admin', 'author'] as const
const right = (name: string, sentence: string, aliases: string[], risk: 'medium' | 'high') =>
  permission(name, sentence, { roles: [...people], risk, applications: true, ownKeys: true, aliases })
const readWebhooks = right('merchant-webhooks:show', 'read webhooks', ['GetWebhook'], 'medium')
const createWebhooks = right('merchant-webhooks:store', 'create webhooks', ['PostWebhook'], 'high')
const updateWebhooks = right('merchant-webhooks:update', 'change webhooks', ['PutWebhook'], 'high')
const deleteWebhooks = right('merchant-webhooks:delete', 'delete webhooks', [], 'high')
// One for all of it: whoever creates the same credential once more is led to the one there is, and has to be let in there.
const credentials = right(
  'service-credentials:store',
  'store credentials for other services',
  ['PostServiceCredential', 'PostWebhookCredentialHash'],
  'high',
)

const byId = Type.Object({ id: Id() })
const callers: CallerKind[] = ['user', 'api-key', 'application']
const common = { surface: 'store', scope: 'organization', tag: 'Webhooks as Rebilly has them', callers } as const

const shared = {
  id: { column: 'id', type: 'id' },
  createdTime: { column: 'created_time', type: 'time' },
  updatedTime: { column: 'updated_time', type: 'time' },
} as const
const webhookCollection: CollectionSpec = {
  columns: { ...shared, url: { column: 'url', type: 'text' }, method: { column: 'method', type: 'text' } },
  idColumn: 'id',
  members: [],
  expandable: [],
}
const credentialCollection: CollectionSpec = {
  columns: {
    ...shared,
    host: { column: 'host', type: 'text' },
    status: { column: 'status', type: 'word', words: ['active', 'inactive'] },
  },
  idColumn: 'id',
  members: [],
  expandable: [],
}

/** Rebilly's doors to endpoints: for people, and for applications where they are installed. */
export function rebillyOperations(ctx: EventsContext): Operation[] {
  return [...webhookOperations(ctx), ...credentialOperations(ctx)]
}

function webhookOperations(ctx: EventsContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'GetWebhookCollection',
      method: 'GET',
      path: '/webhooks',
      summary: 'List webhooks, oldest first',
      permission: readWebhooks,
      query: RebillyCollectionQuery,
      responses: { 200: Type.Array(WebhookShape) },
      errors: ['invalid_request'],
      handler: async ({ db, caller, query }) => {
        const wanted = parseCollection(webhookCollection, query)
        const { items, total } = await searchEndpoints(db, scopeOf(caller), webhookCollection, wanted, query)
        return pagedReply({ items: items.map((each) => webhookShape(ctx, caller, each)), total }, query)
      },
    }),
    defineOperation({
      ...common,
      id: 'PostWebhook',
      method: 'POST',
      path: '/webhooks',
      summary: 'Create a webhook',
      description:
        'An application that is installed here receives what it was granted, and sees and changes its own webhooks alone.',
      permission: createWebhooks,
      body: WebhookBody,
      responses: { 201: CreatedWebhookShape },
      errors: ['invalid_url', 'limit_reached'],
      handler: async ({ db, caller, body }) => {
        const { secret, ...endpoint } = await createWebhook(ctx, db, caller, body)
        const shape = webhookShape(ctx, caller, endpoint)
        return reply(201, { ...shape, secret }, { Location: linkTo(ctx, caller, `/webhooks/${shape.id}`) })
      },
    }),
    defineOperation({
      ...common,
      id: 'GetWebhook',
      method: 'GET',
      path: '/webhooks/:id',
      summary: 'Get a webhook',
      permission: readWebhooks,
      params: byId,
      responses: { 200: WebhookShape },
      errors: ['not_found'],
      handler: async ({ db, caller, params }) => webhookShape(ctx, caller, await ownedEndpoint(db, caller, params.id)),
    }),
    defineOperation({
      ...common,
      id: 'PutWebhook',
      method: 'PUT',
      path: '/webhooks/:id',
      summary: 'Replace a webhook, or create one with this id',
      description: 'What is absent is as in a new webhook. An id of the form that the host makes cannot be given.',
      permission: updateWebhooks,
      params: byId,
      body: WebhookBody,
      responses: { 200: WebhookShape, 201: CreatedWebhookShape },
      errors: ['not_found', 'invalid_url', 'limit_reached', 'caller_not_allowed'],
      handler: async ({ db, caller, params, body }) => {
        const { secret, ...endpoint } = await putWebhook(ctx, db, caller, params.id, body)
        const shape = webhookShape(ctx, caller, endpoint)
        if (secret === undefined) return shape
        return reply(201, { ...shape, secret }, { Location: linkTo(ctx, caller, `/webhooks/${shape.id}`) })
      },
    }),
    defineOperation({
      ...common,
      id: 'DeleteWebhook',
      method: 'DELETE',
      path: '/webhooks/:id',
      summary: 'Delete a webhook; what was still to be sent is not sent',
      permission: deleteWebhooks,
      params: byId,
      responses: { 204: null },
      errors: ['not_found'],
      handler: async ({ db, caller, params }) => {
        await deleteEndpoint(ctx, db, caller, params.id)
        return undefined
      },
    }),
  ]
}

function credentialOperations(ctx: EventsContext): Operation[] {
  const path = '/service-credentials/webhook'
  const change = {
    ...common,
    permission: credentials,
    params: byId,
    body: ChangeCredentialBody,
    responses: { 200: CredentialShape },
  }
  return [
    defineOperation({
      ...common,
      id: 'PostServiceCredential',
      method: 'POST',
      path,
      summary: 'Store a credential to be shown to receivers on one host',
      description: 'When the very same one is there already, the answer is 303 and leads to it.',
      permission: credentials,
      body: CreateCredentialBody,
      responses: { 201: CredentialShape, 303: null },
      errors: ['limit_reached'],
      handler: async ({ db, caller, body }) => {
        const { credential, created } = await createCredential(ctx, db, caller, body)
        const headers = { Location: linkTo(ctx, caller, credentialPath(credential)) }
        return created ? reply(201, credentialShape(ctx, caller, credential), headers) : reply(303, undefined, headers)
      },
    }),
    defineOperation({
      ...common,
      id: 'GetServiceCredentialCollection',
      method: 'GET',
      path,
      summary: 'List credentials, oldest first; without passwords',
      permission: credentials,
      query: RebillyCollectionQuery,
      responses: { 200: Type.Array(CredentialShape) },
      errors: ['invalid_request'],
      handler: async ({ db, caller, query }) => {
        const wanted = parseCollection(credentialCollection, query)
        const { items, total } = await searchCredentials(db, scopeOf(caller), credentialCollection, wanted, query)
        return pagedReply({ items: items.map((each) => credentialShape(ctx, caller, each)), total }, query)
      },
    }),
    defineOperation({
      ...common,
      id: 'GetServiceCredential',
      method: 'GET',
      path: `${path}/:id`,
      summary: 'Get a credential; without its password',
      permission: credentials,
      params: byId,
      responses: { 200: CredentialShape },
      errors: ['not_found'],
      handler: async ({ db, caller, params }) =>
        credentialShape(ctx, caller, await ownedCredential(db, caller, params.id)),
    }),
    ...(['PATCH', 'PUT'] as const).map((method) =>
      defineOperation({
        ...change,
        id: method === 'PATCH' ? 'PatchServiceCredential' : 'PutServiceCredential',
        method,
        path: `${path}/:id`,
        summary: 'Change a credential',
        description: 'While an endpoint uses it, its host stays, and it stays active as long as the endpoint is.',
        errors: ['not_found', 'in_use', 'caller_not_allowed'],
        handler: async ({ db, caller, params, body }) =>
          credentialShape(ctx, caller, await changeCredential(ctx, db, caller, params.id, body)),
      }),
    ),
    defineOperation({
      ...common,
      id: 'PostServiceCredentialDeactivation',
      method: 'POST',
      path: `${path}/:id/deactivation`,
      summary: 'Turn a credential off that no active endpoint uses',
      permission: credentials,
      params: byId,
      responses: { 200: CredentialShape },
      errors: ['not_found', 'in_use', 'caller_not_allowed'],
      handler: async ({ db, caller, params }) =>
        credentialShape(ctx, caller, await changeCredential(ctx, db, caller, params.id, { status: 'inactive' })),
    }),
  ]
}

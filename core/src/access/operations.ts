import { environments } from '../context.ts'
import {
  defineOperation,
  pagedReply,
  PageQuery,
  permission,
  reply,
  type Operation,
  type Permission,
  linkTo,
} from '../http/index.ts'
import { Id, Nullable, OneOf, Strict, StoaError, Time, Type } from '../kernel/index.ts'
import { createApiKey, revokeApiKey } from './api-keys.ts'
import type { AccessContext } from './context.ts'
import { findApiKey, listApiKeys, type ApiKey } from './store.ts'

const managers = ['owner', 'admin', 'operator'] as const
const readKeys = permission('api-keys:index', 'see which API keys exist', { roles: [...managers] })
const createKeys = permission('api-keys:create', 'create API keys', { roles: [...managers], risk: 'high' })
const deleteKeys = permission('api-keys:delete', 'revoke API keys', { roles: [...managers], risk: 'high' })

/** A key as it can be shown: never its secret. */
export const ApiKeyShape = Type.Object({
  id: Id(),
  name: Type.String(),
  prefix: Type.String({ description: 'How every API key of this host begins.' }),
  lastFour: Type.String({ description: 'The last four characters of the secret, to tell keys apart.' }),
  permissions: Type.Array(Type.String()),
  environment: OneOf(environments),
  applicationId: Nullable(Id()),
  createdTime: Time(),
  expiresTime: Nullable(Time()),
  revokedTime: Nullable(Time()),
  lastUsedTime: Nullable(Time('To the minute.')),
})

/** The answer to creating a key: the only time the secret is shown. */
export const CreatedApiKeyShape = Type.Object({ ...ApiKeyShape.properties, secretKey: Type.String() })

export const CreateApiKeyBody = Strict({
  name: Type.String({ minLength: 1, maxLength: 200 }),
  permissions: Type.Array(Type.String({ maxLength: 100 }), {
    minItems: 1,
    maxItems: 200,
    description: 'Permission names, their aliases, `resource:*` or `*`. `*` does not cover making other keys.',
  }),
  environment: Type.Optional(OneOf(environments)),
  expiresTime: Type.Optional(Nullable(Time())),
})

/** A key in its wire shape. */
export function apiKeyShape(key: ApiKey) {
  const { organizationId: _organization, createdBy: _creator, parentId: _parent, ...shown } = key
  return { ...shown, prefix: 'stoa_ak_' }
}

const PermissionShape = Type.Object({
  name: Type.String(),
  aliases: Type.Array(Type.String()),
  sentence: Type.String({ description: 'Completes “This application wants to …”.' }),
  risk: OneOf(['low', 'medium', 'high']),
  applications: Type.Boolean({ description: 'Whether an application may ask for it.' }),
})

function shownPermission({ name, aliases, sentence, ofApplications, risk, applications }: Permission) {
  return { name, aliases, sentence: applications ? ofApplications : sentence, risk, applications }
}

const byId = Type.Object({ id: Id() })
const tag = 'API keys'
const surface = 'platform'

export function accessOperations(ctx: AccessContext): Operation[] {
  return [
    defineOperation({
      id: 'listPermissions',
      method: 'GET',
      path: '/permissions',
      surface,
      tag,
      summary: 'List every permission this host knows, under all its names',
      permission: null,
      responses: { 200: Type.Array(PermissionShape) },
      handler: () => Promise.resolve(ctx.catalogue.all().map(shownPermission)),
    }),
    defineOperation({
      id: 'listApiKeys',
      method: 'GET',
      path: '/api-keys',
      scope: 'organization',
      surface,
      tag,
      summary: 'List the organization’s API keys',
      permission: readKeys,
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(ApiKeyShape) },
      handler: async ({ caller, db, query }) => {
        const { items, total } = await listApiKeys(
          db,
          { organizationId: caller.organizationId, applicationId: null },
          query,
        )
        return pagedReply({ items: items.map(apiKeyShape), total }, query)
      },
    }),
    defineOperation({
      id: 'createApiKey',
      method: 'POST',
      path: '/api-keys',
      scope: 'organization',
      surface,
      tag,
      summary: 'Create an API key',
      description: 'The secret is in this answer only. A key can never do more than the person who made it.',
      permission: createKeys,
      body: CreateApiKeyBody,
      responses: { 201: CreatedApiKeyShape },
      errors: ['unknown_permission', 'rights_exceeded'],
      handler: async ({ caller, db, body }) => {
        const { key, secret } = await createApiKey(ctx, db, caller, {
          name: body.name,
          permissions: body.permissions,
          environment: body.environment ?? caller.environment,
          expiresTime: body.expiresTime ?? null,
          applicationId: null,
        })
        return reply(
          201,
          { ...apiKeyShape(key), secretKey: secret },
          { Location: linkTo(ctx, caller, `/api-keys/${key.id}`) },
        )
      },
    }),
    defineOperation({
      id: 'getApiKey',
      method: 'GET',
      path: '/api-keys/:id',
      scope: 'organization',
      surface,
      tag,
      summary: 'See one API key',
      permission: readKeys,
      params: byId,
      responses: { 200: ApiKeyShape },
      handler: async ({ params, caller, db }) => {
        const key = await findApiKey(db, params.id, { organizationId: caller.organizationId, applicationId: null })
        if (!key) throw new StoaError('not_found')
        return apiKeyShape(key)
      },
    }),
    defineOperation({
      id: 'revokeApiKey',
      method: 'DELETE',
      path: '/api-keys/:id',
      scope: 'organization',
      surface,
      tag,
      summary: 'Revoke an API key at once',
      permission: deleteKeys,
      params: byId,
      responses: { 204: null },
      handler: async ({ params, caller, db }) => {
        await revokeApiKey(ctx, db, { id: params.id, organizationId: caller.organizationId, applicationId: null })
        return undefined
      },
    }),
  ]
}

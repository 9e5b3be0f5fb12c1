import {
  ApiKeyShape,
  apiKeyShape,
  CreateApiKeyBody,
  CreatedApiKeyShape,
  listApiKeys,
  revokeApiKey,
} from '../access/index.ts'
import { defineOperation, pagedReply, PageQuery, reply, type Operation, linkTo } from '../http/index.ts'
import { Id, Type } from '../kernel/index.ts'
import { createApplicationKey, deleteApplication } from './client.ts'
import type { ApplicationsContext } from './context.ts'
import {
  CreatedDeveloperApplication,
  CreateDeveloperApplicationBody,
  DeveloperApplicationShape,
  UpdateDeveloperApplicationBody,
} from './developer-schemas.ts'
import { editApplication } from './edit-application.ts'
import { ownedApplication } from './find-application.ts'
import * as may from './permissions.ts'
import { registerApplication } from './register-application.ts'
import { ById } from './schemas.ts'
import { secretOperations } from './secret-operations.ts'
import { listOwnApplications } from './store.ts'
import { developerApplicationShape } from './wire.ts'

const common = { surface: 'author', tag: 'Developers', scope: 'organization' } as const
const path = '/developers/applications'

/** The author surface: the same applications as their makers manage them, in Baloom's shape. */
export function developerOperations(ctx: ApplicationsContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'createDeveloperApplication',
      method: 'POST',
      path,
      summary: 'Create an application with client id and client secret',
      description:
        'The listing begins as a draft: complete it with PATCH /applications/{id} and submit it with POST /applications/{id}/submit. The secret is in this answer only; public and native clients have none.',
      permission: may.createApplication,
      body: CreateDeveloperApplicationBody,
      responses: { 201: CreatedDeveloperApplication },
      errors: ['name_taken', 'validation_failed', 'unknown_permission', 'invalid_url'],
      handler: async ({ caller, db, body }) => {
        const registration = { input: body, status: 'draft', withSecret: true } as const
        const { application, clientSecret } = await registerApplication(ctx, db, caller, registration)
        const answer = { ...developerApplicationShape(application), clientSecret }
        return reply(201, answer, { Location: linkTo(ctx, caller, `${path}/${application.id}`) })
      },
    }),
    defineOperation({
      ...common,
      id: 'listDeveloperApplications',
      method: 'GET',
      path,
      summary: 'List the organization’s applications',
      permission: may.listStore,
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(DeveloperApplicationShape) },
      handler: async ({ caller, db, query }) => {
        const owner = { publisherId: caller.organizationId, onlyApplicationId: caller.onlyApplicationId }
        const { items, total } = await listOwnApplications(db, owner, query)
        return pagedReply({ items: items.map(developerApplicationShape), total }, query)
      },
    }),
    defineOperation({
      ...common,
      id: 'getDeveloperApplication',
      method: 'GET',
      path: `${path}/:id`,
      summary: 'See one of the organization’s applications',
      permission: may.showApplication,
      params: ById,
      responses: { 200: DeveloperApplicationShape },
      errors: ['not_found'],
      handler: async ({ caller, db, params }) =>
        developerApplicationShape(await ownedApplication(db, caller, params.id)),
    }),
    defineOperation({
      ...common,
      id: 'updateDeveloperApplication',
      method: 'PATCH',
      path: `${path}/:id`,
      summary: 'Change an application',
      description:
        'What is reviewed (permissions, optionalPermissions, installsOn, redirectUris, clientType, requiresPkce) changes here in a draft and after a rejection; of an approved application it is submitted as a version. `status: DISABLED` is the off switch: the tokens of all installations end at once, and none are given until it is ACTIVE again.',
      permission: may.updateApplicationPermission,
      params: ById,
      body: UpdateDeveloperApplicationBody,
      responses: { 200: DeveloperApplicationShape },
      errors: ['not_found', 'name_taken', 'wrong_state', 'validation_failed', 'unknown_permission', 'invalid_url'],
      handler: async ({ caller, db, params, body: { status, ...body } }) => {
        const input = { ...body, ...(status && { clientStatus: status }) }
        return developerApplicationShape(await editApplication(ctx, db, caller, params.id, input))
      },
    }),
    defineOperation({
      ...common,
      id: 'deleteDeveloperApplication',
      method: 'DELETE',
      path: `${path}/:id`,
      summary: 'Delete an application that was never installed',
      permission: may.deleteApplicationPermission,
      params: ById,
      responses: { 204: null },
      errors: ['not_found', 'in_use'],
      handler: async ({ caller, db, params }) => {
        await deleteApplication(ctx, db, caller, params.id)
        return undefined
      },
    }),
    ...secretOperations(ctx),
    ...keyOperations(ctx),
  ]
}

function keyOperations(ctx: ApplicationsContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'createApplicationApiKey',
      method: 'POST',
      path: `${path}/:id/api-keys`,
      summary: 'Create an API key that acts for this application alone',
      description: 'The secret is in this answer only. A key can never do more than the person who made it.',
      permission: may.createKey,
      params: ById,
      body: CreateApiKeyBody,
      responses: { 201: CreatedApiKeyShape },
      errors: ['not_found', 'unknown_permission', 'rights_exceeded', 'validation_failed'],
      handler: async ({ caller, db, params, body }) => {
        const { key, secret } = await createApplicationKey(ctx, db, caller, params.id, {
          name: body.name,
          permissions: body.permissions,
          environment: body.environment ?? caller.environment,
          expiresTime: body.expiresTime ?? null,
        })
        return reply(201, { ...apiKeyShape(key), secretKey: secret })
      },
    }),
    defineOperation({
      ...common,
      id: 'listApplicationApiKeys',
      method: 'GET',
      path: `${path}/:id/api-keys`,
      summary: 'List the API keys of an application',
      permission: may.listKeys,
      params: ById,
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(ApiKeyShape) },
      errors: ['not_found'],
      handler: async ({ caller, db, params, query }) => {
        const { publisherId, id } = await ownedApplication(db, caller, params.id)
        const { items, total } = await listApiKeys(db, { organizationId: publisherId, applicationId: id }, query)
        return pagedReply({ items: items.map(apiKeyShape), total }, query)
      },
    }),
    defineOperation({
      ...common,
      id: 'revokeApplicationApiKey',
      method: 'POST',
      path: `${path}/:id/api-keys/:keyId/revoke`,
      summary: 'Revoke an API key of an application at once',
      permission: may.revokeKey,
      params: Type.Object({ id: Id(), keyId: Id() }),
      responses: { 200: ApiKeyShape },
      errors: ['not_found'],
      handler: async ({ caller, db, params }) => {
        const { publisherId, id } = await ownedApplication(db, caller, params.id)
        return apiKeyShape(
          await revokeApiKey(ctx, db, { id: params.keyId, organizationId: publisherId, applicationId: id }),
        )
      },
    }),
  ]
}

import { defineOperation, type Operation } from '../http/index.ts'
import { Id, Type } from '../kernel/index.ts'
import { listClientSecrets } from './client-secrets.ts'
import type { ApplicationsContext } from './context.ts'
import { ClientSecretShape, DeveloperApplicationWithSecret, RotateSecretBody } from './developer-schemas.ts'
import { ownedApplication } from './find-application.ts'
import * as may from './permissions.ts'
import { endClientSecret, rotateClientSecret } from './rotate-secret.ts'
import { ById } from './schemas.ts'
import { developerApplicationShape } from './wire.ts'

const common = { surface: 'author', tag: 'Developers', scope: 'organization' } as const
const path = '/developers/applications/:id'
const defaultOverlap = 86_400

/** The secrets a confidential client authenticates with: two at most, while one replaces the other. */
export function secretOperations(ctx: ApplicationsContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'rotateClientSecret',
      method: 'POST',
      path: `${path}/rotate-secret`,
      summary: 'Replace the client secret',
      description:
        'The new secret is in this answer only. The one before works on for `overlapSeconds`, a day by default; there are two live ones at most, so that rotating again ends the oldest at once. Public and native clients have no secret: 409 `wrong_state`.',
      permission: may.rotateSecret,
      params: ById,
      body: RotateSecretBody,
      bodyKind: 'optional',
      responses: { 200: DeveloperApplicationWithSecret },
      errors: ['not_found', 'wrong_state', 'validation_failed'],
      handler: async ({ caller, db, params, body }) => {
        const seconds = (body as { overlapSeconds: number } | undefined)?.overlapSeconds ?? defaultOverlap
        const { application, clientSecret } = await rotateClientSecret(ctx, db, caller, params.id, seconds)
        return { ...developerApplicationShape(application), clientSecret }
      },
    }),
    defineOperation({
      ...common,
      id: 'listClientSecrets',
      method: 'GET',
      path: `${path}/secrets`,
      summary: 'List the client secrets that work',
      description:
        'Newest first: two at most, so that there are no pages. The secrets themselves are never shown again.',
      permission: may.listSecrets,
      params: ById,
      responses: { 200: Type.Array(ClientSecretShape) },
      errors: ['not_found'],
      handler: async ({ caller, db, params }) => {
        const { id } = await ownedApplication(db, caller, params.id)
        return listClientSecrets(ctx, db, id)
      },
    }),
    defineOperation({
      ...common,
      id: 'endClientSecret',
      method: 'DELETE',
      path: `${path}/secrets/:secretId`,
      summary: 'End a client secret at once',
      description: 'For one that leaked. The tokens that were obtained with it end, too. The last one can be ended.',
      permission: may.rotateSecret,
      params: Type.Object({ id: Id(), secretId: Id() }),
      responses: { 204: null },
      errors: ['not_found'],
      handler: async ({ caller, db, params }) => {
        await endClientSecret(ctx, db, caller, params.id, params.secretId)
        return undefined
      },
    }),
  ]
}

import { defineOperation, type Operation } from '../http/index.ts'
import { Id, Type } from '../kernel/index.ts'
import type { InstallationsContext } from './context.ts'
import { accessShape, approveAccess, chooseOptional, refuseAccess } from './decide-access.ts'
import { locateInstallation } from './locate.ts'
import { grantInstances, showInstances } from './permissions.ts'
import { Access, ApproveBody, OptionalBody, RefuseBody } from './schemas.ts'

const path = '/application-instances/:applicationId/access'
const common = {
  surface: 'store',
  tag: 'Application instances',
  scope: 'target',
  params: Type.Object({ applicationId: Id() }),
  responses: { 200: Access },
} as const

/** What an application may do where it is installed, and what it asks for beyond that. */
export function accessOperations(ctx: InstallationsContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'GetApplicationInstanceAccess',
      method: 'GET',
      path,
      summary: 'Read what an application may do, and what it asks for beyond that',
      description:
        'A version that requires more than was granted leaves the installation as it is, and waits (`pending`) until somebody approves or refuses it.',
      permission: showInstances,
      errors: ['not_found'],
      handler: async ({ db, caller, params }) =>
        accessShape(ctx, await locateInstallation(db, caller, params.applicationId)),
    }),
    defineOperation({
      ...common,
      id: 'ApproveApplicationInstanceAccess',
      method: 'POST',
      path: `${path}/approve`,
      summary: 'Grant what an application asks for',
      description:
        'Everything the version requires, and chosen optional permissions beside those granted before. You must be allowed to do it all yourself. Of an organization’s installation that was passed on to locations it counts there too; those do not decide themselves.',
      permission: grantInstances,
      body: ApproveBody,
      errors: ['not_found', 'wrong_state', 'rights_exceeded', 'unknown_permission'],
      handler: async ({ db, caller, params, body }) =>
        accessShape(ctx, await approveAccess(ctx, db, caller, params.applicationId, body)),
    }),
    defineOperation({
      ...common,
      id: 'RefuseApplicationInstanceAccess',
      method: 'POST',
      path: `${path}/refuse`,
      summary: 'Refuse what an application asks for',
      description: 'The installation keeps its version and its grant. A later version asks again.',
      permission: grantInstances,
      body: RefuseBody,
      errors: ['not_found', 'wrong_state'],
      handler: async ({ db, caller, params, body }) =>
        accessShape(ctx, await refuseAccess(ctx, db, caller, params.applicationId, body)),
    }),
    defineOperation({
      ...common,
      id: 'PutApplicationInstanceOptionalPermissions',
      method: 'PUT',
      path: `${path}/optional`,
      summary: 'Choose which optional permissions an application has',
      description: 'All of them at once: what is not named is withdrawn, from tokens that are in use too.',
      permission: grantInstances,
      body: OptionalBody,
      errors: ['not_found', 'wrong_state', 'rights_exceeded', 'unknown_permission'],
      handler: async ({ db, caller, params, body }) =>
        accessShape(ctx, await chooseOptional(ctx, db, caller, params.applicationId, body.optionalPermissions)),
    }),
  ]
}

import { ownedApplication } from '../applications/index.ts'
import { defineOperation, pagedReply, PageQuery, type Operation } from '../http/index.ts'
import { Id, StoaError, Type } from '../kernel/index.ts'
import type { InstallationsContext } from './context.ts'
import { isPresent } from './locate.ts'
import { mintToken } from './mint-token.ts'
import { listOwnerInstances, openOwnerInstances } from './permissions.ts'
import { OwnerApplicationInstance } from './schemas.ts'
import { ownerInstanceShape } from './shapes.ts'
import { listInstallationsOf, lockInstallationOfTenant } from './store.ts'

const common = { surface: 'store', tag: 'Application owners', scope: 'organization' } as const

/** The publisher's side: who has installed an application, and the token to act there. */
export function ownerOperations(ctx: InstallationsContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'GetApplicationInstanceCollection',
      method: 'GET',
      path: '/applications/:id/instances',
      summary: 'List the instances of your application',
      description: 'In the caller’s environment, without tokens.',
      permission: listOwnerInstances,
      params: Type.Object({ id: Id() }),
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(OwnerApplicationInstance) },
      errors: ['not_found'],
      handler: async ({ db, caller, params, query }) => {
        const application = await ownedApplication(db, caller, params.id)
        const at = { applicationId: application.id, environment: caller.environment }
        const { items, total } = await listInstallationsOf(db, at, query)
        const shapes = items.map((each) => ownerInstanceShape(ctx, application, each))
        return pagedReply({ items: shapes, total }, query)
      },
    }),
    defineOperation({
      ...common,
      id: 'GetApplicationInstanceByOrganization',
      method: 'GET',
      path: '/applications/:id/instances/:organizationId',
      summary: 'Read an instance of your application, with a token for it',
      description:
        '`organizationId` is that of the organization, or of the location, that has it installed. The token lives one hour and can do what was granted. While the instance is `disabling` it can only read the configuration; when it is `disabled` there is none, nor while the application is switched off: by its publisher (status DISABLED) or by an operator.',
      permission: openOwnerInstances,
      params: Type.Object({ id: Id(), organizationId: Id() }),
      responses: { 200: OwnerApplicationInstance },
      errors: ['not_found'],
      // A read that writes: the token is made under the lock of the installation.
      transaction: true,
      handler: async ({ db, caller, params }) => {
        const application = await ownedApplication(db, caller, params.id)
        const at = { applicationId: application.id, tenantId: params.organizationId, environment: caller.environment }
        const installation = await lockInstallationOfTenant(db, ctx.dialect, at)
        if (!installation || !isPresent(installation)) throw new StoaError('not_found')
        const token = await mintToken(ctx, db, installation)
        return ownerInstanceShape(ctx, application, installation, token)
      },
    }),
  ]
}

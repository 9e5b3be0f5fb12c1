import { defineOperation, pagedReply, PageQuery, reply, type Operation } from '../http/index.ts'
import { Id, Type } from '../kernel/index.ts'
import type { InstallationsContext } from './context.ts'
import { shapesOf } from './instances-of.ts'
import { actorOf, listSteps } from './history.ts'
import { enableInstallation, installApplication } from './install.ts'
import { locateHistory, locateInstallation, lockLocated, targetOf } from './locate.ts'
import {
  disableInstances,
  enableInstances,
  installInstances,
  showInstances,
  uninstallInstances,
} from './permissions.ts'
import { ApplicationInstance, HistoryStep, InstanceBody, ReasonBody } from './schemas.ts'
import { instanceShape, instanceUrl } from './shapes.ts'
import { disableInstallation, uninstallInstallation } from './stop-family.ts'
import { listInstallationsOn } from './store.ts'

const common = { surface: 'store', tag: 'Application instances', scope: 'target' } as const
const path = '/application-instances/:applicationId'
const params = Type.Object({ applicationId: Id() })
const query = Type.Object(PageQuery)

/** The merchant's side: what is installed on the organization, or on the location that the path chose. */
export function instanceOperations(ctx: InstallationsContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'ListApplicationInstances',
      method: 'GET',
      path: '/application-instances',
      summary: 'List what is installed',
      description: 'In the caller’s environment; what was uninstalled is not listed.',
      permission: showInstances,
      query,
      responses: { 200: Type.Array(ApplicationInstance) },
      handler: async ({ db, caller, query }) => {
        const { items, total } = await listInstallationsOn(db, targetOf(caller), caller.onlyApplicationId, query)
        return pagedReply({ items: await shapesOf(ctx, db, items), total }, query)
      },
    }),
    defineOperation({
      ...common,
      id: 'GetApplicationInstance',
      method: 'GET',
      path,
      summary: 'Read an application instance',
      permission: showInstances,
      params,
      responses: { 200: ApplicationInstance },
      errors: ['not_found'],
      handler: async ({ db, caller, params }) => {
        const { application, installation } = await locateInstallation(db, caller, params.applicationId)
        return instanceShape(ctx, application, installation)
      },
    }),
    defineOperation({
      ...common,
      id: 'PutApplicationInstance',
      method: 'PUT',
      path,
      summary: 'Install an application, or enable it again',
      description:
        'Grants the application what it requires and the `optionalPermissions` that are named, all of which the caller must be allowed to do themselves. Only available applications can be installed; a publisher may also try its own in the sandbox, in any state but disabled. 201 when it was not installed, 200 when it was. An application that acknowledges stays `enabling` until its endpoint has answered; a PUT tries again. An application with plans is installed with one, whose first period is paid at once unless it is free or on trial.',
      permission: installInstances,
      params,
      body: InstanceBody,
      bodyKind: 'optional',
      responses: { 200: ApplicationInstance, 201: ApplicationInstance },
      errors: [
        'not_found',
        'wrong_state',
        'application_unavailable',
        'rights_exceeded',
        'unknown_permission',
        'invalid_settings',
        'caller_not_allowed',
        'plan_required',
        'plan_not_found',
        'insufficient_funds',
        'wallet_suspended',
      ],
      handler: async ({ db, caller, params, body }) => {
        const installed = await installApplication(ctx, db, caller, params.applicationId, body ?? {})
        const shape = instanceShape(ctx, installed.application, installed.installation)
        if (!installed.isNew) return reply(200, shape)
        return reply(201, shape, { Location: instanceUrl(ctx, params.applicationId, installed.installation) })
      },
    }),
    defineOperation({
      ...common,
      id: 'DeleteApplicationInstance',
      method: 'DELETE',
      path,
      summary: 'Uninstall an application',
      description:
        'Its access ends at once. Its history and settings stay, for a later installation. An organization’s installation that was passed on to locations takes those along.',
      permission: uninstallInstances,
      callers: ['user', 'api-key', 'application'],
      params,
      responses: { 204: null },
      errors: ['not_found'],
      handler: async ({ db, caller, params }) => {
        const { application, installation } = await lockLocated(ctx, db, caller, params.applicationId)
        const cause = { actor: actorOf(caller), reason: null }
        await uninstallInstallation(ctx, db, application, installation, cause)
        return undefined
      },
    }),
    defineOperation({
      ...common,
      id: 'DisableApplicationInstance',
      method: 'POST',
      path: `${path}/disable`,
      summary: 'Switch an installed application off',
      description:
        'Its access ends at once; it stays installed. So does what it was passed on to, until it is switched on again.',
      permission: disableInstances,
      params,
      body: ReasonBody,
      bodyKind: 'optional',
      responses: { 200: ApplicationInstance },
      errors: ['not_found', 'wrong_state'],
      handler: async ({ db, caller, params, body }) => {
        const { application, installation } = await lockLocated(ctx, db, caller, params.applicationId)
        const cause = { actor: actorOf(caller), reason: body?.reason ?? null }
        return instanceShape(ctx, application, await disableInstallation(ctx, db, application, installation, cause))
      },
    }),
    defineOperation({
      ...common,
      id: 'EnableApplicationInstance',
      method: 'POST',
      path: `${path}/enable`,
      summary: 'Switch an installed application on again',
      permission: enableInstances,
      params,
      responses: { 200: ApplicationInstance },
      errors: [
        'not_found',
        'wrong_state',
        'application_unavailable',
        'plan_required',
        'insufficient_funds',
        'wallet_suspended',
      ],
      handler: async ({ db, caller, params }) => {
        const found = await lockLocated(ctx, db, caller, params.applicationId)
        return instanceShape(ctx, found.application, await enableInstallation(ctx, db, caller, found))
      },
    }),
    defineOperation({
      ...common,
      id: 'GetApplicationInstanceHistory',
      method: 'GET',
      path: `${path}/history`,
      summary: 'Read what happened to an installation',
      description: 'The newest first; also after it was uninstalled.',
      permission: showInstances,
      params,
      query,
      responses: { 200: Type.Array(HistoryStep) },
      errors: ['not_found'],
      handler: async ({ db, caller, params, query }) => {
        const { items, total } = await listSteps(db, (await locateHistory(db, caller, params.applicationId)).id, query)
        return pagedReply({ items: items.map(({ revision: _revision, ...step }) => step), total }, query)
      },
    }),
  ]
}

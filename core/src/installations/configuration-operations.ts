import type { Application } from '../applications/index.ts'
import { defineOperation, reply, type Caller, type Operation } from '../http/index.ts'
import { Id, StoaError, Type } from '../kernel/index.ts'
import type { InstallationsContext } from './context.ts'
import { locateInstallation, lockLocated } from './locate.ts'
import { readConfiguration, writeConfiguration } from './permissions.ts'
import { Configuration, ConfigurationBody } from './schemas.ts'
import { prepareSettings, readSettings, readSettingsInTheClear, saveSettings } from './settings.ts'
import { configurationLinks, instanceUrl } from './shapes.ts'
import type { Installation } from './installation.ts'

const common = {
  surface: 'store',
  tag: 'Application instances',
  scope: 'target',
  path: '/application-instances/:applicationId/configuration',
  callers: ['user', 'api-key', 'application'],
  params: Type.Object({ applicationId: Id() }),
} as const

export function configurationOperations(ctx: InstallationsContext): Operation[] {
  return [
    defineOperation({
      ...common,
      callers: [...common.callers],
      id: 'GetApplicationInstanceConfiguration',
      method: 'GET',
      summary: 'Read the settings of an installed application',
      description: 'With defaults. People see secrets masked; the application itself reads them in the clear.',
      permission: readConfiguration,
      responses: { 200: Configuration },
      errors: ['not_found'],
      handler: async ({ db, caller, params }) => {
        const { application, installation } = await locateInstallation(db, caller, params.applicationId)
        return configurationShape(ctx, caller, application, installation)
      },
    }),
    defineOperation({
      ...common,
      callers: [...common.callers],
      id: 'PutApplicationInstanceConfiguration',
      method: 'PUT',
      summary: 'Write the settings of an installed application',
      description:
        'All of them at once. `configuredBy` of the application says who may: people, or the application alone. Missing settings are no error, wrong ones are.',
      permission: writeConfiguration,
      body: ConfigurationBody,
      responses: { 200: Configuration, 201: Configuration },
      errors: ['not_found', 'caller_not_allowed', 'invalid_settings'],
      handler: async ({ db, caller, params, body }) => {
        const { application, installation } = await lockLocated(ctx, db, caller, params.applicationId)
        assertMayConfigure(application, caller)
        const values = await prepareSettings(ctx, application, installation, body.settings)
        const saved = await saveSettings(ctx, db, application, installation, values)
        const shape = await configurationShape(ctx, caller, application, saved.installation)
        if (!saved.isFirst) return reply(200, shape)
        return reply(201, shape, { Location: `${instanceUrl(ctx, application.id, installation)}/configuration` })
      },
    }),
  ]
}

async function configurationShape(
  ctx: InstallationsContext,
  caller: Caller,
  application: Application,
  installation: Installation,
) {
  const isApplication = caller.kind === 'application'
  return {
    settings: isApplication
      ? await readSettingsInTheClear(ctx, application, installation)
      : readSettings(ctx, application, installation),
    _links: configurationLinks(ctx, application, installation),
  }
}

function assertMayConfigure(application: Application, caller: Caller): void {
  const isApplication = caller.kind === 'application'
  if (isApplication === (application.configuredBy === 'application')) return
  throw new StoaError('caller_not_allowed', {
    message: isApplication
      ? 'Only people may change these settings; the application’s configuredBy is user.'
      : 'Only the application itself may change these settings; its configuredBy is application.',
  })
}

import { defineOperation, type Operation } from '../http/index.ts'
import { Id, Type } from '../kernel/index.ts'
import type { InstallationsContext } from './context.ts'
import { readInstallerDetails } from './installer-details.ts'
import { readInstaller, uninstallInstances } from './permissions.ts'
import { InstallerDetails, UninstallBody } from './schemas.ts'
import { uninstallEverywhere } from './uninstall-everywhere.ts'

const common = {
  surface: 'runtime',
  tag: 'Installations',
  path: '/marketplace/app/:appId/installations',
  params: Type.Object({ appId: Id() }),
} as const

const versionNote = 'A `Version` header is accepted and not required.'

/** HighLevel's two operations on installations. */
export function runtimeOperations(ctx: InstallationsContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'uninstall-application',
      method: 'DELETE',
      summary: 'Uninstall an application',
      description: `An application’s token uninstalls its own installation. A merchant names companyId (the organization and all of its locations) or locationId. So does the developer, for any merchant, with a reason. ${versionNote}`,
      permission: uninstallInstances,
      callers: ['user', 'api-key', 'application'],
      body: UninstallBody,
      bodyKind: 'optional',
      responses: { 200: Type.Object({ success: Type.Literal(true) }) },
      errors: ['invalid_request', 'tenant_mismatch', 'not_found'],
      handler: async ({ db, caller, params, body }) => {
        await uninstallEverywhere(ctx, db, caller, params.appId, body ?? {})
        return { success: true as const }
      },
    }),
    defineOperation({
      ...common,
      id: 'get-installer-details',
      method: 'GET',
      summary: 'Read who installed the application',
      description: `For the installation that the token was issued for. ${versionNote}`,
      permission: readInstaller,
      callers: ['application'],
      responses: { 200: InstallerDetails },
      errors: ['not_found'],
      handler: ({ db, caller, params }) => readInstallerDetails(ctx, db, caller, params.appId),
    }),
  ]
}

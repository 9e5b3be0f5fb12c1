import { findOrganization } from '../accounts/index.ts'
import type { Db } from '../database/index.ts'
import type { EventHooks, HighLevelTrial, NewEvent, Occurrence } from '../events/index.ts'
import { versionIdOf } from '../kernel/index.ts'
import type { CurrentPlan, InstallationsContext } from './context.ts'
import { findStep } from './history.ts'
import type { Installation } from './installation.ts'
import { findInstallation } from './store.ts'

/** How HighLevel's marketplace tells of installations. It knows nothing between installed and uninstalled. */
export const highLevelForms = (ctx: InstallationsContext): EventHooks['highLevel'] => ({
  'application-instance-enabled': {
    async applies(db, event) {
      const installation = await installationOf(db, event)
      // One that waits for an acknowledgement is told in any case: by nothing else could it ever be enabled again.
      return installation.status === 'enabling' || beganInstalled(db, installation)
    },
    async body(db, event) {
      return { type: 'INSTALL', ...(await installBody(ctx, db, await installationOf(db, event))) }
    },
  },
  'application-instance-disabled': {
    async applies(db, event) {
      return (await installationOf(db, event)).uninstalledTime !== null
    },
    body: (_db, event) => Promise.resolve({ type: 'UNINSTALL', ...placeOf(event) }),
  },
  'installation.updated': {
    applies: () => Promise.resolve(true),
    async body(db, event) {
      const { version, previousVersion } = dataOf<{ version: number; previousVersion: number }>(event)
      const installation = { ...(await installationOf(db, event)), version }
      const previousVersionId = versionIdOf(event.applicationId, previousVersion)
      return { type: 'UPDATE', ...(await installBody(ctx, db, installation)), previousVersionId }
    },
  },
  'installation.plan-changed': {
    applies: () => Promise.resolve(true),
    body(_db, event) {
      const { userId = null, currentPlanId, newPlanId } = dataOf<PlanChange>(event)
      const plans = { ...(userId !== null && { userId }), currentPlanId, newPlanId }
      return Promise.resolve({ type: 'PLAN_CHANGE', ...placeOf(event), ...plans })
    },
  },
  'external-auth.connected': {
    applies: () => Promise.resolve(true),
    body(_db, event) {
      const { authType, scopes, isAutoRefreshTokenEnabled } = dataOf<ExternalAuth>(event)
      return Promise.resolve({
        type: 'EXTERNAL_AUTH_CONNECTED',
        ...placeOf(event),
        authType,
        // HighLevel documents both for oauth2 alone.
        ...(authType === 'oauth2' && {
          ...(scopes !== undefined && { scopes }),
          ...(isAutoRefreshTokenEnabled !== undefined && { isAutoRefreshTokenEnabled }),
        }),
      })
    },
  },
})

interface PlanChange {
  userId?: string | null
  currentPlanId: string | null
  newPlanId: string | null
}

interface ExternalAuth {
  authType: 'oauth2' | 'basic'
  scopes?: string
  isAutoRefreshTokenEnabled?: boolean
}

function placeOf({ applicationId, organizationId, locationId }: Occurrence & { applicationId: string }) {
  return { appId: applicationId, companyId: organizationId, ...(locationId !== null && { locationId }) }
}

async function installBody(ctx: InstallationsContext, db: Db, installation: Installation) {
  const plan = await ctx.planOf(db, installation.id)
  const { applicationId, organizationId, locationId, installedBy, version } = installation
  return {
    appId: applicationId,
    versionId: versionIdOf(applicationId, version),
    installType: locationId === null ? ('Company' as const) : ('Location' as const),
    ...(locationId !== null && { locationId }),
    companyId: organizationId,
    // A key that belongs to no person may have installed it; HighLevel leaves it out too then.
    ...(installedBy !== null && { userId: installedBy }),
    ...(plan !== null && { planId: plan.planId }),
    trial: trialOf(plan),
    companyName: (await findOrganization(db, organizationId))?.name ?? '',
    isWhitelabelCompany: false,
  }
}

function trialOf(plan: CurrentPlan | null): HighLevelTrial {
  if (!plan?.trial) return {}
  return { onTrial: true, trialDuration: plan.trial.days, trialStartDate: plan.trial.startTime }
}

/**
 * Whether the present time of being enabled began with an installation, rather than with switching on what was off. The step
 * before it is then the end of an earlier installation, or none, and the installation is no older than that.
 */
async function beganInstalled(db: Db, installation: Installation): Promise<boolean> {
  const before = await findStep(db, installation.id, installation.episode - 1)
  return before === null || installation.installedTime >= before.time
}

async function installationOf(db: Db, event: Occurrence & { applicationId: string }): Promise<Installation> {
  const { applicationId, organizationId, locationId, environment } = event
  const installation = await findInstallation(db, { applicationId, organizationId, locationId, environment })
  if (!installation) throw new Error(`There is no installation that a ${event.type} could be about`)
  return installation
}

function dataOf<Data>({ payload }: NewEvent): Data {
  return (payload as { data: Data }).data
}

import { versionIdOf } from '../kernel/index.ts'
import type { EventType } from './catalogue.ts'
import type { HighLevelBody } from './event.ts'
import { exampleIds } from './types/own-type.ts'

const { application: appId, organization: companyId, location: locationId, user: userId } = exampleIds
const place = { appId, companyId, locationId }
const install = {
  ...place,
  versionId: versionIdOf(appId, 2),
  installType: 'Location' as const,
  userId,
  trial: {},
  companyName: 'Acropolis Bakery',
  isWhitelabelCompany: false,
}

/** The examples of the catalogue, as HighLevel’s format tells them. */
export const highLevelExamples: Partial<Record<EventType, HighLevelBody>> = {
  'application-instance-enabled': { type: 'INSTALL', ...install },
  'application-instance-disabled': { type: 'UNINSTALL', ...place },
  'installation.updated': { type: 'UPDATE', ...install, previousVersionId: versionIdOf(appId, 1) },
  'installation.plan-changed': {
    type: 'PLAN_CHANGE',
    ...place,
    userId,
    currentPlanId: 'pln_01a1ff50919a7ee88951eddf34997d11',
    newPlanId: 'pln_01a1ff50919a7ee88951eddf34997d12',
  },
  'external-auth.connected': {
    type: 'EXTERNAL_AUTH_CONNECTED',
    ...place,
    authType: 'oauth2',
    scopes: 'contacts.read',
    isAutoRefreshTokenEnabled: true,
  },
}

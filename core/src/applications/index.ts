export { applicationStatuses, isSwitchedOff, type Application, type ApplicationStatus } from './application.ts'
export { askedPermissions } from './asked-permissions.ts'
export { clientKeyId, isLiveCredential } from './client-keys.ts'
export { findClientSecret } from './client-secrets.ts'
export type { ApplicationsContext, Price } from './context.ts'
export { createDatabaseFiles } from './file-store.ts'
export { ownedApplication, visibleApplication } from './find-application.ts'
export { listHistory as listApplicationHistory } from './history-store.ts'
export { applicationsOperations } from './operations.ts'
export { releaseVersion } from './release-version.ts'
export { approveApplication, disableApplication, enableApplication, rejectApplication } from './review-application.ts'
export { rotateClientSecret } from './rotate-secret.ts'
export {
  applyUpdate,
  createSettingsCompiler,
  keepsSecrets,
  maskSecrets,
  mergeSecrets,
  splitSecrets,
  toSettingsObject,
  type JsonObject,
} from './settings-schema/index.ts'
export {
  findApplication,
  findApplicationByClientId,
  findApplications,
  lockApplication,
  ownsApplication,
  shareApplication,
} from './store.ts'
export { submitApplication } from './submit-application.ts'
export { applicationShape } from './wire.ts'

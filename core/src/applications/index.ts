export {
  applicationStatuses,
  isSwitchedOff,
  type Application,
  type ApplicationAction,
  type ApplicationHistoryEntry,
  type ApplicationStatus,
  type Revision,
} from './application.ts'
export { type ApplicationInput } from './check-application.ts'
export { deleteApplication, rotateClientSecret } from './client.ts'
export type { ApplicationsContext } from './context.ts'
export { editApplication } from './edit-application.ts'
export { createDatabaseFiles } from './file-store.ts'
export { uploadImage } from './files.ts'
export { managedApplication, ownedApplication, visibleApplication } from './find-application.ts'
export { listHistory as listApplicationHistory } from './history-store.ts'
export { applicationsOperations } from './operations.ts'
export { registerApplication, type Registration } from './register-application.ts'
export {
  approveApplication,
  disableApplication,
  enableApplication,
  rejectApplication,
  submitApplication,
} from './review-application.ts'
export {
  applyUpdate,
  createSettingsCompiler,
  keepsSecrets,
  maskSecrets,
  mergeSecrets,
  splitSecrets,
  toSettingsObject,
  type CompiledSettings,
  type JsonObject,
  type SecretMask,
  type SettingsCompiler,
  type SettingsProblem,
} from './settings-schema/index.ts'
export { ApplicationShape, type ApplicationWire } from './schemas.ts'
export { findApplication, findApplications, isClientSecret, ownsApplication, shareApplication } from './store.ts'
export { applicationShape, isOwner, isReviewer } from './wire.ts'

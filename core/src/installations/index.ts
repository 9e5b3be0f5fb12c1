export { accessRequestOf, installWithConsent, type AccessRequest, type Consent } from './consent.ts'
export type { InstallationsContext } from './context.ts'
export { installationHooks } from './hooks.ts'
export { instancesOf } from './instances-of.ts'
export { installationsOperations } from './operations.ts'
export type { FanOut, Installation, Status, Target } from './installation.ts'
export { passOnToLocation, queueRollOut } from './jobs.ts'
export { isPresent } from './locate.ts'
export {
  countGrants,
  countInstallations,
  findEnabledInstallations,
  findInstallation,
  findInstallationById,
  lockInstallation,
  lockInstallationById,
} from './store.ts'
export { createInstallationWorker, type InstallationWorker } from './worker.ts'

export { accessRequestOf, type AccessRequest } from './access-request.ts'
export { installWithConsent, type Consent } from './consent.ts'
export type { CurrentPlan, InstallationsContext, Start } from './context.ts'
export { approveAccess, pendingAccessOf, refuseAccess } from './decide-access.ts'
export { installationHooks } from './hooks.ts'
export { installationsAt, installationsOf } from './installations-at.ts'
export { instancesOf } from './instances-of.ts'
export { installationsOperations } from './operations.ts'
export type { FanOut, Installation, Status, Target } from './installation.ts'
export { listApprovedLocations } from './approved-locations.ts'
export { queueRollOut } from './jobs.ts'
export { listInstalledLocations, type InstalledLocation, type InstalledLocationsQuery } from './locations.ts'
export { passOnToLocation } from './pass-on.ts'
export { actorOf, theHost, type Actor } from './history.ts'
export { isPresent, locateHistory, lockLocated } from './locate.ts'
export { assertDecidedHere, isLive } from './family.ts'
export { disableInstallation } from './stop-family.ts'
export {
  countGrants,
  countInstallations,
  findEnabledInstallations,
  findInstallation,
  findInstallationById,
  listPassedOn,
  lockInstallation,
  lockInstallationById,
} from './store.ts'
export { createInstallationWorker } from './worker.ts'

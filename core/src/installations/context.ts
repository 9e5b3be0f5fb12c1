import type { ApplicationsContext } from '../applications/index.ts'

/** What the rules of installations need: everything that applications have. */
export type InstallationsContext = ApplicationsContext

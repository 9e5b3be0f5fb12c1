import type { ApplicationsContext } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import type { Actor } from './history.ts'
import type { Installation } from './installation.ts'

/** An installation that is being switched on, in the transaction that does it. */
export interface Start {
  /** As it is from now on. */
  installation: Installation
  /** Whether it was not installed before. */
  isNew: boolean
  /** The plan that was chosen for it; null when none was named. */
  planId: string | null
  /** Whether that follows from the organization's installation: nobody is there to choose, or to be told that nobody can pay. */
  withParent: boolean
  actor: Actor
}

/** The plan that an installation is on. */
export interface CurrentPlan {
  planId: string
  /** While nothing is paid yet. */
  trial: { startTime: string; days: number } | null
}

/** What the rules of installations need: everything that applications have, and plans. */
export interface InstallationsContext extends ApplicationsContext {
  /** Port, filled by the wallet: takes what the plan costs. Throws `plan_required`, `plan_not_found`, `wrong_state`, `insufficient_funds`. */
  onStarted(db: Db, start: Start): Promise<void>
  /** Port, filled by the wallet: its plan ends with it. */
  onUninstalled(db: Db, installation: Installation, actor: Actor): Promise<void>
  /** Port, filled by the wallet: null for what has no plan. */
  planOf(db: Db, installationId: string): Promise<CurrentPlan | null>
}

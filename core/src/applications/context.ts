import type { Db } from '../database/index.ts'
import type { EventsContext } from '../events/index.ts'
import type { Caller } from '../http/index.ts'
import type { SettingsCompiler } from './settings-schema/index.ts'

export interface ApplicationsContext extends EventsContext {
  settings: SettingsCompiler
  /**
   * Port, filled by installations: the caller's own instances of these applications as wire objects, by application id.
   * For `expand=applicationInstance`, and for showing a disabled application to those who have it.
   */
  instancesOf(db: Db, caller: Caller, applicationIds: string[]): Promise<Map<string, object>>
  /** Port, filled by installations: how many installations an application has or had. One that has any cannot be deleted. */
  countInstallations(db: Db, applicationId: string): Promise<number>
}

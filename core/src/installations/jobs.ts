import type { Location } from '../accounts/index.ts'
import type { Db } from '../database/index.ts'
import type { InstallationsContext } from './context.ts'

/** Another version is in force: whoever it asks for no more than was granted is brought to it, the others get pending access. */
export function queueRollOut(_ctx: InstallationsContext, _db: Db, _applicationId: string): Promise<void> {
  return Promise.resolve()
}

/** A location was added: what its organization wants passed on to future locations is installed there. */
export function passOnToLocation(_ctx: InstallationsContext, _db: Db, _location: Location): Promise<void> {
  return Promise.resolve()
}

import type { Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import type { InstallationsContext } from './context.ts'
import type { Installed } from './install.ts'
import type { FanOut, Installation } from './installation.ts'

/** What a person agreed to: the version they were shown, and which of its optional permissions (canonical names). */
export interface Consent {
  applicationId: string
  version: number
  optional: string[]
}

/** What a version asks of a target, against what the target has granted already. Canonical names. */
export interface AccessRequest {
  version: number
  required: string[]
  optional: string[]
  /** What is granted now and still asked for. */
  granted: string[]
  /** Required and not granted. */
  missing: string[]
}

export function accessRequestOf(
  _ctx: InstallationsContext,
  _application: Application,
  _installation: Installation | null,
): AccessRequest {
  throw new Error('not built yet')
}

export function installWithConsent(
  _ctx: InstallationsContext,
  _db: Db,
  _caller: Caller,
  _consent: Consent,
  _fanOut: FanOut | null,
): Promise<Installed> {
  throw new Error('not built yet')
}

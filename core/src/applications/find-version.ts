import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { StoaError } from '../kernel/index.ts'
import type { Application } from './application.ts'
import type { ApplicationsContext } from './context.ts'
import { ownedApplication } from './find-application.ts'
import { lockApplication } from './store.ts'
import type { Version } from './version.ts'
import { findVersion } from './version-store.ts'

/** The caller's own application, locked: its versions move one after the other. Throws `not_found` as ownedApplication. */
export async function lockedApplication(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
): Promise<Application> {
  await lockApplication(db, id, ctx.dialect.rowLocks)
  return ownedApplication(db, caller, id)
}

/** Throws `not_found`. */
export async function versionOf(db: Db, { id }: Application, number: number): Promise<Version> {
  const version = await findVersion(db, id, number)
  if (!version) throw new StoaError('not_found')
  return version
}

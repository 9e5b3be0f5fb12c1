import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { coreOf, type Application, type CoreMembers } from './application.ts'
import type { ApplicationsContext } from './context.ts'
import type { ReleaseMode, Version } from './version.ts'
import { insertVersion } from './version-store.ts'

export interface Snapshot {
  submittedTime: string
  /** By default the application's own. */
  content?: CoreMembers
  releaseMode?: ReleaseMode
  notes?: string | null
}

/** Writes a version that is submitted as it is made, with what the meters cost now. */
export async function takeSnapshot(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  application: Application,
  { submittedTime, content = coreOf(application), releaseMode = 'automatic', notes = null }: Snapshot,
): Promise<Version> {
  return insertVersion(db, {
    applicationId: application.id,
    status: 'submitted',
    content,
    prices: await ctx.pricesOf(db, application.id),
    releaseMode,
    notes,
    createdBy: caller.userId,
    createdTime: submittedTime,
    submittedTime,
  })
}

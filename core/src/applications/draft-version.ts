import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { nowIso } from '../kernel/index.ts'
import { coreOf, type Application } from './application.ts'
import { checkChanges, checkText, normaliseInput, type ApplicationInput } from './check-application.ts'
import type { ApplicationsContext } from './context.ts'
import { coreChangesOf } from './core-changes.ts'
import { lockedApplication, versionOf } from './find-version.ts'
import type { ReleaseMode, Version } from './version.ts'
import { deleteDraft, findNewest, insertVersion, moveVersion } from './version-store.ts'
import { wrongState, wrongVersionState } from './wrong-state.ts'

/** Core members, and how and as what they are released. */
export type VersionInput = ApplicationInput & { release?: ReleaseMode; notes?: string | null }

/**
 * A draft of the next version of an approved application: what is in force, with the core members of `input`. There is one at a
 * time. Throws `wrong_state` when there is one, or when the application was never approved and can be changed itself.
 */
export async function createDraft(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  { release = 'automatic', notes = null, ...members }: VersionInput,
): Promise<Version> {
  const application = await lockedApplication(ctx, db, caller, id)
  assertApproved(application)
  const draft = await findNewest(db, id, ['draft'])
  if (draft) throw wrongVersionState(draft, 'and there is one draft at a time: change or delete it')
  const changes = coreChangesOf(normaliseInput(members, application))
  await checkChanges(ctx, db, caller, changes, application)
  return insertVersion(db, {
    applicationId: id,
    status: 'draft',
    content: { ...coreOf(application), ...changes },
    prices: null,
    releaseMode: release,
    notes: notes === null ? null : checkText('notes', notes),
    createdBy: caller.userId,
    createdTime: nowIso(ctx.clock),
    submittedTime: null,
  })
}

/** Changes a draft; what is not sent stays. Throws `wrong_state` for what was submitted: it is immutable. */
export async function editDraft(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  number: number,
  { release, notes, ...members }: VersionInput,
): Promise<Version> {
  const application = await lockedApplication(ctx, db, caller, id)
  const draft = await versionOf(db, application, number)
  if (draft.status !== 'draft') throw wrongVersionState(draft, immutable)
  const changes = coreChangesOf(normaliseInput(members, draft.content))
  await checkChanges(ctx, db, caller, changes, draft.content)
  const moved = await moveVersion(db, draft, 'draft', {
    content: { ...draft.content, ...changes },
    ...(release !== undefined && { releaseMode: release }),
    ...(notes !== undefined && { notes: notes === null ? null : checkText('notes', notes) }),
  })
  if (!moved) throw wrongVersionState(draft, immutable)
  return versionOf(db, application, number)
}

/** Throws as editDraft. */
export async function dropDraft(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  number: number,
): Promise<void> {
  const application = await lockedApplication(ctx, db, caller, id)
  const draft = await versionOf(db, application, number)
  if (!(await deleteDraft(db, id, number))) throw wrongVersionState(draft, immutable)
}

const immutable = 'and was submitted, so that it stays as it is: make another version'

/** Before the first approval there is nothing in force that a version could stand beside. */
function assertApproved(application: Application): void {
  if (application.version > 0) return
  throw wrongState(application, 'and was never approved: change it itself, and submit it')
}

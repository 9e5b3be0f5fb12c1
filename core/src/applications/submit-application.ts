import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { invalidField, StoaError } from '../kernel/index.ts'
import { coreOf, type Application, type CoreMembers } from './application.ts'
import { checkChanges, checkText, normaliseInput } from './check-application.ts'
import type { ApplicationsContext } from './context.ts'
import type { VersionInput } from './draft-version.ts'
import { changesAgainst, changesOf, coreChangesOf } from './core-changes.ts'
import { editApplication, nextTime } from './edit-application.ts'
import { lockedApplication, versionOf } from './find-version.ts'
import { recordStep } from './record-step.ts'
import { findApplication, updateApplication } from './store.ts'
import { takeSnapshot } from './take-snapshot.ts'
import type { Version } from './version.ts'
import { findNewest, moveVersion } from './version-store.ts'
import { overtaken, wrongState, wrongVersionState } from './wrong-state.ts'

/**
 * Submits for review. A draft or a rejected listing, with the core members of `input` as a last edit, becomes
 * `pending-approval`, and what it is then is its next version. Of an approved listing (available, disabled) the core members of
 * `input` make a version that waits for review while the listing stays as it is; one waits at a time.
 */
export async function submitApplication(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  { release, notes: given, ...input }: VersionInput,
): Promise<Application> {
  const application = await lockedApplication(ctx, db, caller, id)
  const notes = given == null ? null : checkText('notes', given)
  switch (application.status) {
    case 'pending-approval':
      throw wrongState(application, 'and waits for review already')
    case 'draft':
    case 'rejected': {
      if (release === 'manual') {
        throw invalidField('release', 'must be automatic: the approval puts a new application into the store')
      }
      const edited = await editApplication(ctx, db, caller, id, input)
      assertComplete(edited)
      const updatedTime = nextTime(ctx, edited)
      const set = { updatedTime, status: 'pending-approval', statusReason: null } as const
      if (!(await updateApplication(db, edited, {}, set))) throw await overtaken(db, id)
      const version = await takeSnapshot(ctx, db, caller, edited, { submittedTime: updatedTime, notes })
      return recordSubmitted(ctx, db, caller, edited, version)
    }
    case 'available':
    case 'disabled': {
      await assertNothingWaits(db, application)
      const changes = coreChangesOf(changesOf(application, normaliseInput(input, application)))
      assertChanged(application, changes)
      await checkChanges(ctx, db, caller, changes, application)
      const submittedTime = await beginReview(ctx, db, application)
      const content = { ...coreOf(application), ...changes }
      const snapshot = { submittedTime, content, notes, ...(release && { releaseMode: release }) }
      const version = await takeSnapshot(ctx, db, caller, application, snapshot)
      return recordSubmitted(ctx, db, caller, application, version)
    }
  }
}

/** Submits a draft version for review, as it is: from now on it is immutable. Throws `wrong_state`, and 422 as checkChanges. */
export async function submitVersion(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  number: number,
): Promise<Version> {
  const application = await lockedApplication(ctx, db, caller, id)
  const draft = await versionOf(db, application, number)
  if (draft.status !== 'draft') throw wrongVersionState(draft, 'and only a draft can be submitted')
  await assertNothingWaits(db, application)
  assertChanged(application, changesAgainst(application, draft.content))
  // Once more: what the host knows may have changed since it was drafted.
  await checkChanges(ctx, db, caller, draft.content, draft.content)
  const submittedTime = await beginReview(ctx, db, application)
  const submitted = { status: 'submitted', submittedTime, prices: await ctx.pricesOf(db, id) } as const
  if (!(await moveVersion(db, draft, 'draft', submitted))) throw await overtaken(db, id)
  const version = await versionOf(db, application, number)
  await recordSubmitted(ctx, db, caller, application, version)
  return version
}

/** The listing stays as it is, and says since when a version waits for review. */
async function beginReview(ctx: ApplicationsContext, db: Db, application: Application): Promise<string> {
  const updatedTime = nextTime(ctx, application)
  const set = { updatedTime, revisionSubmittedTime: updatedTime }
  if (!(await updateApplication(db, application, {}, set))) throw await overtaken(db, application.id)
  return updatedTime
}

async function recordSubmitted(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  before: Application,
  { number }: Version,
): Promise<Application> {
  const application = (await findApplication(db, before.id))!
  const step = { action: 'submitted', from: before.status, reason: null, version: number } as const
  await recordStep(ctx, db, caller, application, step)
  return application
}

async function assertNothingWaits(db: Db, application: Application): Promise<void> {
  const waiting = await findNewest(db, application.id, ['submitted', 'approved'])
  if (!waiting) return
  const what = waiting.status === 'submitted' ? 'waits for review' : 'is approved and waits for its release'
  throw wrongState(application, `and its version ${waiting.number} ${what} already`)
}

function assertChanged(application: Application, changes: Partial<CoreMembers>): void {
  if (Object.keys(changes).length > 0) return
  throw wrongState(application, 'and nothing that is reviewed would change')
}

const neededForReview = ['logoId', 'authorName', 'tagline', 'description'] as const

function assertComplete(application: Application): void {
  const missing = neededForReview.filter((member) => application[member] === null)
  if (missing.length === 0) return
  throw new StoaError('validation_failed', {
    message: `Before review the listing needs ${missing.join(', ')}; set them with PATCH /applications/${application.id}.`,
    invalidFields: missing.map((field) => ({ field, message: 'is required before review' })),
  })
}

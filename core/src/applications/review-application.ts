import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { nowIso, StoaError } from '../kernel/index.ts'
import type { Application, ApplicationAction, ApplicationChanges, ApplicationStatus, Revision } from './application.ts'
import { checkChanges, checkText, normaliseInput, type ApplicationInput } from './check-application.ts'
import type { ApplicationsContext } from './context.ts'
import { changesOf, coreChangesOf, editApplication, overtaken } from './edit-application.ts'
import { managedApplication, ownedApplication } from './find-application.ts'
import { recordStep } from './record-step.ts'
import { findApplication, updateApplication } from './store.ts'

/**
 * Submits for review. A draft or a rejected listing, with the core members of `input` as a last edit, becomes
 * `pending-approval`. Of an approved listing (available, disabled) the core members of `input` become its revision, which
 * waits for review while the listing stays as it is; there is one revision at a time, and it is frozen like a pending listing.
 */
export async function submitApplication(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  input: ApplicationInput,
): Promise<Application> {
  const application = await ownedApplication(db, caller, id)
  switch (application.status) {
    case 'pending-approval':
      throw wrongState(application, 'and waits for review already')
    case 'draft':
    case 'rejected': {
      const edited = await editApplication(ctx, db, caller, id, input)
      assertComplete(edited)
      return takeStep(ctx, db, caller, edited, { action: 'submitted', to: 'pending-approval', reason: null })
    }
    case 'available':
    case 'disabled': {
      if (application.revision) throw wrongState(application, 'and has a revision that waits for review already')
      const changes = coreChangesOf(changesOf(application, normaliseInput(input)))
      if (Object.keys(changes).length === 0)
        throw wrongState(application, 'and the request changes nothing that is reviewed')
      await checkChanges(ctx, db, caller, changes)
      const revision = { changes, submittedTime: nowIso(ctx.clock) }
      return takeStep(ctx, db, caller, application, {
        action: 'submitted',
        to: application.status,
        reason: null,
        revision,
      })
    }
  }
}

/** Approves what waits: a listing, or the revision of an approved one, whose members then take effect. For reviewers. */
export async function approveApplication(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  reason: string | undefined,
): Promise<Application> {
  const application = await managedApplication(db, caller, id)
  const step = { action: 'approved', reason: reasonOf(reason) } as const
  if (application.status === 'pending-approval')
    return takeStep(ctx, db, caller, application, { ...step, to: 'available' })
  if (!application.revision) throw wrongState(application, 'and nothing waits for review')
  const { changes } = application.revision
  return takeStep(ctx, db, caller, application, { ...step, to: application.status, changes, revision: null })
}

/** Refuses what waits: a listing becomes `rejected`, a revision is dropped and the approved listing stays. For reviewers. */
export async function rejectApplication(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  reason: string,
): Promise<Application> {
  const application = await managedApplication(db, caller, id)
  const step = { action: 'rejected', reason: reasonOf(reason) } as const
  if (application.status === 'pending-approval')
    return takeStep(ctx, db, caller, application, { ...step, to: 'rejected' })
  if (!application.revision) throw wrongState(application, 'and nothing waits for review')
  return takeStep(ctx, db, caller, application, { ...step, to: application.status, revision: null })
}

/** Takes an available application out of the store. For reviewers. */
export async function disableApplication(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  reason: string,
): Promise<Application> {
  const application = await managedApplication(db, caller, id)
  if (application.status !== 'available') throw wrongState(application, 'and only an available one can be disabled')
  return takeStep(ctx, db, caller, application, { action: 'disabled', to: 'disabled', reason: reasonOf(reason) })
}

/** Puts a disabled application back into the store. For reviewers. */
export async function enableApplication(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  reason: string | undefined,
): Promise<Application> {
  const application = await managedApplication(db, caller, id)
  if (application.status !== 'disabled') throw wrongState(application, 'and only a disabled one can be enabled')
  return takeStep(ctx, db, caller, application, { action: 'enabled', to: 'available', reason: reasonOf(reason) })
}

interface Step {
  action: ApplicationAction
  to: ApplicationStatus
  reason: string | null
  changes?: ApplicationChanges
  revision?: Revision | null
}

/** One compare-and-swap against the application that was judged, with history and event in the same transaction. */
async function takeStep(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  judged: Application,
  { action, to, reason, changes = {}, revision }: Step,
): Promise<Application> {
  const statusReason =
    to === judged.status ? judged.statusReason : to === 'rejected' || to === 'disabled' ? reason : null
  const set = { updatedTime: nowIso(ctx.clock), status: to, statusReason, ...(revision !== undefined && { revision }) }
  if (!(await updateApplication(db, judged, changes, set))) throw await overtaken(db, judged.id)
  const application = (await findApplication(db, judged.id))!
  await recordStep(ctx, db, caller, application, { action, from: judged.status, reason })
  return application
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

function wrongState(application: Application, why: string): StoaError {
  const message = `The application is ${application.status} ${why}.`
  return new StoaError('wrong_state', { message, details: { state: application.status } })
}

function reasonOf(reason: string | undefined): string | null {
  return reason === undefined ? null : checkText('reason', reason)
}

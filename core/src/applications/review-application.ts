import { revokeApplicationTokens } from '../access/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { StoaError } from '../kernel/index.ts'
import type { Application, ApplicationAction, ApplicationChanges, ApplicationStatus, Revision } from './application.ts'
import { checkChanges, checkText, normaliseInput, type ApplicationInput } from './check-application.ts'
import type { ApplicationsContext } from './context.ts'
import { changesOf, coreChangesOf, editApplication, nextTime, overtaken } from './edit-application.ts'
import { managedApplication, ownedApplication } from './find-application.ts'
import { recordStep } from './record-step.ts'
import { findApplication, lockApplication, updateApplication } from './store.ts'

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
      const revision = { changes, submittedTime: nextTime(ctx, application) }
      return takeStep(ctx, db, caller, application, {
        action: 'submitted',
        to: application.status,
        reason: null,
        revision,
      })
    }
  }
}

/** What a reviewer decides, and which version of the application they looked at. */
export interface Decision<Reason extends string | undefined = string | undefined> {
  reason?: Reason
  /** `updatedTime` of the application as it was read or, for a revision, its `submittedTime`. */
  updatedTime?: string | undefined
}

/**
 * Approves what waits: a listing, or the revision of an approved one, whose members then take effect. For reviewers.
 * Throws `wrong_state` when nothing waits, or when it changed since the version that the decision names.
 */
export async function approveApplication(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  { reason, updatedTime }: Decision,
): Promise<Application> {
  const application = await waitingApplication(ctx, db, caller, id, updatedTime)
  const step = { action: 'approved', reason: reasonOf(reason) } as const
  if (application.status === 'pending-approval')
    return takeStep(ctx, db, caller, application, { ...step, to: 'available' })
  if (!application.revision) throw nothingWaits(application)
  const { changes } = application.revision
  return takeStep(ctx, db, caller, application, { ...step, to: application.status, changes, revision: null })
}

/**
 * Refuses what waits: a listing becomes `rejected`, a revision is dropped and the approved listing stays. For reviewers.
 * Throws as approveApplication.
 */
export async function rejectApplication(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  { reason, updatedTime }: Decision<string>,
): Promise<Application> {
  const application = await waitingApplication(ctx, db, caller, id, updatedTime)
  const step = { action: 'rejected', reason: reasonOf(reason) } as const
  if (application.status === 'pending-approval')
    return takeStep(ctx, db, caller, application, { ...step, to: 'rejected' })
  if (!application.revision) throw nothingWaits(application)
  return takeStep(ctx, db, caller, application, { ...step, to: application.status, revision: null })
}

/** Takes an available application out of the store, and ends the tokens of all installations. For reviewers. */
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

/** Puts a disabled application back into the store; its installations get tokens again. For reviewers. */
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

/** The application to decide on, locked, so that it stays what the decision was made about. */
async function waitingApplication(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  updatedTime: string | undefined,
): Promise<Application> {
  await lockApplication(db, id, ctx.dialect.rowLocks)
  const application = await managedApplication(db, caller, id)
  if (updatedTime === undefined) return application
  const isWaiting = application.status === 'pending-approval'
  if (!isWaiting && !application.revision) throw nothingWaits(application)
  // A revision is frozen while it waits, so a cosmetic change of its listing is no change of what is decided about.
  const versions = [application.updatedTime, ...(isWaiting ? [] : [application.revision!.submittedTime])]
  if (versions.some((version) => Date.parse(version) === Date.parse(updatedTime))) return application
  throw new StoaError('wrong_state', {
    message: 'The application has changed since you looked; read it again.',
    details: { state: application.status, updatedTime: application.updatedTime },
  })
}

function nothingWaits(application: Application): StoaError {
  return wrongState(application, 'and nothing waits for review')
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
  const updatedTime = revision?.submittedTime ?? nextTime(ctx, judged)
  const set = { updatedTime, status: to, statusReason, ...(revision !== undefined && { revision }) }
  if (!(await updateApplication(db, judged, changes, set))) throw await overtaken(db, judged.id)
  if (to === 'disabled' && judged.status !== 'disabled') await revokeApplicationTokens(ctx, db, judged.id)
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

import { revokeApplicationTokens } from '../access/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { nowIso, StoaError } from '../kernel/index.ts'
import type { Application, ApplicationAction, ApplicationStatus } from './application.ts'
import { checkText } from './check-application.ts'
import type { ApplicationsContext } from './context.ts'
import { nextTime } from './edit-application.ts'
import { managedApplication } from './find-application.ts'
import { recordStep } from './record-step.ts'
import { releaseApproved } from './release-version.ts'
import { findApplication, lockApplication, updateApplication } from './store.ts'
import type { Version } from './version.ts'
import { findNewest, moveVersion } from './version-store.ts'
import { overtaken, wrongState } from './wrong-state.ts'

/** What a reviewer decides, and which version of the application they looked at. */
export interface Decision<Reason extends string | undefined = string | undefined> {
  reason?: Reason
  /** `updatedTime` of the application as it was read or, for a revision, its `submittedTime`. */
  updatedTime?: string | undefined
}

/**
 * Approves the version that waits. The first one is released at once, and its listing available; a later one of an approved
 * listing is released at once unless its author wants to do that. For reviewers.
 * Throws `wrong_state` when nothing waits, or when it changed since the version that the decision names.
 */
export async function approveApplication(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  { reason, updatedTime }: Decision,
): Promise<Application> {
  const { application, version } = await waiting(ctx, db, caller, id, updatedTime)
  const to = application.status === 'pending-approval' ? 'available' : application.status
  const step = { action: 'approved', to, reason: reasonOf(reason) } as const
  const approved = await decide(ctx, db, caller, application, version, 'approved', step)
  if (version.releaseMode === 'manual') return approved
  await releaseApproved(ctx, db, caller, approved, version)
  return (await findApplication(db, id))!
}

/**
 * Refuses the version that waits; with the first one the listing becomes `rejected`, of a later one it stays as it is. For
 * reviewers. Throws as approveApplication.
 */
export async function rejectApplication(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  { reason, updatedTime }: Decision<string>,
): Promise<Application> {
  const { application, version } = await waiting(ctx, db, caller, id, updatedTime)
  const to = application.status === 'pending-approval' ? 'rejected' : application.status
  const step = { action: 'rejected', to, reason: reasonOf(reason) } as const
  return decide(ctx, db, caller, application, version, 'rejected', step)
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

/** The application to decide on with the version that waits, locked, so that both stay what the decision was made about. */
async function waiting(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  updatedTime: string | undefined,
): Promise<{ application: Application; version: Version }> {
  await lockApplication(db, id, ctx.dialect.rowLocks)
  const application = await managedApplication(db, caller, id)
  const version = await findNewest(db, id, ['submitted'])
  if (!version) throw wrongState(application, 'and nothing waits for review')
  // A version is frozen while it waits, so a cosmetic change of its listing is no change of what is decided about; the first
  // one is judged together with the words of its listing.
  const { revisionSubmittedTime } = application
  const judged = [application.updatedTime, ...(revisionSubmittedTime === null ? [] : [revisionSubmittedTime])]
  const isCurrent = updatedTime === undefined || judged.some((time) => Date.parse(time) === Date.parse(updatedTime))
  if (isCurrent) return { application, version }
  throw new StoaError('wrong_state', {
    message: 'The application has changed since you looked; read it again.',
    details: { state: application.status, updatedTime: application.updatedTime },
  })
}

async function decide(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  application: Application,
  version: Version,
  status: 'approved' | 'rejected',
  step: Step,
): Promise<Application> {
  const decision = { status, decidedTime: nowIso(ctx.clock), ...(status === 'rejected' && { reason: step.reason }) }
  if (!(await moveVersion(db, version, 'submitted', decision))) throw await overtaken(db, application.id)
  return takeStep(ctx, db, caller, application, { ...step, version: version.number, revisionSubmittedTime: null })
}

interface Step {
  action: ApplicationAction
  to: ApplicationStatus
  reason: string | null
  version?: number | null
  revisionSubmittedTime?: null
}

/** One compare-and-swap against the application that was judged, with history and event in the same transaction. */
async function takeStep(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  judged: Application,
  { action, to, reason, version = null, revisionSubmittedTime }: Step,
): Promise<Application> {
  const statusReason =
    to === judged.status ? judged.statusReason : to === 'rejected' || to === 'disabled' ? reason : null
  const set = { updatedTime: nextTime(ctx, judged), status: to, statusReason }
  const revision = revisionSubmittedTime === undefined ? {} : { revisionSubmittedTime }
  if (!(await updateApplication(db, judged, {}, { ...set, ...revision }))) throw await overtaken(db, judged.id)
  if (to === 'disabled' && judged.status !== 'disabled') await revokeApplicationTokens(ctx, db, judged.id)
  const application = (await findApplication(db, judged.id))!
  await recordStep(ctx, db, caller, application, { action, from: judged.status, reason, version })
  return application
}

function reasonOf(reason: string | undefined): string | null {
  return reason === undefined ? null : checkText('reason', reason)
}

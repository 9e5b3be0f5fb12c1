import type { Db } from '../database/index.ts'
import { defineOperation, type Caller, type Operation } from '../http/index.ts'
import type { Application } from './application.ts'
import type { ApplicationsContext } from './context.ts'
import { reviewApplications } from './permissions.ts'
import {
  approveApplication,
  disableApplication,
  enableApplication,
  rejectApplication,
  type Decision,
} from './review-application.ts'
import { ApplicationShape, ApproveBody, ById, OptionalReasonBody, ReasonBody, RejectBody } from './schemas.ts'
import { applicationFor } from './wire.ts'

const common = {
  surface: 'store',
  tag: 'Applications',
  scope: 'organization',
  method: 'POST',
  permission: reviewApplications,
  params: ById,
  responses: { 200: ApplicationShape },
  errors: ['not_found', 'wrong_state', 'validation_failed'],
} as const

const versionNote =
  'With `updatedTime`, that of the application as it was read or the `submittedTime` of its revision, nothing is decided about what has changed since: that is 409 `wrong_state`.'

/** What the platform's own people decide about the applications of others. */
export function reviewOperations(ctx: ApplicationsContext): Operation[] {
  const show = async (db: Db, caller: Caller, application: Promise<Application>) =>
    applicationFor(ctx, db, caller, await application)
  return [
    defineOperation({
      ...common,
      errors: [...common.errors],
      id: 'ApproveApplication',
      path: '/applications/:id/approve',
      summary: 'Approve an application that waits for review',
      description: `It becomes available. The waiting version of an approved application is released, unless its author wants to release it. ${versionNote}`,
      body: ApproveBody,
      bodyKind: 'optional',
      handler: ({ caller, db, params, body }) => {
        const decision: Decision = body ?? {}
        return show(db, caller, approveApplication(ctx, db, caller, params.id, decision))
      },
    }),
    defineOperation({
      ...common,
      errors: [...common.errors],
      id: 'RejectApplication',
      path: '/applications/:id/reject',
      summary: 'Reject an application that waits for review',
      description: `Its publisher reads the reason, changes it and submits it again. Of an approved application only the waiting version is rejected. ${versionNote}`,
      body: RejectBody,
      handler: ({ caller, db, params, body }) => show(db, caller, rejectApplication(ctx, db, caller, params.id, body)),
    }),
    defineOperation({
      ...common,
      errors: [...common.errors],
      id: 'DisableApplication',
      path: '/applications/:id/disable',
      summary: 'Take an application out of the store',
      description:
        'Nobody can install it any more, and the tokens of all its installations end at once; the installations stay. Its publisher reads the reason.',
      body: ReasonBody,
      handler: ({ caller, db, params, body }) =>
        show(db, caller, disableApplication(ctx, db, caller, params.id, body.reason)),
    }),
    defineOperation({
      ...common,
      errors: [...common.errors],
      id: 'EnableApplication',
      path: '/applications/:id/enable',
      summary: 'Put a disabled application back into the store',
      description: 'It is available again as it was approved, and its installations can get tokens again.',
      body: OptionalReasonBody,
      bodyKind: 'optional',
      handler: ({ caller, db, params, body }) =>
        show(db, caller, enableApplication(ctx, db, caller, params.id, body?.reason)),
    }),
  ]
}

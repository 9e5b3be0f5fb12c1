import type { Db } from '../database/index.ts'
import { defineOperation, type Caller, type Operation } from '../http/index.ts'
import type { Application } from './application.ts'
import type { ApplicationsContext } from './context.ts'
import { reviewApplications } from './permissions.ts'
import { approveApplication, disableApplication, enableApplication, rejectApplication } from './review-application.ts'
import { ApplicationShape, ById, OptionalReasonBody, ReasonBody } from './schemas.ts'
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

type Rule<R> = (ctx: ApplicationsContext, db: Db, caller: Caller, id: string, reason: R) => Promise<Application>

/** What the platform's own people decide about the applications of others. */
export function reviewOperations(ctx: ApplicationsContext): Operation[] {
  const withReason = (id: string, verb: string, summary: string, description: string, rule: Rule<string>) =>
    defineOperation({
      ...common,
      errors: [...common.errors],
      id,
      path: `/applications/:id/${verb}`,
      summary,
      description,
      body: ReasonBody,
      handler: async ({ caller, db, params, body }) =>
        applicationFor(ctx, db, caller, await rule(ctx, db, caller, params.id, body.reason)),
    })
  const withoutReason = (
    id: string,
    verb: string,
    summary: string,
    description: string,
    rule: Rule<string | undefined>,
  ) =>
    defineOperation({
      ...common,
      errors: [...common.errors],
      id,
      path: `/applications/:id/${verb}`,
      summary,
      description,
      body: OptionalReasonBody,
      bodyKind: 'optional',
      handler: async ({ caller, db, params, body }) =>
        applicationFor(ctx, db, caller, await rule(ctx, db, caller, params.id, body?.reason)),
    })
  return [
    withoutReason(
      'ApproveApplication',
      'approve',
      'Approve an application that waits for review',
      'It becomes available; the waiting revision of an approved application takes effect.',
      approveApplication,
    ),
    withReason(
      'RejectApplication',
      'reject',
      'Reject an application that waits for review',
      'Its publisher reads the reason, changes it and submits it again. A waiting revision is dropped.',
      rejectApplication,
    ),
    withReason(
      'DisableApplication',
      'disable',
      'Take an application out of the store',
      'Nobody can install it any more. Its publisher reads the reason.',
      disableApplication,
    ),
    withoutReason(
      'EnableApplication',
      'enable',
      'Put a disabled application back into the store',
      'It is available again as it was approved.',
      enableApplication,
    ),
  ]
}

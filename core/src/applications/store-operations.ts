import { parseExpand } from '../database/index.ts'
import { defineOperation, pagedReply, PageQuery, reply, type Operation, linkTo } from '../http/index.ts'
import { Type } from '../kernel/index.ts'
import type { ApplicationsContext } from './context.ts'
import { editApplication } from './edit-application.ts'
import { browseApplications, expandable, managedApplication, visibleApplication } from './find-application.ts'
import { listHistory } from './history-store.ts'
import * as may from './permissions.ts'
import { registerApplication } from './register-application.ts'
import { reviewOperations } from './review-operations.ts'
import {
  ApplicationCollectionQuery,
  ApplicationQuery,
  ApplicationShape,
  ById,
  HistoryShape,
  PatchApplicationBody,
  PostApplicationBody,
  VersionBody,
  writable,
} from './schemas.ts'
import { submitApplication } from './submit-application.ts'
import { applicationFor, historyEntryFor } from './wire.ts'

const common = { surface: 'store', tag: 'Applications', scope: 'organization' } as const

/** The store: Rebilly's three operations, and what a publisher needs beyond them. */
export function storeOperations(ctx: ApplicationsContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'PostApplication',
      method: 'POST',
      path: '/applications',
      summary: 'Register an application and submit it for review',
      description:
        'It is public once an operator has approved it. Begin with POST /developers/applications for a draft.',
      permission: may.createApplication,
      body: PostApplicationBody,
      responses: { 201: ApplicationShape },
      errors: ['name_taken', 'validation_failed', 'unknown_permission', 'invalid_settings_schema', 'invalid_url'],
      handler: async ({ caller, db, body }) => {
        const input = { ...writable(body), name: body.name }
        const registration = { input, status: 'pending-approval', withSecret: false } as const
        const { application } = await registerApplication(ctx, db, caller, registration)
        const shown = await applicationFor(ctx, db, caller, application)
        return reply(201, shown, { Location: linkTo(ctx, caller, `/applications/${application.id}`) })
      },
    }),
    defineOperation({
      ...common,
      id: 'GetApplicationCollection',
      method: 'GET',
      path: '/applications',
      summary: 'Browse the store',
      description:
        'What is available, and the organization’s own applications in any state. Operators see all of them: what waits for review with `filter=status:pending-approval`, and revisions of approved ones with `filter=revisionSubmittedTime:2000-01-01..`.',
      permission: may.listStore,
      query: ApplicationCollectionQuery,
      responses: { 200: Type.Array(Type.Partial(ApplicationShape)) },
      errors: ['invalid_request'],
      handler: async ({ caller, db, query }) => pagedReply(await browseApplications(ctx, db, caller, query), query),
    }),
    defineOperation({
      ...common,
      id: 'GetApplication',
      method: 'GET',
      path: '/applications/:id',
      summary: 'See an application',
      permission: may.showApplication,
      params: ById,
      query: ApplicationQuery,
      responses: { 200: ApplicationShape },
      errors: ['not_found', 'invalid_request'],
      handler: async ({ caller, db, params, query }) => {
        const expand = parseExpand({ expandable }, query.expand)
        return applicationFor(ctx, db, caller, await visibleApplication(ctx, db, caller, params.id), expand)
      },
    }),
    defineOperation({
      ...common,
      id: 'PatchApplication',
      method: 'PATCH',
      path: '/applications/:id',
      summary: 'Change an application',
      description:
        'Reviewed members (permissions, optionalPermissions, properties, configurationUrl, redirectUris, installsOn, clientType, requiresPkce) change here in a draft and after a rejection only. While the application waits for review they are frozen; of an approved one they are submitted as a version with POST /applications/{id}/submit.',
      permission: may.updateApplicationPermission,
      params: ById,
      body: PatchApplicationBody,
      responses: { 200: ApplicationShape },
      errors: [
        'not_found',
        'name_taken',
        'wrong_state',
        'validation_failed',
        'unknown_permission',
        'invalid_settings_schema',
        'invalid_url',
      ],
      handler: async ({ caller, db, params, body }) =>
        applicationFor(ctx, db, caller, await editApplication(ctx, db, caller, params.id, writable(body))),
    }),
    defineOperation({
      ...common,
      id: 'SubmitApplication',
      method: 'POST',
      path: '/applications/:id/submit',
      summary: 'Submit a draft, or a change of reviewed members, for review',
      description:
        'A draft or rejected application becomes pending-approval. For an approved one, send the reviewed members that shall change: they wait as its next version, shown as `revision`, and the application stays in the store as it is. With `release: manual` the approved version waits for POST /developers/applications/{id}/versions/{version}/release.',
      permission: may.submitApplicationPermission,
      params: ById,
      body: VersionBody,
      bodyKind: 'optional',
      responses: { 200: ApplicationShape },
      errors: [
        'not_found',
        'wrong_state',
        'validation_failed',
        'unknown_permission',
        'invalid_settings_schema',
        'invalid_url',
      ],
      handler: async ({ caller, db, params, body }) =>
        applicationFor(ctx, db, caller, await submitApplication(ctx, db, caller, params.id, body ?? {})),
    }),
    defineOperation({
      ...common,
      id: 'GetApplicationHistory',
      method: 'GET',
      path: '/applications/:id/history',
      summary: 'See how an application came to its present state',
      description:
        'For its publisher and for operators. Newest first. Which operator decided is shown to operators alone.',
      permission: may.showHistory,
      params: ById,
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(HistoryShape) },
      errors: ['not_found'],
      handler: async ({ caller, db, params, query }) => {
        await managedApplication(db, caller, params.id)
        const { items, total } = await listHistory(db, params.id, query)
        return pagedReply({ items: items.map((each) => historyEntryFor(caller, each)), total }, query)
      },
    }),
    ...reviewOperations(ctx),
  ]
}

import { defineOperation, linkTo, pagedReply, PageQuery, reply, type Operation } from '../http/index.ts'
import { Type } from '../kernel/index.ts'
import type { Application } from './application.ts'
import type { ApplicationsContext } from './context.ts'
import { changesAgainst } from './core-changes.ts'
import { createDraft, dropDraft, editDraft } from './draft-version.ts'
import { ownedApplication } from './find-application.ts'
import { versionOf } from './find-version.ts'
import * as may from './permissions.ts'
import { releaseImpact } from './release-impact.ts'
import { releaseVersion, yankVersion } from './release-version.ts'
import { ById, VersionBody } from './schemas.ts'
import { submitVersion } from './submit-application.ts'
import type { Version } from './version.ts'
import { ByVersion, ImpactShape, VersionShape, YankBody, type VersionWire } from './version-schemas.ts'
import { listVersions } from './version-store.ts'

const common = { surface: 'author', tag: 'Developers', scope: 'organization' } as const
const application = '/developers/applications/:id'
const one = `${application}/versions/:version`
const content = ['validation_failed', 'unknown_permission', 'invalid_settings_schema', 'invalid_url'] as const

/** Versions of an application, as its author makes, submits, releases and yanks them. Reviewers decide on the store surface. */
export function versionOperations(ctx: ApplicationsContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'listVersions',
      method: 'GET',
      path: `${application}/versions`,
      summary: 'List the versions of an application',
      description: 'Newest first.',
      permission: may.showApplication,
      params: ById,
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(VersionShape) },
      errors: ['not_found'],
      handler: async ({ caller, db, params, query }) => {
        const owned = await ownedApplication(db, caller, params.id)
        const { items, total } = await listVersions(db, owned.id, query)
        return pagedReply({ items: items.map((each) => versionShape(owned, each)), total }, query)
      },
    }),
    defineOperation({
      ...common,
      id: 'createVersion',
      method: 'POST',
      path: `${application}/versions`,
      summary: 'Draft the next version of an approved application',
      description:
        'It begins as what is in force; send the reviewed members that shall differ. There is one draft at a time. `release: manual` keeps the approved version waiting until it is released.',
      permission: may.updateApplicationPermission,
      params: ById,
      body: VersionBody,
      responses: { 201: VersionShape },
      errors: ['not_found', 'wrong_state', ...content],
      handler: async ({ caller, db, params, body }) => {
        const draft = await createDraft(ctx, db, caller, params.id, body)
        const owned = await ownedApplication(db, caller, params.id)
        const location = linkTo(ctx, caller, `/developers/applications/${params.id}/versions/${draft.number}`)
        return reply(201, versionShape(owned, draft), { Location: location })
      },
    }),
    defineOperation({
      ...common,
      id: 'getVersion',
      method: 'GET',
      path: one,
      summary: 'See a version of an application',
      permission: may.showApplication,
      params: ByVersion,
      responses: { 200: VersionShape },
      errors: ['not_found'],
      handler: async ({ caller, db, params }) => {
        const owned = await ownedApplication(db, caller, params.id)
        return versionShape(owned, await versionOf(db, owned, params.version))
      },
    }),
    defineOperation({
      ...common,
      id: 'updateVersion',
      method: 'PATCH',
      path: one,
      summary: 'Change the draft of a version',
      description: 'What is not sent stays. A submitted version is immutable: 409 `wrong_state`.',
      permission: may.updateApplicationPermission,
      params: ByVersion,
      body: VersionBody,
      responses: { 200: VersionShape },
      errors: ['not_found', 'wrong_state', ...content],
      handler: async ({ caller, db, params, body }) => {
        const draft = await editDraft(ctx, db, caller, params.id, params.version, body)
        return versionShape(await ownedApplication(db, caller, params.id), draft)
      },
    }),
    defineOperation({
      ...common,
      id: 'deleteVersion',
      method: 'DELETE',
      path: one,
      summary: 'Delete the draft of a version',
      permission: may.updateApplicationPermission,
      params: ByVersion,
      responses: { 204: null },
      errors: ['not_found', 'wrong_state'],
      handler: async ({ caller, db, params }) => {
        await dropDraft(ctx, db, caller, params.id, params.version)
        return undefined
      },
    }),
    ...stepOperations(ctx),
    defineOperation({
      ...common,
      id: 'getReleaseImpact',
      method: 'GET',
      path: `${application}/releases/:version/impact`,
      summary: 'See what releasing a version would change',
      description:
        'Against what is in force now: permissions, settings, redirect addresses, prices, and how many installations would have to approve first.',
      permission: may.showApplication,
      params: ByVersion,
      responses: { 200: ImpactShape },
      errors: ['not_found'],
      handler: ({ caller, db, params }) => releaseImpact(ctx, db, caller, params.id, params.version),
    }),
  ]
}

function stepOperations(ctx: ApplicationsContext): Operation[] {
  const step = {
    ...common,
    method: 'POST',
    params: ByVersion,
    responses: { 200: VersionShape },
  } as const
  return [
    defineOperation({
      ...step,
      id: 'submitVersion',
      path: `${one}/submit`,
      summary: 'Submit the draft of a version for review',
      description:
        'From now on it is immutable, and the prices of the meters are kept with it. One version waits at a time.',
      permission: may.submitApplicationPermission,
      errors: ['not_found', 'wrong_state', ...content],
      handler: async ({ caller, db, params }) => {
        const version = await submitVersion(ctx, db, caller, params.id, params.version)
        return versionShape(await ownedApplication(db, caller, params.id), version)
      },
    }),
    defineOperation({
      ...step,
      id: 'releaseVersion',
      path: `${one}/release`,
      summary: 'Release an approved version',
      description:
        'It is in force at once. Installations whose grant covers it are brought to it; the others keep their grant until somebody there approves.',
      permission: may.releaseVersions,
      errors: ['not_found', 'wrong_state'],
      handler: async ({ caller, db, params }) => {
        const version = await releaseVersion(ctx, db, caller, params.id, params.version)
        return versionShape(await ownedApplication(db, caller, params.id), version)
      },
    }),
    defineOperation({
      ...step,
      id: 'yankVersion',
      path: `${one}/yank`,
      summary: 'Take an approved or released version back',
      description:
        'When it is the one in force, the newest other released one comes into force; when there is none, 409 `wrong_state`.',
      permission: may.releaseVersions,
      body: YankBody,
      errors: ['not_found', 'wrong_state', 'validation_failed'],
      handler: async ({ caller, db, params, body }) => {
        const version = await yankVersion(ctx, db, caller, params.id, params.version, body.reason)
        return versionShape(await ownedApplication(db, caller, params.id), version)
      },
    }),
  ]
}

/** `changes` are told of what may still come into force; of what has been there they would say nothing. */
function versionShape(owned: Application, version: Version): VersionWire {
  const { applicationId: _, number, content, releaseMode, ...rest } = version
  const isComing = ['draft', 'submitted', 'approved'].includes(version.status)
  return {
    version: number,
    inForce: owned.version === number,
    changes: isComing ? (changesAgainst(owned, content) as Record<string, unknown>) : {},
    ...rest,
    ...content,
    properties: content.properties as Record<string, unknown> | null,
    release: releaseMode,
  }
}

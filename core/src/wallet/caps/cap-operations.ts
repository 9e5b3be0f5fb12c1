import { defineOperation, pagedReply, PageQuery, reply, type Operation } from '../../http/index.ts'
import { Id, OneOf, StoaError, Type } from '../../kernel/index.ts'
import { actorOf } from '../actor-of.ts'
import type { WalletContext } from '../context.ts'
import { readCaps, writeCaps } from '../permissions.ts'
import { approveCapRequest } from './approve-cap-request.ts'
import { listCapRequests } from './cap-request-store.ts'
import { refuseCapRequest } from './cap-requests.ts'
import {
  ApproveCapRequestBody,
  CapChangeShape,
  capChangeShape,
  CapRequestShape,
  capRequestShape,
  CapShape,
  capShape,
  RefuseCapRequestBody,
  RemoveCapBody,
  SetCapBody,
} from './cap-schemas.ts'
import { findCaps, listCapChanges } from './cap-store.ts'
import { capRequestStatuses } from './cap.ts'
import { findCapped } from './capped.ts'
import { removeCap, setCap } from './decide-cap.ts'

const installed = '/application-instances/:applicationId'
const path = `${installed}/caps`
const requests = `${installed}/cap-requests`
const common = { surface: 'store', tag: 'Caps', scope: 'target' } as const
const ofInstallation = Type.Object({ applicationId: Id() })
const oneRequest = Type.Object({ applicationId: Id(), requestId: Id() })
const oneCap = Type.Object({ applicationId: Id(), capId: Id() })
const onLocations = 'For an application that is installed on a location: put the location before the path.'

/** What merchants decide about how much an application may cost. */
export function capOperations(ctx: WalletContext): Operation[] {
  const read = { isLocked: false }
  const write = { isLocked: true }
  return [
    defineOperation({
      ...common,
      id: 'listCaps',
      method: 'GET',
      path,
      summary: 'List the caps of an installed application, with what is used and left of each',
      description: onLocations,
      permission: readCaps,
      params: ofInstallation,
      responses: { 200: Type.Array(CapShape) },
      errors: ['not_found', 'wrong_state'],
      handler: async ({ caller, db, params }) => {
        const { installationId } = await findCapped(ctx, db, caller, params.applicationId, read)
        const caps = await findCaps(db, [installationId])
        const shapes = []
        for (const cap of caps) shapes.push(await capShape(ctx, db, cap))
        return shapes
      },
    }),
    defineOperation({
      ...common,
      id: 'setCap',
      method: 'PUT',
      path,
      summary: 'Decide how much an installed application may cost in a day or a month',
      description: `All meters together or one of them; a charge that would pass a cap is refused. Sets the cap of that meter, period and currency, or changes it: also below what was used, so that nothing more is charged until the period ends. ${onLocations}`,
      permission: writeCaps,
      params: ofInstallation,
      body: SetCapBody,
      responses: { 200: CapShape, 201: CapShape },
      errors: ['not_found', 'wrong_state', 'validation_failed', 'meter_not_found'],
      handler: async ({ caller, db, params, body: { reason = null, ...input } }) => {
        const capped = await findCapped(ctx, db, caller, params.applicationId, write)
        const { cap, isNew } = await setCap(ctx, db, capped, input, { actor: actorOf(caller), reason })
        return reply(isNew ? 201 : 200, await capShape(ctx, db, cap))
      },
    }),
    defineOperation({
      ...common,
      id: 'removeCap',
      method: 'DELETE',
      path: `${path}/:capId`,
      summary: 'Take a cap away',
      permission: writeCaps,
      params: oneCap,
      body: RemoveCapBody,
      bodyKind: 'optional',
      responses: { 204: null },
      errors: ['not_found', 'wrong_state'],
      handler: async ({ caller, db, params, body }) => {
        const capped = await findCapped(ctx, db, caller, params.applicationId, write)
        await removeCap(ctx, db, capped, params.capId, { actor: actorOf(caller), reason: body?.reason ?? null })
        return undefined
      },
    }),
    defineOperation({
      ...common,
      id: 'listCapChanges',
      method: 'GET',
      path: `${path}/:capId/changes`,
      summary: 'List what was decided about a cap, the latest first',
      description: 'Also about one that was taken away.',
      permission: readCaps,
      params: oneCap,
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(CapChangeShape) },
      errors: ['not_found', 'wrong_state'],
      handler: async ({ caller, db, params, query }) => {
        const { installationId } = await findCapped(ctx, db, caller, params.applicationId, read)
        const { items, total } = await listCapChanges(db, { installationId, capId: params.capId }, query)
        // Every cap has the decision that made it.
        if (total === 0) throw new StoaError('not_found')
        return pagedReply({ items: items.map(capChangeShape), total }, query)
      },
    }),
    defineOperation({
      ...common,
      id: 'listCapRequests',
      method: 'GET',
      path: requests,
      summary: 'List what an installed application asked for beyond its caps, the latest first',
      permission: readCaps,
      params: ofInstallation,
      query: Type.Object({ ...PageQuery, status: Type.Optional(OneOf(capRequestStatuses)) }),
      responses: { 200: Type.Array(CapRequestShape) },
      errors: ['not_found', 'wrong_state'],
      handler: async ({ caller, db, params, query }) => {
        const { installationId } = await findCapped(ctx, db, caller, params.applicationId, read)
        const { items, total } = await listCapRequests(db, { installationId, status: query.status }, query)
        return pagedReply({ items: items.map(capRequestShape), total }, query)
      },
    }),
    defineOperation({
      ...common,
      id: 'approveCapRequest',
      method: 'POST',
      path: `${requests}/:requestId/approve`,
      summary: 'Give an application the cap it asks for',
      permission: writeCaps,
      params: oneRequest,
      body: ApproveCapRequestBody,
      responses: { 200: CapRequestShape },
      errors: ['not_found', 'wrong_state'],
      handler: async ({ caller, db, params, body: { amount, answer = null } }) => {
        const capped = await findCapped(ctx, db, caller, params.applicationId, write)
        const shown = { requestId: params.requestId, amount }
        const decision = { actor: actorOf(caller), reason: answer }
        return capRequestShape(await approveCapRequest(ctx, db, capped, shown, decision))
      },
    }),
    defineOperation({
      ...common,
      id: 'refuseCapRequest',
      method: 'POST',
      path: `${requests}/:requestId/refuse`,
      summary: 'Refuse the cap that an application asks for',
      permission: writeCaps,
      params: oneRequest,
      body: RefuseCapRequestBody,
      bodyKind: 'optional',
      responses: { 200: CapRequestShape },
      errors: ['not_found', 'wrong_state'],
      handler: async ({ caller, db, params, body }) => {
        const capped = await findCapped(ctx, db, caller, params.applicationId, write)
        const decision = { actor: actorOf(caller), reason: body?.answer ?? null }
        return capRequestShape(await refuseCapRequest(ctx, db, capped, params.requestId, decision))
      },
    }),
  ]
}

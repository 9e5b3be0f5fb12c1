import { readEndpoints, updateEndpoints, type EventsContext } from '../events/index.ts'
import { defineOperation, pagedReply, type Operation } from '../http/index.ts'
import { Id, Type } from '../kernel/index.ts'
import { resendDelivery } from './resend.ts'
import { TrackingQuery, TrackingShape } from './tracking-schemas.ts'
import { findTracked, listTracked, parseTrackingId } from './tracking.ts'

const path = '/tracking/webhooks'
const byId = Type.Object({ id: Id('Of a delivery, and the number of the attempt: `<delivery>.<n>`.') })
const common = { surface: 'store', scope: 'organization', tag: 'Webhooks' } as const
/** Rebilly's log of webhooks: the same deliveries as Baloom's, seen attempt by attempt. */
export function trackingOperations(ctx: EventsContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'GetTrackingWebhookCollection',
      method: 'GET',
      path,
      summary: 'List the attempts to send webhooks, newest first',
      description:
        'Looks through the newest 5000 attempts, and counts among them; GET /developers/webhooks/deliveries looks through all. `filter` and `sort` take id, status, duration, initiatedTime, sentTime, url, method, eventType and attempt.',
      permission: readEndpoints,
      query: TrackingQuery,
      responses: { 200: Type.Array(TrackingShape) },
      errors: ['invalid_request'],
      handler: async ({ db, caller, query }) => pagedReply(await listTracked(ctx, db, caller, query), query),
    }),
    defineOperation({
      ...common,
      id: 'GetTrackingWebhook',
      method: 'GET',
      path: `${path}/:id`,
      summary: 'See an attempt to send a webhook',
      permission: readEndpoints,
      params: byId,
      responses: { 200: TrackingShape },
      errors: ['not_found'],
      handler: ({ db, caller, params }) => findTracked(ctx, db, caller, params.id),
    }),
    defineOperation({
      ...common,
      id: 'PostTrackingWebhookResend',
      method: 'POST',
      path: `${path}/:id/resend`,
      summary: 'Send the webhook of an attempt once more',
      permission: updateEndpoints,
      params: byId,
      responses: { 204: null },
      errors: ['not_found', 'wrong_state'],
      handler: async ({ db, caller, params }) => {
        await findTracked(ctx, db, caller, params.id)
        await resendDelivery(ctx, db, caller, parseTrackingId(params.id).deliveryId)
        return undefined
      },
    }),
  ]
}

import { ownedEndpoint, readEndpoints, updateEndpoints, type EventsContext } from '../events/index.ts'
import { defineOperation, pagedReply, PageQuery, type Operation } from '../http/index.ts'
import { Id, Type, type Static } from '../kernel/index.ts'
import { CreateReplayBody, ReplayShape } from './replay-schemas.ts'
import { listReplays, type Replay } from './replay-store.ts'
import { cancelReplay, createReplay, ownedReplay } from './replay.ts'

const path = '/developers/webhooks'
const byId = Type.Object({ id: Id() })
const common = { surface: 'author', scope: 'organization', tag: 'Webhooks' } as const

export function replayOperations(ctx: EventsContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'createWebhookReplay',
      method: 'POST',
      path: `${path}/endpoints/:id/replays`,
      summary: 'Send an endpoint again what failed, a range of time, or what it never got',
      description:
        'It runs in the background, at its own pace; see GET /developers/webhooks/replays/{id}. What waits to be sent already is left as it is. To a disabled endpoint what it queues is held.',
      permission: updateEndpoints,
      params: byId,
      body: CreateReplayBody,
      responses: { 202: ReplayShape },
      errors: ['not_found', 'limit_reached', 'validation_failed'],
      handler: async ({ db, caller, params, body }) => shape(await createReplay(ctx, db, caller, params.id, body)),
    }),
    defineOperation({
      ...common,
      id: 'listWebhookReplays',
      method: 'GET',
      path: `${path}/endpoints/:id/replays`,
      summary: 'List the replays of an endpoint, newest first',
      permission: readEndpoints,
      params: byId,
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(ReplayShape) },
      errors: ['not_found'],
      handler: async ({ db, caller, params, query }) => {
        const { id } = await ownedEndpoint(db, caller, params.id)
        const { items, total } = await listReplays(db, id, query)
        return pagedReply({ items: items.map(shape), total }, query)
      },
    }),
    defineOperation({
      ...common,
      id: 'getWebhookReplay',
      method: 'GET',
      path: `${path}/replays/:id`,
      summary: 'See how far a replay has got',
      permission: readEndpoints,
      params: byId,
      responses: { 200: ReplayShape },
      errors: ['not_found'],
      handler: async ({ db, caller, params }) => shape(await ownedReplay(db, caller, params.id)),
    }),
    defineOperation({
      ...common,
      id: 'cancelWebhookReplay',
      method: 'POST',
      path: `${path}/replays/:id/cancel`,
      summary: 'Stop a replay',
      description: 'What it has queued already is sent.',
      permission: updateEndpoints,
      params: byId,
      responses: { 200: ReplayShape },
      errors: ['not_found', 'wrong_state'],
      handler: async ({ db, caller, params }) => shape(await cancelReplay(ctx, db, caller, params.id)),
    }),
  ]
}

function shape({ filter, nextTime: _, cursor: _cursor, ...replay }: Replay): Static<typeof ReplayShape> {
  const { since, until, types, statuses, dryRun } = filter
  return { ...replay, since, until, types, statuses, dryRun }
}

import {
  CreatedEndpointShape,
  CreateEndpointBody,
  createEndpoints,
  createStreamEndpoint,
  endpointShape,
  ownedEndpoint,
  updateEndpoints,
  type Endpoint,
  type EventsContext,
} from '../events/index.ts'
import type { Db } from '../database/index.ts'
import { defineOperation, EventStreamBody, streamReply, type Caller, type Operation } from '../http/index.ts'
import { Id, invalidField, nowIso, Nullable, StoaError, Strict, Type } from '../kernel/index.ts'
import { insertStream } from './stream-store.ts'
import { createStreams } from './streams.ts'

const path = '/developers/webhooks/streams'
const byId = Type.Object({ id: Id() })
const common = { surface: 'author', scope: 'organization', tag: 'Webhooks' } as const

const { events, description, applicationId } = CreateEndpointBody.properties
const NewStreamBody = Strict({
  events,
  description,
  applicationId,
  kept: Type.Optional(
    Type.Boolean({ description: 'By default it is deleted when nobody was connected to it for a day.' }),
  ),
})

const mostAnswerBytes = 4096
const AnswerBody = Strict({
  deliveryId: Id(),
  attempt: Type.Integer({ minimum: 1 }),
  leaseToken: Type.String({ minLength: 1, maxLength: 100 }),
  status: Type.Optional(
    Nullable(Type.Integer({ minimum: 100, maximum: 599 }), {
      description: 'What the receiver answered; null when it did not.',
    }),
  ),
  headers: Type.Optional(
    Type.Record(Type.String({ maxLength: 200 }), Type.String({ maxLength: mostAnswerBytes }), { maxProperties: 100 }),
  ),
  body: Type.Optional(Type.String({ maxLength: mostAnswerBytes, description: 'Its beginning.' })),
  durationMilliseconds: Type.Integer({ minimum: 0, maximum: 3_600_000 }),
  error: Type.Optional(Nullable(Type.String({ maxLength: 500 }), { description: 'Why there is no answer.' })),
})

/** For machines without a public address: `stoa listen`. */
export function streamOperations(ctx: EventsContext): Operation[] {
  const streams = createStreams(ctx)
  return [
    defineOperation({
      ...common,
      id: 'createWebhookStream',
      method: 'POST',
      path,
      summary: 'Add an endpoint whose events are read from a connection',
      description:
        'For a machine without a public address. It is an endpoint like any other, with a history, and is deleted like any ' +
        'other; its url is `stream:<id>`.',
      permission: createEndpoints,
      body: NewStreamBody,
      responses: { 201: CreatedEndpointShape },
      errors: ['limit_reached'],
      handler: async ({ db, caller, body }) => {
        const { kept = false, ...wanted } = body
        const { secret, ...endpoint } = await createStreamEndpoint(ctx, db, caller, wanted)
        await insertStream(db, { endpointId: endpoint.id, kept, now: nowIso(ctx.clock) })
        return { ...endpointShape(endpoint), secret }
      },
    }),
    defineOperation({
      ...common,
      id: 'readWebhookStream',
      method: 'GET',
      path: `${path}/:id`,
      summary: 'Read the events of a stream as they happen',
      description:
        'Each `delivery` is a try: JSON with deliveryId, attempt, leaseToken, type, and the method, headers and body that a ' +
        'receiver would get. At most ten are unanswered at once; what is not answered when the connection ends is sent again. ' +
        'An `end` event says why the host ended the stream.',
      permission: updateEndpoints,
      params: byId,
      responses: { 200: EventStreamBody('Events named `delivery` and `end`, and comments.') },
      errors: ['not_found', 'wrong_state', 'rate_limited'],
      handler: async ({ db, caller, params }) => {
        const { id, status } = await ownedStream(db, caller, params.id)
        if (status !== 'ACTIVE') throw new StoaError('wrong_state', { message: 'The endpoint is disabled; enable it.' })
        return streamReply((signal) => streams.read(id, signal))
      },
    }),
    defineOperation({
      ...common,
      id: 'answerWebhookStream',
      method: 'POST',
      path: `${path}/:id/answers`,
      summary: 'Say what became of a delivery that was read from a stream',
      description: 'It is recorded as a try, as if the host had got the answer itself: any 2xx is a success.',
      permission: updateEndpoints,
      params: byId,
      body: AnswerBody,
      responses: { 204: null },
      errors: ['not_found'],
      // The result is written along with others.
      transaction: false,
      handler: async ({ db, caller, params, body }) => {
        const { id } = await ownedStream(db, caller, params.id)
        if ((body.status ?? null) === null && !body.error) throw invalidField('status', 'is required without an error')
        await streams.answer(id, body)
        return undefined
      },
    }),
  ]
}

async function ownedStream(db: Db, caller: Caller, id: string): Promise<Endpoint> {
  const endpoint = await ownedEndpoint(db, caller, id)
  if (endpoint.transport !== 'stream') throw new StoaError('not_found')
  return endpoint
}

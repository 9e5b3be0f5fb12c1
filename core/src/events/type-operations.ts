import { defineOperation, type Operation } from '../http/index.ts'
import { Id, Nullable, OneOf, StoaError, Strict, Type, type Static } from '../kernel/index.ts'
import { bodyOf } from './body-of.ts'
import type { EventType } from './catalogue.ts'
import { audiences, type EventTypeDefinition } from './event-types.ts'
import type { EventText } from './event-store.ts'
import type { EventsContext } from './events-context.ts'
import { highLevelExamples } from './highlevel-examples.ts'
import { updateEndpoints } from './operations.ts'
import { publishTest } from './publish-test.ts'
import { exampleIds } from './types/own-type.ts'

const TypeName = Type.String({
  pattern: '^[\\w.-]+$',
  minLength: 1,
  maxLength: 100,
  description: 'One of the types that GET /events/types lists.',
})
const AnyObject = (description: string) => Type.Record(Type.String(), Type.Unknown(), { description })

const EventTypeShape = Type.Object({
  type: Type.String(),
  version: Type.Integer({ description: 'Counts up when the schema changes in a way that readers notice.' }),
  sentence: Type.String({ description: 'What it tells.' }),
  audience: Type.Array(OneOf(audiences), {
    description:
      'Whose endpoints receive it: those of the `publisher` of the application it concerns, of the `organization` in which it happened, of publishers whose application is installed there (`installations`) with the permission.',
  }),
  permission: Nullable(
    Type.String({
      description: 'With which an application may receive it where it is installed; null: none may.',
    }),
  ),
})
const EventTypeDetails = Type.Object({
  ...EventTypeShape.properties,
  schema: AnyObject('JSON Schema (draft 7) of the body in the format `standard`.'),
  example: AnyObject('A body in the format `standard`.'),
  formats: Type.Object(
    { rebilly: AnyObject('Rebilly’s.'), highlevel: Nullable(AnyObject('HighLevel’s; null: it is not told there.')) },
    { description: 'The example in the other formats.' },
  ),
})
const TestSent = Type.Object({
  id: Id('Of the event; sent as `webhook-id`.'),
  deliveries: Type.Integer({ description: 'To how many endpoints it goes.' }),
})

const common = { surface: 'author', tag: 'Webhooks' } as const
const sends = { ...common, scope: 'organization', permission: updateEndpoints } as const

/** The catalogue of event types, which is documentation and hence public, and sending examples out of it. */
export function eventTypeOperations(ctx: EventsContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'listEventTypes',
      method: 'GET',
      path: '/events/types',
      summary: 'List the types of events',
      permission: null,
      query: Type.Object({
        prefix: Type.Optional(Type.String({ maxLength: 100, description: 'Only those that begin so: `charge.`' })),
      }),
      responses: { 200: Type.Array(EventTypeShape) },
      handler: ({ query: { prefix = '' } }) => {
        const wanted = ctx.eventTypes.all().filter(({ type }) => type.startsWith(prefix))
        return Promise.resolve(wanted.map(shapeOf))
      },
    }),
    defineOperation({
      ...common,
      id: 'getEventType',
      method: 'GET',
      path: '/events/types/:type',
      summary: 'Get a type of event, with its schema and examples',
      permission: null,
      params: Type.Object({ type: TypeName }),
      responses: { 200: EventTypeDetails },
      errors: ['not_found'],
      handler: async ({ params }) => {
        const definition = ctx.eventTypes.find(params.type)
        if (!definition) throw new StoaError('not_found')
        return detailsOf(ctx, definition)
      },
    }),
    defineOperation({
      ...sends,
      id: 'testWebhookEndpoint',
      method: 'POST',
      path: '/developers/webhooks/endpoints/:id/test',
      summary: 'Send an endpoint the example of an event',
      description:
        'Signed, retried and kept in the history as any other, also when the endpoint does not ask for events of the type. Its body has `test: true`, and nothing follows from its delivery.',
      params: Type.Object({ id: Id() }),
      body: Strict({ type: TypeName }),
      responses: { 202: TestSent },
      errors: ['not_found', 'wrong_state', 'caller_not_allowed'],
      handler: ({ db, caller, params, body }) =>
        publishTest(ctx, db, caller, { type: body.type, endpointId: params.id }),
    }),
    defineOperation({
      ...sends,
      id: 'sendTestEvent',
      method: 'POST',
      path: '/developers/webhooks/test-events',
      summary: 'Send the example of an event to all active endpoints of yours that ask for its type',
      description: 'Not to those that an installed application made; it sends them its own.',
      body: Strict({
        type: TypeName,
        applicationId: Type.Optional(Nullable(Id('One of your applications, for it to be about.'))),
      }),
      responses: { 202: TestSent },
      handler: ({ db, caller, body }) =>
        publishTest(ctx, db, caller, { type: body.type, about: body.applicationId ?? null }),
    }),
  ]
}

function shapeOf({
  type,
  version,
  sentence,
  audience,
  permission,
}: EventTypeDefinition): Static<typeof EventTypeShape> {
  return { type, version, sentence, audience: [...audience], permission }
}

async function detailsOf(
  ctx: EventsContext,
  definition: EventTypeDefinition,
): Promise<Static<typeof EventTypeDetails>> {
  const { type, payload, example } = definition
  const highLevel = highLevelExamples[type as EventType] ?? null
  const { applicationId = null, data } = example as { applicationId?: string; data?: { applicationId?: string } }
  const event: EventText = {
    id: 'evt_01a1ff50919a7ee88951eddf34997d03',
    type,
    publisherId: null,
    applicationId: applicationId ?? data?.applicationId ?? null,
    organizationId: exampleIds.organization,
    locationId: null,
    environment: 'production',
    // As an example that is sent: without what belongs to events that happened.
    test: true,
    traceParent: null,
    payloadText: JSON.stringify(example),
    highLevel,
    createdTime: ctx.clock.now().toISOString(),
  }
  const inFormat = async (format: 'rebilly' | 'highlevel') =>
    JSON.parse(await bodyOf(ctx, format, event, ctx.clock.now())) as Record<string, unknown>
  return {
    ...shapeOf(definition),
    schema: payload as Record<string, unknown>,
    example: example as Record<string, unknown>,
    formats: { rebilly: await inFormat('rebilly'), highlevel: highLevel && (await inFormat('highlevel')) },
  }
}

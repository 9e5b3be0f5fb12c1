import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { invalidField, nowIso, StoaError } from '../kernel/index.ts'
import type { EventType } from './catalogue.ts'
import { assertMaker } from './credentials.ts'
import { embedderBody, type EmbedderBody } from './embedder-body.ts'
import { scopeOf } from './endpoint-scope.ts'
import { findEndpoint, listEndpoints } from './endpoint-store.ts'
import type { Endpoint, EndpointScope } from './endpoint.ts'
import { wantsType } from './event-filter.ts'
import type { EventTypeDefinition } from './event-types.ts'
import type { EventsContext } from './events-context.ts'
import { createFreshener } from './fresh-example.ts'
import { highLevelExamples } from './highlevel-examples.ts'
import { checkPayload, createDraft, insertDrafts } from './publish.ts'

interface TestEvent {
  type: string
  /** Which application it is to be about; the caller's when that is of one. */
  about?: string | null
  /** To this endpoint alone, whatever its filter names; otherwise to all active ones of the caller's that want the type. */
  endpointId?: string
}

/** As many as an organization can have. */
const allEndpoints = { limit: 1000, offset: 0 }

/**
 * Publishes the example of a type, as if it happened at this moment, to endpoints of a caller and to nobody else. What an installed
 * application made is its own: to its receiver, the signature says that something really happened where it is installed. Nothing follows
 * from it: it carries no token, and its delivery acknowledges nothing. Returns how many endpoints it goes to.
 *
 * @throws StoaError `not_found` for an endpoint that the caller does not see, `caller_not_allowed` for one that an installed application made,
 *   `wrong_state` for one that is disabled,
 *   `validation_failed` for a type that does not exist or that HighLevel's format has no body for, or an application that is not
 *   the organization's.
 */
export async function publishTest(
  ctx: EventsContext,
  db: Db,
  caller: Caller,
  test: TestEvent,
): Promise<{ id: string; deliveries: number }> {
  const { endpointId } = test
  const scope = scopeOf(caller)
  const { organizationId, environment } = scope
  const only = endpointId === undefined ? null : await activeEndpoint(db, caller, endpointId)
  const definition = ctx.eventTypes.find(test.type)
  if (!definition) throw invalidField('type', 'is not one of the types that GET /events/types lists')
  const applicationId = only?.applicationId ?? (await chosenApplication(ctx, db, scope, test.about ?? null))

  const now = ctx.clock.now()
  const fresh = createFreshener({ applicationId, organizationId, environment }, now)
  const highLevelExample = highLevelExamples[definition.type as EventType]
  if (only?.format === 'highlevel' && !highLevelExample) {
    throw invalidField('type', 'is one that HighLevel’s format has no body for')
  }
  const payload = {
    ...exampleBody(definition, fresh, { organizationId, environment, now: now.toISOString() }),
    test: true,
  }
  checkPayload(ctx, definition.type, payload)
  const draft = createDraft(
    {
      type: definition.type,
      publisherId: organizationId,
      applicationId,
      organizationId,
      locationId: null,
      environment,
      payload,
      test: true,
    },
    {
      audience: only ? [only] : await wantingEndpoints(db, scope, test.type, applicationId),
      highLevel: highLevelExample ? { ...fresh(highLevelExample), test: true } : null,
      cause: 'test',
      now: nowIso(ctx.clock),
    },
  )
  await insertDrafts(ctx, db, [draft])
  return { id: draft.id, deliveries: draft.deliveries.length }
}

function exampleBody(
  { publishedBy, example, type }: EventTypeDefinition,
  fresh: ReturnType<typeof createFreshener>,
  { now, ...place }: Pick<EmbedderBody, 'organizationId' | 'environment'> & { now: string },
): object {
  if (publishedBy !== 'embedder') return fresh(example)
  // Of the embedder's own `data` nobody knows what may be changed.
  return embedderBody({ type, timestamp: now, ...place, locationId: null, data: (example as EmbedderBody).data })
}

async function activeEndpoint(db: Db, caller: Caller, id: string): Promise<Endpoint> {
  const endpoint = await findEndpoint(db, scopeOf(caller), id)
  if (!endpoint) throw new StoaError('not_found')
  assertMaker(caller, endpoint)
  if (endpoint.status === 'ACTIVE') return endpoint
  throw new StoaError('wrong_state', { message: 'The endpoint is disabled; enable it, and then send it a test.' })
}

async function wantingEndpoints(
  db: Db,
  scope: EndpointScope,
  type: string,
  applicationId: string | null,
): Promise<Endpoint[]> {
  const { items } = await listEndpoints(db, scope, allEndpoints)
  return items.filter(
    (endpoint) =>
      endpoint.status === 'ACTIVE' &&
      endpoint.installationId === scope.installationId &&
      (endpoint.applicationId === null || endpoint.applicationId === applicationId) &&
      wantsType(endpoint.events, type),
  )
}

async function chosenApplication(
  ctx: EventsContext,
  db: Db,
  { organizationId, applicationId: own }: EndpointScope,
  about: string | null,
): Promise<string | null> {
  if (about === null) return own
  const isOwn = own === null ? await ctx.ownsApplication(db, organizationId, about) : own === about
  if (!isOwn) throw invalidField('applicationId', 'is not one of your applications')
  return about
}

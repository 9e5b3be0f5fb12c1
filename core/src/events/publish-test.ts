import type { Db } from '../database/index.ts'
import { invalidField, nowIso, StoaError } from '../kernel/index.ts'
import type { EventType } from './catalogue.ts'
import { embedderBody, type EmbedderBody } from './embedder-body.ts'
import { findEndpoint, listEndpoints } from './endpoint-store.ts'
import type { Endpoint, EndpointScope } from './endpoint.ts'
import { wantsType } from './event-filter.ts'
import type { EventTypeDefinition } from './event-types.ts'
import type { EventsContext } from './events-context.ts'
import { createFreshener } from './fresh-example.ts'
import { highLevelExamples } from './highlevel-examples.ts'
import { checkPayload, createDraft, insertDrafts } from './publish.ts'

interface TestEvent extends EndpointScope {
  type: string
  /** Which application it is to be about; the scope's when that is of one. */
  about?: string | null
  /** To this endpoint alone, whatever its filter names; otherwise to all active ones of the scope that want the type. */
  endpointId?: string
}

/** As many as an organization can have. */
const allEndpoints = { limit: 1000, offset: 0 }

/**
 * Publishes the example of a type, as if it happened at this moment, to endpoints of a scope and to nobody else. Nothing follows
 * from it: it carries no token, and its delivery acknowledges nothing. Returns how many endpoints it goes to.
 *
 * @throws StoaError `not_found` for an endpoint that is not of the scope, `wrong_state` for one that is disabled,
 *   `validation_failed` for a type that does not exist or that HighLevel's format has no body for, or an application that is not
 *   the organization's.
 */
export async function publishTest(
  ctx: EventsContext,
  db: Db,
  test: TestEvent,
): Promise<{ id: string; deliveries: number }> {
  const { organizationId, environment, endpointId } = test
  const only = endpointId === undefined ? null : await activeEndpoint(db, test, endpointId)
  const definition = ctx.eventTypes.find(test.type)
  if (!definition) throw invalidField('type', 'is not one of the types that GET /events/types lists')
  const applicationId = await chosenApplication(ctx, db, test, only)

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
      audience: only ? [only] : await wantingEndpoints(db, test, applicationId),
      highLevel: highLevelExample ? fresh(highLevelExample) : null,
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

async function activeEndpoint(db: Db, scope: EndpointScope, id: string): Promise<Endpoint> {
  const endpoint = await findEndpoint(db, scope, id)
  if (!endpoint) throw new StoaError('not_found')
  if (endpoint.status === 'ACTIVE') return endpoint
  throw new StoaError('wrong_state', { message: 'The endpoint is disabled; enable it, and then send it a test.' })
}

async function wantingEndpoints(db: Db, scope: TestEvent, applicationId: string | null): Promise<Endpoint[]> {
  const { items } = await listEndpoints(db, scope, allEndpoints)
  return items.filter(
    (endpoint) =>
      endpoint.status === 'ACTIVE' &&
      (endpoint.applicationId === null || endpoint.applicationId === applicationId) &&
      wantsType(endpoint.events, scope.type),
  )
}

async function chosenApplication(
  ctx: EventsContext,
  db: Db,
  { organizationId, applicationId: own, installationId, about = null }: TestEvent,
  only: Endpoint | null,
): Promise<string | null> {
  if (about === null) return own ?? only?.applicationId ?? null
  // An installation's organization does not publish the application, and its token says which one it is.
  const isOwned = own === about || (installationId === null && (await ctx.ownsApplication(db, organizationId, about)))
  if (isOwned && (own === null || own === about)) return about
  throw invalidField('applicationId', 'is not one of your applications')
}

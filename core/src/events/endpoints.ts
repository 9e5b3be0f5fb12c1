import { afterCommit, type Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { invalidField, newId, nowIso, StoaError } from '../kernel/index.ts'
import {
  countEndpoints,
  findEndpoint,
  insertEndpoint,
  removeEndpoint,
  updateEndpoint as saveEndpoint,
} from './endpoint-store.ts'
import { healthy, type Endpoint, type EndpointScope, type EndpointSecret } from './endpoint.ts'
import { wantsType } from './event-filter.ts'
import type { EventsContext } from './events-context.ts'
import { assertFormat } from './highlevel.ts'
import type { CreateEndpoint, UpdateEndpoint } from './schemas.ts'
import { newWebhookSecret } from './signing.ts'

/** Of one organization in one environment. The first is Rebilly's limit; the second bounds what can be held. */
const mostActive = 25
const mostEndpoints = 100

/** The endpoints a caller may see. */
export function scopeOf(caller: Caller): EndpointScope {
  const { organizationId, environment, onlyApplicationId, application } = caller
  return {
    organizationId,
    environment,
    applicationId: onlyApplicationId ?? application?.applicationId ?? null,
    installationId: application?.installationId ?? null,
  }
}

/** The name of the row, for the secret box: a sealed secret opens in its own row alone. */
export function secretContext(endpointId: string): string {
  return `webhook-endpoint:${endpointId}`
}

export async function createEndpoint(
  ctx: EventsContext,
  db: Db,
  caller: Caller,
  body: CreateEndpoint,
): Promise<Endpoint & { secret: string }> {
  assertUrl(ctx, body.url)
  const scope = scopeOf(caller)
  const applicationId = await chosenApplication(ctx, db, caller, body.applicationId ?? null)
  const status = body.status ?? 'ACTIVE'
  const format = body.format ?? 'standard'
  assertEvents(ctx, body.events)
  assertFormat(format, body.events)
  await assertRoom(db, scope, { more: 1, moreActive: status === 'ACTIVE' ? 1 : 0 })
  const now = nowIso(ctx.clock)
  const endpoint: Endpoint = {
    id: newId('whe'),
    organizationId: caller.organizationId,
    applicationId,
    installationId: scope.installationId,
    environment: caller.environment,
    transport: 'http',
    url: body.url,
    method: 'POST',
    events: body.events,
    description: body.description ?? null,
    format,
    signing: ['v1'],
    secrets: [],
    headers: [],
    bodyTemplate: null,
    credentialId: null,
    fifo: false,
    rateLimit: null,
    concurrency: null,
    timeoutMilliseconds: null,
    status,
    statusCause: status === 'DISABLED' ? 'owner' : null,
    statusReason: null,
    health: healthy,
    createdTime: now,
    updatedTime: now,
  }
  const secret = newWebhookSecret()
  endpoint.secrets.push(await sealSecret(ctx, endpoint.id, secret, now))
  await insertEndpoint(db, endpoint)
  return { ...endpoint, secret }
}

export async function sealSecret(
  ctx: EventsContext,
  endpointId: string,
  secret: string,
  now: string,
): Promise<EndpointSecret> {
  const sealed = await ctx.secretBox.seal(secret, secretContext(endpointId))
  return { id: newId('whs'), version: 'v1', sealed, publicKey: null, createdTime: now, expiresTime: null }
}

/** Throws 404 for an endpoint that is not the caller's, in words that do not tell it from one that does not exist. */
export async function ownedEndpoint(db: Db, caller: Caller, id: string): Promise<Endpoint> {
  const endpoint = await findEndpoint(db, scopeOf(caller), id)
  if (!endpoint) throw new StoaError('not_found')
  return endpoint
}

export async function updateEndpoint(
  ctx: EventsContext,
  db: Db,
  caller: Caller,
  id: string,
  body: UpdateEndpoint,
): Promise<Endpoint> {
  const endpoint = await ownedEndpoint(db, caller, id)
  if (body.url !== undefined) assertUrl(ctx, body.url)
  if (body.events !== undefined) assertEvents(ctx, body.events)
  const status = body.status ?? endpoint.status
  const enabled = status === 'ACTIVE' && endpoint.status === 'DISABLED'
  if (enabled) await assertRoom(db, scopeOf(caller), { more: 0, moreActive: 1 })
  const updated: Endpoint = {
    ...endpoint,
    url: body.url ?? endpoint.url,
    events: body.events ?? endpoint.events,
    description: body.description === undefined ? endpoint.description : body.description,
    format: body.format ?? endpoint.format,
    status,
    statusCause: status === 'ACTIVE' ? null : (endpoint.statusCause ?? 'owner'),
    statusReason: status === 'ACTIVE' ? null : endpoint.statusReason,
    updatedTime: nowIso(ctx.clock),
  }
  assertFormat(updated.format, updated.events)
  await saveEndpoint(db, updated)
  // What was held is due again by the mere fact that the endpoint is active.
  if (enabled) afterCommit(db, () => ctx.signals.emit('deliveries-due'))
  return updated
}

export async function deleteEndpoint(ctx: EventsContext, db: Db, caller: Caller, id: string): Promise<void> {
  await ownedEndpoint(db, caller, id)
  await removeEndpoint(db, id, nowIso(ctx.clock))
}

function assertUrl(ctx: EventsContext, url: string): void {
  const complaint = ctx.outbound.checkUrl(url)
  if (complaint) throw invalidField('url', complaint, 'invalid_url')
}

/** Refuses a filter with something in it that no event has: a slip of the pen that would be noticed far too late. */
export function assertEvents(ctx: EventsContext, filter: string[]): void {
  const types = ctx.eventTypes.all().map(({ type }) => type)
  filter.forEach((each, index) => {
    if (types.some((type) => wantsType([each], type))) return
    throw invalidField(
      `events.${index}`,
      `must be one of the types that GET /events/types lists, or a pattern such as charge.*`,
    )
  })
}

export async function chosenApplication(
  ctx: EventsContext,
  db: Db,
  caller: Caller,
  applicationId: string | null,
): Promise<string | null> {
  const only = scopeOf(caller).applicationId
  if (applicationId === null) return only
  const owned = await ctx.ownsApplication(db, caller.organizationId, applicationId)
  if (!owned || (only !== null && only !== applicationId)) {
    throw invalidField('applicationId', 'is not one of your applications')
  }
  return applicationId
}

export async function assertRoom(
  db: Db,
  scope: EndpointScope,
  { more, moreActive }: { more: number; moreActive: number },
) {
  const { all, active } = await countEndpoints(db, scope)
  if (active + moreActive > mostActive) {
    throw new StoaError('limit_reached', {
      message: `At most ${mostActive} endpoints can be active; disable or delete one.`,
    })
  }
  if (all + more > mostEndpoints) {
    throw new StoaError('limit_reached', { message: `There can be at most ${mostEndpoints} endpoints; delete one.` })
  }
}

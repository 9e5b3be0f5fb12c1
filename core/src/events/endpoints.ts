import { lockOrganization } from '../accounts/index.ts'
import { afterCommit, type Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { invalidField, newId, nowIso, StoaError } from '../kernel/index.ts'
import { checkTemplate } from './body-template.ts'
import { assertMaker, assertUsable } from './credentials.ts'
import { sealHeaders } from './endpoint-headers.ts'
import { scopeOf } from './endpoint-scope.ts'
import {
  countEndpoints,
  findEndpoint,
  insertEndpoint,
  removeEndpoint,
  setPendingFifo,
  updateEndpoint as saveEndpoint,
  updateHealth,
} from './endpoint-store.ts'
import { healthy, type Endpoint, type EndpointScope, type EndpointSecret, type SigningVersion } from './endpoint.ts'
import { wantsType } from './event-filter.ts'
import type { EventsContext } from './events-context.ts'
import { assertFormat } from './highlevel.ts'
import { laterThan } from './later-than.ts'
import type { CreateEndpoint, UpdateEndpoint } from './schemas.ts'
import { makeSecret, newestSecret } from './secrets.ts'
import { checkWebhookSecret } from './signing.ts'

/** Of one organization in one environment. The first is Rebilly's limit; the second bounds what can be held. */
const mostActive = 25
const mostEndpoints = 100

/** @throws limit_reached, invalid_url and validation_failed, naming the field. */
export async function createEndpoint(
  ctx: EventsContext,
  db: Db,
  caller: Caller,
  body: CreateEndpoint,
  givenId: string | null = null,
): Promise<Endpoint & { secret: string }> {
  const scope = scopeOf(caller)
  const complaint = body.secret === undefined ? null : checkWebhookSecret(body.secret)
  if (complaint) throw invalidField('secret', complaint)
  const now = nowIso(ctx.clock)
  const id = newId('whe')
  const status = body.status ?? 'ACTIVE'
  const signing = body.signing ?? ['v1']
  // A secret in any case: v1 can be turned on later without a moment at which nobody has one.
  const { sealed, secret } = await makeSecret(ctx, id, { version: 'v1', own: body.secret, now })
  const endpoint: Endpoint = {
    id,
    givenId,
    organizationId: caller.organizationId,
    applicationId: await chosenApplication(ctx, db, caller, body.applicationId ?? null),
    installationId: scope.installationId,
    environment: caller.environment,
    transport: 'http',
    url: body.url,
    method: body.method ?? 'POST',
    events: body.events,
    description: body.description ?? null,
    format: body.format ?? 'standard',
    signing,
    secrets: await withKeysFor(ctx, id, signing, [sealed], now),
    headers: await sealHeaders(ctx, id, body.headers ?? []),
    bodyTemplate: body.bodyTemplate ?? null,
    credentialId: body.credentialId ?? null,
    fifo: body.fifo ?? false,
    rateLimit: body.rateLimit ?? null,
    concurrency: body.concurrency ?? null,
    timeoutMilliseconds: body.timeoutMilliseconds ?? null,
    status,
    statusCause: status === 'DISABLED' ? 'owner' : null,
    statusReason: null,
    health: healthy,
    createdTime: now,
    updatedTime: now,
  }
  await assertEndpoint(ctx, db, caller, endpoint, null)
  // One after the other, so that two that come at once do not both take the last place.
  await lockOrganization(db, ctx.dialect, caller.organizationId)
  await assertRoom(db, scope, { more: 1, moreActive: status === 'ACTIVE' ? 1 : 0 })
  await insertEndpoint(db, endpoint)
  return { ...endpoint, secret: secret! }
}

/** Throws 404 for an endpoint that is not the caller's, in words that do not tell it from one that does not exist. */
export async function ownedEndpoint(db: Db, caller: Caller, id: string): Promise<Endpoint> {
  const endpoint = await findEndpoint(db, scopeOf(caller), id)
  if (!endpoint) throw new StoaError('not_found')
  return endpoint
}

/** The same, its row locked until the end of the transaction: for writing what was read. */
export async function lockEndpoint(ctx: EventsContext, db: Db, caller: Caller, id: string): Promise<Endpoint> {
  const endpoint = await findEndpoint(db, scopeOf(caller), id, ctx.dialect)
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
  // Deliveries before their endpoint, as results are recorded, or the two wait for each other.
  const seen = await ownedEndpoint(db, caller, id)
  assertChange(caller, seen, body)
  assertTransport(seen, body)
  if (body.fifo !== undefined) await setPendingFifo(db, ctx.dialect, seen.id, body.fifo)
  const before = await lockEndpoint(ctx, db, caller, seen.id)
  const status = body.status ?? before.status
  const enabled = status === 'ACTIVE' && before.status === 'DISABLED'
  if (enabled) await assertRoom(db, scopeOf(caller), { more: 0, moreActive: 1 })
  const now = nowIso(ctx.clock)
  const signing = body.signing ?? before.signing
  const updated: Endpoint = {
    ...before,
    url: body.url ?? before.url,
    method: body.method ?? before.method,
    events: body.events ?? before.events,
    description: given(body.description, before.description),
    format: body.format ?? before.format,
    signing,
    secrets: await withKeysFor(ctx, before.id, signing, before.secrets, now),
    headers: body.headers ? await sealHeaders(ctx, before.id, body.headers, before.headers) : before.headers,
    bodyTemplate: given(body.bodyTemplate, before.bodyTemplate),
    credentialId: given(body.credentialId, before.credentialId),
    fifo: body.fifo ?? before.fifo,
    rateLimit: given(body.rateLimit, before.rateLimit),
    concurrency: given(body.concurrency, before.concurrency),
    timeoutMilliseconds: given(body.timeoutMilliseconds, before.timeoutMilliseconds),
    status,
    statusCause: status === 'ACTIVE' ? null : (before.statusCause ?? 'owner'),
    statusReason: status === 'ACTIVE' ? null : before.statusReason,
    health: enabled ? healthy : before.health,
    updatedTime: laterThan(before.updatedTime, ctx.clock),
  }
  await assertEndpoint(ctx, db, caller, updated, before)
  await saveEndpoint(db, updated)
  // Somebody says that it works again: it gets every chance that a new one has.
  if (enabled) await updateHealth(db, updated.id, healthy)
  // What was held is due again by the mere fact that the endpoint is active.
  if (enabled) afterCommit(db, () => ctx.signals.emit('deliveries-due'))
  return updated
}

export async function deleteEndpoint(ctx: EventsContext, db: Db, caller: Caller, id: string): Promise<void> {
  const endpoint = await ownedEndpoint(db, caller, id)
  await removeEndpoint(db, ctx.dialect, endpoint.id, nowIso(ctx.clock))
}

/** The organization can turn off what an installed application made; to change more could show its passwords to another. */
function assertChange(caller: Caller, endpoint: Endpoint, body: UpdateEndpoint): void {
  const { status: _status, ...more } = body
  if (Object.keys(more).length > 0) assertMaker(caller, endpoint)
}

const ofHttp = ['url', 'method', 'headers', 'bodyTemplate', 'credentialId', 'fifo', 'rateLimit', 'concurrency'] as const

/** What only concerns requests means nothing where there are none. */
function assertTransport({ transport }: Endpoint, body: UpdateEndpoint): void {
  const given = transport === 'stream' ? ofHttp.find((member) => body[member] !== undefined) : undefined
  if (given) throw invalidField(given, 'cannot be set: the events of this endpoint are read from a connection')
}

/** Refuses what is wrong with what was changed; what another policy allowed once need not be changed to change the rest. */
async function assertEndpoint(
  ctx: EventsContext,
  db: Db,
  caller: Caller,
  endpoint: Endpoint,
  before: Endpoint | null,
): Promise<void> {
  const changed = (member: keyof Endpoint) => before?.[member] !== endpoint[member]
  if (changed('url')) assertUrl(ctx, endpoint.url)
  if (changed('events')) assertEvents(ctx, endpoint.events)
  assertFormat(endpoint.format, endpoint.events)
  const complaint = endpoint.bodyTemplate === null ? null : checkTemplate(endpoint.bodyTemplate)
  if (complaint) throw invalidField('bodyTemplate', complaint)
  if (changed('url') || changed('credentialId') || changed('status')) await assertUsable(ctx, db, caller, endpoint)
}

/** The secrets, with a key for v1a when that is to sign for the first time: its public key is shown at any time. */
async function withKeysFor(
  ctx: EventsContext,
  endpointId: string,
  signing: SigningVersion[],
  secrets: EndpointSecret[],
  now: string,
): Promise<EndpointSecret[]> {
  if (!signing.includes('v1a') || newestSecret(secrets, 'v1a')) return secrets
  return [...secrets, (await makeSecret(ctx, endpointId, { version: 'v1a', now })).sealed]
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

/** Null is a value: the owner wants none. */
const given = <T>(value: T | undefined, before: T): T => (value === undefined ? before : value)

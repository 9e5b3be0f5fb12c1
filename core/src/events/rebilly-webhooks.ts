import type { Db } from '../database/index.ts'
import { linkTo, type Caller } from '../http/index.ts'
import { invalidField, StoaError, type Static } from '../kernel/index.ts'
import type { Credential } from './credential.ts'
import { shownHeaders } from './endpoint-headers.ts'
import { scopeOf } from './endpoint-scope.ts'
import { findEndpoint } from './endpoint-store.ts'
import type { Endpoint } from './endpoint.ts'
import { createEndpoint, updateEndpoint } from './endpoints.ts'
import type { EventsContext } from './events-context.ts'
import type { CredentialShape, WebhookBody, WebhookShape } from './rebilly-schemas.ts'
import type { UpdateEndpoint } from './schemas.ts'

/** Ids that the host makes: nobody gives one away, so one that is not found cannot be created either. */
const hostsId = /^whe_[0-9a-f]{32}$/

/** Rebilly's webhook as one of our endpoints; what is absent is as in a new one. */
function optionsOf(body: WebhookBody) {
  if (body.filter !== undefined && body.filter !== null) {
    throw invalidField('filter', 'must be null: there is no filter but eventsFilter')
  }
  const { eventsFilter = [], credentialHash } = body
  return {
    url: body.url,
    events: eventsFilter.length === 0 ? ['*'] : eventsFilter,
    status: body.status === 'inactive' ? 'DISABLED' : 'ACTIVE',
    method: body.method ?? 'POST',
    headers: body.headers ?? [],
    bodyTemplate: body.body ?? null,
    credentialId: credentialHash ?? null,
  } satisfies UpdateEndpoint
}

export async function createWebhook(
  ctx: EventsContext,
  db: Db,
  caller: Caller,
  body: WebhookBody,
  givenId: string | null = null,
): Promise<Endpoint & { secret: string }> {
  const options = { ...optionsOf(body), format: 'rebilly' as const }
  return inRebillysWords(createEndpoint(ctx, db, caller, options, givenId))
}

/** Replaces the webhook of this id, or makes one with it. */
export async function putWebhook(
  ctx: EventsContext,
  db: Db,
  caller: Caller,
  id: string,
  body: WebhookBody,
): Promise<Endpoint & { secret?: string }> {
  const existing = await findEndpoint(db, scopeOf(caller), id)
  if (existing) return inRebillysWords(updateEndpoint(ctx, db, caller, existing.id, optionsOf(body)))
  if (hostsId.test(id)) throw new StoaError('not_found')
  return createWebhook(ctx, db, caller, body, id)
}

const rebillysWords: Readonly<Record<string, string>> = {
  events: 'eventsFilter',
  bodyTemplate: 'body',
  credentialId: 'credentialHash',
}

/** The rules are those of endpoints; the members that a refusal names are Rebilly's. */
async function inRebillysWords<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof StoaError) || !error.invalidFields) throw error
    const invalidFields = error.invalidFields.map(({ field, message }) => {
      const [member = '', ...rest] = field.split('.')
      return { field: [rebillysWords[member] ?? member, ...rest].join('.'), message }
    })
    const [first] = invalidFields
    throw new StoaError(error.code, { message: `${first?.field}: ${first?.message}`, invalidFields, cause: error })
  }
}

export function webhookShape(ctx: EventsContext, caller: Caller, endpoint: Endpoint): Static<typeof WebhookShape> {
  const id = endpoint.givenId ?? endpoint.id
  return {
    id,
    eventsFilter: endpoint.events.includes('*') ? [] : endpoint.events,
    status: endpoint.status === 'ACTIVE' ? 'active' : 'inactive',
    method: endpoint.method,
    url: endpoint.url,
    headers: shownHeaders(endpoint.headers),
    credentialHash: endpoint.credentialId,
    body: endpoint.bodyTemplate,
    filter: null,
    createdTime: endpoint.createdTime,
    updatedTime: endpoint.updatedTime,
    _links: [{ rel: 'self', href: linkTo(ctx, caller, `/webhooks/${id}`) }],
  }
}

export function credentialPath({ id }: Credential): string {
  return `/service-credentials/webhook/${id}`
}

export function credentialShape(
  ctx: EventsContext,
  caller: Caller,
  credential: Credential,
): Static<typeof CredentialShape> {
  const { id, host, type, username, status, createdTime, updatedTime } = credential
  return {
    id,
    type: 'webhook',
    host,
    auth: { type, ...(username !== null && { username }) },
    status,
    createdTime,
    updatedTime,
    _links: [{ rel: 'self', href: linkTo(ctx, caller, credentialPath(credential)) }],
  }
}

import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { newId, nowIso } from '../kernel/index.ts'
import { lockOrganization } from '../accounts/index.ts'
import { insertEndpoint } from './endpoint-store.ts'
import { healthy, type Endpoint } from './endpoint.ts'
import { scopeOf } from './endpoint-scope.ts'
import { assertEvents, assertRoom, chosenApplication } from './endpoints.ts'
import type { EventsContext } from './events-context.ts'
import { makeSecret } from './secrets.ts'

export interface NewStream {
  events: string[]
  applicationId?: string | null
  description?: string | null
}

/**
 * An endpoint whose events are read from a connection instead of being posted to an address: for fan-out, history and limits
 * one like any other. Throws `limit_reached`, `validation_failed`.
 */
export async function createStreamEndpoint(
  ctx: EventsContext,
  db: Db,
  caller: Caller,
  { events, applicationId = null, description = null }: NewStream,
): Promise<Endpoint & { secret: string }> {
  const scope = scopeOf(caller)
  const chosen = await chosenApplication(ctx, db, caller, applicationId)
  assertEvents(ctx, events)
  await lockOrganization(db, ctx.dialect, caller.organizationId)
  await assertRoom(db, scope, { more: 1, moreActive: 1 })
  const now = nowIso(ctx.clock)
  const id = newId('whe')
  const { sealed, secret } = await makeSecret(ctx, id, { version: 'v1', now })
  const endpoint: Endpoint = {
    id,
    givenId: null,
    organizationId: caller.organizationId,
    applicationId: chosen,
    installationId: scope.installationId,
    environment: caller.environment,
    transport: 'stream',
    url: `stream:${id}`,
    method: 'POST',
    events,
    description,
    format: 'standard',
    signing: ['v1'],
    secrets: [sealed],
    headers: [],
    bodyTemplate: null,
    credentialId: null,
    fifo: false,
    rateLimit: null,
    concurrency: null,
    timeoutMilliseconds: null,
    status: 'ACTIVE',
    statusCause: null,
    statusReason: null,
    health: healthy,
    createdTime: now,
    updatedTime: now,
  }
  await insertEndpoint(db, endpoint)
  return { ...endpoint, secret: secret! }
}

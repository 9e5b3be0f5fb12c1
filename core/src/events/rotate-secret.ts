import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { invalidField, isoIn, nowIso, StoaError } from '../kernel/index.ts'
import { announceEndpoint } from './announce-endpoint.ts'
import { assertMaker } from './credentials.ts'
import { updateEndpoint as saveEndpoint } from './endpoint-store.ts'
import type { Endpoint, EndpointSecret } from './endpoint.ts'
import { lockEndpoint } from './endpoints.ts'
import type { EventsContext } from './events-context.ts'
import { laterThan } from './later-than.ts'
import type { RotateSecret } from './schemas.ts'
import { liveSecrets, makeSecret, newestSecret, rotated } from './secrets.ts'
import { checkWebhookSecret } from './signing.ts'

/** Gives an endpoint a new secret or key. Those that come at once go one after the other, by the lock on its row. */
export async function rotateSecret(
  ctx: EventsContext,
  db: Db,
  caller: Caller,
  endpointId: string,
  { secret: own, overlapSeconds = ctx.config.webhooks.secretOverlapSeconds, version = 'v1' }: RotateSecret,
): Promise<{ sealed: EndpointSecret; secret: string | null; formerExpiresTime: string | null }> {
  if (own !== undefined && version !== 'v1') throw invalidField('secret', 'is of v1; the keys of v1a are made here')
  const complaint = own === undefined ? null : checkWebhookSecret(own)
  if (complaint) throw invalidField('secret', complaint)
  const endpoint = await lockEndpoint(ctx, db, caller, endpointId)
  assertMaker(caller, endpoint)
  const now = nowIso(ctx.clock)
  const until = isoIn(ctx.clock, overlapSeconds)
  const made = await makeSecret(ctx, endpoint.id, { version, own, now })
  const former = newestSecret(endpoint.secrets, version)
  await saveSecrets(ctx, db, endpoint, rotated(endpoint.secrets, made.sealed, { now, until }))
  const formerExpiresTime = former && until
  await announceEndpoint(ctx, db, endpoint, {
    type: 'endpoint.secret-rotated',
    data: { secretId: made.sealed.id, version, expiresTime: formerExpiresTime },
  })
  return { ...made, formerExpiresTime }
}

/** Ends a former secret now. The newest of a version stays: nothing is sent unsigned, and a rotation with no overlap ends it. */
export async function endSecret(
  ctx: EventsContext,
  db: Db,
  caller: Caller,
  endpointId: string,
  secretId: string,
): Promise<void> {
  const endpoint = await lockEndpoint(ctx, db, caller, endpointId)
  assertMaker(caller, endpoint)
  const live = liveSecrets(endpoint.secrets, nowIso(ctx.clock))
  const ended = live.find(({ id }) => id === secretId)
  if (!ended) throw new StoaError('not_found')
  if (ended.expiresTime === null) {
    throw new StoaError('wrong_state', {
      message: 'This is the newest secret. Rotate it with overlapSeconds 0 to end it at once.',
    })
  }
  await saveSecrets(
    ctx,
    db,
    endpoint,
    live.filter((each) => each !== ended),
  )
}

async function saveSecrets(ctx: EventsContext, db: Db, endpoint: Endpoint, secrets: EndpointSecret[]): Promise<void> {
  await saveEndpoint(db, { ...endpoint, secrets, updatedTime: laterThan(endpoint.updatedTime, ctx.clock) })
}

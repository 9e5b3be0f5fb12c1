import { revokeTokensOfSecret } from '../access/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { isoIn, nowIso, StoaError } from '../kernel/index.ts'
import type { Application } from './application.ts'
import { addClientSecret, expireClientSecret, listClientSecrets, type ClientSecret } from './client-secrets.ts'
import type { ApplicationsContext } from './context.ts'
import { ownedApplication } from './find-application.ts'
import { recordStep } from './record-step.ts'
import { lockApplication } from './store.ts'
import { wrongState } from './wrong-state.ts'

/**
 * A new client secret, shown in this answer only. The one before works beside it for `overlapSeconds`, 0 ends it at once; there
 * are two live ones at most, so that rotating while there are two ends the older at once. What ends at once takes its tokens
 * along. Throws `wrong_state` for a client that has no secret.
 */
export async function rotateClientSecret(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  overlapSeconds: number,
): Promise<{ application: Application; clientSecret: string }> {
  // Locked, so that two rotations at once do not leave three secrets alive.
  await lockApplication(db, id, ctx.dialect.rowLocks)
  const application = await ownedApplication(db, caller, id)
  if (application.clientType !== 'confidential') {
    throw wrongState(application, `and a ${application.clientType} client, which has no secret`)
  }
  const [previous, ...older] = await listClientSecrets(ctx, db, id)
  const ended = overlapSeconds === 0 && previous ? [previous, ...older] : older
  for (const secret of ended) await endAtOnce(ctx, db, caller, application, secret)
  const overlapEnd = isoIn(ctx.clock, overlapSeconds)
  const overlaps = previous !== undefined && overlapSeconds > 0
  if (overlaps) await expireClientSecret(db, previous.id, overlapEnd)
  const { id: secretId, lastFour, secret: clientSecret } = await addClientSecret(ctx, db, id)
  const expiresTime = overlaps ? earlier(previous.expiresTime, overlapEnd) : null
  await recordStep(ctx, db, caller, application, {
    action: 'secret-rotated',
    from: application.status,
    reason: null,
    secretId,
    data: { secretId, lastFour, expiresTime },
  })
  return { application, clientSecret }
}

/** Ends a live secret, be it the last, and every token that was obtained with it. Throws `not_found` for one that is not live. */
export async function endClientSecret(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  secretId: string,
): Promise<void> {
  await lockApplication(db, id, ctx.dialect.rowLocks)
  const application = await ownedApplication(db, caller, id)
  const secret = (await listClientSecrets(ctx, db, id)).find((each) => each.id === secretId)
  if (!secret) throw new StoaError('not_found')
  await endAtOnce(ctx, db, caller, application, secret)
}

/** A client that is public now cannot keep a secret: what it had while it was confidential ends. */
export async function endSecretsOfPublicClient(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  application: Application,
): Promise<void> {
  if (application.clientType === 'confidential') return
  for (const secret of await listClientSecrets(ctx, db, application.id)) {
    await endAtOnce(ctx, db, caller, application, secret)
  }
}

async function endAtOnce(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  application: Application,
  { id: secretId, lastFour }: ClientSecret,
): Promise<void> {
  const expiresTime = nowIso(ctx.clock)
  await expireClientSecret(db, secretId, expiresTime)
  await revokeTokensOfSecret(ctx, db, secretId)
  await recordStep(ctx, db, caller, application, {
    action: 'secret-ended',
    from: application.status,
    reason: null,
    secretId,
    data: { secretId, lastFour, expiresTime },
  })
}

function earlier(time: string | null, other: string): string {
  return time !== null && time < other ? time : other
}

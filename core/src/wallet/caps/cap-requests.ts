import type { Db } from '../../database/index.ts'
import { publish } from '../../events/index.ts'
import { invalidField, microsText, newId, nowIso, StoaError } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { capRequestEvent } from './cap-events.ts'
import {
  findCapRequest,
  findOpenCapRequest,
  findTimeOfRequest,
  insertCapRequest,
  updateCapRequest,
} from './cap-request-store.ts'
import { findCapFor } from './cap-store.ts'
import type { Cap, CapRequest, CapScope } from './cap.ts'
import type { Capped } from './capped.ts'
import { readCapAmount } from './read-cap.ts'

/** Who decides, and why. */
export interface Decision {
  /** `<kind of caller>:<id>` */
  actor: string
  reason: string | null
}

/** In a day, for one scope. Each is a line that a person reads, and an event. */
const mostRequests = 10
const dayMilliseconds = 86_400_000

/**
 * The application asks for a higher cap; the installation must be locked. It takes the place of what it asked before for the same
 * scope; the same again is answered as before. Throws `wrong_state` when nothing is capped there, `validation_failed` when the cap
 * is as high already, `limit_reached` after 10 different requests for it in 24 hours.
 */
export async function askForCap(
  ctx: WalletContext,
  db: Db,
  capped: Capped,
  scope: CapScope,
  { amount: given, reason }: { amount: number | string; reason: string },
): Promise<{ request: CapRequest; isNew: boolean }> {
  const now = nowIso(ctx.clock)
  const amount = readCapAmount(given)
  const cap = await findCapFor(db, capped.installationId, scope)
  if (!cap)
    throw new StoaError('wrong_state', { message: 'The merchant has set no such cap; nothing stands in the way.' })
  if (amount <= cap.amount) throw invalidField('amount', `must be more than the present cap, ${microsText(cap.amount)}`)
  const open = await findOpenCapRequest(db, capped.installationId, scope)
  if (open?.amount === amount && open.reason === reason) return { request: open, isNew: false }
  await assertMayAsk(db, capped, scope, now)
  if (open) await updateCapRequest(db, { ...open, status: 'replaced', decidedTime: now })
  const { publisherId, ...place } = capped
  const request: CapRequest = {
    ...place,
    ...scope,
    id: newId('crq'),
    amount,
    reason,
    status: 'open',
    answer: null,
    decidedBy: null,
    decidedTime: null,
    createdTime: now,
  }
  await insertCapRequest(db, request)
  await publish(ctx, db, capRequestEvent(request, { publisherId, now }))
  return { request, isNew: true }
}

async function assertMayAsk(db: Db, { installationId }: Capped, scope: CapScope, now: string): Promise<void> {
  const time = await findTimeOfRequest(db, installationId, scope, mostRequests - 1)
  if (time === null || Date.parse(now) - Date.parse(time) >= dayMilliseconds) return
  const resetsAt = new Date(Date.parse(time) + dayMilliseconds).toISOString()
  throw new StoaError('limit_reached', {
    message: `The merchant was asked ${mostRequests} times about this cap within a day. Wait for the decision, or ask again from ${resetsAt} on.`,
    details: { limit: mostRequests, resetsAt },
  })
}

/** The cap stays as it is; the installation must be locked. Throws `not_found`, `wrong_state` when it is decided already. */
export async function refuseCapRequest(
  ctx: WalletContext,
  db: Db,
  capped: Capped,
  requestId: string,
  decision: Decision,
): Promise<CapRequest> {
  return close(ctx, db, capped, await findUndecided(db, capped, requestId), 'refused', decision)
}

/** An open request is answered by a cap that is as high as it asks for, or that was taken away. */
export async function settleCapRequest(
  ctx: WalletContext,
  db: Db,
  capped: Capped,
  cap: Cap,
  decision: Decision,
): Promise<void> {
  const open = await findOpenCapRequest(db, capped.installationId, cap)
  if (!open || (cap.endedTime === null && cap.amount < open.amount)) return
  await close(ctx, db, capped, open, 'approved', decision)
}

async function close(
  ctx: WalletContext,
  db: Db,
  { publisherId }: Capped,
  request: CapRequest,
  status: 'approved' | 'refused',
  { actor, reason }: Decision,
): Promise<CapRequest> {
  const now = nowIso(ctx.clock)
  const decided: CapRequest = { ...request, status, answer: reason, decidedBy: actor, decidedTime: now }
  await updateCapRequest(db, decided)
  await publish(ctx, db, capRequestEvent(decided, { publisherId, now }))
  return decided
}

/** Throws `not_found`, `wrong_state`. */
export async function findUndecided(db: Db, { installationId }: Capped, requestId: string): Promise<CapRequest> {
  const request = await findCapRequest(db, installationId, requestId)
  if (!request) throw new StoaError('not_found')
  if (request.status !== 'open') {
    throw new StoaError('wrong_state', { message: `The request was decided already: it is ${request.status}.` })
  }
  return request
}

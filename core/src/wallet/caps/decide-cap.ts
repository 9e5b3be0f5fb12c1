import type { Db } from '../../database/index.ts'
import { publish } from '../../events/index.ts'
import { newId, nowIso, StoaError, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { capChangedEvent } from './cap-events.ts'
import { findCap, findCapFor, insertCap, insertCapChange, updateCap } from './cap-store.ts'
import { settleCapRequest, type Decision } from './cap-requests.ts'
import type { Cap } from './cap.ts'
import type { Capped } from './capped.ts'
import { stillAnnounced } from './limits.ts'
import { periodAt } from './period.ts'
import { readCapAmount, readCapScope, type CapInput } from './read-cap.ts'
import { lockExisting, updateCounters } from './usage-counters.ts'

/**
 * The merchant sets or changes the cap of a scope; the installation must be locked. The same amount again changes nothing. An open
 * request that this gives as much as it asks for is approved by it, with `answer`. Throws `meter_not_found`, `validation_failed`.
 */
export async function setCap(
  ctx: WalletContext,
  db: Db,
  capped: Capped,
  input: CapInput,
  decision: Decision & { answer?: string | null },
): Promise<{ cap: Cap; isNew: boolean }> {
  const now = nowIso(ctx.clock)
  const scope = await readCapScope(ctx, db, capped, input)
  const amount = readCapAmount(input.amount)
  const { publisherId, ...place } = capped
  const known = await findCapFor(db, capped.installationId, scope)
  if (known?.amount === amount) return { cap: known, isNew: false }
  const cap: Cap = known
    ? { ...known, amount, revision: known.revision + 1, updatedTime: now }
    : { ...place, ...scope, id: newId('cap'), amount, revision: 1, createdTime: now, updatedTime: now, endedTime: null }
  await (known ? updateCap(db, cap) : insertCap(db, cap))
  if (known) await announceAnew(ctx, db, cap, now)
  await record(ctx, db, publisherId, cap, known?.amount ?? null, decision)
  await settleCapRequest(ctx, db, capped, cap, { actor: decision.actor, reason: decision.answer ?? null })
  return { cap, isNew: known === null }
}

/** The merchant takes a cap away; the installation must be locked. Throws `not_found`. */
export async function removeCap(
  ctx: WalletContext,
  db: Db,
  capped: Capped,
  capId: string,
  decision: Decision,
): Promise<void> {
  const known = await findCap(db, capped.installationId, capId)
  if (!known) throw new StoaError('not_found')
  const now = nowIso(ctx.clock)
  const cap = { ...known, revision: known.revision + 1, updatedTime: now, endedTime: now }
  await updateCap(db, cap)
  await record(ctx, db, capped.publisherId, cap, known.amount, decision)
  await settleCapRequest(ctx, db, capped, cap, { actor: decision.actor, reason: null })
}

/** What was announced of the former amount is not said of the new one. */
async function announceAnew({ dialect }: WalletContext, db: Db, cap: Cap, now: string): Promise<void> {
  const present = { key: `cap:${cap.id}`, periodStart: periodAt(cap.period, now).start }
  const counters = [...(await lockExisting(db, dialect, [present])).values()]
  const anew = counters.map((counter) => ({ ...counter, announced: stillAnnounced(cap, counter) }))
  await updateCounters(db, dialect, anew)
}

async function record(
  ctx: WalletContext,
  db: Db,
  publisherId: string,
  cap: Cap,
  previous: Micros | null,
  { actor, reason }: Decision,
): Promise<void> {
  const now = cap.updatedTime
  const amount = cap.endedTime === null ? cap.amount : null
  await insertCapChange(db, cap.id, { revision: cap.revision, amount, actor, reason, time: now })
  await publish(ctx, db, capChangedEvent(cap, previous, { publisherId, now }))
}

import type { Knex } from 'knex'
import { afterCommit } from '../database/index.ts'
import { disableEndpoint, lockHealth, updateHealth, type EndpointHealth, type EventsContext } from '../events/index.ts'
import { nowIso } from '../kernel/index.ts'
import { announceDisabled, announceFailing, announceRecovered } from './announce.ts'
import type { AttemptRecord } from './delivery-store.ts'
import { afterTry } from './health.ts'
import type { Result } from './send-delivery.ts'

/** A try that counts, with what became of it. */
export interface Counted {
  result: Result
  attempt: AttemptRecord
}

/**
 * What this host, or the way out of it, could not do. It must neither open the breaker of a receiver that is well, and so hold up
 * other events, nor disable it.
 */
const ownFaults = new Set(['proxy', 'preparation', 'host'])

/**
 * Keeps what the tries tell of their receivers, turns off those that are gone or hopeless, and says so. After the
 * deliveries, in the order of ids: whoever locks both does it so. A receiver that is well and answered costs nothing.
 */
export async function recordHealth(ctx: EventsContext, trx: Knex.Transaction, counted: Counted[]): Promise<void> {
  const byEndpoint = new Map<string, Counted[]>()
  for (const each of counted) {
    const { target } = each.result.load
    if (target.transport === 'stream' || ownFaults.has(each.attempt.errorCode ?? '')) continue
    byEndpoint.set(target.id, [...(byEndpoint.get(target.id) ?? []), each])
  }
  const concerned = [...byEndpoint].filter(([, tries]) => tries.some(matters)).map(([id]) => id)
  if (concerned.length === 0) return
  const known = await lockHealth(trx, ctx.dialect, concerned.sort())
  for (const id of concerned) {
    const health = known.get(id)?.health
    if (health) await judge(ctx, trx, byEndpoint.get(id)!, health)
  }
}

const isWell = ({ health }: Result['load']['target']) => health.failures === 0 && health.breaker === 'closed'

const matters = ({ attempt, result }: Counted) => attempt.outcome === 'failure' || !isWell(result.load.target)

async function judge(
  ctx: EventsContext,
  trx: Knex.Transaction,
  tries: Counted[],
  before: EndpointHealth,
): Promise<void> {
  const now = ctx.clock.now()
  let health = before
  let hopeless = false
  for (const { result, attempt } of tries) {
    const { claimed } = result
    const finding = {
      outcome: attempt.outcome,
      time: new Date(attempt.startedTime),
      first: claimed.attempt - claimed.baseAttempt === 1,
      probe: claimed.probe,
    }
    ;({ health, hopeless } = afterTry(health, finding, now, ctx.config.webhooks))
  }
  const { target } = tries[0]!.result.load
  if (health !== before) await updateHealth(trx, target.id, health)
  if (health.breaker === 'open' && before.breaker === 'closed') await announceFailing(ctx, trx, target, health)
  if (health.breaker === 'closed' && before.breaker === 'open') await announceRecovered(ctx, trx, target, before)
  const end = endOf(tries, hopeless)
  if (end && (await disableEndpoint(trx, { id: target.id, url: target.url, ...end, now: nowIso(ctx.clock) }))) {
    await announceDisabled(ctx, trx, target, end)
    afterCommit(trx, () => ctx.lifecycle.emit('endpoint.disabled', { endpointId: target.id, ...end }))
  }
}

/** Why nothing more should be sent there; null when it should. */
function endOf(tries: Counted[], hopeless: boolean) {
  const failed = tries.filter(({ attempt }) => attempt.outcome === 'failure').map(({ result }) => result)
  if (failed.some(({ gone }) => gone)) return { cause: 'gone', reason: 'The receiver answered 410 Gone.' } as const
  if (failed.some(({ asks }) => asks === 'disable'))
    return { cause: 'asked', reason: 'The receiver asked for it, with the header webhook-delivery.' } as const
  if (!hopeless) return null
  return { cause: 'failing', reason: 'It failed for days, and nothing that was sent arrived.' } as const
}

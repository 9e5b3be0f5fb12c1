import type { Dialect, Row } from '../database/index.ts'
import { integer, maybeIso, text, type Db } from '../database/index.ts'
import type { Wanted } from './claim-deliveries.ts'

/** How many may be taken of an endpoint that has limits, and what that makes of them. */
export interface Admission {
  endpointId: string
  most: number
  /** Its breaker is open: this is the one try that tells whether it closes. */
  probe: boolean
  /** Of a rate limit: what was taken moves the time before which nothing more may be taken. Null without one. */
  pace: { from: number; intervalMilliseconds: number } | null
}

/** A rate limit is kept to in steps of this part of a second: finer would mean a transaction for every delivery. */
const burstSeconds = 0.1

/**
 * Asks the endpoints that have a rate limit, a limit of concurrency or an open breaker how much of each may be taken now. In
 * the transaction that takes it, with their rows locked: the limits hold for all processes together. Counting in memory was
 * rejected for that reason, and because it begins anew with every start.
 */
export async function admit(
  trx: Db,
  dialect: Dialect,
  wanted: Wanted[],
  times: { now: string; leaseUntil: string },
): Promise<Admission[]> {
  if (wanted.length === 0) return []
  const query = trx('stoa_webhook_endpoints')
    .select('id', 'rate_limit', 'rate_time', 'concurrency', 'breaker', 'breaker_until')
    .whereIn(
      'id',
      wanted.map(({ endpointId }) => endpointId),
    )
    .orderBy('id')
  if (dialect.rowLocks) query.forNoKeyUpdate()
  const rows = new Map(((await query) as Row[]).map((row) => [text(row.id), row]))
  const admissions: Admission[] = []
  for (const { endpointId, most } of wanted) {
    const row = rows.get(endpointId)
    if (!row) continue
    const probe = row.breaker === 'open'
    const closedUntil = maybeIso(row.breaker_until)
    if (probe && closedUntil !== null && closedUntil > times.now) continue
    const pace = row.rate_limit === null ? null : paceOf(integer(row.rate_limit), maybeIso(row.rate_time), times.now)
    const free =
      row.concurrency === null ? most : integer(row.concurrency) - (await countLeased(trx, endpointId, times.now))
    const allowed = Math.min(most, free, probe ? 1 : most, pace ? pace.allowed : most)
    if (allowed <= 0) continue
    if (probe) {
      // Nobody else tries meanwhile; and should this process die, somebody does when the lease ends.
      await trx('stoa_webhook_endpoints').where({ id: endpointId }).update({ breaker_until: times.leaseUntil })
    }
    admissions.push({ endpointId, most: allowed, probe, pace })
  }
  return admissions
}

/** Moves a rate limit on by what was taken. */
export async function paceOn(trx: Db, { endpointId, pace }: Admission, taken: number): Promise<void> {
  if (!pace || taken === 0) return
  const time = new Date(Math.ceil(pace.from + taken * pace.intervalMilliseconds)).toISOString()
  await trx('stoa_webhook_endpoints').where({ id: endpointId }).update({ rate_time: time })
}

/** The generic cell rate algorithm: one time instead of a bucket that has to be filled. */
function paceOf(perSecond: number, rateTime: string | null, now: string) {
  const intervalMilliseconds = 1000 / perSecond
  const burst = Math.max(1, Math.floor(perSecond * burstSeconds))
  const present = Date.parse(now)
  const from = Math.max(rateTime === null ? 0 : Date.parse(rateTime), present - (burst - 1) * intervalMilliseconds)
  // A clock that was set back must not keep an endpoint waiting for as long as it was ahead.
  if (from - present > 2 * Math.max(1000, intervalMilliseconds))
    return { from: present, intervalMilliseconds, allowed: 1 }
  return {
    from,
    intervalMilliseconds,
    allowed: from > present ? 0 : Math.floor((present - from) / intervalMilliseconds) + 1,
  }
}

/** Tries under way in all processes: a taken delivery is due again when its lease ends, so all of them lie ahead. */
async function countLeased(trx: Db, endpointId: string, now: string): Promise<number> {
  const [row] = (await trx('stoa_deliveries')
    .whereRaw(`state = 'pending'`)
    .where({ endpoint_id: endpointId })
    .where('next_time', '>', now)
    .whereNotNull('lease_token')
    .count({ total: '*' })) as Row[]
  return integer(row?.total)
}

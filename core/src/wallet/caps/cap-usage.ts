import { money, type Db, type Row } from '../../database/index.ts'
import { nowIso, type Clock, type Micros } from '../../kernel/index.ts'
import type { Cap } from './cap.ts'
import { periodAt } from './period.ts'
import { countCharges } from './usage-counters.ts'

export interface CapUsage {
  used: Micros
  left: Micros
  resetsTime: string
}

/**
 * What was used of a cap in the period that is going on: of charges booked in it, what was not given back. The counter that
 * charging keeps; where charging has not needed one yet, the charges themselves.
 */
export async function readCapUsage(db: Db, clock: Clock, cap: Cap): Promise<CapUsage> {
  const { start: startTime, end: resetsTime } = periodAt(cap.period, nowIso(clock))
  const counter = (await db('stoa_usage_counters')
    .where({ key: `cap:${cap.id}`, period_start: startTime })
    .first('amount')) as Row | undefined
  const { installationId, meterId, currency } = cap
  const period = { periodStart: startTime, periodEnd: resetsTime }
  const used = counter
    ? money(counter.amount)
    : (await countCharges(db, { ...period, installationId, meterId, currency })).amount
  return { used, left: used < cap.amount ? cap.amount - used : 0n, resetsTime }
}

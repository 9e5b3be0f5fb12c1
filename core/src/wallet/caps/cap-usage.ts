import { money, type Db, type Row } from '../../database/index.ts'
import type { Clock, Micros } from '../../kernel/index.ts'
import { periodAt, type Cap } from './cap.ts'

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
  const { startTime, resetsTime } = periodAt(cap.period, clock)
  const counter = (await db('stoa_usage_counters')
    .where({ key: `cap:${cap.id}`, period_start: startTime })
    .first('amount')) as Row | undefined
  const used = counter ? money(counter.amount) : await sumCharges(db, cap, startTime)
  return { used, left: used < cap.amount ? cap.amount - used : 0n, resetsTime }
}

/** A charge counts in the period it was booked in, and what is given back of it later too. */
async function sumCharges(db: Db, { installationId, meterId, currency }: Cap, from: string): Promise<Micros> {
  // What is given back is booked after its charge, so both lie in the range of one index.
  const query = db('stoa_charges as record')
    .where('record.installation_id', installationId)
    .where('record.created_time', '>=', from)
    .where('record.currency', currency)
    .whereExists(
      db('stoa_charges as charge')
        .select('charge.id')
        .whereRaw('charge.id = record.id')
        .where('charge.seq', 0)
        .where('charge.created_time', '>=', from),
    )
  if (meterId !== null) void query.where('record.meter_id', meterId)
  const [row] = (await query.select(
    db.raw('sum(case when record.seq = 0 then record.amount else -record.amount end) as used'),
  )) as Row[]
  return money(row?.used ?? 0)
}

import { microsNumber, microsText, StoaError, type Micros } from '../../kernel/index.ts'
import type { Meter } from '../meters/meters.ts'
import { dependsOnUsage } from '../meters/price.ts'
import type { Cap } from './cap.ts'
import { periodAt, type Period } from './period.ts'
import { counterName, type UsageCounter, type WantedCounter } from './usage-counters.ts'

/** A counter that a charge adds to, and what it must not pass. */
export interface Limit {
  counter: WantedCounter
  period: Period
  /** The merchant's cap, in money; null for a limit of the meter's, in units, which may be none at all: then it only counts. */
  cap: Cap | null
  publisherId: string
  mostUnits: Micros | null
}

/** All that a charge of the meter counts towards at this time. Empty for most. */
export function limitsOf(meter: Meter, installationId: string, caps: Cap[], time: string): Limit[] {
  const { price, publisherId } = meter
  const limits: Limit[] = []
  const ofMeter = (period: Period, mostUnits: Micros | null) => {
    const { start, end } = periodAt(period, time)
    // The price is named, because what no price needs is not counted.
    const key = `usage:${price.id}:${installationId}:${period}`
    const counter = { key, periodStart: start, periodEnd: end, installationId, meterId: meter.id, currency: null }
    limits.push({ counter, period, cap: null, publisherId, mostUnits })
  }
  if (price.dailyLimit !== null) ofMeter('day', price.dailyLimit)
  if (price.cycleLimit !== null || dependsOnUsage(price)) ofMeter('month', price.cycleLimit)
  for (const cap of caps) {
    if (cap.installationId !== installationId || cap.currency !== price.currency) continue
    if (cap.meterId !== null && cap.meterId !== meter.id) continue
    limits.push({ ...ofCap(cap, time), publisherId })
  }
  return limits
}

function ofCap(cap: Cap, time: string): Omit<Limit, 'publisherId'> {
  const { start, end } = periodAt(cap.period, time)
  const { installationId, meterId, currency } = cap
  const counter = { key: `cap:${cap.id}`, periodStart: start, periodEnd: end, installationId, meterId, currency }
  return { counter, period: cap.period, cap, mostUnits: null }
}

/** Units of the meter in the month before this charge; 0 where the price does not ask. */
export function unitsBefore(limits: Limit[], counters: ReadonlyMap<string, UsageCounter>): Micros {
  const month = limits.find(({ cap, period }) => cap === null && period === 'month')
  return month ? counters.get(counterName(month.counter))!.units : 0n
}

/** Throws `usage_limit_reached` or `cap_reached`, which say what would be let through and when the period ends. */
export function refuseBeyondLimits(
  limits: Limit[],
  counters: ReadonlyMap<string, UsageCounter>,
  { units, amount }: { units: Micros; amount: Micros },
): void {
  for (const limit of limits) {
    const counter = counters.get(counterName(limit.counter))!
    if (limit.cap) {
      if (amount > 0n && counter.amount + amount > limit.cap.amount) throw capReached(limit, limit.cap, counter, amount)
    } else if (limit.mostUnits !== null && counter.units + units > limit.mostUnits) {
      throw usageLimitReached(limit, limit.mostUnits, counter, units)
    }
  }
}

function capReached(
  { period, counter: { periodEnd } }: Limit,
  cap: Cap,
  { amount: used }: UsageCounter,
  wanted: Micros,
) {
  const left = cap.amount > used ? cap.amount - used : 0n
  return new StoaError('cap_reached', {
    message: `The merchant lets the application cost ${microsText(cap.amount)} ${cap.currency} a ${period}, of which ${microsText(left)} is left; the charge needs ${microsText(wanted)}. Ask for a higher cap, or send the same eventId again from ${periodEnd} on.`,
    details: {
      ...numbers({ limit: cap.amount, used, left, required: wanted }),
      currency: cap.currency,
      period,
      capId: cap.id,
      meterId: cap.meterId,
      resetsAt: periodEnd,
    },
  })
}

function usageLimitReached({ period, counter }: Limit, limit: Micros, { units: used }: UsageCounter, wanted: Micros) {
  const left = limit > used ? limit - used : 0n
  return new StoaError('usage_limit_reached', {
    message: `The meter takes ${microsText(limit)} units a ${period}, of which ${microsText(left)} are left; the charge has ${microsText(wanted)}. Charge fewer, or send the same eventId again from ${counter.periodEnd} on.`,
    details: {
      ...numbers({ limit, used, left, required: wanted }),
      period,
      meterId: counter.meterId,
      resetsAt: counter.periodEnd,
    },
  })
}

function numbers(values: Record<'limit' | 'used' | 'left' | 'required', Micros>) {
  const entries = Object.entries(values)
  return {
    ...Object.fromEntries(entries.map(([name, value]) => [name, microsNumber(value)])),
    exact: Object.fromEntries(entries.map(([name, value]) => [name, microsText(value)])),
  }
}

const announced = [80, 90, 100]

/** The highest of 80, 90 and 100 percent of the cap that has been used up; 0 below. */
const percentReached = (cap: Cap, { amount }: UsageCounter): number =>
  announced.findLast((percent) => amount * 100n >= cap.amount * BigInt(percent)) ?? 0

/** What has been reached and was not announced in this period; null when there is nothing. */
export function percentToAnnounce(cap: Cap, counter: UsageCounter): number | null {
  const reached = percentReached(cap, counter)
  return reached > counter.announced ? reached : null
}

/** What stays announced when the cap becomes this one: of a higher cap, what it has not come to is told when it does. */
export const stillAnnounced = (cap: Cap, counter: UsageCounter): number =>
  Math.min(counter.announced, percentReached(cap, counter))

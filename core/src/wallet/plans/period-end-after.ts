/** How often a plan is paid. */
export const paymentTimes = ['month', 'year', 'life_time'] as const
export type PaymentTime = (typeof paymentTimes)[number]

/**
 * The first end of a period after `start`, where periods count from `anchor`: always on the anchor's day of the month and at its time of
 * day, UTC, or on the last day of a month that is shorter. Counted from the anchor rather than from the end before, so that the 31st is
 * back after February. Null for what is paid once.
 */
export function periodEndAfter(anchor: string, paymentTime: PaymentTime, start: string): string | null {
  if (paymentTime === 'life_time') return null
  const months = paymentTime === 'month' ? 1 : 12
  const from = new Date(anchor)
  const to = new Date(start)
  const between = (to.getUTCFullYear() - from.getUTCFullYear()) * 12 + to.getUTCMonth() - from.getUTCMonth()
  for (let count = Math.max(1, Math.floor(between / months)); ; count++) {
    const end = monthsAfter(from, count * months)
    if (end > start) return end
  }
}

function monthsAfter(from: Date, months: number): string {
  const month = new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + months, 1))
  const lastDay = new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1, 0)).getUTCDate()
  const day = Math.min(from.getUTCDate(), lastDay)
  const timeOfDay = from.getTime() % 86_400_000
  return new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth(), day) + timeOfDay).toISOString()
}

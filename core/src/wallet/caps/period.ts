/** What limits count in: days and calendar months, UTC, so that everybody's begin and end at the same time. */
export const periods = ['day', 'month'] as const
export type Period = (typeof periods)[number]

/** The period that `time` (ISO, UTC) lies in: its first instant, and the first after it. */
export function periodAt(period: Period, time: string): { start: string; end: string } {
  // Asked twice for every charge, hence by the text, of which ISO times are made to be cut.
  const start = `${period === 'day' ? time.slice(0, 10) : `${time.slice(0, 7)}-01`}T00:00:00.000Z`
  const end = new Date(start)
  if (period === 'day') end.setUTCDate(end.getUTCDate() + 1)
  else end.setUTCMonth(end.getUTCMonth() + 1)
  return { start, end: end.toISOString() }
}

/** What limits count in: days and calendar months, UTC, so that everybody's begin and end at the same time. */
export const periods = ['day', 'month'] as const
export type Period = (typeof periods)[number]

/** The period that `time` (ISO) lies in: its first instant, and the first after it. */
export function periodAt(period: Period, time: string): { start: string; end: string } {
  const date = new Date(time)
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
  const at = (y: number, m: number, d: number) => new Date(Date.UTC(y, m, d)).toISOString()
  return period === 'day'
    ? { start: at(year, month, day), end: at(year, month, day + 1) }
    : { start: at(year, month, 1), end: at(year, month + 1, 1) }
}

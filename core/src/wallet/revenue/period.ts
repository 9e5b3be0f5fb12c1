import { invalidField, readTime } from '../../kernel/index.ts'
import { settlingMilliseconds } from './start-payout-run.ts'

/** A stretch of time of which a statement is made, by the time of booking. */
export interface Period {
  /** Included. */
  from: string
  /** Excluded. */
  to: string
  /** Whether nothing can be booked in it any more: its statement never changes. */
  isClosed: boolean
}

/** The longest range that may be asked for, of what is read line by line. */
const longestDays = 366
/** The same of what is summed. */
export const longestSumDays = 31
const day = 24 * 60 * 60_000

/**
 * A month (`2026-03`), or a range of dates or times of which the end is excluded; the present month when neither is given. All UTC.
 * Throws `validation_failed` with the field.
 */
export function readPeriod(
  { month, from, to }: { month?: string | undefined; from?: string | undefined; to?: string | undefined },
  now: string,
  mostDays = longestDays,
): Period {
  if (from === undefined && to === undefined) return closing(monthOf(month ?? now.slice(0, 7)), now)
  if (month !== undefined) throw invalidField('month', 'cannot be given together with from and to')
  if (from === undefined) throw invalidField('from', 'is required with to')
  if (to === undefined) throw invalidField('to', 'is required with from')
  const range = { from: readEnd('from', from), to: readEnd('to', to) }
  const length = Date.parse(range.to) - Date.parse(range.from)
  if (length <= 0) throw invalidField('to', 'must be later than from')
  if (length > mostDays * day) throw invalidField('to', `must be at most ${mostDays} days after from`)
  return closing(range, now)
}

function monthOf(month: string): Pick<Period, 'from' | 'to'> {
  const match = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(month)
  const range = match && monthAt(`${month}-01T00:00:00.000Z`)
  // The end too: that of the last month of the year 9999 is no time that can be compared.
  if (!range || readTime(range.from) === null || readTime(range.to) === null) {
    throw invalidField('month', 'must be a month such as 2026-03')
  }
  return range
}

/** The month, in UTC, that a time (ISO) is in. */
export function monthAt(time: string): Pick<Period, 'from' | 'to'> {
  const [year, number] = [Number(time.slice(0, 4)), Number(time.slice(5, 7))]
  const first = (months: number) => {
    const date = new Date(0)
    // Not Date.UTC, which takes years before 100 for those of the last century.
    date.setUTCFullYear(year, months)
    return date.toISOString()
  }
  return { from: first(number - 1), to: first(number) }
}

function readEnd(field: string, given: string): string {
  const isWhole = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/.test(given)
  const time = isWhole ? readTime(given) : null
  if (time === null) throw invalidField(field, 'must be a date such as 2026-03-01, or a time with its zone')
  return time
}

const closing = (range: Pick<Period, 'from' | 'to'>, now: string): Period => ({
  ...range,
  isClosed: Date.parse(range.to) + settlingMilliseconds <= Date.parse(now),
})

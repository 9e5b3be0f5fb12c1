import { StoaError } from '../kernel/index.ts'

/** How a column's values are written in a filter, and compared. */
export type FilterType = 'id' | 'text' | 'word' | 'boolean' | 'integer' | 'time'

export interface CollectionColumn {
  column: string
  /** `id` compares exactly; `text` and `word` ignore case; `integer` and `time` have ranges. */
  type: FilterType
  /**
   * For `text`: the column that holds `foldText` of the value. Without one the database's own `lower` decides, which knows
   * no letters beyond ASCII on SQLite.
   */
  folded?: string
  /** For `word`: all there are. */
  words?: readonly string[]
}

export type Condition =
  { equals: string | number | boolean } | { from?: number | string; to?: number | string; before?: string }

/** One `field:values` clause: one of `any` (when there are some), and none of `none`. */
export interface Clause {
  column: CollectionColumn
  any: Condition[]
  none: Condition[]
}

export const filterLimits = { characters: 2000, values: 50 } as const

/** Case and compatibility forms taken away, so that what people read as the same is the same on both databases. */
export function foldText(value: string): string {
  return value.normalize('NFKC').trim().toLowerCase()
}

/** A refusal of a collection parameter: 400 `invalid_request` that names the field. */
export function refuseParameter(parameter: string, field: string, message: string): StoaError {
  const path = field ? `${parameter}.${field}` : parameter
  return new StoaError('invalid_request', { message: `${path}: ${message}`, invalidFields: [{ field: path, message }] })
}

/**
 * Reads Rebilly's filter language: `field:value`, `,` for one of several values, `;` between fields that must all hold,
 * `!` before a value for "not", `1..10`, `1..` and `..10` for ranges of numbers and times. A day stands for all of it.
 * A leading `!` negates the whole list, so that `!a,b` (the old documentation) and `!a,!b` (the new) say the same.
 * `\` takes the meaning from the next character, for values that contain a separator.
 *
 * @throws 400 invalid_request naming the field: one the collection does not have, or a value of another type
 */
export function parseFilter(columns: Readonly<Record<string, CollectionColumn>>, filter: string): Clause[] {
  if (filter.length > filterLimits.characters) {
    throw refuseParameter('filter', '', `must have at most ${filterLimits.characters} characters`)
  }
  refuseControlCharacters('filter', filter)
  const clauses = splitUnescaped(filter, ';')
    .filter((part) => part.trim() !== '')
    .map((part) => parseClause(columns, part))
  const values = clauses.reduce((sum, { any, none }) => sum + any.length + none.length, 0)
  if (values > filterLimits.values)
    throw refuseParameter('filter', '', `must have at most ${filterLimits.values} values`)
  return clauses
}

/** PostgreSQL keeps no U+0000 in text and fails on it; nobody means the others either. */
export function refuseControlCharacters(parameter: string, text: string): void {
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f]/.test(text)) throw refuseParameter(parameter, '', 'must not contain control characters')
}

function parseClause(columns: Readonly<Record<string, CollectionColumn>>, text: string): Clause {
  const colon = text.indexOf(':')
  const field = (colon < 0 ? text : text.slice(0, colon)).trim().slice(0, 100)
  const column = Object.hasOwn(columns, field) ? columns[field] : undefined
  if (!column) throw refuseParameter('filter', field, `is not a field; there are ${Object.keys(columns).join(', ')}`)
  if (colon < 0) throw refuseParameter('filter', field, 'needs a value, as in field:value')

  const values = splitUnescaped(text.slice(colon + 1), ',').map((value) => value.trim())
  const negatesAll = values[0]!.startsWith('!')
  const clause: Clause = { column, any: [], none: [] }
  for (const value of values) {
    const negated = value.startsWith('!')
    const condition = parseCondition(field, column, negated ? value.slice(1) : value)
    ;(negated || negatesAll ? clause.none : clause.any).push(condition)
  }
  return clause
}

function parseCondition(field: string, column: CollectionColumn, value: string): Condition {
  if (value === '') throw refuseParameter('filter', field, 'has an empty value')
  if (value.startsWith('@'))
    throw refuseParameter('filter', field, 'names a value list, which this collection does not have')
  const range = column.type === 'integer' || column.type === 'time' ? /^(.*?)\.\.(.*)$/.exec(value) : null
  if (range) return parseRange(field, column, range[1]!.trim(), range[2]!.trim())
  const text = unescape(value)
  if (column.type === 'boolean') {
    if (!/^(true|false)$/i.test(text)) throw refuseParameter('filter', field, 'must be true or false')
    return { equals: text.toLowerCase() === 'true' }
  }
  if (column.type === 'integer') return { equals: parseInteger(field, text) }
  if (column.type === 'time') return parseMoment(field, text)
  if (column.type === 'word') return { equals: parseWord(field, column.words ?? [], text) }
  return { equals: text }
}

function parseRange(field: string, column: CollectionColumn, from: string, to: string): Condition {
  if (from === '' && to === '') throw refuseParameter('filter', field, 'needs a bound before or after the dots')
  if (column.type === 'integer') {
    return { ...(from && { from: parseInteger(field, from) }), ...(to && { to: parseInteger(field, to) }) }
  }
  const start = from ? parseMoment(field, from) : undefined
  const end = to ? parseMoment(field, to) : undefined
  return {
    ...(start && { from: 'equals' in start ? (start.equals as string) : start.from! }),
    ...(end && ('equals' in end ? { to: end.equals as string } : { before: end.before! })),
  }
}

function parseWord(field: string, words: readonly string[], text: string): string {
  const word = words.find((each) => each.toLowerCase() === text.toLowerCase())
  if (word === undefined) throw refuseParameter('filter', field, `must be one of ${words.join(', ')}`)
  return word
}

function parseInteger(field: string, text: string): number {
  if (!/^-?\d{1,15}$/.test(text)) throw refuseParameter('filter', field, 'must be a whole number')
  return Number(text)
}

// Years that both databases and ISO text agree on, with room for the zone.
const timePattern = /^([12]\d{3}-\d{2}-\d{2})(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/i

/** A day becomes the time from its first moment to the next day's; both in UTC. */
function parseMoment(field: string, value: string): Condition {
  // A `+` that was not percent-encoded arrives as a space.
  const text = value.replace(/ (?=\d{2}:\d{2}$)/, '+')
  const day = timePattern.exec(text)?.[1]
  const midnight = new Date(`${day}T00:00:00Z`)
  const time = new Date(text)
  // Date takes 30 February for 1 March, so the day is compared with what it became.
  const isDay = !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day!)
  if (!isDay || Number.isNaN(time.getTime())) {
    throw refuseParameter('filter', field, 'must be a day such as 2026-01-31 or a time such as 2026-01-31T09:00:00Z')
  }
  if (text !== day) return { equals: time.toISOString() }
  return { from: midnight.toISOString(), before: new Date(midnight.getTime() + 86_400_000).toISOString() }
}

function splitUnescaped(text: string, separator: string): string[] {
  const parts = ['']
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!
    if (character === '\\' && index + 1 < text.length) parts[parts.length - 1] += character + text[++index]!
    else if (character === separator) parts.push('')
    else parts[parts.length - 1] += character
  }
  return parts
}

function unescape(text: string): string {
  return text.replace(/\\(.)/gs, '$1')
}

import { uuidv7obj } from 'uuidv7'

/** What an identifier in a path or body looks like, for every id of the host. Source: Rebilly's resource id. */
export const idPattern = '^[@~\\-\\.\\w]+$'
export const idMaxLength = 50

/**
 * A new identifier: prefix and a time-ordered UUIDv7 in hexadecimal, so that ids sort by age and inserts stay at the end
 * of an index. No `-`, because clients split `<applicationId>-<suffix>` at the first one.
 */
export function newId(prefix: string): string {
  return `${prefix}_${uuidv7obj().toHex()}`
}

/** The id of another kind that belongs to this one: the same digits after another prefix, so that each follows from the other. */
export function withPrefix(prefix: string, id: string): string {
  return `${prefix}_${id.slice(id.indexOf('_') + 1)}`
}

/**
 * The least id of this prefix that can be given from `time` (ISO) on: ids before it are older, so that a range of times is
 * a range of ids. To the millisecond, by the clock of the process that gave them.
 */
export function firstIdAt(prefix: string, time: string): string {
  const milliseconds = Math.min(Math.max(0, Date.parse(time)), 2 ** 48 - 1)
  return `${prefix}_${milliseconds.toString(16).padStart(12, '0')}${'0'.repeat(20)}`
}

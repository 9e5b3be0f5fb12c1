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

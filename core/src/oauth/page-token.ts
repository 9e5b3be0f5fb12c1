import { invalidField } from '../kernel/index.ts'

/** Where a page begins, as an opaque text: clients bring it back and do not count themselves. */
export function pageTokenOf(offset: number): string {
  return Buffer.from(`page:${offset}`).toString('base64url')
}

/** Throws `invalid_request` for a text that is none of ours. */
export function readPageToken(token: string | undefined): number {
  if (token === undefined) return 0
  const [, offset] = /^page:(\d{1,6})$/.exec(Buffer.from(token, 'base64url').toString('utf8')) ?? []
  if (offset === undefined) throw invalidField('pageToken', 'is not a page token of this list', 'invalid_request')
  return Number(offset)
}

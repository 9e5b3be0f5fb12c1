import { StoaError } from '../kernel/index.ts'

/** The versions of HighLevel's API that its clients name. They differ in paths, not in what one path answers. */
const known = ['2021-04-15', '2021-07-28', '2023-02-21', 'v3']

/** Refuses a `Version` header that names no version there is. Absent is fine: half of the contract documents none. */
export function assertApiVersion(given: string | string[] | undefined): void {
  if (given === undefined || (typeof given === 'string' && known.includes(given.trim()))) return
  const message = `version header is invalid: it must be one of ${known.join(', ')}`
  throw new StoaError('invalid_request', { message, invalidFields: [{ field: 'Version', message }] })
}

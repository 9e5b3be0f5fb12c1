import type { Config } from '../config.ts'
import type { Caller } from './caller.ts'

/**
 * Where the caller finds what they have just made. With the organization in the path, because somebody with several may have
 * made it in another than their default one.
 */
export function linkTo(
  { config }: { config: Pick<Config, 'baseUrl'> },
  { organizationId }: Caller,
  path: string,
): string {
  return `${config.baseUrl}/organizations/${organizationId}${path}`
}

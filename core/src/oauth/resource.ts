import type { OAuthContext } from './context.ts'

/** Whether a resource indicator (RFC 8707) is this host: as the metadata write it, or with the slash that URL parsers add. */
export function isThisHost({ config }: OAuthContext, resource: string): boolean {
  return resource === config.baseUrl || resource === `${config.baseUrl}/`
}

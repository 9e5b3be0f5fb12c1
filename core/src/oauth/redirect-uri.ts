import type { Application } from '../applications/index.ts'

const loopback = /^(http:\/\/(?:127\.0\.0\.1|\[::1\]|localhost))(?::\d{1,5})?(?=[/?]|$)/

/**
 * Whether a redirect URI is one that the application registered: the same text, character by character (RFC 9700 section
 * 2.1). The one exception is the port of a loopback address of a native application, which its system chooses at each start
 * (RFC 8252 section 7.3).
 */
export function isRegistered(application: Pick<Application, 'redirectUris' | 'clientType'>, given: string): boolean {
  const { redirectUris, clientType } = application
  if (redirectUris.includes(given)) return true
  // The pattern lets ports above 65535 pass, which are none.
  if (clientType !== 'native' || !loopback.test(given) || !URL.canParse(given)) return false
  const withoutPort = (uri: string) => uri.replace(loopback, '$1')
  return redirectUris.some((uri) => loopback.test(uri) && withoutPort(uri) === withoutPort(given))
}

/** The address with parameters added to its query; whatever query it was registered with stays as it is. */
export function withParameters(uri: string, parameters: Record<string, string | null>): string {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== null)
  const added = new URLSearchParams(given).toString()
  return uri + (uri.includes('?') ? (/[?&]$/.test(uri) ? '' : '&') : '?') + added
}

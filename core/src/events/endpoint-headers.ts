import { invalidField } from '../kernel/index.ts'
import type { EndpointHeader } from './endpoint.ts'
import type { EventsContext } from './events-context.ts'

/** Stands for a value that is not shown; sent back, it keeps the stored one. */
export const masked = '********'
export const mostHeaders = 20

/** A token of RFC 9110 section 5.6.2. */
export const headerNamePattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
/** Visible ASCII, with blanks and tabs between: what every receiver reads alike, and nothing that could begin another header. */
export const headerValuePattern = '^([\\x21-\\x7e]([\\x20-\\x7e\\t]*[\\x21-\\x7e])?)?$'

const headerValue = new RegExp(headerValuePattern)
export const isHeaderValue = (value: unknown): value is string => typeof value === 'string' && headerValue.test(value)

/** The connection's own, the body's own, and what the signature, tracing and HighLevel's format say. */
const reserved = new Set([
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'transfer-encoding',
  'connection',
  'proxy-connection',
  'proxy-authorization',
  'keep-alive',
  'upgrade',
  'expect',
  'te',
  'trailer',
  'traceparent',
  'tracestate',
  'baggage',
])
const reservedPrefixes = ['webhook-', 'svix-', 'x-ghl-', 'x-wh-', 'x-stoa-']

/** A header as its owner writes it. */
export interface GivenHeader {
  name: string
  value: string
  status?: EndpointHeader['status'] | undefined
}

/** The name of a header's value, for the secret box. */
export function headerContext(endpointId: string, name: string): string {
  return `webhook-endpoint:${endpointId}:header:${name.toLowerCase()}`
}

/**
 * Seals an owner's headers. Names are compared without case, because HTTP does.
 * @throws 422 for a name that the host sets itself, or twice the same, and for a masked value where none is stored.
 */
export async function sealHeaders(
  { secretBox }: Pick<EventsContext, 'secretBox'>,
  endpointId: string,
  given: GivenHeader[],
  stored: EndpointHeader[] = [],
): Promise<EndpointHeader[]> {
  const seen = new Set<string>()
  return Promise.all(
    given.map(async ({ name, value, status = 'active' }, index) => {
      const lower = name.toLowerCase()
      if (reserved.has(lower) || reservedPrefixes.some((prefix) => lower.startsWith(prefix))) {
        throw invalidField(`headers.${index}.name`, `${lower} is set by the host; take it out`)
      }
      if (seen.has(lower)) throw invalidField(`headers.${index}.name`, 'is there twice')
      seen.add(lower)
      if (value !== masked) {
        return { name, sealed: await secretBox.seal(value, headerContext(endpointId, name)), status }
      }
      const kept = stored.find((each) => each.name.toLowerCase() === lower)
      if (!kept) throw invalidField(`headers.${index}.value`, `${masked} keeps a stored value, and there is none`)
      return { name, sealed: kept.sealed, status }
    }),
  )
}

/** Without the values, which may be passwords. */
export function shownHeaders(headers: EndpointHeader[]) {
  return headers.map(({ name, status }) => ({ name, value: masked, status }))
}

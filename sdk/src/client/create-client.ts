import type { ErrorCode, InvalidField } from '../contract/index.ts'
import { routes, type Operations } from './generated.ts'

export interface ClientOptions {
  /** Where the host is, with its mount path. */
  baseUrl: string
  /** An API key, a user session or an installation token; a function is asked before every request. */
  token: string | (() => string | Promise<string>)
  /** Acts in this organization instead of the credential's default one. */
  organizationId?: string
  /** Acts in this location of the organization; needs `organizationId`. */
  locationId?: string
  /** For user sessions, which may act in both. Keys and installation tokens belong to one. */
  environment?: 'production' | 'sandbox'
  /** Milliseconds until a request is given up. */
  timeout?: number
  fetch?: typeof fetch
}

/** A refusal by the host. `code` is stable and says why; `message` is for people; quote `traceId` in reports. */
export class StoaApiError extends Error {
  readonly status: number
  readonly code: ErrorCode | 'unexpected_response'
  readonly invalidFields: InvalidField[]
  readonly traceId: string | null
  /** Seconds to wait before another try, when the host said so. */
  readonly retryAfter: number | null
  /** Everything the host said. */
  readonly body: Record<string, unknown>

  constructor(status: number, body: Record<string, unknown>, headers: Headers) {
    super(typeof body.detail === 'string' ? body.detail : `The host answered ${status}.`)
    this.name = 'StoaApiError'
    this.status = status
    this.code = typeof body.code === 'string' ? (body.code as ErrorCode) : 'unexpected_response'
    this.invalidFields = Array.isArray(body.invalidFields) ? (body.invalidFields as InvalidField[]) : []
    this.traceId = headers.get('x-request-id')
    this.retryAfter = headers.has('retry-after') ? Number(headers.get('retry-after')) : null
    this.body = body
  }
}

type Input<Id extends keyof Operations> = Operations[Id]['input']
type Call<Id extends keyof Operations> =
  {} extends Input<Id>
    ? (input?: Input<Id>) => Promise<Operations[Id]['result']>
    : (input: Input<Id>) => Promise<Operations[Id]['result']>

/** One method per operation of the host. */
export type Client = { [Id in keyof Operations]: Call<Id> }

/**
 * A typed client of a Stoa host. Every method resolves to the answer's body and throws `StoaApiError` on a refusal.
 * Throws TypeError for options that contradict each other.
 */
export function createClient(options: ClientOptions): Client {
  if (options.locationId !== undefined && options.organizationId === undefined) {
    throw new TypeError('A location is chosen within its organization: give organizationId beside locationId.')
  }
  const entries = Object.entries(routes as Record<string, Route>).map(([name, route]) => [
    name,
    (input: AnyInput = {}) => send(options, route, input),
  ])
  return Object.fromEntries(entries) as Client
}

interface AnyInput {
  params?: Record<string, string>
  query?: Record<string, unknown>
  body?: unknown
}

type Route = readonly [method: string, path: string, scope: '' | 'organization' | 'target']

async function send(options: ClientOptions, [method, path, scope]: Route, input: AnyInput): Promise<unknown> {
  const token = typeof options.token === 'function' ? await options.token() : options.token
  const bytes = input.body instanceof Uint8Array
  const url = options.baseUrl.replace(/\/+$/, '') + scopePrefix(options, scope) + pathOf(path, input)
  const request = options.fetch ?? fetch
  const signal = AbortSignal.timeout(options.timeout ?? 30_000)
  const headers = {
    Accept: 'application/json',
    Authorization: `Bearer ${token}`,
    ...(options.environment && { 'X-Environment': options.environment }),
  }
  const first = await request(url, {
    method,
    headers: {
      ...headers,
      ...(input.body !== undefined && { 'Content-Type': bytes ? 'application/octet-stream' : 'application/json' }),
    },
    body:
      input.body === undefined
        ? undefined
        : bytes
          ? (input.body as Uint8Array<ArrayBuffer>)
          : JSON.stringify(input.body),
    redirect: 'manual',
    signal,
  })
  const other = seeOther(first, url)
  const response = other === null ? first : await request(other, { headers, redirect: 'manual', signal })
  const type = response.headers.get('content-type') ?? ''
  const isJson = /\bjson\b/.test(type)
  if (!response.ok) {
    throw new StoaApiError(
      response.status,
      isJson ? ((await response.json()) as Record<string, unknown>) : {},
      response.headers,
    )
  }
  if (response.status === 204) return undefined
  if (type.startsWith('text/')) return response.text()
  return isJson ? response.json() : new Uint8Array(await response.arrayBuffer())
}

/** Where a 303 leads to (RFC 9110 section 15.4.4): to what is there already. Only on the host itself, because the token goes along. */
function seeOther({ status, headers }: Response, url: string): string | null {
  const location = status === 303 ? headers.get('location') : null
  if (location === null || !URL.canParse(location, url)) return null
  const target = new URL(location, url)
  return target.origin === new URL(url).origin ? target.href : null
}

/** The path prefix that chooses the tenant, for operations that take one. */
function scopePrefix({ organizationId, locationId }: ClientOptions, scope: Route[2]): string {
  if (organizationId === undefined || scope === '') return ''
  const location = locationId !== undefined && scope === 'target' ? `/locations/${encodeURIComponent(locationId)}` : ''
  return `/organizations/${encodeURIComponent(organizationId)}${location}`
}

function pathOf(path: string, { params = {}, query = {} }: AnyInput): string {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name]
    if (value === undefined) throw new TypeError(`params.${name} is missing for ${path}.`)
    return encodeURIComponent(value)
  })
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  const search = new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)])).toString()
  return filled + (search && `?${search}`)
}

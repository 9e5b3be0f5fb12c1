import { StoaApiError } from '@stoa/sdk'

/** Where a running host is and with which key, for the commands that speak to one. */
export interface HostOptions {
  hostUrl: string
  apiKey?: string
}

/** What somebody at the terminal can mend: told in a sentence, without a stack. */
export class CommandProblem extends Error {}

/** The key; throws when there is none. */
export function keyOf({ apiKey }: HostOptions): string {
  if (apiKey) return apiKey
  throw new CommandProblem('No API key: give --api-key, or set STOA_API_KEY. `stoa api-key create` makes one.')
}

/** Where the host's API is; throws when that is no address. */
export function baseUrlOf({ hostUrl }: HostOptions): string {
  if (URL.canParse(hostUrl) && /^https?:$/.test(new URL(hostUrl).protocol)) return hostUrl.replace(/\/+$/, '')
  throw new CommandProblem(`--host-url must be an address such as http://localhost:4000, not "${hostUrl}".`)
}

/** What went wrong with a request to the host, in words that say what to do. Anything else is passed on: a bug. */
export function explain(error: unknown, hostUrl: string): unknown {
  if (error instanceof StoaApiError) return new CommandProblem(sentenceOf(error))
  const cause = (error as { cause?: { code?: string; message?: string } }).cause
  if (error instanceof TypeError && cause) {
    return new CommandProblem(
      `Cannot reach a host at ${hostUrl} (${cause.code ?? cause.message}). Is it running? --host-url says where.`,
    )
  }
  if ((error as Error).name === 'TimeoutError') return new CommandProblem(`The host at ${hostUrl} does not answer.`)
  return error
}

function sentenceOf({ status, message, invalidFields }: StoaApiError): string {
  if (status === 401) return `The host refused the API key: ${message} Check --api-key or STOA_API_KEY.`
  if (status === 403) return `${message} Use a key that has it.`
  if (invalidFields.length > 0) {
    return `The host refused this: ${invalidFields.map(({ field, message: text }) => `${field} ${text}`).join('; ')}`
  }
  return `The host answered ${status}: ${message}`
}

/** One request to the host for what the typed client has no method for. Throws StoaApiError on a refusal. */
export async function requestHost(
  options: HostOptions,
  path: string,
  init: { method?: string; body?: object; accept?: string; signal?: AbortSignal } = {},
): Promise<Response> {
  const response = await fetch(baseUrlOf(options) + path, {
    method: init.method ?? 'GET',
    headers: {
      Accept: init.accept ?? 'application/json',
      Authorization: `Bearer ${keyOf(options)}`,
      ...(init.body && { 'Content-Type': 'application/json' }),
    },
    ...(init.body && { body: JSON.stringify(init.body) }),
    redirect: 'manual',
    ...(init.signal && { signal: init.signal }),
  })
  if (response.ok) return response
  const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '')
  throw new StoaApiError(
    response.status,
    isJson ? ((await response.json()) as Record<string, unknown>) : {},
    response.headers,
  )
}

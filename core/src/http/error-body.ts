import { STATUS_CODES } from 'node:http'
import { errorCatalogue, type StoaError } from '../kernel/index.ts'
import type { Surface } from './operation.ts'

/**
 * One body in which every seed's client finds its members: RFC 9457 (`type`, `title`, `status`, `detail`, `instance`), Rebilly
 * (`invalidFields`, `error` as the message), HighLevel (`statusCode`, `message`, `error` as the reason phrase, `traceId`).
 */
export function errorBody(
  error: StoaError,
  surface: Surface,
  instance: string,
  traceId: string,
): Record<string, unknown> {
  const [status, title] = errorCatalogue[error.code]
  if (surface === 'oauth') return oauthErrorBody(error, traceId)
  if (surface === 'runtime-v3' && (status === 400 || status === 404)) return v3ErrorBody(error, traceId)
  return {
    type: `urn:stoa:error:${error.code}`,
    title,
    status,
    detail: error.message,
    instance,
    code: error.code,
    statusCode: status,
    message: error.message,
    error: surface.startsWith('runtime') ? STATUS_CODES[status] : error.message,
    traceId,
    ...(error.invalidFields && { invalidFields: error.invalidFields }),
    ...error.details,
  }
}

const oauthCodes = new Set<string>([
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'unsupported_response_type',
  'invalid_scope',
  'invalid_target',
  'invalid_dpop_proof',
  'invalid_token',
])

const oauthErrorOfStatus: Record<number, string> = {
  429: 'temporarily_unavailable',
  500: 'server_error',
  503: 'temporarily_unavailable',
}

/** RFC 6749 section 5.2, with the members that HighLevel's SDK looks for. Its `error` is a closed list of its own. */
function oauthErrorBody(
  { code, message, status, invalidFields, details }: StoaError,
  traceId: string,
): Record<string, unknown> {
  return {
    error: oauthCodes.has(code) ? code : (oauthErrorOfStatus[status] ?? 'invalid_request'),
    error_description: describable(message),
    code,
    statusCode: status,
    message,
    traceId,
    ...(invalidFields && { invalidFields }),
    ...details,
  }
}

/** The characters that RFC 6749 allows in a description: printable ASCII without quotation mark and backslash. */
function describable(text: string): string {
  return text
    .replaceAll(/[“”"]/g, "'")
    .replaceAll('’', "'")
    .replaceAll(/[^\x20-\x7e]|\\/g, '?')
}

function v3ErrorBody({ code, message, status, invalidFields }: StoaError, traceId: string): Record<string, unknown> {
  const details = invalidFields ?? []
  return {
    error: { code, message, details, resolution: errorCatalogue[code][2] },
    message,
    statusCode: status,
    traceId,
  }
}

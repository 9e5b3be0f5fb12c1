import { STATUS_CODES } from 'node:http'
import type { Request, Response } from 'express'
import type { Context } from '../context.ts'
import { hideRowValues, isDatabaseUnavailable } from '../database/index.ts'
import { errorCatalogue, StoaError } from '../kernel/index.ts'
import type { Surface } from './operation.ts'

/** Whatever was thrown, as an error of the catalogue. What is nobody's known refusal is a 500 without detail. */
export function toStoaError(error: unknown): StoaError {
  if (error instanceof StoaError) return error
  const { type } = (error ?? {}) as { type?: string }
  if (type === 'entity.too.large') return new StoaError('body_too_large', { cause: error })
  if (type === 'request.aborted' || type === 'request.size.invalid')
    return new StoaError('request_aborted', { cause: error })
  if (type === 'encoding.unsupported' || type === 'charset.unsupported')
    return new StoaError('unsupported_media_type', { cause: error })
  if (error instanceof URIError) return new StoaError('not_found', { cause: error })
  if (isZlib(error))
    return new StoaError('malformed_json', { message: 'The body could not be decompressed.', cause: error })
  if (isDatabaseUnavailable(error)) return new StoaError('unavailable', { retryAfter: 2, cause: error })
  return new StoaError('internal_error', { cause: error })
}

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
  return {
    type: `urn:stoa:error:${error.code}`,
    title,
    status,
    detail: error.message,
    instance,
    code: error.code,
    statusCode: status,
    message: error.message,
    error: surface === 'runtime' ? STATUS_CODES[status] : error.message,
    traceId,
    ...(error.invalidFields && { invalidFields: error.invalidFields }),
    ...error.details,
  }
}

export function renderError(
  thrown: unknown,
  req: Request,
  res: Response,
  surface: Surface,
  { logger, clock }: Pick<Context, 'logger' | 'clock'>,
): void {
  const error = toStoaError(thrown)
  const traceId = String(res.getHeader('X-Request-Id') ?? '')
  if (error.status >= 500) logger.error({ traceId, err: hideRowValues(error.cause ?? error) }, error.code)
  if (res.headersSent) {
    res.destroy()
    return
  }
  if (error.status === 401)
    res.setHeader('WWW-Authenticate', error.code.endsWith('_token') ? 'Bearer error="invalid_token"' : 'Bearer')
  if (error.retryAfter !== undefined) {
    res.setHeader('Retry-After', String(error.retryAfter))
    if (error.status === 429) {
      res.setHeader('X-RateLimit-Remaining', '0')
      res.setHeader('X-RateLimit-Retry-After', String(Math.floor(clock.now().getTime() / 1000) + error.retryAfter))
    }
  }
  const instance = req.originalUrl.split('?')[0] ?? ''
  res.statusCode = error.status
  res.setHeader('Content-Type', 'application/problem+json; charset=utf-8')
  res.setHeader('Cache-Control', 'no-store')
  res.end(JSON.stringify(errorBody(error, surface, instance, traceId)))
}

function isZlib(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && code.startsWith('Z_')
}

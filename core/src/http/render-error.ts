import type { Request, Response } from 'express'
import type { Context } from '../context.ts'
import { hideRowValues, isDatabaseUnavailable } from '../database/index.ts'
import { errorCatalogue, StoaError } from '../kernel/index.ts'
import { challengeFor } from './challenge.ts'
import { errorBody } from './error-body.ts'
import { html, pageHeaders, renderPage } from './page.ts'
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

export function renderError(
  thrown: unknown,
  req: Request,
  res: Response,
  surface: Surface,
  { logger, clock, config }: Pick<Context, 'logger' | 'clock' | 'config'>,
): void {
  const error = toStoaError(thrown)
  const traceId = String(res.getHeader('X-Request-Id') ?? '')
  if (error.status >= 500) logger.error({ traceId, err: hideRowValues(error.cause ?? error) }, error.code)
  if (res.headersSent) {
    res.destroy()
    return
  }
  const challenge = challengeFor(error, req, surface, config.baseUrl)
  if (challenge !== null) res.setHeader('WWW-Authenticate', challenge)
  if (error.retryAfter !== undefined) {
    res.setHeader('Retry-After', String(error.retryAfter))
    if (error.status === 429) {
      res.setHeader('X-RateLimit-Remaining', '0')
      res.setHeader('X-RateLimit-Retry-After', String(Math.floor(clock.now().getTime() / 1000) + error.retryAfter))
    }
  }
  if (surface === 'page') return sendErrorPage(error, res, config, traceId)
  const instance = req.originalUrl.split('?')[0] ?? ''
  res.statusCode = error.status
  const type = surface === 'oauth' ? 'application/json' : 'application/problem+json'
  res.setHeader('Content-Type', `${type}; charset=utf-8`)
  res.setHeader('Cache-Control', 'no-store')
  res.end(JSON.stringify(errorBody(error, surface, instance, traceId)))
}

function sendErrorPage(error: StoaError, res: Response, config: Context['config'], traceId: string): void {
  const [status, title] = errorCatalogue[error.code]
  const main = html`<h1>${title}</h1>
    <p>${error.message}</p>
    <p class="faint">Reference ${traceId}</p>`
  res.statusCode = status
  for (const [name, value] of Object.entries(pageHeaders(config, { leaves: false }))) res.setHeader(name, value)
  res.end(renderPage(config, { title, main }))
}

function isZlib(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && code.startsWith('Z_')
}

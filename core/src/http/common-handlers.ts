import { randomUUID } from 'node:crypto'
import cors from 'cors'
import type { Request, RequestHandler, Response } from 'express'
import helmet from 'helmet'
import type { Config } from '../config.ts'
import type { Context } from '../context.ts'

/** Headers that the seeds' browser SDKs read. */
const exposedHeaders = [
  'Pagination-Total',
  'Pagination-Limit',
  'Pagination-Offset',
  'Pagination-Next',
  'Location',
  'Retry-After',
  'X-Request-Id',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Retry-After',
  'Idempotent-Replayed',
]

/** What every answer of the host begins with: an id, and the headers that protect browsers. */
export function commonHandlers(context: Context): RequestHandler[] {
  return [
    (req, res, next) => {
      setRequestId(req, res)
      next()
    },
    securityHeaders(context.config),
  ]
}

export function corsHandlers({ config: { corsOrigins: origins } }: Context): RequestHandler[] {
  if (origins.length === 0) return []
  return [cors({ origin: origins.includes('*') ? '*' : origins, exposedHeaders, maxAge: 600 })]
}

/** helmet's headers. Those that force https stay out when the host is reached over http: they would lock its pages out. */
export function securityHeaders({ baseUrl }: Pick<Config, 'baseUrl'>): RequestHandler {
  const secure = baseUrl.startsWith('https:')
  return helmet({
    strictTransportSecurity: secure,
    contentSecurityPolicy: { directives: secure ? {} : { upgradeInsecureRequests: null } },
    crossOriginResourcePolicy: { policy: 'cross-origin' },
  })
}

export function setRequestId(req: Request, res: Response): void {
  const given = req.headers['x-request-id']
  res.setHeader('X-Request-Id', typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID())
}

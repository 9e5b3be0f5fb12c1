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

export function corsHandler({ config: { corsOrigins: origins } }: Context): RequestHandler | null {
  if (origins.length === 0) return null
  return cors({ origin: origins.includes('*') ? '*' : origins, exposedHeaders, maxAge: 600 })
}

/**
 * helmet's headers, which every answer begins with. They are the same for every request, so helmet is asked once: its fifteen handlers
 * cost a request more than what they set. Those that force https stay out when the host is reached over http: they would lock its pages
 * out.
 */
export function createSecurityHeaders({ baseUrl }: Pick<Config, 'baseUrl'>): (res: Response) => void {
  const secure = baseUrl.startsWith('https:')
  const apply = helmet({
    strictTransportSecurity: secure,
    contentSecurityPolicy: { directives: secure ? {} : { upgradeInsecureRequests: null } },
    crossOriginResourcePolicy: { policy: 'cross-origin' },
  })
  const headers = new Map<string, string>()
  const answer = {
    setHeader: (name: string, value: string) => headers.set(name, value),
    removeHeader: (name: string) => headers.delete(name),
  }
  apply({} as Request, answer as unknown as Response, () => undefined)
  const list = [...headers]
  return (res) => {
    // Which helmet takes away, and Express has set already.
    res.removeHeader('X-Powered-By')
    for (const [name, value] of list) res.setHeader(name, value)
  }
}

export function setRequestId(req: Request, res: Response): void {
  const given = req.headers['x-request-id']
  res.setHeader('X-Request-Id', typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID())
}

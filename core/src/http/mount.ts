import express, { type Request, type RequestHandler, type Response } from 'express'
import type { Context } from '../context.ts'
import { createSchemaCompiler, StoaError } from '../kernel/index.ts'
import type { Authenticate } from './caller.ts'
import { corsHandler, createSecurityHeaders, setRequestId } from './common-handlers.ts'
import { createEventStreams, type EventStreams } from './event-streams.ts'
import { createRouteTable } from './find-route.ts'
import type { Operation, Surface } from './operation.ts'
import { createPipeline, type ExplainLack } from './pipeline.ts'
import { createRateLimit } from './rate-limit.ts'
import { renderError } from './render-error.ts'

export interface MountOptions {
  context: Context
  authenticate: Authenticate
  /** Why a caller that lacks a permission lacks it, when there is more to say than that. */
  explainLack?: ExplainLack
  operations: Operation[]
  /** Given by a host that ends them when it stops. */
  streams?: EventStreams
}

/**
 * A handler of all operations that lets everything else pass, so that it can stand in front of an embedder's own
 * routes: a path it does not know gets none of its headers and goes on to the next handler.
 */
export function mountOperations({
  context,
  authenticate,
  explainLack,
  operations,
  streams = createEventStreams(context),
}: MountOptions): RequestHandler {
  const schemas = createSchemaCompiler()
  const rateLimit = createRateLimit(context.clock)
  const setSecurityHeaders = createSecurityHeaders(context.config)
  const cors = corsHandler(context)
  const routes = createRouteTable<Route>()
  // By path, for what answers another method than the one that was asked for.
  const methods = createRouteTable<{ allow: Set<string>; surface: Surface }>()
  const methodsByPath = new Map<string, { allow: Set<string>; surface: Surface }>()

  for (const operation of operations) {
    const { method, surface } = operation
    const pipeline = createPipeline(operation, { context, authenticate, explainLack, schemas, rateLimit, streams })
    const { fileLimitBytes, bodyLimitBytes } = context.config
    const limit =
      operation.bodyKind === 'bytes' ? fileLimitBytes : Math.max(bodyLimitBytes, operation.bodyLimitBytes ?? 0)
    const takesBody = operation.body !== undefined || operation.bodyKind === 'bytes'
    const route = { operation, pipeline, readBody: takesBody ? express.raw({ type: () => true, limit }) : null }
    for (const path of pathsOf(operation)) {
      const known = methodsByPath.get(path) ?? { allow: new Set(), surface }
      // Two operations under one path and method: the first is it.
      if (known.allow.has(method)) continue
      routes.add(method, path, route)
      if (known.allow.size === 0) methods.add('GET', path, known)
      methodsByPath.set(path, known)
      // Express answers HEAD by the GET handler.
      for (const each of method === 'GET' ? ['GET', 'HEAD'] : [method]) known.allow.add(each)
    }
  }

  function begin(req: Request, res: Response): void {
    setRequestId(req, res)
    setSecurityHeaders(res)
  }

  // Nobody catches what it throws: a logger of an embedder's that fails must neither end the process nor leave the caller waiting.
  function refuse(error: unknown, req: Request, res: Response, surface: Surface): void {
    try {
      renderError(error, req, res, surface, context)
    } catch {
      breakOff(res)
    }
  }

  /** No script of another origin has any business on a page (RFC 9700 section 2.6). */
  function withCors(req: Request, res: Response, surface: Surface, then: () => void): void {
    if (!cors || surface === 'page') return then()
    void cors(req, res, (error: unknown) => (error ? refuse(error, req, res, surface) : then()))
  }

  async function handle({ operation, pipeline }: Route, req: Request, res: Response): Promise<void> {
    const started = performance.now()
    try {
      await pipeline(req, res)
    } catch (error) {
      refuse(error, req, res, operation.surface)
    }
    try {
      logRequest(context, operation, res, performance.now() - started)
    } catch {
      // It was answered. Whoever would be told is the logger that just failed.
    }
  }

  function serve(route: Route, req: Request, res: Response): void {
    const { surface } = route.operation
    begin(req, res)
    withCors(req, res, surface, () => {
      if (!route.readBody) return void handle(route, req, res)
      void route.readBody(req, res, (error: unknown) =>
        error ? refuse(error, req, res, surface) : void handle(route, req, res),
      )
    })
  }

  return (req, res, next) => {
    const { method, path } = req
    const found = routes.find(method, path)
    if (found === 'broken') {
      begin(req, res)
      return refuse(new StoaError('not_found'), req, res, 'store')
    }
    if (found) {
      req.params = found.params
      return serve(found.route, req, res)
    }
    const other = methods.find('GET', path)
    if (other === null || other === 'broken') return next()
    const { allow, surface } = other.route
    begin(req, res)
    withCors(req, res, surface, () => {
      res.setHeader('Allow', `${[...allow].join(', ')}, OPTIONS`)
      if (method === 'OPTIONS') return void res.status(204).end()
      refuse(new StoaError('method_not_allowed'), req, res, 'store')
    })
  }
}

/** The least that can be answered, when answering failed. */
function breakOff(res: Response): void {
  if (res.headersSent) return void res.destroy()
  res.statusCode = 500
  res.end()
}

interface Route {
  operation: Operation
  pipeline: ReturnType<typeof createPipeline>
  readBody: RequestHandler | null
}

/** The paths an operation answers under: its own, its aliases, and each below the prefixes that choose a scope. */
function pathsOf(operation: Operation): string[] {
  return [operation.path, ...(operation.aliases ?? [])].flatMap((path) => [
    path,
    ...(operation.scope ? [`/organizations/:scopeOrganizationId${path}`] : []),
    ...(operation.scope === 'target' ? [`/organizations/:scopeOrganizationId/locations/:scopeLocationId${path}`] : []),
  ])
}

/** The last handler of a server that has nothing but the host: answers 404 in the host's own form. */
export function notFoundHandler(context: Context): RequestHandler {
  return (req, res) => {
    setRequestId(req, res)
    renderError(
      new StoaError('not_found', { message: 'This path does not exist; see /api/documentation.' }),
      req,
      res,
      'store',
      context,
    )
  }
}

/** Of a stream the time until it began: how long it lasts says nothing. */
function logRequest(context: Context, operation: Operation, res: Response, milliseconds: number): void {
  context.metrics.request(operation.id, res.statusCode, milliseconds / 1000)
  context.logger.info(
    {
      traceId: res.getHeader('X-Request-Id'),
      operation: operation.id,
      status: res.statusCode,
      ms: Math.round(milliseconds * 10) / 10,
    },
    'request',
  )
}

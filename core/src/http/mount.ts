import express, { Router, type RequestHandler, type Response } from 'express'
import type { Context } from '../context.ts'
import { createSchemaCompiler, StoaError } from '../kernel/index.ts'
import type { Authenticate } from './caller.ts'
import { commonHandlers, corsHandlers, setRequestId } from './common-handlers.ts'
import { createEventStreams, type EventStreams } from './event-streams.ts'
import type { Operation } from './operation.ts'
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
 * Mounts the operations on a router that lets everything else pass, so that it can stand in front of an embedder's own
 * routes: a path it does not know gets none of its headers and goes on to the next handler.
 */
export function mountOperations({
  context,
  authenticate,
  explainLack,
  operations,
  streams = createEventStreams(context),
}: MountOptions): Router {
  const router = Router()
  const schemas = createSchemaCompiler()
  const rateLimit = createRateLimit(context.clock)
  const ofPrograms = [...commonHandlers(context), ...corsHandlers(context)]
  // No script of another origin has any business on a page (RFC 9700 section 2.6).
  const ofPages = commonHandlers(context)
  const pagePaths = new Set(operations.filter(({ surface }) => surface === 'page').flatMap(pathsOf))
  const commonAt = (path: string) => (pagePaths.has(path) ? ofPages : ofPrograms)
  const methodsByPath = new Map<string, Set<string>>()

  for (const operation of operations) {
    const pipeline = createPipeline(operation, { context, authenticate, explainLack, schemas, rateLimit, streams })
    const limit = operation.bodyKind === 'bytes' ? context.config.fileLimitBytes : context.config.bodyLimitBytes
    const takesBody = operation.body !== undefined || operation.bodyKind === 'bytes'
    const raw = takesBody ? [express.raw({ type: () => true, limit })] : []
    const paths = pathsOf(operation)
    const handle: RequestHandler = async (req, res) => {
      const started = performance.now()
      try {
        await pipeline(req, res)
      } catch (error) {
        renderError(error, req, res, operation.surface, context)
      }
      logRequest(context, operation, res, performance.now() - started)
    }
    const refuse: express.ErrorRequestHandler = (error, req, res, _next) => {
      renderError(error, req, res, operation.surface, context)
    }
    const common = operation.surface === 'page' ? ofPages : ofPrograms
    router[operation.method.toLowerCase() as 'get'](paths, ...common, ...raw, handle, refuse)
    for (const path of paths) methodsByPath.set(path, (methodsByPath.get(path) ?? new Set()).add(operation.method))
  }

  for (const [path, methods] of methodsByPath) {
    // Express answers HEAD by the GET handler.
    const allow = [...methods].flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ')
    router.all(path, ...commonAt(path), (req, res) => {
      res.setHeader('Allow', `${allow}, OPTIONS`)
      if (req.method === 'OPTIONS') return void res.status(204).end()
      renderError(new StoaError('method_not_allowed'), req, res, 'store', context)
    })
  }
  // A path of ours whose percent-encoding is broken: Express passes all handlers by that take no error.
  const refuseBrokenPath: express.ErrorRequestHandler = (error, req, res, _next) => {
    setRequestId(req, res)
    renderError(error, req, res, 'store', context)
  }
  router.use(refuseBrokenPath)
  return router
}

/** The paths an operation answers under: its own, its aliases, and each below the prefixes that choose a scope. */
export function pathsOf(operation: Operation): string[] {
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

import { randomUUID } from 'node:crypto'
import cors from 'cors'
import express, { Router, type Request, type RequestHandler, type Response } from 'express'
import helmet from 'helmet'
import type { Config } from '../config.ts'
import type { Context } from '../context.ts'
import { inTransaction } from '../database/index.ts'
import {
  createSchemaCompiler,
  idMaxLength,
  idPattern,
  StoaError,
  type SchemaCompiler,
  type Validator,
} from '../kernel/index.ts'
import { assertApiVersion } from './api-version.ts'
import type { Authenticate, Caller } from './caller.ts'
import type { Permission } from './permission.ts'
import { Reply, type Operation } from './operation.ts'
import { createRateLimit, type RateLimit } from './rate-limit.ts'
import { checkResponse, responseValidators } from './check-response.ts'
import { assertStorable, readJson } from './read-body.ts'
import { readForm } from './read-form.ts'
import type { RequestFacts } from './request-facts.ts'
import { renderError } from './render-error.ts'
import { sentenceOf } from './sentence-of.ts'

export interface MountOptions {
  context: Context
  authenticate: Authenticate
  /** Why a caller that lacks a permission lacks it, when there is more to say than that. */
  explainLack?: ExplainLack
  operations: Operation[]
}

export type ExplainLack = (caller: Caller, permission: Permission) => Promise<StoaError | null>

/** Headers that the seeds' browser SDKs read. */
const exposedHeaders = [
  'Pagination-Total',
  'Pagination-Limit',
  'Pagination-Offset',
  'Location',
  'Retry-After',
  'X-Request-Id',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Retry-After',
  'Idempotent-Replayed',
]

/**
 * Mounts the operations on a router that lets everything else pass, so that it can stand in front of an embedder's own
 * routes: a path it does not know gets none of its headers and goes on to the next handler.
 */
export function mountOperations({ context, authenticate, explainLack, operations }: MountOptions): Router {
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
    const pipeline = createPipeline(operation, { context, authenticate, explainLack, schemas, rateLimit })
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

function commonHandlers(context: Context): RequestHandler[] {
  return [
    (req, res, next) => {
      setRequestId(req, res)
      next()
    },
    securityHeaders(context.config),
  ]
}

function corsHandlers({ config: { corsOrigins: origins } }: Context): RequestHandler[] {
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

function setRequestId(req: Request, res: Response): void {
  const given = req.headers['x-request-id']
  res.setHeader('X-Request-Id', typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID())
}

interface PipelineTools extends Omit<MountOptions, 'operations'> {
  schemas: SchemaCompiler
  rateLimit: RateLimit
}

function createPipeline(
  operation: Operation,
  { context, authenticate, explainLack, schemas, rateLimit }: PipelineTools,
) {
  const { config, db } = context
  const checkParams = operation.params && schemas.text(operation.params)
  const checkQuery = operation.query && schemas.text(operation.query)
  const isForm = operation.bodyKind === 'form'
  const checkBody = operation.body && (isForm ? schemas.text(operation.body) : schemas.body(operation.body))
  const answers = config.mode === 'production' ? null : responseValidators(operation, schemas)
  const inOneTransaction = operation.transaction ?? operation.method !== 'GET'
  const usual = Number(Object.keys(operation.responses)[0])

  return async (req: Request, res: Response): Promise<void> => {
    const ip = req.ip ?? ''
    const request = factsOf(req, res, config.baseUrl)
    if (operation.surface.startsWith('runtime')) assertApiVersion(req.headers.version)
    const caller = operation.permission && (await authenticate({ ...request, ip, scope: scopeOf(operation, req) }))
    if (caller) {
      await authorize(operation, caller, explainLack)
      const perSecond = caller.application?.rateLimit ?? null
      const limit = perSecond ?? config.rateLimit.requests
      const seconds = perSecond === null ? config.rateLimit.windowSeconds : 1
      res.setHeader('X-RateLimit-Limit', String(limit))
      if (operation.surface.startsWith('runtime')) {
        // HighLevel's SDK knows no Retry-After: it waits for this window, and without it for times of its own that may be too short.
        res.setHeader('X-RateLimit-Max', String(limit))
        res.setHeader('X-RateLimit-Interval-Milliseconds', String(seconds * 1000))
      }
      const { remaining } =
        perSecond === null
          ? rateLimit.take(`by ${caller.credentialId}`, limit, seconds)
          : rateLimit.take(caller.application!.applicationId, limit, seconds)
      res.setHeader('X-RateLimit-Remaining', String(remaining))
    }
    // Anybody can make these do work, and some of them keep something.
    if (!caller && (operation.surface === 'oauth' || operation.surface === 'page')) {
      rateLimit.take(`from ${ip}`, config.rateLimit.anonymousRequests, config.rateLimit.windowSeconds)
    }
    const params = checkText(checkParams, req.params, 'not_found')
    const query = checkText(checkQuery, req.query, 'invalid_request')
    const body = readBody(operation, checkBody, req)
    const input = { params, query, body, caller: caller as Caller, ip, request }
    const result = inOneTransaction
      ? await inTransaction(db, (trx) => operation.handler({ ...input, db: trx }))
      : await operation.handler({ ...input, db })
    const answer = result instanceof Reply ? result : new Reply(usual, result)
    if (answers) checkResponse(context, operation, answers, answer)
    send(res, answer)
  }
}

const scopeParameters = new Set(['scopeOrganizationId', 'scopeLocationId'])
const idShape = new RegExp(idPattern)

function scopeOf(operation: Operation, req: Request) {
  const params = req.params as Record<string, string | undefined>
  const header = req.headers['organization-id']
  const organizationId =
    (operation.scopeParameter === undefined ? params.scopeOrganizationId : params[operation.scopeParameter]) ??
    (typeof header === 'string' && header !== '' ? header : null)
  const locationId = params.scopeLocationId ?? null
  // What cannot be an id names nothing.
  for (const id of [organizationId, locationId]) {
    if (id !== null && (id.length > idMaxLength || !idShape.test(id))) throw new StoaError('not_found')
  }
  return { organizationId, locationId }
}

// By the base URL and not the Host header, which the client chooses.
function factsOf(req: Request, res: Response, baseUrl: string): RequestFacts {
  const path = req.path.replace(/\/+$/, '')
  return {
    method: req.method,
    url: baseUrl + path,
    search: req.originalUrl.split('?').slice(1).join('?'),
    headers: req.headers,
    traceId: String(res.getHeader('X-Request-Id')),
  }
}

async function authorize(operation: Operation, caller: Caller, explainLack?: ExplainLack): Promise<void> {
  const kinds = operation.callers ?? ['user', 'api-key']
  if (!kinds.includes(caller.kind)) {
    throw new StoaError('caller_not_allowed', {
      message: `This operation takes ${kinds.join(' or ')} credentials, not ${caller.kind}.`,
    })
  }
  const needed = operation.permission!.name
  if (!caller.permissions.has(needed)) {
    const explanation = await explainLack?.(caller, operation.permission!)
    if (explanation) throw explanation
    throw new StoaError('missing_permission', {
      message: `The credential lacks the permission ${needed} (${operation.permission!.sentence}).`,
      details: { requiredPermission: needed },
    })
  }
}

// Path parameters that cannot be an id name nothing, so they are answered like an unknown id. Express 5's `req.query` is a
// getter that parses anew, hence the copy: defaults and coerced values land in what the handler gets.
function checkText(validator: Validator | undefined, given: object, code: 'not_found' | 'invalid_request'): unknown {
  if (!validator) return undefined
  const copy = Object.fromEntries(
    Object.entries(given).filter(([name, value]) => value !== '' && !scopeParameters.has(name)),
  )
  const refusal = validator(copy)
  if (refusal && code === 'not_found') throw new StoaError('not_found')
  if (!refusal) assertStorable(copy)
  if (refusal) throw new StoaError(code, { message: sentenceOf(refusal.fields), invalidFields: refusal.fields })
  return copy
}

function readBody(operation: Operation, validator: Validator | undefined, req: Request): unknown {
  if (operation.bodyKind === 'bytes') return Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0)
  if (!validator) return undefined
  if (operation.bodyKind === 'form') {
    const form = readForm(req, operation.surface)
    const refusal = validator(form)
    if (refusal)
      throw new StoaError('invalid_request', { message: sentenceOf(refusal.fields), invalidFields: refusal.fields })
    return form
  }
  const value = readJson(req)
  if (value === undefined && operation.bodyKind === 'optional') return undefined
  if (value === undefined) throw new StoaError('invalid_request', { message: 'This operation needs a JSON body.' })
  const refusal = validator(value)
  if (!refusal) return value
  const code = operation.surface.startsWith('runtime') && refusal.onlyMissing ? 'invalid_request' : 'validation_failed'
  throw new StoaError(code, { message: sentenceOf(refusal.fields), invalidFields: refusal.fields })
}

function send(res: Response, answer: Reply): void {
  res.statusCode = answer.status
  res.setHeader('Cache-Control', 'no-store')
  for (const [name, value] of Object.entries(answer.headers)) res.setHeader(name, value)
  if (answer.body === undefined || answer.body === null) return void res.end()
  // Also pages, which bring their Content-Type along.
  if (Buffer.isBuffer(answer.body) || answer.headers['Content-Type']) return void res.end(answer.body)
  res.setHeader('Content-Type', 'application/json; charset=utf-8')
  res.end(JSON.stringify(answer.body))
}

function logRequest(context: Context, operation: Operation, res: Response, milliseconds: number): void {
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

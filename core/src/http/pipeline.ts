import type { Request, Response } from 'express'
import type { Context } from '../context.ts'
import { inTransaction } from '../database/index.ts'
import { idMaxLength, idPattern, StoaError, type SchemaCompiler, type Validator } from '../kernel/index.ts'
import { assertApiVersion } from './api-version.ts'
import type { Authenticate, Caller } from './caller.ts'
import { checkResponse, responseValidators } from './check-response.ts'
import { EventStream } from './event-stream.ts'
import type { EventStreams } from './event-streams.ts'
import { Reply, type Operation } from './operation.ts'
import type { Permission } from './permission.ts'
import type { RateLimit } from './rate-limit.ts'
import { assertStorable, readJson } from './read-body.ts'
import { readForm } from './read-form.ts'
import type { RequestFacts } from './request-facts.ts'
import { sentenceOf } from './sentence-of.ts'

/** Why a caller that lacks a permission lacks it, when there is more to say than that. */
export type ExplainLack = (caller: Caller, permission: Permission) => Promise<StoaError | null>

export interface PipelineTools {
  context: Context
  authenticate: Authenticate
  explainLack?: ExplainLack
  schemas: SchemaCompiler
  rateLimit: RateLimit
  streams: EventStreams
}

/** What happens to a request of an operation, from the credential to the answer. Throws what is to be rendered as an error. */
export function createPipeline(
  operation: Operation,
  { context, authenticate, explainLack, schemas, rateLimit, streams }: PipelineTools,
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
    const identify = () => authenticate({ ...request, ip, scope: scopeOf(operation, req) })
    const caller = operation.permission && (await identify())
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
    if (!(answer.body instanceof EventStream)) return send(res, answer)
    streams.serve(res, answer.body, {
      owner: caller ? `by ${caller.organizationId}` : `from ${ip}`,
      headersOnly: req.method === 'HEAD',
      async recheck() {
        if (!caller) return
        const now = await identify()
        await authorize(operation, now, explainLack)
        // A person without a choice of organization acts in their first one, which may be another by now.
        if (now.organizationId !== caller.organizationId) throw new StoaError('not_found')
      },
    })
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

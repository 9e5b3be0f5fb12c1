import { STATUS_CODES } from 'node:http'
import type { Config } from '../config.ts'
import { errorCatalogue, type ErrorCode, type TSchema } from '../kernel/index.ts'
import type { Operation } from './operation.ts'

type Json = Record<string, unknown>

const reference = (kind: string, name: string) => ({ $ref: `#/components/${kind}/${name}` })

/** The OpenAPI 3.1 document of the operations: a pure function, so that it cannot say anything else than what is mounted. */
export function createOpenApi(
  operations: Operation[],
  config: Pick<Config, 'baseUrl' | 'name'>,
  version: string,
): Json {
  const components: Record<string, Json> = { ErrorBody: errorSchema(), OAuthErrorBody: oauthErrorSchema() }
  const paths: Record<string, Json> = {}
  for (const operation of operations) {
    const path = operation.path.replaceAll(/:(\w+)/g, '{$1}')
    const item = (paths[path] ??= operation.scope ? { servers: serversOf(operation, config.baseUrl) } : {})
    item[operation.method.toLowerCase()] = describe(operation, components)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: `${config.name} marketplace API`,
      version,
      description:
        'Authors register applications, merchants install them, applications charge wallets and receive signed webhooks. ' +
        'Every error carries a stable `code`; GET /permissions lists every permission under all its names.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: config.baseUrl }],
    tags: [...new Set(operations.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description:
            'A user session, an API key, an OAuth access token (or a DPoP-bound one, under the scheme DPoP) or an installation token.',
        },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        rebApiKey: { type: 'apiKey', in: 'header', name: 'REB-APIKEY' },
      },
    },
  }
}

function serversOf(operation: Operation, baseUrl: string): Json[] {
  const organization = {
    organizationId: { default: 'my-organization', description: 'Chooses the organization to act in.' },
  }
  const location = { locationId: { default: 'my-location', description: 'Chooses the location to act in.' } }
  return [
    { url: baseUrl, description: 'In the default organization of the credential' },
    { url: `${baseUrl}/organizations/{organizationId}`, variables: organization },
    ...(operation.scope === 'target'
      ? [
          {
            url: `${baseUrl}/organizations/{organizationId}/locations/{locationId}`,
            variables: { ...organization, ...location },
          },
        ]
      : []),
  ]
}

function describe(operation: Operation, components: Record<string, Json>): Json {
  const parameters = [
    ...parametersOf(operation.params, 'path', components),
    ...parametersOf(operation.query, 'query', components),
  ]
  const body = bodyOf(operation, components)
  return {
    operationId: operation.id,
    summary: operation.summary,
    description: descriptionOf(operation),
    tags: [operation.tag],
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: body }),
    responses: { ...answersOf(operation, components), ...refusalsOf(operation) },
    security: operation.permission ? [{ bearer: [] }, { apiKey: [] }, { rebApiKey: [] }] : [],
    ...(operation.permission && {
      'x-permission': operation.permission.name,
      'x-callers': operation.callers ?? ['user', 'api-key'],
    }),
  }
}

function descriptionOf(operation: Operation): string {
  const { permission } = operation
  const aliases = permission?.aliases.length
    ? ` (also ${permission.aliases.map((alias) => `\`${alias}\``).join(', ')})`
    : ''
  const right = permission ? `Needs \`${permission.name}\`${aliases}.` : 'Needs no credential.'
  return [operation.description, right].filter(Boolean).join('\n\n')
}

function parametersOf(schema: TSchema | undefined, place: 'path' | 'query', components: Record<string, Json>): Json[] {
  if (!schema) return []
  const { properties = {}, required = [] } = plain(schema) as { properties?: Record<string, Json>; required?: string[] }
  return Object.entries(properties).map(([name, property]) => {
    const { description, ...rest } = property
    return {
      name,
      in: place,
      // TypeBox lists a member with a default as required: the handler always gets it, but nobody has to send it.
      required: place === 'path' || (required.includes(name) && !('default' in property)),
      ...(description !== undefined && { description }),
      schema: hoist(rest, components),
    }
  })
}

function bodyOf(operation: Operation, components: Record<string, Json>): Json | null {
  if (operation.bodyKind === 'bytes') {
    return { required: true, content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } }
  }
  if (!operation.body) return null
  const schema = hoist(plain(operation.body), components)
  const isForm = operation.bodyKind === 'form'
  return {
    required: operation.bodyKind !== 'optional',
    // A form may come as JSON, too: read-form.ts.
    content: {
      ...(isForm && { 'application/x-www-form-urlencoded': { schema } }),
      'application/json': { schema },
    },
  }
}

function answersOf(operation: Operation, components: Record<string, Json>): Json {
  return Object.fromEntries(
    Object.entries(operation.responses).map(([status, schema]) => {
      if (!schema) return [status, { description: 'Done; no body.' }]
      const shape = plain(schema)
      const type = mediaTypeOf(shape)
      return [status, { description: STATUS_CODES[status], content: { [type]: { schema: hoist(shape, components) } } }]
    }),
  )
}

function mediaTypeOf({ format, contentMediaType }: Json): string {
  if (typeof contentMediaType === 'string') return contentMediaType
  return format === 'binary' ? 'application/octet-stream' : 'application/json'
}

function refusalsOf(operation: Operation): Json {
  const codes = new Set<ErrorCode>(operation.errors)
  for (const code of impliedErrors(operation)) codes.add(code)
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of codes) {
    const status = errorCatalogue[code][0]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  const sorted = [...byStatus].sort(([a], [b]) => a - b)
  return Object.fromEntries(
    sorted.map(([status, list]) => [
      String(status),
      {
        description: list.map((code) => `\`${code}\`: ${errorCatalogue[code][2]}`).join('\n\n'),
        content:
          operation.surface === 'oauth'
            ? { 'application/json': { schema: reference('schemas', 'OAuthErrorBody') } }
            : { 'application/problem+json': { schema: reference('schemas', 'ErrorBody') } },
      },
    ]),
  )
}

function impliedErrors(operation: Operation): ErrorCode[] {
  return [
    ...(operation.permission
      ? ([
          'unauthenticated',
          'invalid_token',
          'expired_token',
          'revoked_token',
          'missing_permission',
          'caller_not_allowed',
          'rate_limited',
        ] as const)
      : []),
    ...(operation.params || operation.scope ? (['not_found'] as const) : []),
    ...(operation.query ? (['invalid_request'] as const) : []),
    ...(operation.body
      ? ([
          'malformed_json',
          'invalid_request',
          'body_too_large',
          'unsupported_media_type',
          'validation_failed',
        ] as const)
      : []),
    ...(operation.surface === 'oauth' ? (['rate_limited'] as const) : []),
    'unavailable',
  ]
}

function errorSchema(): Json {
  const text = { type: 'string' }
  return {
    title: 'ErrorBody',
    type: 'object',
    description: 'RFC 9457 problem details, with the members that the seeds’ clients look for.',
    required: ['type', 'title', 'status', 'detail', 'instance', 'code', 'statusCode', 'message', 'error', 'traceId'],
    properties: {
      type: text,
      title: text,
      status: { type: 'integer' },
      detail: text,
      instance: text,
      code: { type: 'string', enum: Object.keys(errorCatalogue) },
      statusCode: { type: 'integer' },
      message: text,
      error: text,
      traceId: text,
      invalidFields: {
        type: 'array',
        items: { type: 'object', required: ['field', 'message'], properties: { field: text, message: text } },
      },
    },
  }
}

function oauthErrorSchema(): Json {
  const text = { type: 'string' }
  return {
    title: 'OAuthErrorBody',
    type: 'object',
    description: 'RFC 6749 section 5.2, with the members of the host’s other errors.',
    required: ['error', 'error_description', 'code', 'statusCode', 'message', 'traceId'],
    properties: {
      error: text,
      error_description: text,
      code: { type: 'string', enum: Object.keys(errorCatalogue) },
      statusCode: { type: 'integer' },
      message: text,
      traceId: text,
    },
  }
}

/** A schema without TypeBox's own hidden members. */
function plain(schema: TSchema): Json {
  return JSON.parse(JSON.stringify(schema)) as Json
}

/** Moves every schema that has a title to the components and refers to it there, so that documentation and client name it. */
function hoist(value: unknown, components: Record<string, Json>): unknown {
  if (Array.isArray(value)) return value.map((each) => hoist(each, components))
  if (typeof value !== 'object' || value === null) return value
  const copy = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, hoist(each, components)]))
  if (typeof copy.title !== 'string' || copy.type === undefined || !/^\w+$/.test(copy.title)) return copy
  components[copy.title] = copy
  return reference('schemas', copy.title)
}

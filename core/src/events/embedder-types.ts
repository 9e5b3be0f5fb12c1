import type { Catalogue } from '../access/index.ts'
import type { Config } from '../config.ts'
import { environments } from '../context.ts'
import { createSchemaCompiler, Id, Nullable, OneOf, StoaError, Time, Type, type TSchema } from '../kernel/index.ts'
import { eventCatalogue } from './catalogue.ts'
import { embedderBody } from './embedder-body.ts'
import type { EventTypeDefinition } from './event-types.ts'
import { exampleIds, exampleTime } from './types/own-type.ts'

type ConfiguredType = Config['eventTypes'][number]

/**
 * The embedder's own types of events, from `config.eventTypes`. Their schemas are the operator's own, so nothing of what bounds
 * those of strangers applies to them.
 *
 * @throws StoaError `invalid_request` that says which type is wrong: a schema that does not compile, an example that does not
 *   fit it, or a name that is taken.
 */
export function embedderTypes(types: Config['eventTypes']): EventTypeDefinition[] {
  const taken = new Set<string>(Object.keys(eventCatalogue))
  return types.map((each, index) => {
    const refuse = (reason: string) => refuseType(index, each.type, reason)
    if (Object.hasOwn(eventCatalogue, each.type))
      throw refuse('is an event type of the host’s own; choose another name')
    if (taken.has(each.type)) throw refuse('is defined twice')
    taken.add(each.type)
    return defineType(each, refuse)
  })
}

function defineType(configured: ConfiguredType, refuse: (reason: string) => StoaError): EventTypeDefinition {
  const { type, version, sentence, schema, example: data, permission } = configured
  const payload = bodySchema(type, schema as TSchema)
  const example = embedderBody({
    type,
    timestamp: exampleTime,
    organizationId: exampleIds.organization,
    locationId: exampleIds.location,
    environment: 'production',
    data,
  })
  // Compilers of its own for each type: the schemas may have the same $id, and none knows of the others.
  const complaint = whatIsWrong(schema as TSchema, data) ?? whatIsWrong(payload, example)
  if (complaint !== null) throw refuse(complaint)
  return {
    type,
    version,
    sentence,
    payload,
    example,
    audience: permission === null ? ['organization'] : ['organization', 'installations'],
    permission,
    publishedBy: 'embedder',
  }
}

function bodySchema(type: string, schema: TSchema): TSchema {
  return Type.Object({
    type: Type.Literal(type),
    timestamp: Time(),
    organizationId: Id('The organization it happened in.'),
    locationId: Nullable(Id('The location it happened at.')),
    environment: OneOf(environments),
    // With an id of its own, so that `#/definitions/…` in it still means its own definitions.
    data: { $id: `urn:stoa:event-type:${type}`, ...schema },
  })
}

function whatIsWrong(schema: TSchema, example: unknown): string | null {
  try {
    const refusal = createSchemaCompiler().response(schema)(example)
    if (!refusal) return null
    return `has an example that does not fit its schema: ${refusal.fields.map(({ field, message }) => `${field} ${message}`).join('; ')}`
  } catch (error) {
    return `has a schema that is no JSON Schema (draft 7): ${(error as Error).message}`
  }
}

/**
 * Checks that the types can be received with the permissions they name; called once all permissions are known.
 *
 * @throws StoaError `invalid_request` for a permission that does not exist, or that no application can ask for.
 */
export function checkTypePermissions(config: Pick<Config, 'eventTypes'>, catalogue: Catalogue): void {
  for (const [index, { type, permission }] of config.eventTypes.entries()) {
    if (permission === null) continue
    const known = catalogue.all().find(({ name }) => name === permission)
    if (!known) throw refuseType(index, type, `names the permission ${permission}, which does not exist`)
    if (known.applications) continue
    throw refuseType(index, type, `names the permission ${permission}, which no application can ask for`)
  }
}

function refuseType(index: number, type: string, reason: string): StoaError {
  const message = `Configuration refused: eventTypes.${index}: ${type} ${reason}.`
  return new StoaError('invalid_request', {
    message,
    invalidFields: [{ field: `eventTypes.${index}`, message: reason }],
  })
}

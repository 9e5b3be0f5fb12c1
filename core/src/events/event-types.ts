import { createSchemaCompiler, type TSchema, type Validator } from '../kernel/index.ts'

/** Whose endpoints may receive a type of event. */
export type Audience = (typeof audiences)[number]
export const audiences = [
  /** The publisher of the application it concerns. */
  'publisher',
  /** The organization in which it happened. */
  'organization',
  /** Applications that are installed where it happened and were granted the type's permission. */
  'installations',
] as const

/** A type of event: what it tells, for people, and what its body looks like. */
export interface EventTypeDefinition {
  type: string
  /** Counts up when the schema changes in a way that readers notice. */
  version: number
  sentence: string
  payload: TSchema
  /** A body as it is sent; fits the schema. */
  example: object
  audience: readonly Audience[]
  /** The permission with which an application may receive it where it is installed; null for no application. */
  permission: string | null
  /** Whether slices of the host publish it, the embedder's code by `host.publish`, or either. */
  publishedBy: 'host' | 'embedder' | 'either'
}

/** The types of events of one host: its own and those the embedder registered. */
export interface EventTypes {
  all(): EventTypeDefinition[]
  find(type: string): EventTypeDefinition | null
  /** What is wrong with a payload, in a sentence; null when it is what the catalogue says. */
  complaintAbout(type: string, payload: object): string | null
}

/** @throws TypeError when a type is defined twice. */
export function createEventTypes(definitions: EventTypeDefinition[]): EventTypes {
  const schemas = createSchemaCompiler()
  const byType = new Map<string, EventTypeDefinition>()
  for (const definition of definitions) {
    if (byType.has(definition.type)) throw new TypeError(`The event type ${definition.type} is defined twice`)
    byType.set(definition.type, definition)
  }
  // Compiled at their first use, since most hosts never check.
  const validators = new Map<string, Validator>()
  return {
    all: () => [...byType.values()],
    find: (type) => byType.get(type) ?? null,
    complaintAbout(type, payload) {
      const definition = byType.get(type)
      if (!definition) return `There is no event type ${type}`
      let validator = validators.get(type)
      if (!validator) {
        validator = schemas.response(definition.payload)
        validators.set(type, validator)
      }
      const refusal = validator(JSON.parse(JSON.stringify(payload)))
      if (!refusal) return null
      const list = refusal.fields.map(({ field, message }) => `${field} ${message}`).join('; ')
      return `The payload of ${type} is not what the catalogue says: ${list}`
    },
  }
}

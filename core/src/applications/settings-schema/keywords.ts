import { type JsonObject, isPlainObject } from './json-value.ts'

/** The JSON Schema drafts that applications may write. */
export type Draft = 4 | 6 | 7

const singleKeywords = ['additionalItems', 'additionalProperties', 'contains', 'else', 'if', 'items', 'not']
const listKeywords = ['allOf', 'anyOf', 'items', 'oneOf']

/** Keywords whose value is an object of subschemas. */
export const mapKeywords: readonly string[] = [
  '$defs',
  'definitions',
  'dependencies',
  'patternProperties',
  'properties',
]

/** Keywords whose value is one subschema. */
export const schemaKeywords: readonly string[] = [...singleKeywords, 'propertyNames', 'then']

/** Keywords whose subschemas describe the same value as the schema they stand in. */
export const inPlaceKeywords: readonly string[] = ['allOf', 'anyOf', 'dependencies', 'else', 'if', 'oneOf', 'then']

/** Assertions without subschemas. With the keywords above, all that is ever given to Ajv. */
const assertionKeywords: readonly string[] = [
  ...['type', 'enum', 'const', 'multipleOf', 'maximum', 'minimum', 'exclusiveMaximum', 'exclusiveMinimum'],
  ...['maxLength', 'minLength', 'pattern', 'format', 'maxItems', 'minItems', 'uniqueItems'],
  ...['maxProperties', 'minProperties', 'required'],
]

const firstDraft: Record<string, Draft> = { const: 6, contains: 6, propertyNames: 6, if: 7, then: 7, else: 7 }

function isKnownTo(draft: Draft, keyword: string): boolean {
  return draft >= (firstDraft[keyword] ?? 4)
}

/** The schema without its subschemas and without annotations and keywords that its draft does not define. */
export function pickAssertions(schema: JsonObject, draft: Draft): JsonObject {
  const picked: JsonObject = {}
  for (const keyword of assertionKeywords) {
    if (Object.hasOwn(schema, keyword) && isKnownTo(draft, keyword)) picked[keyword] = schema[keyword]
  }
  return picked
}

/** Whether the keyword says something about settings, so that a schema which has it is not a bare map of settings. */
export function isStructuralKeyword(keyword: string): boolean {
  return [...schemaKeywords, ...listKeywords, ...mapKeywords, ...assertionKeywords, '$ref'].includes(keyword)
}

export interface Subschema {
  keyword: string
  /** Position under the keyword: a property name, an index, or undefined when the keyword holds one schema. */
  key: string | undefined
  schema: unknown
}

/** The direct subschemas of a schema, unchecked: what stands there may be anything. */
export function listSubschemas(schema: JsonObject, draft: Draft): Subschema[] {
  const found: Subschema[] = []
  const own = (keyword: string): unknown =>
    Object.hasOwn(schema, keyword) && isKnownTo(draft, keyword) ? schema[keyword] : undefined
  for (const keyword of schemaKeywords) {
    const value = own(keyword)
    if (value !== undefined && !Array.isArray(value)) found.push({ keyword, key: undefined, schema: value })
  }
  for (const keyword of listKeywords) {
    const value = own(keyword)
    if (Array.isArray(value)) value.forEach((item, index) => found.push({ keyword, key: String(index), schema: item }))
  }
  for (const keyword of mapKeywords) {
    const value = own(keyword)
    if (!isPlainObject(value)) continue
    for (const key of Object.keys(value)) {
      const isPropertyList = keyword === 'dependencies' && Array.isArray(value[key])
      if (!isPropertyList) found.push({ keyword, key, schema: value[key] })
    }
  }
  return found
}

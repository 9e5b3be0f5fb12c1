import { type JsonObject, isEmptyArray, isPlainObject } from './json-value.ts'
import { mapKeywords, schemaKeywords } from './keywords.ts'
import { limits } from './limits.ts'

const schemaListKeywords = ['allOf', 'anyOf', 'oneOf', 'items']

/**
 * Turns the `[]` that PHP writes for an empty object back into `{}`, wherever a schema or a map of schemas is due, and in
 * the default of an object. Everything else is returned as it is; the input is not changed. Safe before vetting: what is
 * nested deeper than a schema may be is left alone, for vetSettingsSchema to refuse.
 */
export function normaliseSettingsSchema(schema: unknown): unknown {
  return normaliseSchema(schema, 0)
}

function normaliseSchema(schema: unknown, depth: number): unknown {
  if (isEmptyArray(schema)) return {}
  if (!isPlainObject(schema) || depth > limits.schemaJsonDepth) return schema
  const entries = Object.entries(schema).map(([keyword, value]): [string, unknown] => {
    if (mapKeywords.includes(keyword)) return [keyword, normaliseMap(value, keyword, depth)]
    if (schemaListKeywords.includes(keyword) && Array.isArray(value) && value.length > 0) {
      return [keyword, value.map((item) => normaliseSchema(item, depth + 1))]
    }
    if (schemaKeywords.includes(keyword)) return [keyword, normaliseSchema(value, depth + 1)]
    if (keyword === 'default' && schema['type'] === 'object' && isEmptyArray(value)) return [keyword, {}]
    return [keyword, value]
  })
  // fromEntries defines properties, so that a `__proto__` key stays a key, for vetting to refuse.
  return Object.fromEntries(entries)
}

function normaliseMap(map: unknown, keyword: string, depth: number): unknown {
  if (isEmptyArray(map)) return {}
  if (!isPlainObject(map)) return map
  const normalise = (value: unknown): unknown =>
    // In `dependencies` an empty list is a value of its own: depends on nothing.
    keyword === 'dependencies' && isEmptyArray(value) ? value : normaliseSchema(value, depth + 1)
  return Object.fromEntries(Object.entries(map).map(([key, value]): [string, unknown] => [key, normalise(value)]))
}

/** The settings object in what a client sent: an object is itself, PHP's `[]` is `{}`, anything else is undefined. */
export function toSettingsObject(value: unknown): JsonObject | undefined {
  if (isEmptyArray(value)) return {}
  return isPlainObject(value) ? value : undefined
}

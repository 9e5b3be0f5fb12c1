import { Type, type Static, type TSchema } from 'typebox'
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import addFormatsModule from 'ajv-formats'
import type { InvalidField } from '@stoa/sdk/contract'
import { idMaxLength, idPattern } from './ids.ts'
import { notATime, readTime } from './read-time.ts'

export { Type, type Static, type TSchema }

// ajv-formats is CommonJS: under Node's ESM its function is the module's `default` member.
const formats = addFormatsModule as unknown as FormatsPlugin
type FormatsPlugin = ((ajv: Ajv) => Ajv) & { get(name: string): { validate(text: string): boolean } }
const isDateTime = formats.get('date-time')

/** Formats of texts. A time is one that the host can read and keep: ajv takes leap seconds and the year 0 for times too. */
const addFormats = (ajv: Ajv): Ajv =>
  formats(ajv).addFormat('date-time', (text: string) => isDateTime.validate(text) && readTime(text) !== null)

/** An identifier in a body. In paths and queries it arrives as text anyway. */
export const Id = (description?: string) =>
  Type.String({
    minLength: 1,
    maxLength: idMaxLength,
    pattern: idPattern,
    examples: ['01a1ff50919a7ee88951eddf34997d04'],
    ...(description && { description }),
  })
/** An ISO 8601 time with its zone, of the years 1 to 9999 in UTC. */
export const Time = (description?: string) => Type.String({ format: 'date-time', ...(description && { description }) })
export const Nullable = <T extends TSchema>(schema: T, options: { default?: null; description?: string } = {}) =>
  Type.Union([schema, Type.Null()], options)
/** One of a few literal words. TypeBox's union of literals would render as anyOf; clients read `enum` better. */
export const OneOf = <const T extends string>(values: readonly T[], options: object = {}) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], ...options })

/** A request object: members nobody declared are refused, so that a misspelt one is noticed. */
export const Strict = <const T extends Record<string, TSchema>>(properties: T, options: object = {}) =>
  Type.Object(properties, { additionalProperties: false, ...options })

export type Validator = (value: unknown) => Refusal | null
export interface Refusal {
  fields: InvalidField[]
  /** True when nothing is wrong but absent members; some surfaces answer that with another status. */
  onlyMissing: boolean
}

export interface SchemaCompiler {
  /** Bodies: nothing is coerced. */
  body(schema: TSchema): Validator
  /** Parameters, queries and headers are text: coerced, on an object the caller made for this. */
  text(schema: TSchema): Validator
  /** Responses: as bodies, members beyond the schema allowed. */
  response(schema: TSchema): Validator
}

/** Ajv instances for the host's own schemas. Schemas of strangers never meet these. */
export function createSchemaCompiler(): SchemaCompiler {
  const bodies = twins({ useDefaults: true })
  const texts = twins({ useDefaults: true, coerceTypes: 'array' })
  const responses = twins({})
  const finite = (schema: TSchema): Validator => {
    const validate = texts(schema)
    return (value) => validate(value) ?? refuseInfinite(value)
  }
  return { body: bodies, text: finite, response: responses }
}

// Ajv reads `1e400` as an integer, which is infinite, and applies no minimum or maximum to it.
function refuseInfinite(value: unknown): Refusal | null {
  const members = Object.entries(value as Record<string, unknown>)
  const wrong = members.filter(([, member]) => [member].flat().some((each) => each === Infinity || each === -Infinity))
  if (wrong.length === 0) return null
  return { fields: wrong.map(([field]) => ({ field, message: 'must be a finite number' })), onlyMissing: false }
}

// Two instances: the first stops at the first error and serves every good request; the second, slower, lists all errors and
// runs only when the first refused.
function twins(options: { useDefaults?: boolean; coerceTypes?: 'array' }) {
  const shared = { strict: true, strictTypes: false, verbose: true, ...options }
  const fast = addFormats(new Ajv(shared))
  const thorough = addFormats(new Ajv({ ...shared, allErrors: true }))
  return (schema: TSchema): Validator => {
    const quick = fast.compile(schema)
    let full: ValidateFunction | undefined
    return (value) => {
      if (quick(value)) return null
      // A long list of nothing but errors costs a hundred times what reading it did.
      if (sizeOf(value, mostValues) >= mostValues) return refusalOf(quick.errors ?? [])
      full ??= thorough.compile(schema)
      full(value)
      return refusalOf(full.errors ?? quick.errors ?? [])
    }
  }
}

const mostFields = 50
const mostValues = 2000

/** How many values there are in a value, counted as far as `enough`. */
function sizeOf(value: unknown, enough: number): number {
  let size = 0
  const left = [value]
  while (left.length > 0 && size < enough) {
    const next = left.pop()
    size++
    if (typeof next === 'object' && next !== null) left.push(...Object.values(next).slice(0, enough))
  }
  return size
}

function refusalOf(errors: ErrorObject[]): Refusal {
  const fields = new Map<string, string>()
  for (const error of errors.slice(0, mostFields)) {
    const path = error.instancePath.split('/').slice(1).map(unescapePointer)
    const field = [...path, ...memberOf(error)].join('.') || 'body'
    if (!fields.has(field)) fields.set(field, sentence(error))
  }
  return {
    fields: [...fields].map(([field, message]) => ({ field, message })),
    onlyMissing: errors.length > 0 && errors.every((error) => error.keyword === 'required'),
  }
}

function memberOf(error: ErrorObject): string[] {
  const params = error.params as { missingProperty?: string; additionalProperty?: string }
  const member = params.missingProperty ?? params.additionalProperty
  return member === undefined ? [] : [member]
}

function sentence(error: ErrorObject): string {
  if (error.keyword === 'required') return 'is required'
  if (error.keyword === 'additionalProperties') return 'is not a known member'
  if (error.keyword === 'enum')
    return `must be one of ${(error.params as { allowedValues: unknown[] }).allowedValues.join(', ')}`
  if (error.keyword === 'format' && (error.params as { format: string }).format === 'date-time') return notATime
  if (error.keyword === 'minItems' || error.keyword === 'maxItems') return itemsSentence(error)
  return error.message ?? 'is invalid'
}

/** Both bounds, whichever was passed. The schema and the value are there because of ajv's `verbose`. */
function itemsSentence({ parentSchema, data }: ErrorObject): string {
  const { minItems, maxItems } = parentSchema as { minItems?: number; maxItems?: number }
  const { length } = data as unknown[]
  const most = maxItems === 1 ? '1 item' : `${maxItems} items`
  if (minItems === undefined) return `must have at most ${most}, not ${length}`
  if (maxItems !== undefined) return `must have ${minItems} to ${most}, not ${length}`
  return `must have at least ${minItems === 1 ? '1 item' : `${minItems} items`}, not ${length}`
}

function unescapePointer(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~')
}

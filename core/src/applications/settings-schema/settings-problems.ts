import type { ErrorObject } from 'ajv'
import { dotPath, isPlainObject, valueAt } from './json-value.ts'
import { type FieldProblem, limits } from './limits.ts'

/** A FieldProblem of settings. `missing`: nothing is wrong with what is there, something is still to be entered. */
export interface SettingsProblem extends FieldProblem {
  missing: boolean
}

const missingKeywords = new Set(['required', 'dependencies', 'minProperties'])

/** Whether an error says that something is absent. */
export function isMissingError(error: ErrorObject): boolean {
  return missingKeywords.has(error.keyword)
}

/**
 * Whether an error says that several of the forms of a `oneOf` match where only one may. Something was entered that should
 * go then, unless nothing was entered yet: an empty object matches everything that is optional.
 */
export function isAmbiguous(error: ErrorObject, values: unknown): boolean {
  if (error.keyword !== 'oneOf' || !Array.isArray(error.params['passingSchemas'])) return false
  const entered = valueAt(values, keysOf(error))
  return entered !== undefined && !(isPlainObject(entered) && Object.keys(entered).length === 0)
}

/** Keys of the place an Ajv error is about, the missing, unknown or misnamed property included. */
export function keysOf(error: ErrorObject): string[] {
  const keys = error.instancePath
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
  const { missingProperty, additionalProperty } = error.params as Record<string, unknown>
  const property = missingProperty ?? additionalProperty ?? error.propertyName
  return typeof property === 'string' ? [...keys, property] : keys
}

/** Turns Ajv errors into problems: one per place and message, at most 50. They never carry the value that was refused. */
export function describeErrors(errors: readonly ErrorObject[], missing: boolean): SettingsProblem[] {
  const problems = new Map<string, SettingsProblem>()
  for (const error of errors) {
    const field = dotPath(keysOf(error))
    const message = describeError(error)
    problems.set(`${field}\n${message}`, { field, message, missing })
    if (problems.size >= limits.problems) break
  }
  return [...problems.values()]
}

function describeError({ keyword, params, message }: ErrorObject): string {
  switch (keyword) {
    case 'required':
      return 'Enter a value: this setting is required'
    case 'dependencies':
      return `Enter a value: this setting is required together with ${shorten(params['property'])}`
    case 'additionalProperties':
      return 'Remove it: there is no such setting'
    case 'false schema':
      return 'Remove it: this setting is not allowed'
    case 'type':
      return `Must be of type ${[params['type']].flat().join(' or ')}`
    case 'enum':
      return `Must be one of ${listValues(params['allowedValues'])}`
    case 'const':
      return `Must be ${listValues([params['allowedValue']])}`
    case 'uniqueItems':
      return 'Must not contain the same item twice'
    case 'anyOf':
    case 'oneOf':
      return 'Must have one of the forms that the application allows'
    default:
      return message ? `${message.charAt(0).toUpperCase()}${message.slice(1)}` : 'Is not what the application allows'
  }
}

function listValues(values: unknown): string {
  const list = Array.isArray(values) ? values : []
  const shown = list.slice(0, 10).map((value) => shorten(JSON.stringify(value)))
  return shown.join(', ') + (list.length > shown.length ? ', …' : '')
}

function shorten(value: unknown): string {
  const text = typeof value === 'string' ? value : ''
  return text.length > 80 ? `${text.slice(0, 79)}…` : text
}

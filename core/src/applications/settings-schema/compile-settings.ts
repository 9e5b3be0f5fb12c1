import type { ErrorObject } from 'ajv'
import { type Strictness, cleanDocument } from './clean-schema.ts'
import { createAjv } from './create-ajv.ts'
import { createDefaultsBudget, fillDefaults } from './fill-defaults.ts'
import { findSecrets } from './find-secrets.ts'
import { inspectSchema } from './inspect-schema.ts'
import { type JsonObject, measureJson } from './json-value.ts'
import { limits } from './limits.ts'
import { measureCheckWork } from './measure-check-work.ts'
import { toSettingsObject } from './normalise-settings-schema.ts'
import { createPatternEngine } from './pattern-engine.ts'
import type { SchemaTree } from './schema-tree.ts'
import { type SettingsProblem, describeErrors, isAmbiguous, isMissingError } from './settings-problems.ts'

export interface CompiledSettings {
  /** Property names from the settings object down to each secret. None is inside another. */
  secretPaths: string[][]
  /**
   * What is wrong with these settings, defaults taken into account; at most 50 problems. If all of them are `missing` the
   * settings are merely incomplete. Values of any size and depth are fine to pass; `[]` is taken for `{}`.
   */
  check(values: unknown): SettingsProblem[]
  /** The settings with the defaults of absent ones, for reading; the input is not changed. Pass checked settings. */
  withDefaults(values: JsonObject): JsonObject
  /** Whether nothing is missing and nothing is wrong. */
  isConfigured(values: unknown): boolean
}

interface Pass {
  ok: boolean
  isExhausted: boolean
  errors: ErrorObject[]
}

/** @throws Error when the schema would not pass vetSettingsSchema. */
export function compileSettings(schema: object): CompiledSettings {
  const { problems, tree, costs } = inspectSchema(schema)
  const secrets = tree && problems.length === 0 ? findSecrets(tree) : { paths: [], problems }
  const [problem] = secrets.problems
  if (!tree || problem) {
    throw new Error(`The settings schema was not vetted: ${problem?.field ?? ''}: ${problem?.message ?? ''}`)
  }
  const cost = costs.get(tree.root) ?? 0
  const strict = createValidator(tree, 'strict', false)
  // For the messages only, so compiled when there is the first one to give.
  const strictReport = once(() => createValidator(tree, 'strict', true))
  const lenientReport = once(() => createValidator(tree, 'lenient', true))

  const check = (values: unknown): SettingsProblem[] => {
    const settings = prepare(tree, cost, values)
    if (Array.isArray(settings)) return settings
    const first = strict(settings)
    if (first.isExhausted) return [tooCostly]
    if (first.ok) return []
    const wrong = lenientReport()(settings)
    const all = strictReport()(settings)
    if (wrong.isExhausted || all.isExhausted) return [tooCostly]
    const missing = describeErrors(all.errors.filter(isMissingError), true)
    const wrongErrors = [...wrong.errors, ...all.errors.filter((error) => isAmbiguous(error, values))]
    if (wrongErrors.length > 0) return [...describeErrors(wrongErrors, false), ...missing].slice(0, limits.problems)
    return missing.length > 0 ? missing : describeErrors(all.errors, true)
  }
  return {
    secretPaths: secrets.paths,
    check,
    withDefaults: (values) => fillDefaults(tree.root, values, createDefaultsBudget()) as JsonObject,
    isConfigured: (values) => {
      const settings = prepare(tree, cost, values)
      if (Array.isArray(settings)) return false
      const { ok, isExhausted } = strict(settings)
      return ok && !isExhausted
    },
  }
}

const tooCostly = wrongAsAWhole('Shorten the texts: they are too long to check against the patterns')

function wrongAsAWhole(message: string): SettingsProblem {
  return { field: '', message, missing: false }
}

/** The settings with defaults, within every bound that Ajv relies on; or the reason why they are not. */
function prepare(tree: SchemaTree, cost: number, values: unknown): JsonObject | SettingsProblem[] {
  const settings = toSettingsObject(values)
  if (!settings) return [wrongAsAWhole('Send the settings as a JSON object')]
  const bounds = { bytes: limits.settingsBytes, depth: limits.settingsDepth, subject: 'the settings' }
  const size = measureJson(settings, bounds)
  if (size.problem) return [{ ...size.problem, missing: false }]
  const tooMuch = [
    wrongAsAWhole('Send fewer or shorter settings: together with the schema they take too long to check'),
  ]
  if (measureCheckWork(cost, size) > limits.checkWork) return tooMuch

  const budget = createDefaultsBudget()
  const filled = fillDefaults(tree.root, settings, budget) as JsonObject
  if (budget.left < 0) return [wrongAsAWhole('Send fewer items: their defaults make the settings too large')]
  if (filled === settings) return settings
  const filledBounds = { ...bounds, bytes: limits.settingsBytes + limits.defaultsBytes, depth: limits.schemaJsonDepth }
  const filledSize = measureJson(filled, filledBounds)
  return filledSize.problem || measureCheckWork(cost, filledSize) > limits.checkWork ? tooMuch : filled
}

function createValidator(tree: SchemaTree, strictness: Strictness, allErrors: boolean): (value: JsonObject) => Pass {
  const engine = createPatternEngine()
  const validate = createAjv(tree.draft, engine, { meta: false, allErrors }).compile(cleanDocument(tree, strictness))
  return (value) => {
    engine.start()
    // Not truthiness: an asynchronous validator would return a promise, which is truthy.
    const ok = (validate(value) as unknown) === true
    const errors = validate.errors ?? []
    // Ajv would keep them on the cached validator until the next check.
    validate.errors = null
    return { ok, isExhausted: engine.isExhausted(), errors }
  }
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => (made ??= { value: make() }).value
}

import { createRequire } from 'node:module'
import { Ajv, type AnySchemaObject, type Options } from 'ajv'
import ajvDraft04 from 'ajv-draft-04'
import ajvFormats from 'ajv-formats'
import { canonicalJson } from './json-value.ts'
import type { Draft } from './keywords.ts'
import type { PatternEngine } from './pattern-engine.ts'

// `url` is missing on purpose: it is quadratic. `regex` is not a setting anyone asked for, and compiles what it is given.
const formatNames = [
  ...['date', 'time', 'date-time', 'iso-time', 'iso-date-time', 'duration', 'uri', 'uri-reference', 'uri-template'],
  ...[
    'email',
    'hostname',
    'ipv4',
    'ipv6',
    'uuid',
    'json-pointer',
    'json-pointer-uri-fragment',
    'relative-json-pointer',
  ],
  ...['byte', 'int32', 'int64', 'float', 'double', 'password', 'binary'],
] as const

const options: Options = {
  strict: false,
  logger: false,
  // Without it `required: ['toString']` is met by every object.
  ownProperties: true,
  // Inlining writes a `$ref` target out once per use: 150 references to 150 properties made 22 000 lines of code.
  inlineRefs: false,
  // 19.99 is a multiple of 0.01 although the division says 1998.9999999999998.
  multipleOfPrecision: 9,
}

/**
 * A fresh validator instance. One per schema, never shared: on a shared one two applications with the same `$id` collide,
 * and `addUsedSchema: false` is no way out because it breaks `$ref: '#…'`.
 */
export function createAjv(draft: Draft, engine: PatternEngine, mode: { meta: boolean; allErrors: boolean }): Ajv {
  const all: Options = {
    ...options,
    allErrors: mode.allErrors,
    meta: mode.meta && draft !== 6,
    validateSchema: false,
    // Optimising the generated code takes three times longer than the rest of the compilation.
    code: { regExp: engine.regExp, optimize: false },
  }
  const ajv = draft === 4 ? (new ajvDraft04.default(all) as Ajv) : new Ajv(all)
  if (mode.meta && draft === 6) ajv.addMetaSchema(readDraft06())
  for (const name of formatNames) ajv.addFormat(name, ajvFormats.default.get(name))
  // The built-in one compares every pair, and with allErrors also when maxItems has already failed.
  ajv.removeKeyword('uniqueItems')
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    compile: (isOn: boolean) => (items: unknown[]) => !isOn || new Set(items.map(canonicalJson)).size === items.length,
  })
  return ajv
}

function readDraft06(): AnySchemaObject {
  // Not an import: Node 20 prints an experimental warning for JSON modules.
  return createRequire(import.meta.url)('ajv/dist/refs/json-schema-draft-06.json') as AnySchemaObject
}

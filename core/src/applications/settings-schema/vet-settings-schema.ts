import { createAjv } from './create-ajv.ts'
import { cleanDocument, createSchemaCleaner } from './clean-schema.ts'
import { createDefaultsBudget, fillDefaults } from './fill-defaults.ts'
import { findSecrets } from './find-secrets.ts'
import { type Inspection, inspectSchema } from './inspect-schema.ts'
import { type JsonObject, dotPath, measureJson } from './json-value.ts'
import { type FieldProblem, limits } from './limits.ts'
import { measureCheckWork } from './measure-check-work.ts'
import { createPatternEngine } from './pattern-engine.ts'
import { type SchemaTree, fieldOf } from './schema-tree.ts'
import { describeErrors, keysOf } from './settings-problems.ts'

/**
 * Judges the settings schema an application publishes. Nothing is assumed about it: it may be any value, and any hostile
 * schema is refused in bounded time. No problems (at most 50 are named) mean that it can be stored and compiled.
 */
export function vetSettingsSchema(schema: unknown): FieldProblem[] {
  const { problems, tree, costs } = inspectSchema(schema)
  if (!tree) return problems
  const found = [...problems, ...checkMetaSchema(tree)]
  // What follows walks references and runs the schema, so it needs one that is known to be sound.
  if (found.length === 0) found.push(...findSecrets(tree).problems)
  if (found.length === 0) found.push(...checkDefaults(tree, costs))
  if (found.length === 0) found.push(...checkCompilation(tree))
  return found.slice(0, limits.problems)
}

function checkMetaSchema(tree: SchemaTree): FieldProblem[] {
  const ajv = createAjv(tree.draft, createPatternEngine(), { meta: true, allErrors: true })
  // Which draft it is was decided already, and Ajv does not know the https spelling.
  const { $schema: _decided, ...schema } = tree.root.schema
  const check = ajv.getSchema(`http://json-schema.org/draft-0${tree.draft}/schema`)
  if (!check) throw new Error(`The meta-schema of draft ${tree.draft} is not installed`)
  if (check(schema) === true) return []
  const byField = new Map<string, FieldProblem>()
  for (const error of check.errors ?? []) {
    const field = dotPath(keysOf(error))
    const [described] = describeErrors([error], false)
    // The first error of a place says what is wrong; the others are the alternatives that did not apply either.
    if (described && !byField.has(field)) byField.set(field, { field, message: described.message })
  }
  return [...byField.values()]
}

const tooCostly = { field: '', message: 'Shorten the defaults: they take too long to check' }

/** A default is not checked by Ajv; a wrong one would make settings invalid that nobody has entered. */
function checkDefaults(tree: SchemaTree, costs: Inspection['costs']): FieldProblem[] {
  const nodes = [...tree.nodes.values()].filter(({ schema }) => Object.hasOwn(schema, 'default'))
  if (nodes.length === 0) return []
  const bounds = { bytes: 2 * limits.schemaBytes, depth: limits.schemaJsonDepth, subject: 'the defaults' }
  const cleaner = createSchemaCleaner(tree, 'strict', new Set(nodes))
  const properties: JsonObject = {}
  const values: JsonObject = {}
  const budget = createDefaultsBudget()
  let work = 0
  for (const [index, node] of nodes.entries()) {
    const spend = (value: unknown): unknown => {
      work += measureCheckWork(costs.get(node) ?? 0, measureJson(value, bounds))
      return work <= limits.checkWork ? value : undefined
    }
    // Measured before filling and after, which may have made it larger.
    const value = spend(node.schema['default'])
    values[`at${index}`] = value === undefined ? undefined : spend(fillDefaults(node, value, budget))
    if (values[`at${index}`] === undefined || budget.left < 0) return [tooCostly]
    properties[`at${index}`] = cleaner.clean(node)
  }
  const engine = createPatternEngine()
  const ajv = createAjv(tree.draft, engine, { meta: false, allErrors: true })
  const check = ajv.compile({ properties, definitions: cleaner.definitions })
  if (check(values) === true && !engine.isExhausted()) return []
  const refused = new Set((check.errors ?? []).map((error) => keysOf(error)[0]))
  const wrong = nodes.filter((_, index) => refused.has(`at${index}`))
  if (wrong.length === 0) return [tooCostly]
  return wrong.map((node) => ({
    field: fieldOf(node, 'default'),
    message: 'Change the default to one that its own schema allows',
  }))
}

/** The last word is Ajv's: whatever it cannot compile must not be found out by the first merchant who opens the settings. */
function checkCompilation(tree: SchemaTree): FieldProblem[] {
  try {
    const ajv = createAjv(tree.draft, createPatternEngine(), { meta: false, allErrors: false })
    ajv.compile(cleanDocument(tree, 'strict'))
    return []
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown reason'
    return [{ field: '', message: `Correct the schema, it does not compile: ${reason.slice(0, 200)}` }]
  }
}

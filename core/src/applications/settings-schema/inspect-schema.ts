import { type JsonObject, isPlainObject, measureJson } from './json-value.ts'
import { type Draft, isStructuralKeyword } from './keywords.ts'
import { type FieldProblem, limits } from './limits.ts'
import { inspectNode } from './inspect-node.ts'
import { inspectPatterns } from './inspect-patterns.ts'
import { normaliseSettingsSchema } from './normalise-settings-schema.ts'
import { measureExpansion } from './measure-expansion.ts'
import { type SchemaNode, type SchemaTree, readSchemaTree } from './schema-tree.ts'

export interface Inspection {
  problems: FieldProblem[]
  /** The normalised schema as a tree; undefined when the problems are such that nobody should walk it. */
  tree: SchemaTree | undefined
  /** Per subschema: how many there are in it once every reference is written out. */
  costs: Map<SchemaNode, number>
}

/**
 * Everything about a schema that can be judged without running Ajv, in linear time: size, shape, references, patterns. Only
 * a schema without problems here may be given to Ajv or walked along its references.
 */
export function inspectSchema(input: unknown): Inspection {
  const refuse = (...problems: FieldProblem[]): Inspection => ({ problems, tree: undefined, costs: new Map() })
  const bounds = { bytes: limits.schemaBytes, depth: limits.schemaJsonDepth, subject: 'the settings schema' }
  const { problem } = measureJson(input, bounds)
  if (problem) return refuse(problem)

  const schema = normaliseSettingsSchema(input)
  if (!isPlainObject(schema)) {
    return refuse({
      field: '',
      message: `Write a JSON Schema object: {"type":"object","properties":{…}}, or {} for none`,
    })
  }
  const shape = inspectRoot(schema)
  if (shape) return refuse(shape)
  const draft = findDraft(schema)
  if (draft === undefined) {
    return refuse({ field: '$schema', message: 'Name JSON Schema draft 4, 6 or 7, or leave $schema out for draft 7' })
  }

  const tree = readSchemaTree(schema, draft)
  if (tree.nodes.size > limits.schemaNodes) {
    const message = `Describe fewer settings: ${tree.nodes.size} subschemas are more than ${limits.schemaNodes}`
    return refuse({ field: '', message })
  }
  const expansion = measureExpansion(tree)
  const problems = [...tree.nodes.values()].flatMap((node) => inspectNode(node, tree))
  problems.push(...expansion.problems, ...inspectPatterns(tree))
  return { problems, tree, costs: expansion.costs }
}

function inspectRoot(schema: JsonObject): FieldProblem | undefined {
  const type = schema['type']
  const isObjectType = type === 'object' || (Array.isArray(type) && type.length === 1 && type[0] === 'object')
  // `{"type": {…}}` is a bare map with a setting called type.
  if (type !== undefined && !isObjectType && !isPlainObject(type)) {
    return { field: 'type', message: 'Make it "object": settings are one object, each property of it one setting' }
  }
  // Rebilly writes a whole schema; a bare map of settings would be a schema that says nothing and accepts anything.
  const keys = Object.keys(schema)
  const isBareMap = keys.some((key) => isPlainObject(schema[key])) && !keys.some((key) => isMeaningful(schema, key))
  if (!isBareMap) return undefined
  return { field: '', message: 'Put the settings under properties: {"type":"object","properties":{…}}' }
}

function isMeaningful(schema: JsonObject, key: string): boolean {
  return isStructuralKeyword(key) && !(key === 'type' && isPlainObject(schema[key]))
}

function findDraft(schema: JsonObject): Draft | undefined {
  const uri = schema['$schema']
  if (uri === undefined) return 7
  if (typeof uri !== 'string' || uri.length > 100) return undefined
  const match = /^https?:\/\/json-schema\.org\/draft-0([467])\/schema#?$/.exec(uri)
  return match ? (Number(match[1]) as Draft) : undefined
}

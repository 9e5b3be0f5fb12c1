import type { JsonObject } from './json-value.ts'
import { pickAssertions } from './keywords.ts'
import type { SchemaNode, SchemaTree } from './schema-tree.ts'

/**
 * `strict` is the schema itself. `lenient` is what would remain if everything missing were filled in: it accepts exactly
 * the settings that are incomplete but not wrong, so `required`, `minProperties` and property dependencies go, and
 * "exactly one" becomes "at least one". Conditions (`not`, `if`) stay strict, because weakening them turns them around.
 */
export type Strictness = 'strict' | 'lenient'

export interface SchemaCleaner {
  /** A self-contained schema for one node, without its definitions. */
  clean(node: SchemaNode): JsonObject | boolean
  /** The definitions that everything cleaned so far refers to. */
  definitions: Record<string, JsonObject | boolean>
}

/**
 * Writes vetted subschemas anew from the keywords this module knows, with references to definitions of its own naming.
 * What Ajv would make of annotations, `$id`, `nullable`, `$anchor` or keywords of later drafts then never matters.
 *
 * @param shared nodes to write as definitions even when only nested, so that each is compiled once
 */
export function createSchemaCleaner(
  tree: SchemaTree,
  strictness: Strictness,
  shared: ReadonlySet<SchemaNode> = new Set(),
): SchemaCleaner {
  const definitions: SchemaCleaner['definitions'] = {}
  const names: Record<Strictness, Map<SchemaNode, string>> = { strict: new Map(), lenient: new Map() }

  const refer = (node: SchemaNode, mode: Strictness): JsonObject => {
    let name = names[mode].get(node)
    if (name === undefined) {
      name = `${mode}${names[mode].size}`
      names[mode].set(node, name)
      definitions[name] = write(node, mode)
    }
    return { $ref: `#/definitions/${name}` }
  }
  const writeOrRefer = (node: SchemaNode, mode: Strictness) =>
    shared.has(node) ? refer(node, mode) : write(node, mode)

  const write = (node: SchemaNode, mode: Strictness): JsonObject | boolean => {
    if (typeof node.source === 'boolean') return node.source
    const out = pickAssertions(node.schema, tree.draft)
    if (node.target !== undefined) Object.assign(out, refer(node.target, mode))
    const dependencies = mode === 'strict' ? listPropertyDependencies(node) : {}
    if (Object.keys(dependencies).length > 0) out['dependencies'] = dependencies
    for (const { keyword, key, node: child } of node.children) {
      if (keyword === 'definitions' || keyword === '$defs') continue
      const written = writeOrRefer(child, keyword === 'not' || keyword === 'if' ? 'strict' : mode)
      if (key === undefined) out[keyword] = written
      else if (Array.isArray(node.schema[keyword])) ((out[keyword] ??= []) as unknown[]).push(written)
      else ((out[keyword] ??= {}) as JsonObject)[key] = written
    }
    return mode === 'strict' ? out : loosen(out)
  }
  return { clean: (node) => writeOrRefer(node, strictness), definitions }
}

/** The whole schema, ready for Ajv. */
export function cleanDocument(tree: SchemaTree, strictness: Strictness): JsonObject {
  const cleaner = createSchemaCleaner(tree, strictness)
  const root = cleaner.clean(tree.root) as JsonObject
  return { ...root, definitions: cleaner.definitions }
}

function loosen(schema: JsonObject): JsonObject {
  const { required: _required, minProperties: _minProperties, oneOf, ...rest } = schema
  if (oneOf === undefined) return rest
  return { ...rest, allOf: [...((rest['allOf'] as unknown[] | undefined) ?? []), { anyOf: oneOf }] }
}

function listPropertyDependencies(node: SchemaNode): JsonObject {
  const dependencies = node.schema['dependencies']
  if (typeof dependencies !== 'object' || dependencies === null) return {}
  return Object.fromEntries(Object.entries(dependencies).filter(([, value]) => Array.isArray(value)))
}

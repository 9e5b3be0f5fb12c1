import { type JsonObject, dotPath, isPlainObject } from './json-value.ts'
import { type Draft, listSubschemas } from './keywords.ts'

export interface SchemaNode {
  /** Where it stands in the document. */
  path: readonly string[]
  /** Its keywords; none for a boolean schema. */
  schema: JsonObject
  /** The schema as written: an object or a boolean. */
  source: JsonObject | boolean
  children: { keyword: string; key: string | undefined; node: SchemaNode }[]
  /** What its `$ref` points at, if that is a subschema of the same document. */
  target: SchemaNode | undefined
}

export interface SchemaTree {
  draft: Draft
  root: SchemaNode
  /** By JSON Pointer. Every subschema, the root included, in document order. */
  nodes: Map<string, SchemaNode>
}

/** Dot path of a keyword of a subschema. */
export function fieldOf(node: SchemaNode, ...keys: string[]): string {
  return dotPath([...node.path, ...keys])
}

/**
 * Lays a measured schema out as a tree with its local references resolved. Nothing but this resolves references: the
 * schema given to Ajv has them rewritten, so that Ajv cannot understand one differently from what was vetted.
 */
export function readSchemaTree(schema: JsonObject, draft: Draft): SchemaTree {
  const nodes = new Map<string, SchemaNode>()
  const read = (source: JsonObject | boolean, path: readonly string[]): SchemaNode => {
    const own = typeof source === 'boolean' ? {} : source
    const node: SchemaNode = { path, schema: own, source, children: [], target: undefined }
    nodes.set(pointerOf(path), node)
    for (const { keyword, key, schema: child } of listSubschemas(own, draft)) {
      // Anything else in the place of a schema is left to the meta-schema to name.
      if (typeof child !== 'boolean' && !isPlainObject(child)) continue
      const childPath = key === undefined ? [...path, keyword] : [...path, keyword, key]
      node.children.push({ keyword, key, node: read(child, childPath) })
    }
    return node
  }
  const root = read(schema, [])
  for (const node of nodes.values()) node.target = findTarget(nodes, node.schema['$ref'])
  return { draft, root, nodes }
}

function pointerOf(path: readonly string[]): string {
  return path.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

function findTarget(nodes: Map<string, SchemaNode>, reference: unknown): SchemaNode | undefined {
  if (typeof reference !== 'string' || !reference.startsWith('#')) return undefined
  try {
    return nodes.get(decodeURIComponent(reference.slice(1)))
  } catch {
    return undefined
  }
}

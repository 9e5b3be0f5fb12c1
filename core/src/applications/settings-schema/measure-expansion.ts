import { isPlainObject } from './json-value.ts'
import { type FieldProblem, limits } from './limits.ts'
import { type SchemaNode, type SchemaTree, fieldOf } from './schema-tree.ts'

interface Expansion {
  cost: number
  depth: number
}

/**
 * How large the schema is once every `$ref` is written out, computed without writing it out: each subschema is measured
 * once. A check applies schemas at most cost x values times.
 */
export function measureExpansion(tree: SchemaTree): { costs: Map<SchemaNode, number>; problems: FieldProblem[] } {
  const problems: FieldProblem[] = []
  const known = new Map<SchemaNode, Expansion>()
  const open = new Set<SchemaNode>()

  const measure = (node: SchemaNode): Expansion => {
    const before = known.get(node)
    if (before) return before
    open.add(node)
    const total: Expansion = { cost: weigh(node), depth: 1 }
    const add = (part: Expansion): void => {
      total.cost += part.cost
      total.depth = Math.max(total.depth, part.depth + 1)
    }
    for (const child of node.children) {
      const part = measure(child.node)
      // Definitions cost what refers to them; they are measured here only to find recursion in unused ones too.
      if (child.keyword !== 'definitions' && child.keyword !== '$defs') add(part)
    }
    if (node.target && open.has(node.target)) {
      const message = 'Write the levels out: a $ref that leads back to itself is not supported'
      problems.push({ field: fieldOf(node, '$ref'), message })
    } else if (node.target) add(measure(node.target))
    open.delete(node)
    known.set(node, total)
    return total
  }

  const { cost, depth } = measure(tree.root)
  if (cost > limits.schemaCost) {
    problems.push({ field: '', message: 'Repeat less through $ref: written out, the schema is too large' })
  }
  if (depth > limits.schemaDepth) {
    problems.push({ field: '', message: `Nest at most ${limits.schemaDepth} subschemas, counted through $ref` })
  }
  return { costs: new Map([...known].map(([node, part]) => [node, part.cost])), problems }
}

function weigh({ schema }: SchemaNode): number {
  const { required, dependencies } = schema
  const lists = isPlainObject(dependencies) ? Object.values(dependencies).filter(Array.isArray) : []
  const names = [...lists, ...(Array.isArray(required) ? [required] : [])].reduce((sum, list) => sum + list.length, 0)
  // Comparing with a constant is cheap beside applying a schema.
  return 1 + names + Math.ceil((countValues(schema['enum']) + countValues(schema['const'])) / 16)
}

function countValues(value: unknown): number {
  if (value === undefined) return 0
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce<number>((sum, item) => sum + countValues(item), 1)
}

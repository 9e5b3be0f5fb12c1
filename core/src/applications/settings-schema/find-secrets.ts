import { ownValue, valueAt } from './json-value.ts'
import { inPlaceKeywords } from './keywords.ts'
import type { FieldProblem } from './limits.ts'
import { type SchemaNode, type SchemaTree, fieldOf } from './schema-tree.ts'

/** One subschema met on the way to a setting. The path is undefined below a list, a map or a negation. */
interface Visit {
  path: readonly string[] | undefined
  node: SchemaNode
}

/**
 * Where the secret settings are: `writeOnly: true`, `format: "password"` or `x-secret: true`, in every draft, found through
 * references and in every branch. A setting is secret if any subschema that describes it says so.
 *
 * Refused: secrets without a path of their own (in a list or a map: a mask sent back could not be told which stored value it
 * stands for after a reordering), secrets that are objects or lists, and published values for them.
 */
export function findSecrets(tree: SchemaTree): { paths: string[][]; problems: FieldProblem[] } {
  const visits = listVisits(tree.root)
  const problems: FieldProblem[] = []
  const found = new Map<string, string[]>()
  for (const { path, node } of visits) {
    if (!isSecret(node)) continue
    if (path === undefined || path.length === 0) {
      const message = 'Make the secret a named property of an object: not in a list, a map or a condition that negates'
      problems.push({ field: fieldOf(node), message })
    } else found.set(JSON.stringify(path), [...path])
  }
  const paths = [...found.values()]
  const seen = new Set<string>()
  for (const { path, node } of visits) {
    for (const secret of path ? paths : []) {
      for (const problem of judgeVisit(node, path ?? [], secret)) {
        if (!seen.has(problem.field)) problems.push(problem)
        seen.add(problem.field)
      }
    }
  }
  return { paths, problems }
}

function isSecret({ schema }: SchemaNode): boolean {
  return schema['writeOnly'] === true || schema['format'] === 'password' || schema['x-secret'] === true
}

/** Every subschema with the setting it describes, references followed. As many as the schema costs, so vet that first. */
function listVisits(root: SchemaNode): Visit[] {
  const visits: Visit[] = []
  const visit = (node: SchemaNode, path: readonly string[] | undefined): void => {
    visits.push({ path, node })
    if (node.target) visit(node.target, path)
    for (const { keyword, key, node: child } of node.children) {
      if (keyword === 'definitions' || keyword === '$defs') continue
      if (keyword === 'properties' && key !== undefined) visit(child, path && [...path, key])
      else visit(child, inPlaceKeywords.includes(keyword) ? path : undefined)
    }
  }
  visit(root, [])
  return visits
}

function judgeVisit(node: SchemaNode, path: readonly string[], secret: readonly string[]): FieldProblem[] {
  const shared = Math.min(path.length, secret.length)
  if (path.slice(0, shared).some((key, index) => key !== secret[index])) return []
  if (path.length > secret.length) {
    return [{ field: fieldOf(node), message: 'Mark this one as secret instead of the object around it' }]
  }
  const problems: FieldProblem[] = []
  const rest = secret.slice(path.length)
  for (const keyword of ['default', 'const', 'enum', 'examples']) {
    const value = ownValue(node.schema, keyword)
    const values = Array.isArray(value) && (keyword === 'enum' || keyword === 'examples') ? value : [value]
    if (!values.some((item) => valueAt(item, rest) !== undefined)) continue
    problems.push({
      field: fieldOf(node, keyword),
      message: 'Remove it: the schema is public, the setting is a secret',
    })
  }
  const type = node.schema['type']
  const types = Array.isArray(type) ? type : [type]
  if (rest.length === 0 && (types.includes('object') || types.includes('array'))) {
    problems.push({ field: fieldOf(node, 'type'), message: 'Make a secret text, a number or true/false' })
  }
  return problems
}

import { isPlainObject } from './json-value.ts'
import { mapKeywords } from './keywords.ts'
import { type FieldProblem, limits } from './limits.ts'
import { type SchemaNode, type SchemaTree, fieldOf } from './schema-tree.ts'

/** What is wrong with one subschema taken by itself. */
export function inspectNode(node: SchemaNode, tree: SchemaTree): FieldProblem[] {
  const { schema } = node
  const problems: FieldProblem[] = []
  const refuse = (keyword: string, message: string): void => {
    problems.push({ field: fieldOf(node, keyword), message })
  }
  if (Object.hasOwn(schema, '$async')) refuse('$async', 'Remove it: settings are checked synchronously')
  for (const [keyword, value] of Object.entries(schema)) {
    if (isPlainObject(value) && Object.hasOwn(value, '$data') && !mapKeywords.includes(keyword)) {
      refuse(keyword, 'Write the value itself: references into the data ($data) are not supported')
    }
  }
  const idKeyword = tree.draft === 4 ? 'id' : '$id'
  if (node !== tree.root && Object.hasOwn(schema, idKeyword)) {
    refuse(idKeyword, 'Remove it: refer to a subschema by its place, such as {"$ref":"#/definitions/name"}')
  }
  inspectReference(node, refuse)
  inspectLists(node, refuse)
  if (schema['format'] === 'url') refuse('format', 'Use "uri": the format "url" is too slow to check')
  return problems
}

type Refuse = (keyword: string, message: string) => void

function inspectReference({ schema, target }: SchemaNode, refuse: Refuse): void {
  if (!Object.hasOwn(schema, '$ref') || target !== undefined) return
  const reference = schema['$ref']
  const isLocal = typeof reference === 'string' && reference.startsWith('#')
  refuse(
    '$ref',
    isLocal
      ? 'Point it at a subschema that exists in this document, such as "#/definitions/name"'
      : 'Copy that schema under definitions and write "#/definitions/name": only local references are followed',
  )
}

function inspectLists({ schema }: SchemaNode, refuse: Refuse): void {
  const { enum: values, maxItems } = schema
  if (Array.isArray(values) && values.length > limits.enumValues) {
    refuse('enum', `List at most ${limits.enumValues} values`)
  }
  const isBounded = typeof maxItems === 'number' && maxItems <= limits.uniqueMaxItems
  if (schema['uniqueItems'] === true && !isBounded) {
    refuse('uniqueItems', `Add maxItems of at most ${limits.uniqueMaxItems} beside it`)
  }
}
